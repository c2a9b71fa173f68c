"""What the machine that reads disk images says, and that one that says nothing any more is not waited for."""

import os
import socket
import threading
from pathlib import Path

import pytest

from boardgrid.adapters.store.cage import Cage, Run
from boardgrid.adapters.store.diary import NO_DIARY, Diary
from boardgrid.adapters.store.disk_image import DiskReader, Machine, Words, lines, listened
from boardgrid.adapters.store.limits import Limits
from boardgrid.adapters.store.progress import diary_of
from boardgrid.adapters.store.source import File
from boardgrid.adapters.store.workroom import Disk
from boardgrid.model.errand import Progress
from boardgrid.model.errors import Code, Fault, Invalid
from tests.adapters.store.test_crash import wait_until


def test_what_it_says_comes_line_by_line_until_it_ends(tmp_path: Path) -> None:
    ours, its = socket.socketpair()
    with ours:
        with its:
            its.sendall(b"part 1 1048576 ext4 root\r\nsystems")
            its.sendall(b" 1\nbroken off")
        assert list(lines(ours, tmp_path / "none")) == ["part 1 1048576 ext4 root", "systems 1"]


def listened_to(script: str, tree: Path, silent_s: float = 60) -> Words:
    """A program in the place of a machine, which says what it has to say on its standard input."""
    tree.write_bytes(b"")
    ours, its = socket.socketpair()
    with ours:
        with its:
            run = Run(["sh", "-c", script], its.fileno(), os.environ, ())
        try:
            return listened(run, ours, tree, silent_s=silent_s, ends_s=0.3)
        finally:
            assert not Path(f"/proc/{run.pid}").exists(), "however it went, it is gone"


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ("", "it said nothing"),
        ("part 1 1048576 vfat BOOT\\npart 2 1048576 ext4 x\\n", "part 1 1048576 vfat BOOT | part 2 1048576 ext4 x"),
        ("part 1 1048576 vfat BOOT\\nsyst", "part 1 1048576 vfat BOOT"),
        (
            "system 2\\n[ 9.1] Oops\\n[ 9.2] here\\n[ 9.2]\\n[ 9.3] and there\\n",
            "system 2 | [ 9.1] Oops | [ 9.2] here | [ 9.2]",
        ),
        ("a\\nb\\n\\033[2Jc\\nd\\n", r"b | \x1b[2Jc | d"),
    ],
)
def test_one_that_hangs_is_a_fault_with_what_it_said_last(tmp_path: Path, says: str, told: str) -> None:
    with pytest.raises(Fault, match="hangs") as raised:
        listened_to(f"printf '{says}' >&0; exec sleep 600", tmp_path / "tree.tar", 0.3)
    assert raised.value.code is Code.PROGRAM_TIMEOUT
    assert f"({told})" in str(raised.value)


def test_one_that_says_more_than_it_has_to_say_is_ended(tmp_path: Path) -> None:
    told = listened_to("yes unread >&0", tmp_path / "tree.tar")
    assert told.end == "" and len(told.said) < 10


def test_one_that_hangs_up_and_goes_on_is_ended(tmp_path: Path) -> None:
    assert listened_to("exec sleep 600 <&-", tmp_path / "tree.tar").end == ""


def test_one_that_cannot_run_is_a_fault_with_its_complaint(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="could not run: no such accelerator") as raised:
        listened_to("echo no such accelerator >&2; exit 1", tmp_path / "tree.tar")
    assert raised.value.code is Code.PROGRAM_FAILED


def test_one_that_writes_is_waited_for_while_it_says_nothing(tmp_path: Path) -> None:
    ours, its = socket.socketpair()
    tree, is_heard = tmp_path / "tree.tar", threading.Event()
    tree.write_bytes(b"")

    def work() -> None:
        with its, tree.open("ab") as file:
            while not is_heard.wait(0.02) and file.tell() < 40 << 16:
                file.write(bytes(1 << 16))
                file.flush()
            its.sendall(b"done\n")

    writer = threading.Thread(target=work)
    writer.start()
    with ours:
        assert list(lines(ours, tree, silent_s=0.2)) == ["done"]
    is_heard.set()
    writer.join()


class Machines:
    """Stand in for machines: each ends as told, the first one first."""

    def __init__(self, *ends: Code | None) -> None:
        self.ends, self.processors = list(ends), list[int]()

    def __call__(self, _image: File, _partition: int | None, cage: Cage, _most: int, processors: int) -> Words:
        self.processors.append(processors)
        if code := self.ends.pop(0):
            (cage.workplace / "tree.tar").write_bytes(b"half of it")
            raise Fault(code, "it ended")
        assert not any((cage.workplace / "tree.tar").read_bytes())  # nothing of the one before
        return Words(end="done")


def read(folder: Path, machines: Machine, diary: Diary = NO_DIARY) -> None:
    for name in ("vmlinuz", "disk-reader", "image"):
        (folder / name).write_bytes(b"x")
    (folder / "draft").mkdir()
    with (folder / "image").open("rb") as image:
        reader = DiskReader(folder, machine=machines)
        given = File(image.fileno(), "image")
        archive = reader.read(given, Limits(1 << 20), Disk(folder, 0), folder / "draft", diary)
        os.close(archive.fd)


def test_where_one_hangs_another_with_a_single_processor_is_tried(tmp_path: Path) -> None:
    machines = Machines(Code.PROGRAM_TIMEOUT, None)
    read(tmp_path, machines)
    assert machines.processors == [2, 1]


@pytest.mark.parametrize("ends", [(Code.PROGRAM_TIMEOUT, Code.PROGRAM_TIMEOUT), (Code.PROGRAM_FAILED,)])
def test_a_third_one_is_not_tried_nor_a_second_after_another_fault(tmp_path: Path, ends: tuple[Code, ...]) -> None:
    machines = Machines(*ends)
    with pytest.raises(Fault) as raised:
        read(tmp_path, machines)
    assert (raised.value.code, len(machines.processors)) == (ends[-1], len(ends))


def test_while_it_works_is_told_how_much_it_wrote(tmp_path: Path) -> None:
    look = diary_of(tmp_path / "progress")

    def machine(_image: File, _partition: int | None, cage: Cage, _most: int, _processors: int) -> Words:
        with (cage.workplace / "tree.tar").open("r+b") as tree:
            tree.write(b"x" * (1 << 20))
        wait_until("it is told", lambda: (look() or Progress("")).done_bytes >= 1 << 20)
        return Words(end="done")

    read(tmp_path, machine, Diary(tmp_path / "progress"))


def test_a_disk_that_is_shorter_than_it_says_is_cut_off(tmp_path: Path) -> None:
    head = bytearray(2048)
    head[1080:1082], head[1028:1032] = b"\x53\xef", (65536).to_bytes(4, "little")
    for name in ("vmlinuz", "disk-reader", "image"):
        (tmp_path / name).write_bytes(bytes(head))
    (tmp_path / "draft").mkdir()
    reader = DiskReader(tmp_path, machine=lambda *_how: Words(end="systems"))
    with (tmp_path / "image").open("rb") as image, pytest.raises(Invalid, match=r"card is cut off: .* 67\.1 MB"):
        reader.read(File(image.fileno(), "card"), Limits(1 << 20), Disk(tmp_path, 0), tmp_path / "draft")


def test_of_what_the_kernel_says_its_clock_is_left_out() -> None:
    told = Words()
    told.add("unread 0 [   11.771234] EXT4-fs (vda): bad geometry")
    assert told.unread == ["0 EXT4-fs (vda): bad geometry"]
