"""The units of a farm without a supervisor of its own: what systemd itself makes of them."""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "packaging" / "systemd"
SPLIT = sorted([*UNITS.glob("boardgrid-*.service"), *UNITS.glob("boardgrid-*.socket")])
SERVICES = [unit for unit in SPLIT if unit.suffix == ".service"]
NOBODY = 65534 if os.geteuid() == 0 else None  # systemd refuses to be tried by root

each_service = pytest.mark.parametrize("unit", SERVICES, ids=[unit.stem for unit in SERVICES])


def values(unit: Path, key: str) -> list[str]:
    return [word for line in re.findall(rf"^{key}=(.*)$", unit.read_text(), re.MULTILINE) for word in line.split()]


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that everybody may read, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


def enable(unit: str, text: str, folder: Path) -> None:
    file = folder / unit
    file.write_text(text)
    file.chmod(0o644)
    for target in values(file, "WantedBy"):
        wants = folder / f"{target}.wants"
        wants.mkdir(exist_ok=True)
        wants.chmod(0o755)
        (wants / unit).symlink_to(file)


def tried(folder: Path) -> str:
    """What systemd says to itself and to us of a start with the units in *folder*."""
    done = subprocess.run(
        ["/lib/systemd/systemd", "--test", "--system", "--unit=multi-user.target"],
        env={
            "SYSTEMD_UNIT_PATH": f"{folder}:",
            "SYSTEMD_LOG_TARGET": "console",
            "SYSTEMD_LOG_LEVEL": "info",
            "XDG_RUNTIME_DIR": str(folder),
        },
        user=NOBODY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def complaints(said: str, folder: Path) -> list[str]:
    """A key that it does not know is named by file and line."""
    return [line for line in said.splitlines() if "ordering cycle" in line or re.match(rf"{folder}/\S+:\d+: ", line)]


@pytest.mark.slow
@pytest.mark.parametrize("units", [SPLIT, [UNITS / "boardgrid.service"]], ids=["split", "whole"])
def test_a_machine_boots_with_all_of_them(folder: Path, units: list[Path]) -> None:
    enable("nfs-server.service", "[Service]\nExecStart=/bin/true\n", folder)
    for unit in units:
        enable(unit.name, unit.read_text(), folder)
    said = tried(folder)
    assert complaints(said, folder) == []
    for unit in units:
        assert f"Action: {unit.name} -> start" in said


@pytest.mark.slow
def test_a_unit_that_cannot_be_meant_is_complained_of(folder: Path) -> None:
    late = "[Unit]\nAfter=late.service\nWants=late.service\nAftre=x\n[Socket]\nListenStream=/run/x\n"
    enable("early.socket", f"{late}Service=late.service\n[Install]\nWantedBy=sockets.target\n", folder)
    enable("late.service", "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n", folder)
    said = complaints(tried(folder), folder)
    assert any("Unknown key 'Aftre'" in line for line in said)
    assert any("ordering cycle" in line for line in said)


@each_service
def test_what_falls_is_started_again_however_often(unit: Path) -> None:
    assert values(unit, "StartLimitIntervalSec") == ["0"]
    if values(unit, "Type") != ["oneshot"]:
        assert values(unit, "Restart") == ["always"]


@each_service
def test_no_service_is_restarted_because_another_of_ours_is(unit: Path) -> None:
    assert not values(unit, "PartOf") + values(unit, "BindsTo")
    assert not {name for name in values(unit, "Requires") if name.startswith("boardgrid-") and ".service" in name}


@each_service
def test_a_service_waits_for_records_and_tokens(unit: Path) -> None:
    if unit.stem != "boardgrid-prepare":
        assert "boardgrid-prepare.service" in values(unit, "Wants")
        assert "boardgrid-prepare.service" in values(unit, "After")
