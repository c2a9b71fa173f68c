"""A gateway and a board behind it, both real SSH servers, for the tests of what comes through them."""

import asyncio
import os
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh

from tests.client.fake_farm import FakeFarm


def public(key: asyncssh.SSHKey) -> str:
    return key.export_public_key().decode().strip()


@dataclass
class Lab:
    """A gateway and the board behind it, for whoever has *key*."""

    key: asyncssh.SSHKey
    board_key: asyncssh.SSHKey = field(default_factory=lambda: asyncssh.generate_private_key("ssh-ed25519"))
    gateway_key: asyncssh.SSHKey = field(default_factory=lambda: asyncssh.generate_private_key("ssh-ed25519"))
    gateway_port: int = 0
    board_port: int = 0
    asked_for: list[tuple[str, int]] = field(default_factory=list)
    logged_in: list[str] = field(default_factory=list)
    servers: list[asyncssh.SSHAcceptor] = field(default_factory=list)
    home: Path | None = None  # where the board really runs what it is told; None: it only says so
    path: str | None = None  # where the board's shell looks for programs; None: where this machine's does
    cut_after_s: float | None = None  # the connection to the board is lost so long after a command began

    async def open(self) -> None:
        lab = self

        class Keyed(asyncssh.SSHServer):
            def begin_auth(self, username: str) -> bool:
                return True

            def public_key_auth_supported(self) -> bool:
                return True

            def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
                return public(key) == public(lab.key)

        class Gateway(Keyed):
            def connection_requested(
                self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
            ) -> Callable[[asyncssh.SSHReader[bytes], asyncssh.SSHWriter[bytes]], Awaitable[None]]:
                lab.asked_for.append((dest_host, dest_port))
                return lab.bridge

        async def session(process: asyncssh.SSHServerProcess[bytes]) -> None:
            lab.logged_in.append(str(process.get_extra_info("username")))
            command = process.command or ""
            if lab.home is not None:
                await lab.really_run(process, command)
                return
            process.stdout.write(f"board ran: {command}\n".encode())
            if command == "stay":
                await process.stdin.read()
            process.exit(int(command.removeprefix("exit ")) if command.startswith("exit ") else 0)

        board = await asyncssh.create_server(
            Keyed, "127.0.0.1", 0, server_host_keys=[self.board_key], process_factory=session, encoding=None
        )
        gateway = await asyncssh.create_server(Gateway, "127.0.0.1", 0, server_host_keys=[self.gateway_key])
        self.board_port, self.gateway_port = board.get_port(), gateway.get_port()
        self.servers = [board, gateway]

    async def close(self) -> None:
        for server in self.servers:
            server.close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        await asyncio.sleep(0)

    async def bridge(self, reader: asyncssh.SSHReader[bytes], writer: asyncssh.SSHWriter[bytes]) -> None:
        board_reader, board_writer = await asyncio.open_connection("127.0.0.1", self.board_port)

        async def onwards() -> None:
            while data := await reader.read(65536):
                board_writer.write(data)
            board_writer.close()

        async def back() -> None:
            while data := await board_reader.read(65536):
                writer.write(data)
            writer.close()

        await asyncio.gather(onwards(), back(), return_exceptions=True)

    async def really_run(self, process: asyncssh.SSHServerProcess[bytes], command: str) -> None:
        running = await asyncio.create_subprocess_shell(
            command,
            cwd=self.home,
            env={**os.environ, "HOME": str(self.home), **({} if self.path is None else {"PATH": self.path})},
            start_new_session=True,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert running.stdin is not None
        assert running.stdout is not None
        assert running.stderr is not None
        told = asyncio.ensure_future(_copied(process.stdin, running.stdin))
        said = [_copied(running.stdout, process.stdout), _copied(running.stderr, process.stderr)]
        try:
            async with asyncio.timeout(self.cut_after_s):
                await asyncio.gather(*said)
                process.exit(await running.wait())
        except TimeoutError:
            process.channel.get_connection().abort()
        finally:
            told.cancel()
            with suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
            await running.wait()


async def _copied(source: Any, sink: Any) -> None:
    while data := await source.read(65536):
        sink.write(data)
    if isinstance(sink, asyncio.StreamWriter):
        sink.close()


@contextmanager
def lab_of(farm: FakeFarm, key_file: Path) -> Iterator[Lab]:
    """The gateway of the farm's site, and its board tk1-1."""
    lab = Lab(asyncssh.read_private_key(key_file))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(lab.open(), loop).result(30)
        gateway = {"host": "127.0.0.1", "port": lab.gateway_port, "host_key": public(lab.gateway_key)}
        farm.sites.append({"name": "lab", "gateway": gateway})
        farm.known_hosts = f"tk1-1,tk1-1.lab.boardgrid {public(lab.board_key)}\n"
        yield lab
        asyncio.run_coroutine_threadsafe(lab.close(), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
