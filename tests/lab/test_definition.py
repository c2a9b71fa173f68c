"""What may hang on the lab's network."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface
from typing import Any

import pytest

from boardgrid.lab.definition import Definition, Kind
from boardgrid.model.errors import Invalid

SERVER = IPv4Interface("10.77.0.1/24")
GOOD = Definition(name="tk1-1", kind=Kind.UBOOT, mac="52:54:00:00:00:21", address=IPv4Address("10.77.0.21"))
FLASHED = replace(GOOD, kind=Kind.FLASHED, kernel="/b/vmlinuz", initrd="/b/initrd", cmdline="console=ttyAMA0 quiet")


@pytest.mark.parametrize(
    "good",
    [
        GOOD,
        FLASHED,
        replace(GOOD, kind=Kind.UEFI),
        replace(GOOD, kind=Kind.PC),
        Definition(name="admin-1", kind=Kind.UPLINK),
    ],
)
def test_a_good_one_passes(good: Definition) -> None:
    good.check(SERVER)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"name": "../../etc"}, "no name for a board"),
        ({"mac": "52:54:00:00:00:2"}, "its mac is '52:54:00:00:00:2'"),
        ({"mac": "52:54:00:00:00:AA"}, "its mac"),
        ({"mac": "01:54:00:00:00:21"}, "its mac"),
        ({"address": None}, "its address"),
        ({"address": IPv4Address("10.78.0.21")}, "a free one of 10.77.0.0/24"),
        ({"address": IPv4Address("10.77.0.1")}, "its address"),
        ({"address": IPv4Address("10.77.0.255")}, "its address"),
        ({"memory_mib": 4096}, "its memory_mib"),
        ({"kernel": "/vmlinuz"}, "only a flashed board brings its own"),
        ({"kind": Kind.UEFI, "kernel": "/vmlinuz"}, "only a flashed board brings its own"),
        ({"kind": Kind.FLASHED}, "its kernel"),
        ({"kind": Kind.FLASHED, "kernel": "vmlinuz"}, "its kernel"),
        ({"kind": Kind.FLASHED, "kernel": "/a,b"}, "without commas"),
        ({"kind": Kind.FLASHED, "kernel": "/a", "cmdline": "a\nb"}, "plain text"),
        ({"kind": Kind.CABLE, "mac": ""}, "its mac"),
    ],
)
def test_a_wrong_one_is_refused_by_the_name_of_its_key(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(Invalid) as refused:
        replace(GOOD, **change).check(SERVER)
    assert complaint in str(refused.value)
