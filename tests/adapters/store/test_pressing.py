"""Pressing a tree beside whatever else is done with it."""

import os
import subprocess
from pathlib import Path

import pytest

from boardgrid.adapters.store.diary import NO_DIARY
from boardgrid.adapters.store.pressing import Pressing
from boardgrid.adapters.store.tree import TreePath
from boardgrid.adapters.store.workroom import Disk
from boardgrid.model.errors import Code, Fault
from tests.adapters.store.trees import a_tree

pytestmark = pytest.mark.slow


def test_what_is_waited_for_is_in_the_file(tmp_path: Path) -> None:
    tree, file = a_tree(tmp_path / "tree"), tmp_path / "pressed"
    with Pressing(TreePath(str(tree)), file, Disk(tmp_path, 0)) as pressing:
        pressing.finish(NO_DIARY, 0)
    assert file.read_bytes()[1024:1028] == (0xE0F5E1E2).to_bytes(4, "little")


def test_who_gives_up_leaves_no_program_behind(tmp_path: Path) -> None:
    tree = a_tree(tmp_path / "tree")
    with (tree / "large").open("wb") as large:
        large.truncate(1 << 40)
    with Pressing(TreePath(str(tree)), tmp_path / "pressed", Disk(tmp_path, 0)):
        pass
    said = subprocess.run(["pgrep", "--full", "--", str(tmp_path)], capture_output=True, text=True, check=False)
    assert said.stdout == ""


def test_a_file_that_may_not_be_as_large_as_it_becomes_finds_no_room(tmp_path: Path) -> None:
    tree, room = a_tree(tmp_path / "tree"), os.statvfs(tmp_path)
    none_left = Disk(tmp_path, room.f_bavail * room.f_frsize)
    with (
        pytest.raises(Fault) as raised,
        Pressing(TreePath(str(tree)), tmp_path / "pressed", none_left) as pressing,
    ):
        pressing.finish(NO_DIARY, 0)
    assert raised.value.code is Code.STORE_FULL


def test_what_mkfs_says_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(Fault, match="No such file or directory") as raised,
        Pressing(TreePath(str(tmp_path / "nowhere")), tmp_path / "pressed", Disk(tmp_path, 0)) as pressing,
    ):
        pressing.finish(NO_DIARY, 0)
    assert raised.value.code is Code.PROGRAM_FAILED
