"""
The way out for an agent of virtual boards: it lives on their network, which leads nowhere, and Debian's mirror is not
there. It is handed the network that its supervisor is on, as a file descriptor.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from boardgrid.ports import Shell

_NAME = "BOARDGRID_OUTSIDE"  # in its environment: the number of the descriptor


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


def outside(shell: Shell, environment: Mapping[str, str] = os.environ) -> Shell:
    """A Shell whose programs are on that network; *shell* itself where none was handed on."""
    network = environment.get(_NAME, "")
    return _Outside(shell, f"/proc/{os.getpid()}/fd/{network}") if network.isdigit() else shell


@dataclass(frozen=True, slots=True)
class _Outside:
    shell: Shell
    network: str

    async def run(self, *argv: str, timeout_s: float = 30, stdin: bytes = b"") -> str:
        return await self.shell.run("nsenter", f"--net={self.network}", "--", *argv, timeout_s=timeout_s, stdin=stdin)
