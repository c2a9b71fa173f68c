"""
A lab of one's own, for a test or an afternoon: all of it is gone when the block is left, however that happens.

    async with private_lab(folder) as lab:
        await lab.client.define(Definition(name="tk1-1", kind=Kind.UBOOT, mac=..., address=...))
        print(await lab.shell.run("ip", "address"))
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import IO

from boardgrid.adapters.shell import DIES_WITH_PARENT, SubprocessShell
from boardgrid.finishing import finished
from boardgrid.lab.client import LabClient
from boardgrid.lab.definition import Definition, Kind
from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault

SERVER = IPv4Interface("10.77.0.1/24")
BEGIN_S = 60.0
_NAMESPACES = (
    *("unshare", "--net", "--mount", "--pid", "--mount-proc", "--propagation", "private"),
    *("--fork", "--kill-child=KILL", "--"),
)


@dataclass(frozen=True, slots=True)
class InsideShell:
    """A Shell whose programs run somewhere else: *enter* are the words that go there."""

    enter: tuple[str, ...]

    async def run(self, *argv: str, timeout_s: float = 30, stdin: bytes = b"") -> str:
        words = (*self.enter, *DIES_WITH_PARENT, *argv)
        return await SubprocessShell().run(*words, timeout_s=timeout_s, stdin=stdin)

    async def start(
        self, *argv: str, output: IO[bytes] | int = asyncio.subprocess.DEVNULL
    ) -> asyncio.subprocess.Process:
        """A program that stays: until it is ended, the lab is, or we are."""
        return await asyncio.create_subprocess_exec(
            *(*DIES_WITH_PARENT, *self.enter, *DIES_WITH_PARENT, *argv),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=None if output == asyncio.subprocess.PIPE else output,
        )


@dataclass(frozen=True, slots=True)
class PrivateLab:
    folder: Path
    socket: Path
    server: IPv4Interface
    interface: str
    client: LabClient
    pid: int  # of the first process of its namespaces, as this process numbers it

    @property
    def enter(self) -> tuple[str, ...]:
        """The words before a program that is to run inside."""
        return ("nsenter", f"--target={self.pid}", "--net", "--mount", "--pid", "--root", "--")

    @property
    def shell(self) -> InsideShell:
        return InsideShell(self.enter)

    async def neighbour(
        self,
        name: str,
        mac: str = "",
        address: IPv4Address | None = None,
        *,
        trusted: bool = False,
    ) -> InsideShell:
        """
        A network namespace on a port of the bridge, as another board (or as a *trusted* machine) would hang there.

        The port is bound to *mac* and *address*; what the namespace then makes of itself is up to the programs that
        are run in it. Its interface is ``eth0``.
        """
        kind = Kind.UPLINK if trusted else Kind.CABLE
        sight = await self.client.define(
            Definition(name=name, kind=kind, mac="" if trusted else mac, address=None if trusted else address)
        )
        free_end = sight.port.replace("bgp", "bgc")
        steps = [f"link set {free_end} netns {name} name eth0", f"-n {name} link set lo up"]
        if mac:
            steps.append(f"-n {name} link set eth0 address {mac}")
        steps.append(f"-n {name} link set eth0 up")
        if address:
            steps.append(f"-n {name} address add {address}/{self.server.network.prefixlen} dev eth0")
        await self.shell.run("ip", "netns", "add", name)
        for step in steps:
            await self.shell.run("ip", *step.split())
        return InsideShell((*self.enter, "ip", "netns", "exec", name))


@asynccontextmanager
async def private_lab(
    folder: Path, server: IPv4Interface = SERVER, interface: str = "br0"
) -> AsyncIterator[PrivateLab]:
    """
    Start a lab that keeps its files in *folder* and its socket beside them. Needs root.

    Raises:
        Fault: it did not begin; the sentence has what it said.
    """
    socket = folder / "lab.sock"
    with (folder / "lab.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(*DIES_WITH_PARENT, *_NAMESPACES, sys.executable, "-m", "boardgrid.lab"),
            *("--folder", str(folder), "--socket", str(socket), "--server", str(server), "--interface", interface),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        client = LabClient(socket)
        await _begun(process, client, folder / "lab.log")
        yield PrivateLab(folder, socket, server, interface, client, _child(process.pid))
    finally:
        await finished(_gone(process))


async def _begun(process: asyncio.subprocess.Process, client: LabClient, log: Path) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(BEGIN_S):
            while process.returncode is None:
                with contextlib.suppress(Fault, OSError, IndexError):
                    await client.about()
                    # Not another lab that has the same folder.
                    if _network_of(await client.pid()) == _network_of(_child(process.pid)):
                        return
                await asyncio.sleep(0.02)
    said = (await asyncio.to_thread(log.read_text, errors="replace"))[-2000:]
    raise Fault(Code.PROGRAM_FAILED, _("the lab did not begin: {said}"), said=said)


def _child(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def _network_of(pid: int) -> int:
    return Path(f"/proc/{pid}/ns/net").stat().st_ino


async def _gone(process: asyncio.subprocess.Process) -> None:
    """Returns when the first process inside is gone, and with it all others."""
    inside = None
    with contextlib.suppress(OSError, IndexError):
        inside = os.pidfd_open(_child(process.pid))
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()
    if inside is not None:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(inside, ended.set)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), 30)
        loop.remove_reader(inside)
        os.close(inside)
