import gzip
import io
import stat
import tarfile
from pathlib import Path

import pytest

from boardgrid.bootware import cpio, tarball
from boardgrid.bootware.tree import Tree


def a_tree() -> Tree:
    tree = Tree()
    tree.file("etc/deep/hello", "hello\n", mode=0o640)
    tree.link("bin/sh", "busybox")
    tree.folder("etc", mode=0o750)
    tree.character_device("dev/console", 5, 1)
    return tree


def newc_members(archive: bytes) -> dict[str, tuple[int, bytes, tuple[int, int]]]:
    """What a kernel would read: mode, content and device of each member."""
    found: dict[str, tuple[int, bytes, tuple[int, int]]] = {}
    at = 0
    while True:
        assert archive[at : at + 6] == b"070701"
        fields = [int(archive[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        name = archive[at + 110 : at + 109 + fields[11]].decode()
        data_at = at + (110 + fields[11] + 3) // 4 * 4
        if name == "TRAILER!!!":
            return found
        found[name] = (fields[1], archive[data_at : data_at + fields[6]], (fields[9], fields[10]))
        at = data_at + (fields[6] + 3) // 4 * 4


def test_a_cpio_archive_holds_what_was_put_into_the_tree() -> None:
    out = io.BytesIO()
    cpio.write(a_tree(), out)
    members = newc_members(out.getvalue())
    assert list(members) == ["bin", "bin/sh", "dev", "dev/console", "etc", "etc/deep", "etc/deep/hello"]
    assert members["etc/deep/hello"] == (stat.S_IFREG | 0o640, b"hello\n", (0, 0))
    assert members["bin/sh"] == (stat.S_IFLNK | 0o777, b"busybox", (0, 0))
    assert members["dev/console"] == (stat.S_IFCHR | 0o600, b"", (5, 1))
    assert members["etc"][0] == stat.S_IFDIR | 0o750


def test_an_empty_tree_is_a_whole_archive() -> None:
    out = io.BytesIO()
    cpio.write(Tree(), out)
    assert newc_members(out.getvalue()) == {}


def test_a_tar_archive_holds_the_same_with_root_as_owner() -> None:
    out = io.BytesIO()
    tarball.write(a_tree(), out)
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as archive:
        members = {member.name: member for member in archive}
        hello = archive.extractfile("etc/deep/hello")
        assert hello is not None
        assert hello.read() == b"hello\n"
    assert members["etc"].isdir()
    assert members["etc"].mode == 0o750
    assert members["bin/sh"].linkname == "busybox"
    assert members["dev/console"].ischr()
    assert {(member.uid, member.uname) for member in members.values()} == {(0, "root")}


@pytest.mark.parametrize("write", [cpio.write, tarball.write])
def test_the_same_tree_gives_the_same_bytes(write: object) -> None:
    assert callable(write)
    first, second = io.BytesIO(), io.BytesIO()
    write(a_tree(), first)
    write(a_tree(), second)
    assert gzip.compress(first.getvalue(), mtime=0) == gzip.compress(second.getvalue(), mtime=0)


def test_a_file_that_is_put_by_its_path_is_read_when_it_is_written_out(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"content")
    tree = Tree()
    tree.file("big", tmp_path / "big")
    out = io.BytesIO()
    cpio.write(tree, out)
    assert newc_members(out.getvalue())["big"][1] == b"content"
