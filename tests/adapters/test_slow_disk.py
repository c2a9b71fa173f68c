"""A disk that hangs keeps those who need it, and nobody else: the agent's loop renews its lease meanwhile."""

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from boardgrid.adapters.clock import BootClock
from boardgrid.adapters.exports.knfsd import KernelExports
from boardgrid.adapters.netboot import NetbootFiles
from boardgrid.adapters.netboot.hosts import DhcpHosts
from boardgrid.adapters.shell import SubprocessShell
from boardgrid.adapters.sightings import NetworkSightings
from boardgrid.finishing import whole
from boardgrid.testing import FACTS, TYPE, a_board

PATIENCE_S = 10.0


class Exportfs:
    async def run(self, *_argv: str, timeout_s: float = 30, stdin: bytes = b"") -> str:
        return ""


def boot_files(file: Path) -> Awaitable[object]:
    hosts = DhcpHosts(file.parent)
    return NetbootFiles(SubprocessShell(), FACTS, file.parent / "tftp", hosts).seen(a_board(1), TYPE)


def kernel_exports(file: Path) -> Awaitable[object]:
    return KernelExports(Exportfs(), file.parent, mirror=file.parent).all()


@pytest.mark.parametrize(
    ("name", "ask"),
    [("tk1-1", boot_files), ("boardgrid-1.exports", kernel_exports)],
    ids=["boot files", "exports"],
)
async def test_the_loop_goes_on_while_a_file_cannot_be_read(
    tmp_path: Path, name: str, ask: Callable[[Path], Awaitable[object]]
) -> None:
    os.mkfifo(tmp_path / name)  # to open it hangs until somebody writes, and to read it until they have written
    goes_on, was_opened, still_goes_on = threading.Event(), threading.Event(), threading.Event()
    went_on = []

    def answer() -> None:
        went_on.append(goes_on.wait(PATIENCE_S))
        with (tmp_path / name).open("w"):
            was_opened.set()
            went_on.append(still_goes_on.wait(PATIENCE_S))

    disk = threading.Thread(target=answer, daemon=True)  # where nobody ever reads, it hangs for good
    disk.start()
    asked = asyncio.ensure_future(ask(tmp_path / name))
    await asyncio.sleep(0.2)  # by now it hangs
    goes_on.set()
    assert await asyncio.to_thread(was_opened.wait, PATIENCE_S)
    still_goes_on.set()
    await asked
    await asyncio.to_thread(disk.join, PATIENCE_S)
    assert went_on == [True, True]


async def test_the_loop_goes_on_while_the_network_servers_log_is_looked_through(tmp_path: Path) -> None:
    (tmp_path / "dnsmasq.log").write_text(
        f"{time.strftime('%b %e %H:%M:%S')} dnsmasq-dhcp[7]: PXE(eth1) 52:54:00:00:00:01 proxy\n"
    )
    reads, goes_on, went_on = threading.Event(), threading.Event(), []

    def address_of(_mac: str) -> None:
        reads.set()
        went_on.append(goes_on.wait(PATIENCE_S))

    watched = NetworkSightings(BootClock(), tmp_path / "dnsmasq.log", tmp_path / "tftp", address_of, tables=())
    asked = asyncio.ensure_future(anext(watched.watch()))
    assert await asyncio.to_thread(reads.wait, PATIENCE_S)
    goes_on.set()
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    assert went_on == [True]


async def test_who_gives_up_waits_for_the_end_of_what_began() -> None:
    began, may_end, ended = threading.Event(), threading.Event(), []

    def work() -> None:
        began.set()
        may_end.wait(PATIENCE_S)
        ended.append(True)

    task = asyncio.ensure_future(whole(work))
    await asyncio.to_thread(began.wait, PATIENCE_S)
    for _time in range(3):  # who ends a board's tasks cancels until they have ended
        task.cancel()
        await asyncio.sleep(0.01)
    assert not task.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [True]
