"""What is taken for another farm's export, and what only looks like one."""

import json
from pathlib import Path
from tarfile import GNU_FORMAT, TarInfo

import pytest

from boardgrid.adapters.store.exported import FORMAT, MANIFEST, TREE, exported_in, manifest_of
from boardgrid.model.adaptation import Adapted, Moment, names
from boardgrid.model.errand import About
from boardgrid.model.errors import Code, Invalid
from boardgrid.model.image import Kernel, Manifest

DIGEST = "sha256:" + "0" * 64
TOLD = json.dumps({"format": FORMAT, "manifest": {"digest": DIGEST}}).encode()
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


def export_that_tells(told: object) -> bytes:
    manifest = json.dumps(told).encode()
    padded = manifest.ljust(-(-len(manifest) // 512) * 512, b"\0")
    return header(MANIFEST, len(manifest)) + padded + header(TREE, 100) + bytes(1024)


def test_an_export_is_known_by_its_two_files(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(export(len(TOLD), 100))
    with (tmp_path / "x").open("rb") as file:
        found = exported_in(file.fileno(), "x")
    assert found is not None
    assert (found.told.digest, found.offset, found.size_bytes) == (DIGEST, 1536, 100)


@pytest.mark.parametrize(
    "told",
    [
        {"labels": {"Bad Name": "x"}}, {"labels": ["x"]}, {"lineage": "older:1"}, {"lineage": [1]},
        {"types": ["new\nline"]}, {"version": "new"}, {"version": -1}, {"version": 1 << 63}, {"name": {}},
        {"name": "x" * 301}, {"name": "\ud800"}, {"lineage": ["x"] * 21}, {"types": ["x", "x"]},
        {"manifest": {"digest": "sha256:0"}}, {"manifest": {"digest": "\ud800"}}, {"manifest": {"digest": 7}},
        {"manifest": {"digest": DIGEST, "adapted": [{"name": "no-swap"}]}},
        {"manifest": {"digest": DIGEST, "adapted": [{"name": "no-swap", "detail": "x"}] * 2}},
        {"manifest": {"digest": DIGEST, "without": {"no-swap": 1}}},
        {"manifest": {"digest": DIGEST, "without": ["no-swap"] * 2}}, {"manifest": []}, {"format": 7},
    ],
)  # fmt: skip
def test_a_manifest_that_tells_nonsense_is_refused(tmp_path: Path, told: dict[str, object]) -> None:
    (tmp_path / "x").write_bytes(export_that_tells({**json.loads(TOLD), **told}))
    with (
        (tmp_path / "x").open("rb") as file,
        pytest.raises(Invalid, match="x is an export whose manifest cannot be read"),
    ):
        exported_in(file.fileno(), "x")


def test_what_a_farm_tells_of_an_image_is_never_more_than_another_takes(tmp_path: Path) -> None:
    kernels = tuple(Kernel(f"6.1.{number}", "boot/vmlinuz" * 20) for number in range(500))
    adapted = tuple(Adapted(name, "/a/path, " * 500) for name in names(Moment.IMPORT))
    modules = tuple(kernel.release for kernel in kernels)
    manifest = Manifest(DIGEST, DIGEST, 1, 1, 1, "arm64", kernels=kernels, modules=modules, adapted=adapted)
    labels = {f"label-{number}": "x" * 100 for number in range(50)}
    many = tuple(f"one-{number}" for number in range(100))
    (tmp_path / "x").write_bytes(export_that_tells(manifest_of(About("tiny", 1, labels, many, many), manifest)))
    with (tmp_path / "x").open("rb") as file:
        found = exported_in(file.fileno(), "x")
    assert found is not None and found.told.adapted is not None
    assert [one.name for one in found.told.adapted] == list(names(Moment.IMPORT))
    assert found.told.about == About("tiny", 1, dict(sorted(labels.items())), many[:20], many[:20])


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


def test_an_export_without_its_tree_is_no_container(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes((header(MANIFEST, len(TOLD)) + TOLD).ljust(10240, b"\0"))
    with (tmp_path / "x").open("rb") as file, pytest.raises(Invalid, match=r"an export without its tree\.tar\.zst"):
        exported_in(file.fileno(), "x")
