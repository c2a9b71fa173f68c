"""An SSH server that plays a board: its login shell is a coroutine of the test, or a real one in a cage."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh

from boardgrid.drivers.ssh import SshReboot
from boardgrid.testing import a_board
from tests.drivers.bench import LOOPBACK, tools


@dataclass
class SshBoard:
    """*heard* is what the driver said to each of its sessions, in order; its connections can be cut."""

    key: Path
    port: int = 0
    heard: list[list[str]] = field(default_factory=list)
    connections: list[asyncssh.SSHServerConnection] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)  # a session's input was closed

    def driver(self, timeout_s: float = 30) -> SshReboot:
        board = a_board(1, address=LOOPBACK)
        return SshReboot(port=self.port, timeout_s=timeout_s, tools=tools(board=board, ssh_key=self.key))

    def cut(self) -> None:
        for connection in self.connections:
            connection.abort()
        self.connections.clear()


Shell = Callable[[SshBoard, asyncssh.SSHServerProcess[bytes]], Awaitable[None]]


async def obedient(board: SshBoard, session: asyncssh.SSHServerProcess[bytes]) -> None:
    """Does what both scripts of the driver have a board do."""
    heard: list[str] = []
    board.heard.append(heard)
    if "while read" in (session.command or ""):
        while (line := (await session.stdin.readline()).strip()) == b"sync":
            heard.append("sync")
            session.stdout.write(b"synced\n")
        heard.extend([line.decode()] if line else [])
    session.stdout.write(b"restarting\n")
    session.exit(0)


@asynccontextmanager
async def ssh_board(
    folder: Path, shell: Shell = obedient, compression: Sequence[str] = ("none",)
) -> AsyncIterator[SshBoard]:
    key = asyncssh.generate_private_key("ssh-ed25519")
    board = SshBoard(folder / "agent_key")
    key.write_private_key(board.key)

    class Server(asyncssh.SSHServer):
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            board.connections.append(conn)

    async def session(process: asyncssh.SSHServerProcess[bytes]) -> None:
        with contextlib.suppress(asyncssh.Error, OSError):
            await shell(board, process)

    server = await asyncssh.listen(
        str(LOOPBACK),
        0,
        server_factory=Server,
        server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
        authorized_client_keys=asyncssh.import_authorized_keys(key.export_public_key().decode()),
        process_factory=session,
        compression_algs=compression,
        encoding=None,
    )
    board.port = server.get_port()
    try:
        yield board
    finally:
        board.cut()
        server.close()
