"""A gateway on the loopback, a real SSH server that plays the board, and OpenSSH's own client."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Protocol

import asyncssh

from boardgrid.adapters.clock import BootClock
from boardgrid.gateway.door import serve
from boardgrid.gateway.limits import Limits
from boardgrid.ports import Route
from boardgrid.testing import FakeDoorkeeper

LOOPBACK = "127.0.0.1"


async def _on_the_board(process: asyncssh.SSHServerProcess[bytes]) -> None:
    match process.command:
        case "cat":
            while data := await process.stdin.read(65536):
                process.stdout.write(data)
                await process.stdout.drain()
        case "wait":
            process.stdout.write(b"waiting\n")
            await asyncio.sleep(600)
        case command:
            process.stdout.write(f"this is tk1-1: {command}\n".encode())
            process.stderr.write(b"and this is its stderr\n")
            process.exit(7)
            return
    process.exit(0)


class _Anybody(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:
        return False


@dataclass
class Door:
    """A running gateway and what its test may turn."""

    folder: Path
    port: int
    doorkeeper: FakeDoorkeeper
    board_port: int
    keys: dict[str, asyncssh.SSHKey] = field(default_factory=dict)

    def user(self, name: str) -> asyncssh.SSHKey:
        """A user of the farm, with a key."""
        key = asyncssh.generate_private_key("ssh-ed25519")
        file = self.folder / name
        file.write_bytes(key.export_private_key())
        file.chmod(0o600)
        self.keys[name] = key
        self.doorkeeper.users[self.line(name)] = name
        return key

    def holds(self, user: str, board: str = "tk1-1", port: int | None = None) -> None:
        self.doorkeeper.hold(user, board, Route(IPv4Address(LOOPBACK), port or self.board_port))

    def line(self, user: str) -> str:
        return " ".join(self.keys[user].export_public_key().decode().split()[:2])

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not is_so():  # noqa: ASYNC110 - what is waited for is in another task or process
                await asyncio.sleep(0.01)

    async def ssh(self, *words: str, user: str = "ada", key: str = "") -> "Ssh":
        """OpenSSH's client with this gateway as the host ``door``."""
        config = self.folder / f"config-{user}-{key}"
        config.write_text(
            f"Host *\n UserKnownHostsFile {self.folder}/known\n GlobalKnownHostsFile /dev/null\n BatchMode yes\n"
            f" StrictHostKeyChecking no\n IdentityFile {self.folder / (key or user)}\n IdentitiesOnly yes\n"
            f" IdentityAgent none\n LogLevel INFO\n ControlPath none\n"
            f"Host door\n HostName {LOOPBACK}\n Port {self.port}\n User {user}\n"
        )
        return Ssh(
            await asyncio.create_subprocess_exec(
                "ssh", "-F", str(config), *words,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )
        )  # fmt: skip

    async def connect(self, user: str = "ada", key: str = "") -> asyncssh.SSHClientConnection:
        return await asyncssh.connect(
            LOOPBACK, self.port, username=user, client_keys=[self.keys[key or user]], known_hosts=None, config=None,
            agent_path=None,
        )  # fmt: skip


@dataclass
class Ssh:
    process: asyncio.subprocess.Process

    async def said(self, stdin: bytes = b"", within_s: float = 60) -> tuple[int, str, str]:
        """Its exit status, what it printed and what it complained."""
        async with asyncio.timeout(within_s):
            out, err = await self.process.communicate(stdin)
        assert self.process.returncode is not None
        return self.process.returncode, out.decode(), err.decode()


class Opener(Protocol):
    async def __call__(self, **limits: float) -> Door: ...


@asynccontextmanager
async def board() -> AsyncIterator[int]:
    server = await asyncssh.create_server(
        _Anybody, LOOPBACK, 0, server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
        process_factory=_on_the_board, sftp_factory=True, allow_scp=True, encoding=None, config=None, gss_host=None,
    )  # fmt: skip
    try:
        yield server.get_port()
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def gateway(folder: Path, limits: Limits, doorkeeper: FakeDoorkeeper, board_port: int) -> AsyncIterator[Door]:
    listening = socket.create_server((LOOPBACK, 0))
    port = listening.getsockname()[1]
    serving = asyncio.create_task(
        serve(listening, folder / "host_key", doorkeeper, BootClock(), host=LOOPBACK, port=port, limits=limits)
    )
    try:
        yield Door(folder, port, doorkeeper, board_port)
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        listening.close()
