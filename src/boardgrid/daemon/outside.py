"""
The way out for an agent of virtual boards: it lives on their network, which leads nowhere, and neither Debian's mirror
nor what is imported by address is there. It is handed the network that its supervisor is on, as a file descriptor.
"""

import asyncio
import concurrent.futures
import contextlib
import ctypes
import os
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from boardgrid.finishing import finished
from boardgrid.model.image import UrlSource
from boardgrid.ports import Downloads, Shell

T = TypeVar("T")

_NAME = "BOARDGRID_OUTSIDE"  # in its environment: the number of the descriptor
_CLONE_NEWNET = 0x40000000


@contextlib.contextmanager
def handed_on(is_wanted: bool) -> Iterator[tuple[list[int], Mapping[str, str]]]:
    """The descriptors and the words of the environment that a process is started with."""
    if not is_wanted:
        yield [], {}
        return
    network = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield [network], {_NAME: str(network)}
    finally:
        os.close(network)


def handed_network(environment: Mapping[str, str] = os.environ) -> int | None:
    """The descriptor of that network; None where none was handed on."""
    network = environment.get(_NAME, "")
    return int(network) if network.isdigit() else None


def outside(shell: Shell, network: int | None) -> Shell:
    """A Shell whose programs are on that network; *shell* itself where there is none."""
    return shell if network is None else _Outside(shell, f"/proc/{os.getpid()}/fd/{network}")


def from_outside(downloads: Downloads, network: int | None) -> Downloads:
    """Downloads that are made on that network; *downloads* itself where there is none."""
    return downloads if network is None else _DownloadsFromOutside(downloads, network)


@dataclass(frozen=True, slots=True)
class _Outside:
    shell: Shell
    network: str

    async def run(self, *argv: str, timeout_s: float = 30, stdin: bytes = b"") -> str:
        return await self.shell.run("nsenter", f"--net={self.network}", "--", *argv, timeout_s=timeout_s, stdin=stdin)


@dataclass(frozen=True, slots=True)
class _DownloadsFromOutside:
    downloads: Downloads
    network: int

    async def fetch(self, source: UrlSource, to: Path, at_most: int) -> None:
        await _done_on(self.network, lambda: self.downloads.fetch(source, to, at_most))


async def _done_on(network: int, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """
    Do *work* in an event loop of its own, in a thread that is on *network*: sockets belong to the network of the thread
    that makes them, and the threads that look names up to that of the thread that starts them. It has ended when this
    returns, also where this task is cancelled.
    """
    begun = concurrent.futures.Future[asyncio.Task[Any]]()

    async def noted() -> T:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - it is this one
        begun.set_result(task)
        return await work()

    def there() -> T:
        if _libc.setns(network, _CLONE_NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), f"network {network}")
        return asyncio.run(noted())

    # A thread for this alone: it never comes back to the network that it began on.
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as thread:
        running = asyncio.get_running_loop().run_in_executor(thread, there)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            begun.add_done_callback(_cancel)
            with contextlib.suppress(BaseException):
                await finished(running)
            raise


def _cancel(begun: "concurrent.futures.Future[asyncio.Task[Any]]") -> None:
    task = begun.result()
    with contextlib.suppress(RuntimeError):  # its loop is closed: it has ended by itself
        task.get_loop().call_soon_threadsafe(task.cancel)


_libc = ctypes.CDLL(None, use_errno=True)
