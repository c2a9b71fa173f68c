"""Archives by the thousand, of all that a header can say: each is refused in words, or arrives as it was packed."""

import os
import shutil
import stat
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from boardgrid.adapters.store.limits import Limits
from boardgrid.adapters.store.source import Archive as ArchiveStream
from boardgrid.adapters.store.tree import TreePath
from boardgrid.adapters.store.unpack import unpack
from boardgrid.adapters.store.workroom import Disk
from boardgrid.model.errors import Code, FarmError
from tests.adapters.store.own_mounts import unmount_below
from tests.adapters.store.trees import Archive, listing

pytestmark = [pytest.mark.world, pytest.mark.slow, pytest.mark.timeout(3600)]

Member = tuple[str, str, str, int, int]  # kind, name, target, mode, size

_WORDS = st.sampled_from(
    ["a", "b", "etc", "out", "..", ".", "", "n" * 250, "é" * 120, "\udcff\udc80", "new\nline", "tab\t", "-rf", "*",
     "con", "lost+found", ".wh.a", 'quo"te', "back\\slash", " ", "\x1b[2J", "a" * 256]
)  # fmt: skip
_HONEST = st.sampled_from(
    ["a", "b", "etc", "n" * 250, "é" * 120, "\udcff\udc80", "new\nline", "-rf", "*", 'quo"te', "back\\slash", " "]
)
KINDS = ["file", "folder", "link", "hard link", "char", "block", "fifo", "sparse", "socket", "unknown"]
_AIMS = ["{canary}", "{canary}/secret", "../../../../canary/secret", "/etc/passwd"]


def names(words: st.SearchStrategy[str], *leads: str) -> st.SearchStrategy[str]:
    several = st.lists(words, min_size=1, max_size=4)
    return st.builds(lambda said, lead: lead + "/".join(said), several, st.sampled_from(leads))


def lists_of(name: st.SearchStrategy[str], kinds: list[str]) -> st.SearchStrategy[list[Member]]:
    targets = st.one_of(name, st.sampled_from(_AIMS))
    sizes = st.sampled_from([0, 1, 511, 512, 513, 70_000])
    return st.lists(st.tuples(st.sampled_from(kinds), name, targets, st.integers(0, 0o7777), sizes), max_size=10)


MEMBERS = st.one_of(
    lists_of(names(_WORDS, "", "./", "/"), KINDS),
    lists_of(names(_HONEST, ""), KINDS[:-2]),
    lists_of(names(_HONEST, "./"), KINDS[:-2]),
    lists_of(names(_HONEST, ""), KINDS[:3]),
)


def packed(members: list[Member], canary: Path) -> bytes:
    archive = Archive()
    for kind, name, target, mode, size in members:
        aim = target.format(canary=canary) if target.startswith("{") else target
        match kind:
            case "file":
                archive.file(name, bytes(range(256)) * (size // 256) + b"x" * (size % 256), mode=mode)
            case "folder":
                archive.folder(name, mode=mode)
            case "link":
                archive.link(name, aim)
            case "hard link":
                archive.hard_link(name, aim)
            case "char":
                archive.device(name, mode % 300, size % 300)
            case "block":
                archive.device(name, mode % 300, size % 300, tarfile.BLKTYPE)
            case "fifo":
                archive.special(name, tarfile.FIFOTYPE)
            case "sparse":
                archive.sparse("x", name or "x", f"1\n{size}\n5\n", b"hello", tells=size + 5)
            case "socket":
                archive.special(name, b"s")
            case _:
                archive.special(name, bytes([65 + mode % 26]))
    return archive.bytes()


def plain(name: str) -> str:
    return "/".join(word for word in name.split("/") if word not in {"", "."})


def as_packed(members: list[Member]) -> dict[str, tuple[int, int]]:
    """Kind with mode, and size, by path, of what has one meaning: no path twice, and none below what is no folder."""
    paths = [plain(name) for _kind, name, *_rest in members]
    others = {plain(name) for kind, name, *_rest in members if kind != "folder"}
    clear = [path for path in paths if paths.count(path) == 1 and not any(path.startswith(f"{one}/") for one in others)]
    expected: dict[str, tuple[int, int]] = {}
    for (kind, _name, _target, mode, size), path in zip(members, paths, strict=True):
        is_aimed_at = any(kind == "hard link" and plain(target) == path for kind, _n, target, *_r in members)
        if path in clear and not is_aimed_at and kind == "file":
            expected[path] = (stat.S_IFREG | mode, size)
        elif path in clear and kind == "folder":
            expected[path] = (stat.S_IFDIR | mode, 0)
        elif path in clear and kind == "link":
            expected[path] = (stat.S_IFLNK | 0o777, 0)
    return expected


def found(tree: TreePath, path: str) -> tuple[int, int]:
    # The lint that forbids to follow a stranger's names is about the farm's code; here each name is one step.
    at = os.open(str(tree), os.O_PATH)
    try:
        for word in path.split("/")[:-1]:
            below = os.open(word, os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY, dir_fd=at)
            os.close(at)
            at = below
        seen = os.lstat(path.rsplit("/", maxsplit=1)[-1], dir_fd=at)
    finally:
        os.close(at)
    return seen.st_mode, seen.st_size if stat.S_ISREG(seen.st_mode) else 0


@pytest.fixture(scope="module")
def place(alone: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "canary").mkdir()
    (folder / "canary" / "secret").write_text("the server's own")
    return folder


@settings(max_examples=2000, suppress_health_check=list(HealthCheck))
@example(members=[("link", "a", "b", 0, 0), ("link", "b", "a", 0, 0), ("file", "a", "", 0o644, 1)])
@example(members=[("file", "a", "", 0o4755, 1), ("hard link", "b", "a", 0, 0), ("file", "a", "", 0o644, 2)])
@example(members=[("folder", "a", "", 0, 0), ("file", "a", "", 0o644, 1)])
@example(members=[("link", "b/a", "/etc", 0, 0), ("folder", "./b", "", 0, 0)])
@given(members=MEMBERS)
def test_an_archive_is_refused_in_words_or_arrives_as_it_was_packed(place: Path, members: list[Member]) -> None:
    canary, draft, file = place / "canary", place / "draft", place / "archive"
    before = listing(canary)
    file.write_bytes(packed(members, canary))
    draft.mkdir()
    try:
        with file.open("rb") as opened:
            tree = unpack(ArchiveStream(opened.fileno(), "it", ()), Limits(1 << 30), Disk(draft, 0), draft)
        for path, expected in as_packed(members).items():
            if path:
                assert found(tree, path) == expected, path
    except FarmError as error:
        assert error.code in {Code.ARCHIVE_REFUSED, Code.IMAGE_TOO_LARGE}
        assert str(error).isprintable()
    finally:
        unmount_below(draft)
        shutil.rmtree(draft)
    assert listing(canary) == before
    assert {entry.name for entry in place.iterdir()} == {"canary", "archive"}
