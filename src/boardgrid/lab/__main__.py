"""
The first process of the lab's namespaces, and the holder as its child.

    unshare --net --mount --pid --fork --kill-child=KILL --mount-proc --propagation private -- \\
        python -m boardgrid.lab --folder STATE/lab --socket STATE/run/lab.sock --server 10.20.0.1/24 --interface br0

The first process only waits: for the holder, and for whatever else ends in here without a parent. When either of the
two is gone, the kernel ends everything in the namespaces.
"""

import argparse
import asyncio
import contextlib
import fcntl
import os
import signal
import sys
from collections.abc import Sequence
from ipaddress import IPv4Interface
from pathlib import Path

import structlog

from boardgrid.adapters.shell import SubprocessShell
from boardgrid.lab.door import Door
from boardgrid.lab.holder import Holder
from boardgrid.lab.network import WAKE, LabNetwork
from boardgrid.lab.wake import WakeListener
from boardgrid.logs import log_to_stderr
from boardgrid.messages import _
from boardgrid.model.errors import Code, Conflict, FarmError, Invalid
from boardgrid.socketpath import check_socket_path

log = structlog.get_logger()

_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m boardgrid.lab")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--server", type=IPv4Interface, required=True)
    parser.add_argument("--interface", default="br0")
    asked = parser.parse_args(argv)
    log_to_stderr()
    try:
        if os.getpid() != 1:
            raise Invalid(
                Code.CONFIG_INVALID,
                _("the lab changes the network and the mounts that it sees, so it must be the first of its namespaces"),
                hint=_("start it through unshare --net --mount --pid --fork --mount-proc"),
            )
        check_socket_path(asked.socket)
        asked.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FarmError as error:
        return _refused(error)
    # The holder has children of its own to wait for; orphans of others would come between.
    if holder := os.fork():
        return _wait(holder)
    return asyncio.run(_hold(asked.folder, asked.socket, asked.server, asked.interface))


def _wait(holder: int) -> int:
    """Pass on what asks us to end, and reap whoever ends, until the holder has."""
    for number in _ENDING:
        signal.signal(number, lambda number, _frame: os.kill(holder, number))
    while True:
        pid, status = os.wait()
        if pid == holder:
            return abs(os.waitstatus_to_exitcode(status))


async def _hold(folder: Path, socket: Path, server: IPv4Interface, interface: str) -> int:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in _ENDING:
        loop.add_signal_handler(number, ended.set)
    with (folder / "lock").open("w") as lock, contextlib.ExitStack() as leaving:
        try:
            _take(lock.fileno(), folder)
            network = LabNetwork(interface, server, SubprocessShell())
            holder = Holder(folder, network)
            await holder.begin()
        except FarmError as error:
            return _refused(error)
        leaving.callback(WakeListener(WAKE, holder.wake).close)
        door = Door(holder, network)
        await door.open(socket)
        leaving.callback(door.close)
        log.info("lab.began", interface=interface, server=str(server), boards=len(holder.all()))
        await ended.wait()
        await holder.end()
        log.info("lab.ended")
    return 0


def _take(lock: int, folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise Conflict(Code.STATE_LOCKED, _("another lab runs on {folder}"), folder=folder) from error


def _refused(error: FarmError) -> int:
    log.error("lab.refused", why=str(error), hint=error.hint)
    return 1


if __name__ == "__main__":
    sys.exit(main())
