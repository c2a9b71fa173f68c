"""The digest of a tree: what it depends on, and its very bytes."""

import hashlib
import os
from pathlib import Path

import pytest

from boardgrid.adapters.store.digest import Summary, first_difference, outline_of, summary
from boardgrid.adapters.store.limits import Limits
from boardgrid.adapters.store.tree import TreePath
from boardgrid.model.errors import Code, Invalid

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "image-digest.md"


def of(tree: Path) -> Summary:
    return summary(TreePath(str(tree)))


def a_small_tree(at: Path) -> Path:
    (at / "a").mkdir(parents=True)
    (at / "a" / "c").write_bytes(b"hello")
    (at / "a-b").symlink_to("/nowhere")
    (at / "d").hardlink_to(at / "a" / "c")
    for path in (at / "a-b", at / "a" / "c", at / "a", at):
        os.utime(path, ns=(0, 1_500_000_000_000_000_001), follow_symlinks=False)
    return at


def test_the_bytes_are_those_of_the_reference(tmp_path: Path) -> None:
    tree = a_small_tree(tmp_path / "tree")
    (tree / "a" / "c").chmod(0o640)
    for path in (tree, tree / "a"):
        path.chmod(0o755)
    owner = b"%d:%d,%d:%d," % (len(str(os.getuid())), os.getuid(), len(str(os.getgid())), os.getgid())
    time = b"19:1500000000000000001,"
    content = hashlib.sha256(b"hello").hexdigest().encode()
    expected = (
        b"16:boardgrid-tree-1,"
        + (b"0:,1:d,3:755," + owner + b"0:," + time + b"0:,0:,1:0,0:,")
        + (b"1:a,1:d,3:755," + owner + b"0:," + time + b"0:,0:,1:0,0:,")
        + (b"3:a-b,1:l,3:777," + owner + b"0:," + time + b"8:/nowhere,0:,1:0,0:,")
        + (b"3:a/c,1:f,3:640," + owner + b"1:5," + time + b"0:,0:,1:0,64:" + content + b",")
        + b"1:d,1:h,3:a/c,"
    )
    seen = of(tree)
    assert seen.digest == f"sha256:{hashlib.sha256(expected).hexdigest()}"
    assert (seen.entries, seen.size_bytes) == (5, 5)


def test_two_trees_that_look_alike_have_one_digest(tmp_path: Path) -> None:
    assert of(a_small_tree(tmp_path / "one")) == of(a_small_tree(tmp_path / "two"))


@pytest.mark.parametrize("change", ["content", "mode", "time", "name", "target", "attribute", "link broken"])
def test_every_change_changes_it(tmp_path: Path, change: str) -> None:
    tree = a_small_tree(tmp_path / "tree")
    before = of(tree)
    file, stamp = tree / "a" / "c", 1_500_000_000_000_000_001
    match change:
        case "content":
            file.write_bytes(b"hellO")
        case "mode":
            file.chmod(0o4755)
        case "time":
            stamp += 1
        case "name":
            (tree / "a-b").rename(tree / "a-c")
        case "target":
            (tree / "a-b").unlink()
            (tree / "a-b").symlink_to("/somewhere")
            os.utime(tree / "a-b", ns=(0, stamp), follow_symlinks=False)
        case "attribute":
            os.setxattr(file, "user.note", b"1")
        case _:
            (tree / "d").unlink()
            (tree / "d").write_bytes(b"hello")
            (tree / "d").chmod(file.stat().st_mode)
            os.utime(tree / "d", ns=(0, 1_500_000_000_000_000_001))
    for path in (file, tree / "a", tree):
        os.utime(path, ns=(0, stamp))
    after = of(tree)
    assert after.digest != before.digest
    assert (after.outline == before.outline) == (change == "content")
    assert after.outline == outline_of(TreePath(str(tree)))


def test_no_link_is_followed(tmp_path: Path) -> None:
    tree = a_small_tree(tmp_path / "tree")
    (tree / "out").symlink_to(tmp_path)
    assert of(tree).entries == 6


def test_an_empty_folder_for_what_was_recovered_is_the_file_systems_and_no_part_of_the_tree(tmp_path: Path) -> None:
    tree = a_small_tree(tmp_path / "tree")
    before = of(tree)
    (tree / "lost+found").mkdir()
    os.utime(tree, ns=(0, 1_500_000_000_000_000_001))
    assert of(tree) == before
    (tree / "lost+found" / "thesis").write_text("found again")
    assert of(tree).entries == before.entries + 2


def test_two_trees_are_told_apart_by_the_first_thing_that_is_not_the_same(tmp_path: Path) -> None:
    one, other = a_small_tree(tmp_path / "one"), a_small_tree(tmp_path / "other")
    trees = TreePath(str(one)), TreePath(str(other))
    assert first_difference(*trees) is None
    (one / "z").write_text("only here")
    os.utime(one, ns=(0, 1_500_000_000_000_000_001))
    assert first_difference(*trees) == b"z"
    (other / "a" / "c").chmod(0o600)
    assert first_difference(*trees) == b"a/c"


@pytest.mark.parametrize(
    ("limits", "complaint"),
    [
        (Limits(4), "with a/c the tree is over"),
        (Limits(100, entries=3), "more than 3 files"),
        (Limits(100, depth=1), "a/c lies more than 1 folders deep"),
        (Limits(100, names_bytes=6), "with a/c the names"),
        (Limits(100, name_bytes=2), "the name of a-b is longer than 2 bytes"),
    ],
)
def test_a_tree_over_a_limit_is_refused_by_the_name_of_what_lies_beyond(
    tmp_path: Path, limits: Limits, complaint: str
) -> None:
    with pytest.raises(Invalid, match=complaint):
        summary(TreePath(str(a_small_tree(tmp_path / "tree"))), limits)


def test_a_hole_counts_as_it_looks_and_is_not_even_read(tmp_path: Path) -> None:
    tree = a_small_tree(tmp_path / "tree")
    with (tree / "hole").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(Invalid, match="hole") as raised:
        summary(TreePath(str(tree)), Limits(1 << 30))
    assert raised.value.code is Code.IMAGE_TOO_LARGE


@pytest.mark.world
def test_the_example_of_the_reference_is_true(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir(mode=0o755)
    (tree / "hello").write_bytes(b"hi")
    (tree / "hello").chmod(0o644)
    for path in (tree / "hello", tree):
        os.chown(path, 0, 0)
        os.utime(path, ns=(0, 1_700_000_000_000_000_000))
    assert of(tree).digest in REFERENCE.read_text()
