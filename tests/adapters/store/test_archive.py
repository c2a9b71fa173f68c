"""What is judged of an archive by its listing alone. GNU tar lists, root is not needed."""

import io
import subprocess
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boardgrid.adapters.store.archive import LIST_WORDS, Listing
from boardgrid.adapters.store.limits import Limits, shown
from boardgrid.model.errors import Code, Invalid
from tests.adapters.store.trees import Archive

LIMITS = Limits(1 << 20, entries=50, depth=5, name_bytes=100, path_bytes=200)

NAMES = st.lists(
    st.binary(min_size=1, max_size=12).filter(lambda word: b"\0" not in word and b"/" not in word and word[:1] != b"."),
    min_size=1,
    max_size=4,
).map(b"/".join)


def listed(archive: bytes, limits: Limits = LIMITS) -> Listing:
    tar = ["tar", *LIST_WORDS, "--file=-"]
    ran = subprocess.run(
        tar, input=archive, capture_output=True, check=True, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"}
    )
    listing = Listing(limits)
    for line in io.BytesIO(ran.stdout):
        listing.add(line)
    return listing


@settings(max_examples=150)
@given(name=NAMES)
def test_every_name_is_read_as_it_was_packed(name: bytes) -> None:
    archive = Archive().link(name.decode("utf-8", "surrogateescape"), "/etc").bytes()
    assert listed(archive).links == {name}


@settings(max_examples=150)
@given(text=st.text(alphabet=st.characters(exclude_characters="\0"), max_size=300))
def test_every_name_can_be_printed(text: str) -> None:
    assert shown(text.encode("utf-8", "surrogatepass")).isprintable()


def test_what_is_held_is_counted() -> None:
    archive = Archive().folder("etc").file("etc/a", b"12345").hard_link("etc/b", "etc/a").link("etc/c", "/x").bytes()
    listing = listed(archive)
    assert (listing.tally.entries, listing.tally.size_bytes) == (5, 5)


def test_folders_that_no_member_declares_are_known() -> None:
    assert listed(Archive().file("a/b/c").folder("d").bytes()).implied == [b"a", b"a/b"]


def test_a_spelling_with_dots_and_doubled_slashes_is_one_name() -> None:
    assert listed(Archive().folder("./etc//x/").bytes()).folders == {b"", b"etc/x"}


def test_the_tree_itself_may_be_left_undeclared() -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("file"))
    assert listed(buffer.getvalue()).implied == [b""]


REFUSED = {
    "an absolute name": (Archive().file("/etc/passwd", b"x"), "/etc/passwd.*absolute"),
    "a name that leads out": (Archive().file("../passwd", b"x"), r"\.\./passwd.*'\.\.'"),
    "a name that leads out in its middle": (Archive().file("etc/../../passwd"), r"'\.\.'"),
    "a hard link to an absolute name": (Archive().hard_link("mine", "/etc/shadow"), "mine.*/etc/shadow, outside"),
    "a hard link that leads out": (Archive().hard_link("mine", "../../etc/shadow"), "mine.*outside"),
    "a hard link behind a link": (Archive().link("out", "/etc").hard_link("mine", "out/shadow"), "mine.*behind a link"),
    "a file below a link": (
        Archive().link("out", "/etc").file("out/cron"),
        "out/cron.*below the archive's own link out",
    ),
    "a file deep below a link": (Archive().link("a/out", "/etc").file("a/out/b/c/d"), "below.*a/out"),
    "a link where a folder is": (Archive().file("out/cron").link("out", "/etc"), "out.*a folder and a link"),
    "a file below a hard link to a link": (
        Archive().link("out", "/etc").hard_link("also", "out").file("also/cron"),
        "also/cron.*link also",
    ),
    "a link in the place of the tree": (Archive().link(".", "/etc"), "a folder and a link"),
    "a file in the place of the tree": (Archive().file("."), "must be a folder"),
    "an overlay's whiteout": (Archive().device("gone", 0, 0), "gone.*whiteout"),
    "a kind that nobody knows": (Archive().special("odd", b"Z"), "odd.*kind"),
    "a piece of another volume": (Archive().special("odd", b"M"), "odd.*kind"),
    "names with and without a dot": (Archive().folder("etc").file("./etc/a"), r"\./etc/a.*spelled otherwise"),
    "names with and without a doubled slash": (Archive().folder("etc").file("etc//a"), "etc//a.*spelled otherwise"),
    "a tree that is too deep": (Archive().file("a/b/c/d/e/f"), "more than 5 folders deep"),
    "a word that is too long": (Archive().file("n" * 101), "nnn.*too long"),
    "a path that is too long": (Archive().file("/".join(["n" * 60] * 4)), "too long"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_it_is_refused_by_name(what: str) -> None:
    archive, complaint = REFUSED[what]
    with pytest.raises(Invalid, match=complaint) as raised:
        listed(archive.bytes())
    assert raised.value.code is Code.ARCHIVE_REFUSED
    assert raised.value.hint


def test_a_tree_that_is_too_large_is_refused_where_it_becomes_so() -> None:
    archive = Archive().file("small", b"1").file("large", bytes(1 << 20)).bytes()
    with pytest.raises(Invalid, match=r"large.*1\.0 MB") as raised:
        listed(archive)
    assert raised.value.code is Code.IMAGE_TOO_LARGE


def test_a_tree_of_too_many_files_is_refused() -> None:
    archive = Archive()
    for number in range(60):
        archive.file(f"f{number}")
    with pytest.raises(Invalid, match="more than 50 files") as raised:
        listed(archive.bytes())
    assert raised.value.code is Code.IMAGE_TOO_LARGE


def test_folders_that_are_only_implied_count_too() -> None:
    archive = Archive()
    for number in range(20):
        archive.file(f"a{number}/b{number}/c{number}/f")
    with pytest.raises(Invalid, match="more than 50 files"):
        listed(archive.bytes())


def test_names_that_would_fill_the_memory_are_refused() -> None:
    archive = Archive()
    for number in range(20):
        archive.file(f"{'n' * 90}/{number}")
    with pytest.raises(Invalid, match=r"names in the tree are over the limit of 1\.0 kB") as raised:
        listed(archive.bytes(), Limits(1 << 20, names_bytes=1000))
    assert raised.value.code is Code.IMAGE_TOO_LARGE


def test_folders_that_long_paths_imply_count_as_names_that_are_kept() -> None:
    with pytest.raises(Invalid, match="names in the tree"):
        listed(Archive().file("/".join(["d"] * 100)).bytes(), Limits(1 << 20, names_bytes=1000))


def test_what_a_folder_says_it_holds_counts_too() -> None:
    line = b'drwxr-xr-x 0/0  2000000 2026-01-01 00:00 "a/"\n'
    with pytest.raises(Invalid, match="with a/ the tree is over"):
        Listing(LIMITS).add(line)


def test_a_listing_that_is_cut_off_is_refused() -> None:
    with pytest.raises(Invalid, match="cannot be read"):
        Listing(LIMITS).add(b'-rw-r--r-- 0/0  5 2026-01-01 00:00 "' + b"n" * 1000)
