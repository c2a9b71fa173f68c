"""A gateway and a board behind it, both real SSH servers, for the tests of what comes through them."""

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

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
    home: Path | None = None  # where the board really runs what it is told; None: it only says so
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
            env={**os.environ, "HOME": str(self.home)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        await process.redirect(stdin=running.stdin, stdout=running.stdout, stderr=running.stderr)
        if self.cut_after_s is not None:
            await asyncio.sleep(self.cut_after_s)
            running.kill()
            process.channel.get_connection().abort()
            return
        status = await running.wait()
        await process.stdout.drain()
        process.exit(status)


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
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
