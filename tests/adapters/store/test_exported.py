"""What is taken for another farm's export, and what only looks like one."""

import json
from pathlib import Path
from tarfile import GNU_FORMAT, TarInfo

import pytest

from boardgrid.adapters.store.exported import FORMAT, MANIFEST, TREE, exported_in
from boardgrid.model.errors import Code, Invalid

TOLD = json.dumps({"format": FORMAT, "manifest": {"digest": "sha256:0"}}).encode()
SIZE = slice(124, 136)
SUM = slice(148, 156)


def header(name: str, size: int) -> bytes:
    """Of a member; a size below zero is written as GNU tar writes it, to the base 256."""
    member = TarInfo(name)
    member.size = max(size, 0)
    block = bytearray(member.tobuf(GNU_FORMAT))
    if size < 0:
        block[SIZE] = b"\xff" + size.to_bytes(11, "big", signed=True)
    block[SUM] = b" " * 8
    block[SUM] = b"%06o\0 " % sum(block)
    return bytes(block)


def export(manifest_size: int, tree_size: int) -> bytes:
    return header(MANIFEST, manifest_size) + TOLD.ljust(512, b"\0") + header(TREE, tree_size) + bytes(1024)


def test_an_export_is_known_by_its_two_files(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(export(len(TOLD), 100))
    with (tmp_path / "x").open("rb") as file:
        found = exported_in(file.fileno(), "x")
    assert found is not None
    assert (found.told.digest, found.offset, found.size_bytes) == ("sha256:0", 1536, 100)


@pytest.mark.parametrize(
    "told",
    [
        {"labels": {"Bad Name": "x"}}, {"labels": ["x"]}, {"lineage": "older:1"}, {"lineage": [1]},
        {"types": ["new\nline"]}, {"version": "new"}, {"name": {}}, {"lineage": ["x"] * 1000},
        {"manifest": {"digest": "sha256:0", "adapted": [{"name": "no-swap"}]}},
        {"manifest": {"digest": "sha256:0", "without": {"no-swap": 1}}}, {"manifest": []}, {"format": 7},
    ],
)  # fmt: skip
def test_a_manifest_that_tells_nonsense_is_refused(tmp_path: Path, told: dict[str, object]) -> None:
    manifest = json.dumps({**json.loads(TOLD), **told}).encode()
    padded = manifest.ljust(-(-len(manifest) // 512) * 512, b"\0")
    (tmp_path / "x").write_bytes(header(MANIFEST, len(manifest)) + padded + header(TREE, 100) + bytes(1024))
    with (tmp_path / "x").open("rb") as file, pytest.raises(Invalid, match="manifest of the export x cannot be read"):
        exported_in(file.fileno(), "x")


def test_a_tree_of_less_than_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(export(len(TOLD), -5000))
    with (tmp_path / "x").open("rb") as file, pytest.raises(Invalid) as raised:
        exported_in(file.fileno(), "x")
    assert raised.value.code is Code.ARCHIVE_REFUSED


@pytest.mark.parametrize("size", [-1, -512, -5000])
def test_a_manifest_of_less_than_nothing_is_none(tmp_path: Path, size: int) -> None:
    (tmp_path / "x").write_bytes(export(size, 100))
    with (tmp_path / "x").open("rb") as file:
        assert exported_in(file.fileno(), "x") is None
