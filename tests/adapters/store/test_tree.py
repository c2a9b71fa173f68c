"""A stranger's tree is read and written without leaving it, whatever links lie in it."""

import ctypes
import os
import resource
from pathlib import Path

import pytest

from boardgrid.adapters.store.tree import TreeDir, TreePath, walked
from tests.adapters.store.trees import a_deep_folder


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_text("the server's own")
    return folder


@pytest.fixture
def tree(tmp_path: Path, outside: Path) -> Path:
    folder = tmp_path / "tree"
    (folder / "etc").mkdir(parents=True)
    (folder / "etc" / "hostname").write_text("tiny")
    (folder / "absolute").symlink_to(outside)
    (folder / "upwards").symlink_to("../outside")
    (folder / "inside").symlink_to("/etc")
    (folder / "loop").symlink_to("loop")
    (folder / "to-secret").symlink_to(outside / "secret")
    return folder


def opened(tree: Path) -> TreeDir:
    return TreeDir(TreePath(str(tree)))


def test_a_link_that_leads_out_leads_to_nothing(tree: Path) -> None:
    with opened(tree) as inside:
        for name in ("absolute/secret", "upwards/secret", "to-secret", "../outside/secret", "loop", "loop/x"):
            assert inside.look(name) is None
            assert inside.read(name, 100) is None
        assert inside.names("absolute") == []


def test_an_absolute_link_leads_to_where_the_board_would_find_it(tree: Path) -> None:
    with opened(tree) as inside:
        assert inside.read("inside/hostname", 100) == b"tiny"
        assert inside.read("/etc/../etc/hostname", 2) == b"ti"
        assert inside.names("inside") == ["hostname"]


def test_proc_links_are_not_followed(tree: Path) -> None:
    (tree / "self").symlink_to("/proc/self/root/etc/passwd")
    with opened(tree) as inside:
        assert inside.look("self") is None


def test_a_pipe_is_refused_at_once_and_holds_nobody_up(tree: Path) -> None:
    os.mkfifo(tree / "pipe")
    with opened(tree) as inside:
        assert inside.read("pipe", 100) is None
        with pytest.raises(OSError, match="no regular file"), inside.file("pipe"):
            pass


def test_a_link_is_told_unresolved(tree: Path) -> None:
    with opened(tree) as inside:
        assert inside.link("inside") == "/etc"
        assert inside.link("etc") is None


@pytest.mark.world
def test_writing_through_a_link_that_leads_out_writes_nothing_outside(tree: Path, outside: Path) -> None:
    with opened(tree) as inside:
        for name in ("absolute/new", "upwards/new"):
            with pytest.raises(OSError):
                inside.write(name, b"mine")
        inside.write("to-secret", b"mine")
    assert (tree / "to-secret").read_text() == "mine"
    assert {entry.name: entry.read_text() for entry in outside.iterdir()} == {"secret": "the server's own"}


@pytest.mark.world
def test_a_file_is_put_in_the_place_of_what_was_there(tree: Path) -> None:
    (tree / "etc" / "machine-id").symlink_to("/outside/secret")
    (tree / "etc" / ".machine-id.boardgrid").write_text("left by one that was killed")
    with opened(tree) as inside:
        inside.write("etc/machine-id", b"0123", 0o444)
    assert (tree / "etc" / "machine-id").read_text() == "0123"
    assert not (tree / "etc" / "machine-id").is_symlink()
    assert (tree / "etc" / "machine-id").stat().st_mode & 0o7777 == 0o444
    assert sorted(entry.name for entry in (tree / "etc").iterdir()) == ["hostname", "machine-id"]


@pytest.mark.world
def test_a_folder_that_is_claimed_takes_the_place_of_a_link_to_nowhere(tree: Path, outside: Path) -> None:
    with opened(tree) as inside:
        inside.make_folder("absolute", 0o700, claim=True)
        inside.make_folder("new/and/deep")
    assert (tree / "absolute").is_dir()
    assert not (tree / "absolute").is_symlink()
    assert (tree / "new" / "and" / "deep").is_dir()
    assert [entry.name for entry in outside.iterdir()] == ["secret"]


def test_removing_a_folder_leaves_what_its_links_point_at(tree: Path, outside: Path) -> None:
    (tree / "etc" / "deep").mkdir()
    (tree / "etc" / "deep" / "out").symlink_to(outside)
    with opened(tree) as inside:
        inside.remove("etc")
        inside.remove("etc")
        inside.remove("absolute/secret")
    assert not (tree / "etc").exists()
    assert (outside / "secret").read_text() == "the server's own"


def test_a_folder_however_deep_is_removed(tree: Path) -> None:
    a_deep_folder(tree / "etc" / "deep", 3000)
    for name in ("a", "b", "b/c"):
        (tree / "etc" / name).mkdir()
        (tree / "etc" / name / "file").touch()
    with opened(tree) as inside:
        inside.remove("etc")
    assert not (tree / "etc").exists()


def test_a_name_that_is_too_long_leads_to_nothing(tree: Path) -> None:
    (tree / "long").symlink_to("n" * 300)
    with opened(tree) as inside:
        for name in ("n" * 300, "long", "/".join(["d"] * 3000)):
            assert inside.names(name) == []
            assert inside.look(name) is None
            inside.remove(f"{name}/x")


def test_a_name_with_a_zero_byte_is_not_cut_off_there(tree: Path) -> None:
    with opened(tree) as inside:
        for name in ("etc/hostname\0x", "etc\0x/hostname"):
            with pytest.raises(OSError) as raised:
                inside.remove(name)
            assert raised.value.filename == name
    assert (tree / "etc" / "hostname").exists()


def test_what_goes_wrong_is_told_by_the_name_that_was_given(tree: Path) -> None:
    (tree / "etc" / "ssh").write_text("no folder")
    with opened(tree) as inside:
        with pytest.raises(NotADirectoryError) as raised:
            inside.write("etc/ssh/key", b"")
        assert raised.value.filename == "etc/ssh/key"


@pytest.mark.world
def test_a_folder_in_the_place_of_the_draft_is_cleared_away(tree: Path) -> None:
    a_deep_folder(tree / "etc" / ".machine-id.boardgrid", 3)
    with opened(tree) as inside:
        inside.write("etc/machine-id", b"0123")
    assert (tree / "etc" / "machine-id").read_text() == "0123"


def test_nothing_names_an_entry_by_dots(tree: Path) -> None:
    with opened(tree) as inside:
        for name in ("", "..", "etc/..", "etc/."):
            with pytest.raises(OSError, match="names no entry"):
                inside.write(name, b"")


def test_a_tree_path_cannot_be_joined_with_a_name() -> None:
    assert not hasattr(TreePath, "__truediv__")


def test_nothing_in_a_tree_is_younger_than_it_is_dated_back_to(tree: Path, outside: Path) -> None:
    os.utime(tree / "etc" / "hostname", ns=(5, 5))
    before = (outside / "secret").stat().st_mtime_ns
    with opened(tree) as inside:
        inside.date_back(1_000_000_000)
    times = {path.name: path.lstat().st_mtime_ns for path in (tree, *tree.rglob("*"))}
    assert times.pop("hostname") == 5, "what is older stays so"
    assert set(times.values()) == {10**18}
    assert (outside / "secret").stat().st_mtime_ns == before


def test_a_tree_of_any_depth_is_dated_back(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    a_deep_folder(tmp_path / "tree" / "deep", 1500)
    with opened(tmp_path / "tree") as inside:
        inside.date_back(1)
        seen = (tmp_path / "tree" / "deep").stat().st_mtime_ns
        inside.remove("deep")  # what a test's own cleaning cannot
    assert seen == 10**9


class Watched:
    """Tells whether a folder, or something in it, was opened."""

    _OPENED = 0x20  # IN_OPEN of inotify(7)

    def __init__(self, folder: Path) -> None:
        libc = ctypes.CDLL(None)
        self._fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        assert libc.inotify_add_watch(self._fd, os.fsencode(folder), self._OPENED) > 0

    def was_opened(self) -> bool:
        try:
            return bool(os.read(self._fd, 4096))
        except BlockingIOError:
            return False
        finally:
            os.close(self._fd)


def test_a_walk_opens_nothing_that_a_link_leads_to(tree: Path, outside: Path) -> None:
    (tree / "etc" / "deep").mkdir()
    (tree / "etc" / "deep" / "out").symlink_to(outside)
    inode, outsides = (tree / "etc" / "hostname").stat().st_ino, (outside / "secret").stat().st_ino
    (tree / "name").hardlink_to(tree / "etc" / "hostname")
    watched = Watched(outside)
    with opened(tree) as inside:
        assert inside.names_of({inode, outsides}) == {inode: ["etc/hostname", "name"]}
        assert inside.programs_having("user.none") == []
        inside.date_back(1)
        with inside.folder("etc") as folder:
            told = [(list(folders), name) for folders, (_at, name), _seen in walked(folder)]
        inside.remove("etc")
    assert not watched.was_opened()
    assert sorted(told) == [([], "deep"), ([], "hostname"), (["deep"], "out")]


def test_a_walk_of_any_depth_holds_few_descriptors_and_tells_a_folder_last(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    a_deep_folder(tmp_path / "tree" / "deep", 3000)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with opened(tmp_path / "tree") as inside:
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())) + 50, hard))
        try:
            with inside.folder("") as folder:
                depths = [len(folders) for folders, _at, _seen in walked(folder)]
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        inside.remove("deep")  # what a test's own cleaning cannot
    assert depths == sorted(depths, reverse=True)
    assert len(depths) >= 3000


def test_a_walk_ends_where_a_folder_was_moved_meanwhile(tree: Path) -> None:
    (tree / "etc" / "deep").mkdir()
    (tree / "etc" / "deep" / "file").touch()
    with opened(tree) as inside, inside.folder("") as folder, pytest.raises(OSError, match="was moved"):
        for folders, _at, _seen in walked(folder):
            if list(folders) == ["etc", "deep"]:
                (tree / "etc" / "deep").rename(tree / "deep")
