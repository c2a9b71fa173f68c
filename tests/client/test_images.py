"""Images and roots on the command line: what is sent, what is waited for, what is left behind."""

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from boardgrid.client.answers import Measure
from boardgrid.client.complaint import ExitCode
from boardgrid.client.progress import rate_text
from tests.client.conftest import Run
from tests.client.fake_farm import TOKEN, FakeFarm, Refused


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.tar"
    with tarfile.open(path, "w") as tar:
        tar.addfile(tarfile.TarInfo("etc/hostname"), io.BytesIO())
    return path


def test_an_archive_is_sent_as_it_is(farm: FakeFarm, run: Run, archive: Path) -> None:
    ended = run("image", "import", "tiny", str(archive))
    assert ended.code == 0
    assert farm.blobs["tiny:1"] == archive.read_bytes()
    assert "the image tiny:1 is ready" in ended.err
    assert "tiny:1" in ended.out
    assert run("image", "import", "tiny", str(archive), "-o", "name").out == "tiny:2\n"


def test_an_archive_comes_from_standard_input_too(farm: FakeFarm, run: Run, archive: Path) -> None:
    assert run("image", "import", "tiny", "-", "--shared", stdin=archive.read_bytes()).code == 0
    assert farm.blobs["tiny:1"] == archive.read_bytes()
    assert farm.images["tiny:1"]["shared"]


def test_a_directory_is_packed_with_all_it_holds(farm: FakeFarm, run: Run, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "etc").mkdir(parents=True)
    (tree / "etc/shadow").write_text("root")
    (tree / "etc/shadow").chmod(0o4750)
    os.utime(tree / "etc/shadow", ns=(1_000_000_007, 1_234_567_891_234_567_891))
    (tree / "etc/link").symlink_to("/absolute/../path")
    os.link(tree / "etc/shadow", tree / "etc/second")
    (tree / ".git").mkdir()
    os.truncate(os.open(tree / "sparse", os.O_CREAT | os.O_WRONLY), 1 << 24)
    is_labelled = True
    try:
        os.setxattr(tree / "etc/shadow", "user.note", b"kept")
    except OSError:
        is_labelled = False  # this file system has none
    assert run("image", "import", "mine", str(tree)).code == 0
    sent = farm.blobs["mine:1"]
    assert len(sent) < 1 << 20, "holes were sent"

    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    options = ["--xattrs", "--xattrs-include=*", "--numeric-owner", "--same-permissions", "--sparse"]
    subprocess.run(["tar", "-x", *options, "-C", str(unpacked)], input=sent, check=True)
    status = (unpacked / "etc/shadow").lstat()
    assert (status.st_mode & 0o7777, status.st_nlink) == (0o4750, 2)
    assert status.st_mtime_ns == 1_234_567_891_234_567_891
    assert (unpacked / "etc/link").readlink() == Path("/absolute/../path")
    assert (unpacked / ".git").is_dir()
    assert (unpacked / "sparse").stat().st_size == 1 << 24
    if is_labelled:
        assert os.getxattr(unpacked / "etc/shadow", "user.note") == b"kept"


def test_the_same_directory_is_packed_to_the_same_bytes(farm: FakeFarm, run: Run, tmp_path: Path) -> None:
    tree = tmp_path / ("a" * 120)
    for name in ("b" * 140, "a", "c"):
        (tree / name).mkdir(parents=True)
    run("image", "import", "mine", str(tree))
    (tree / "a").stat()
    run("image", "import", "mine", str(tree))
    assert farm.blobs["mine:1"] == farm.blobs["mine:2"]


def test_what_cannot_be_packed_whole_makes_no_image(farm: FakeFarm, run: Run, tmp_path: Path) -> None:
    tar = tmp_path / "bin/tar"
    tar.parent.mkdir()
    tar.write_text("""#!/bin/sh
        [ "$1" = --version ] && echo "tar (GNU tar) 1.34" && exit
        head -c 1000000 /dev/zero
        echo "tar: ./etc/shadow: Cannot open: Permission denied" >&2
        echo "tar: Exiting with failure status due to previous errors" >&2
        exit 2
    """)
    tar.chmod(0o755)
    ended = run("image", "import", "mine", str(tmp_path), PATH=f"{tar.parent}:/usr/bin:/bin")
    assert ended.code == 6
    assert f"{tmp_path} could not be packed whole: ./etc/shadow: Cannot open: Permission denied" in ended.err
    assert "run this with sudo" in ended.err
    assert "nothing is left of mine:1" in ended.err
    assert (farm.images, farm.blobs) == ({}, {})


def test_a_directory_needs_gnu_tar(farm: FakeFarm, run: Run, tmp_path: Path) -> None:
    ended = run("image", "import", "mine", str(tmp_path), PATH=str(tmp_path))
    assert ended.code == 8
    assert "GNU tar is not on this machine" in ended.err
    assert farm.asked == []


def test_what_is_not_there_is_said_before_an_image_is_named(farm: FakeFarm, run: Run, tmp_path: Path) -> None:
    ended = run("image", "import", "tiny", str(tmp_path / "tiny.tar"))
    assert ended.code == 2
    assert "tiny.tar cannot be read: No such file or directory" in ended.err and "is its path right?" in ended.err
    assert farm.asked == []


@pytest.mark.parametrize(
    ("refused", "code"),
    [
        (Refused(413, "image.too_large", "tiny:1 is larger than 8 GB", "leave out what it need not hold"), 2),
        (Refused(409, "thing.in_use", "the content of tiny:1 is being uploaded already", "wait for its end"), 5),
    ],
)
def test_an_upload_that_the_farm_refuses_leaves_nothing_behind(
    farm: FakeFarm, run: Run, archive: Path, refused: Refused, code: int
) -> None:
    farm.refuse_uploads = refused
    ended = run("image", "import", "tiny", str(archive))
    assert ended.code == code
    assert f"{refused.problem['detail']} ({refused.problem['code']})" in ended.err
    assert str(refused.problem["hint"]) in ended.err
    assert farm.images == {}


def test_an_image_that_cannot_be_made_shows_the_farms_sentence(farm: FakeFarm, run: Run, archive: Path) -> None:
    farm.image_state, farm.image_reason = "failed", "the archive holds ../../etc/passwd, which leaves the tree"
    ended = run("image", "import", "tiny", str(archive))
    assert ended.code == 6
    assert "the image tiny:1 could not be made: the archive holds ../../etc/passwd" in ended.err


def test_an_image_without_an_init_is_never_silently_ready(farm: FakeFarm, run: Run, archive: Path) -> None:
    assert "no init" not in run("image", "import", "tiny", str(archive)).err
    farm.image_manifest = {"init": ""}
    ended = run("image", "import", "tiny", str(archive))
    assert ended.code == 0
    assert "warning: there is no init in tiny:2" in ended.err
    assert "none: no board boots it" in run("image", "show", "tiny:2").out


def test_what_would_do_is_told_with_it_and_stays_with_the_image(farm: FakeFarm, run: Run, archive: Path) -> None:
    farm.image_state, farm.image_reason, farm.image_hint = "failed", "two systems", "choose one: --partition N"
    ended = run("image", "import", "tiny", str(archive))
    assert "choose one: --partition N" in ended.err
    assert "choose one: --partition N" in run("image", "show", "tiny:1").out


def test_who_would_not_wait_gets_the_image_as_it_is(farm: FakeFarm, run: Run, archive: Path) -> None:
    farm.image_state = "building"
    ended = run("image", "import", "tiny", str(archive), "--no-wait", "-o", "json")
    assert (ended.code, ended.json["state"]) == (0, "building")


def test_waiting_for_an_image_has_an_end(farm: FakeFarm, run: Run, archive: Path) -> None:
    farm.image_state = "building"
    ended = run("image", "import", "tiny", str(archive), "--timeout", "1s")
    assert ended.code == 7
    assert "`boardgrid image show tiny:1` tells how it ends" in ended.err


def test_an_image_that_becomes_ready_later_is_waited_for(farm: FakeFarm, run: Run, archive: Path) -> None:
    farm.image_state = "building"
    later = threading.Timer(0.5, lambda: farm.images["tiny:1"].update(state="ready"))
    later.start()
    assert run("image", "import", "tiny", str(archive)).code == 0
    later.join()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_upload_that_is_ended_by_a_signal_leaves_nothing_behind(
    farm: FakeFarm, eventually: Callable[[Callable[[], bool]], None], number: signal.Signals
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "boardgrid.client", "image", "import", "tiny", "-"],
        env={**os.environ, "BOARDGRID_URL": farm.url, "BOARDGRID_TOKEN": TOKEN},
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )

    def has_ended() -> bool:
        process.send_signal(number)  # one that comes just before a read is heard at the next one
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
        return process.poll() is not None

    with process:
        try:
            eventually(lambda: ("POST", "images") in farm.asked)
            assert process.stdin is not None and process.stderr is not None
            process.stdin.write("x" * 300_000)
            process.stdin.flush()
            eventually(lambda: ("PUT", "images/tiny:1/content") in farm.asked)
            eventually(has_ended)
            assert process.returncode == ExitCode.INTERRUPTED
            assert "nothing is left of tiny:1" in process.stderr.read()
        finally:
            process.kill()
    assert farm.images == {}


@pytest.mark.slow
def test_an_upload_whose_connection_breaks_goes_on_where_it_broke(farm: FakeFarm, run: Run, archive: Path) -> None:
    farm.cut_after = [5000, 1]
    ended = run("image", "import", "tiny", str(archive))
    assert ended.code == 0, ended.err
    assert farm.blobs["tiny:1"] == archive.read_bytes()
    assert farm.asked.count(("PATCH", "images/tiny:1/content")) == 3 * 2  # each is announced before
    assert farm.asked.count(("HEAD", "images/tiny:1/content")) == 2


def test_an_upload_whose_client_was_killed_is_resumed_by_the_next(farm: FakeFarm, run: Run, archive: Path) -> None:
    farm.image("tiny", state="awaited")
    farm.parts["tiny:1"] = archive.read_bytes()[:5000]
    ended = run("image", "import", "--resume", "tiny:1", str(archive))
    assert ended.code == 0, ended.err
    assert farm.blobs["tiny:1"] == archive.read_bytes()
    assert ("POST", "images") not in farm.asked


def test_an_upload_is_resumed_with_its_own_file_alone(farm: FakeFarm, run: Run, archive: Path) -> None:
    farm.image("tiny", state="awaited")
    farm.parts["tiny:1"] = b"something else"
    ended = run("image", "import", "--resume", "tiny:1", str(archive))
    assert ended.code == 2
    assert "what has come of tiny:1 is not the beginning of this file" in ended.err
    assert run("image", "import", "--resume", "tiny:1", "-").code == 2
    farm.images["tiny:1"]["state"] = "ready"
    ended = run("image", "import", "--resume", "tiny:1", str(archive))
    assert (ended.code, "without --resume a new version begins" in ended.err) == (2, True)


def test_an_empty_file_is_refused_before_a_version_is_begun(farm: FakeFarm, run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty.tar").touch()
    ended = run("image", "import", "tiny", str(tmp_path / "empty.tar"))
    assert (ended.code, "empty.tar is empty" in ended.err) == (2, True)
    assert ("POST", "images") not in farm.asked


def test_an_image_that_waits_for_its_content_tells_how_to_send_the_rest(farm: FakeFarm, run: Run) -> None:
    farm.image("tiny", state="awaited")
    farm.parts["tiny:1"] = bytes(2_500_000)
    said = "2.5 MB of its content has come; `boardgrid image import --resume tiny:1 FILE` sends the rest\n"
    assert run("image", "show", "tiny:1").err == said
    assert run("image", "show", "tiny:1", "-o", "json").err == ""


def test_the_tree_of_an_image_that_is_not_there_is_a_complaint_as_everywhere(farm: FakeFarm, run: Run) -> None:
    farm.image("tiny")
    assert run("image", "tree", "tiny:1").out == "tiny:1  ready\n"
    ended = run("image", "tree", "tinny")
    assert (ended.code, ended.out) == (ExitCode.NOT_FOUND, "")
    assert ended.err.endswith("(image.unknown)\n  did you mean tiny?\n")


def test_what_an_image_is_for_is_said_when_it_is_imported_and_later(farm: FakeFarm, run: Run, archive: Path) -> None:
    said = ["--visibility", "project:robots", "--label", "purpose=ci", "--fits", "tk1"]
    assert run("image", "import", "tiny", str(archive), *said).code == 0
    assert run("image", "set", "tiny:1", *said).code == 0
    image = farm.images["tiny:1"]
    assert (image["visibility"], image["project"]) == ("project", "robots")
    assert (image["labels"], image["types"]) == ({"purpose": "ci"}, ["tk1"])
    shown = run("image", "show", "tiny:1").out
    assert "project:robots" in shown and "purpose=ci" in shown
    assert "purpose=ci" in run("image", "list").out
    for wrong in (["--visibility", "some"], ["--visibility", "project:"], ["--label", "purpose"], []):
        assert run("image", "set", "tiny:1", *wrong).code == 2


def test_labels_of_an_export_come_along_and_those_that_are_said_win(farm: FakeFarm, run: Run, tmp_path: Path) -> None:
    told = json.dumps({"labels": {"purpose": "ci", "by": "Ada"}}).encode()
    with tarfile.open(tmp_path / "taken.tar", "w", format=tarfile.GNU_FORMAT) as tar:
        member = tarfile.TarInfo("manifest.json")
        member.size = len(told)
        tar.addfile(member, io.BytesIO(told))
    assert run("image", "import", "tiny", str(tmp_path / "taken.tar"), "--label", "purpose=test").code == 0
    assert farm.images["tiny:1"]["labels"] == {"purpose": "test", "by": "Ada"}
    assert farm.blobs["tiny:1"] == (tmp_path / "taken.tar").read_bytes()


def test_how_far_something_is_is_told_with_rate_and_time_left() -> None:
    assert rate_text(Measure("pressing", 5, 10, 2_500_000, 75)) == "pressing  2.5 MB/s  1 min left"
    assert rate_text(Measure("opening", 340_000_000, 0, 12_000_000)) == "opening  340 MB  12.0 MB/s"
    assert rate_text(Measure("reading\x1b[2J")) == "reading\N{REPLACEMENT CHARACTER}[2J"


def test_an_image_is_exported_to_a_file_although_the_connection_breaks(
    farm: FakeFarm, run: Run, tmp_path: Path
) -> None:
    farm.image("tiny")
    farm.exported, farm.cut_after = bytes(range(256)) * 100, [1000]
    to = tmp_path / "taken.tar"
    ended = run("image", "export", "tiny", str(to))
    assert ended.code == 0, ended.err
    assert to.read_bytes() == farm.exported
    assert farm.errands == {} and list(tmp_path.glob("*.part")) == []
    assert run("image", "export", "tiny", str(to)).code == 2
    assert run("image", "export", "tiny", str(to), "--force").code == 0
    assert run("image", "export", "tiny", "/dev/null", "--force").code == 2


def test_an_export_to_nowhere_is_not_begun(farm: FakeFarm, run: Run) -> None:
    farm.exported = b"x"
    ended = run("image", "export", "tiny", "/nosuch/x.tar")
    assert (ended.code, "there is no folder /nosuch" in ended.err) == (2, True), ended.err
    assert farm.asked == []


def test_what_is_damaged_fails_the_command_that_verifies(farm: FakeFarm, run: Run) -> None:
    farm.image("tiny")
    farm.image("other", state="building")
    seen = run("image", "verify")
    assert (seen.code, seen.out.splitlines()[0].split()) == (0, ["IMAGE", "ERRAND", "STATE", "REASON"])
    assert ("POST", "images/other:1/verify") not in farm.asked
    farm.errand_reason = "its file has changed"
    ended = run("image", "verify", "tiny")
    assert ended.code == 6
    assert "tiny:1: its file has changed" in ended.err


def test_lineage_is_drawn_with_what_is_gone_where_something_descends_from_it(farm: FakeFarm, run: Run) -> None:
    farm.image("tiny", state="gone")
    farm.image("tiny", 2, aliases=["stable"])
    farm.image("mine", parent="tiny:1")
    farm.image("mine", 2, parent="mine:1", state="removed")
    farm.image("yours", parent="tiny:1", state="gone")
    farm.image("other", parent="lost:1")
    drawn = run("image", "tree").out.splitlines()
    assert drawn == [
        "tiny:1  gone",
        "└─ mine:1  ready",
        "   └─ mine:2  removed",
        "tiny:2  ready  stable",
        "other:1  ready",
    ]
    assert run("image", "tree", "mine").out.splitlines() == drawn[:3]
    farm.image("theirs", parent="tiny:1")
    assert run("image", "tree", "mine").out.splitlines() == drawn[:3], "no brothers"
    assert "theirs" in run("image", "tree", "tiny:1").out


def test_the_wastebasket_is_shown_before_it_is_emptied(farm: FakeFarm, run: Run) -> None:
    assert "nothing to be thrown away" in run("image", "gc").err
    farm.image("tiny", state="removed", manifest={"stored_bytes": 5_000_000})
    ended = run("image", "gc")
    assert ended.code == 2 and "tiny:1" in ended.out
    assert ("DELETE", "image-waste") not in farm.asked
    farm.image("other", state="removed", manifest={"stored_bytes": 2_000_000, "digest": "sha256:00"})
    farm.image("same", state="removed", manifest={"stored_bytes": 2_000_000, "digest": "sha256:00"})
    farm.image("never", state="failed")
    assert run("image", "gc", "--yes").err == "versions that go: 4; room that they took: 7.0 MB\n"


def test_an_image_is_made_of_what_lies_on_the_server(farm: FakeFarm, run: Run) -> None:
    assert run("image", "import", "tiny", "--on-server", "/srv/images/tiny.tar").code == 0
    assert "tiny:1" in farm.images
    assert farm.blobs == {}


def test_where_the_content_comes_from_is_said_once(run: Run, archive: Path) -> None:
    assert run("image", "import", "tiny").code == 2
    assert run("image", "import", "tiny", str(archive), "--on-server", "/x").code == 2


def test_images_are_listed_shown_and_removed(farm: FakeFarm, run: Run) -> None:
    kernel = {"release": "6.1.0-50-armmp", "image": "boot/vmlinuz-6.1.0-50-armmp"}
    farm.image("tiny", manifest={"arch": "armhf", "size_bytes": 6_100_000, "kernels": [kernel], "digest": "sha256:00"})
    farm.image("odd", manifest={"kernels": 3, "size_bytes": None})
    assert "6.1 MB" in run("image", "list").out
    assert "6.1.0-50-armmp" in run("image", "show", "tiny").out
    assert run("image", "show", "tiny:9").code == 3
    assert run("image", "remove", "tiny:1", "--yes").code == 0
    assert set(farm.images) == {"odd:1"}


def test_an_image_tells_whether_it_boots_over_nfs_and_what_was_adapted(farm: FakeFarm, run: Run) -> None:
    kernel = {"release": "6.1", "image": "boot/vmlinuz-6.1", "nfs": "farm", "why": "the farm made an initramfs"}
    adapted = [{"name": "no-swap", "detail": "etc/fstab"}, {"name": "no-disks", "detail": "etc/fstab"}]
    farm.image("tiny", manifest={"kernels": [kernel], "adapted": adapted, "without": ["no-logs"]})
    shown = run("image", "show", "tiny").out
    assert "yes, with our initramfs (6.1: the farm made an initramfs)" in shown
    assert "no-swap, no-disks" in shown
    assert "no-logs" in shown


def test_what_was_adapted_in_an_export_is_told_as_a_claim(farm: FakeFarm, run: Run) -> None:
    about = {"name": "mine", "version": 1, "lineage": ["older:1"]}
    farm.image("tiny", manifest={"adapted": [{"name": "no-swap", "detail": "etc/fstab"}], "about": about})
    told = run("image", "show", "tiny").out
    assert "no-swap (as its manifest says)" in told
    assert "mine:1 < older:1" in told


def test_adaptations_are_listed_and_left_out(farm: FakeFarm, run: Run) -> None:
    assert "no-swap" in run("image", "adaptations").out
    words = ("--without", "no-swap", "--without", "no-disks")
    assert run("image", "import", "tiny", "--on-server", "/srv/tiny", *words).code == 0
    assert farm.images["tiny:1"]["without"] == ["no-swap", "no-disks"]


def test_roots_are_listed_and_shown_with_the_day_they_go(farm: FakeFarm, run: Run) -> None:
    farm.root("before-the-upgrade", expires_at="2031-02-03T12:00:00Z")
    assert "2031-02-03" in run("root", "list").out
    assert "4.3 GB" in run("root", "show", "before-the-upgrade").out
    assert run("root", "show", "nothing").code == 3


def test_a_root_is_kept_as_an_image(farm: FakeFarm, run: Run) -> None:
    farm.root("before")
    ended = run("root", "keep", "before", "mine")
    assert ended.code == 0
    assert "the image mine:1 is ready" in ended.err
    assert farm.images["mine:1"]["parent"] == "tiny:1"


def test_a_root_is_discarded(farm: FakeFarm, run: Run) -> None:
    farm.root("before")
    assert run("root", "discard", "before", "--yes").code == 0
    assert farm.roots == {}


def test_what_is_no_name_is_not_asked_for(farm: FakeFarm, run: Run) -> None:
    for words in (("alias", "mine", "Bad/Name"), ("show", "mine/yours"), ("alias", "mine", "../x", "--remove")):
        ended = run("image", *words)
        assert (ended.code, "is no name" in ended.err) == (2, True), ended.err
    assert farm.asked == []


def test_of_two_contents_one_is_too_many(farm: FakeFarm, run: Run) -> None:
    ended = run("image", "import", "mine", "mine.tar", "--url", "https://x.example/y.tar")
    assert (ended.code, "FILE_OR_DIR and --url are each a content" in ended.err) == (2, True), ended.err


def test_a_version_alone_makes_no_name_alike(farm: FakeFarm, run: Run) -> None:
    farm.image("tiny", 2026112801)
    assert "did you mean" not in run("image", "show", "ctl3:2026112801").err
    assert "did you mean" in run("image", "show", "tinny:2026112801").err
