"""What the machine that reads disk images says, and that one that says nothing any more is not waited for."""

import socket
import threading
from pathlib import Path

import pytest

from boardgrid.adapters.store.disk_image import lines
from boardgrid.model.errors import Code, Fault


def test_what_it_says_comes_line_by_line_until_it_ends(tmp_path: Path) -> None:
    ours, its = socket.socketpair()
    with ours:
        with its:
            its.sendall(b"part 1 1048576 ext4 root\r\nsystems")
            its.sendall(b" 1\nbroken off")
        assert list(lines(ours, tmp_path / "none")) == ["part 1 1048576 ext4 root", "systems 1"]


def test_one_that_hangs_is_a_fault(tmp_path: Path) -> None:
    ours, its = socket.socketpair()
    (tmp_path / "tree.tar").write_bytes(b"")
    with ours, its, pytest.raises(Fault, match="hangs") as raised:
        list(lines(ours, tmp_path / "tree.tar", silent_s=0.05))
    assert raised.value.code is Code.PROGRAM_TIMEOUT


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
