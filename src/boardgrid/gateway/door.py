"""The SSH door of a site: from a listening socket to visits."""

import asyncio
import os
import socket
from pathlib import Path

import asyncssh
import structlog

from boardgrid.gateway.limits import Limits
from boardgrid.gateway.lobby import Lobby
from boardgrid.gateway.tally import Tally
from boardgrid.gateway.visit import Visit
from boardgrid.gateway.watch import Watch
from boardgrid.gateway.wire import Wire
from boardgrid.ports import Clock, Doorkeeper

log = structlog.get_logger(__name__)


def host_key(path: Path) -> asyncssh.SSHKey:
    """The key that this gateway shows, made when it is first asked for. People pin it: it never changes by itself."""
    try:
        return asyncssh.read_private_key(path)
    except FileNotFoundError:
        key = asyncssh.generate_private_key("ssh-ed25519")
        beside = path.with_name(path.name + ".new")
        beside.unlink(missing_ok=True)
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(key.export_private_key())
            file.flush()
            os.fsync(file.fileno())
        beside.rename(path)
        log.info("host_key.made", path=str(path))
        return key


def public_line(key: asyncssh.SSHKey) -> str:
    return " ".join(key.export_public_key().decode().split()[:2])


async def serve(
    listening: socket.socket,
    host_key_path: Path,
    doorkeeper: Doorkeeper,
    clock: Clock,
    *,
    host: str,
    port: int,
    limits: Limits | None = None,
) -> None:
    """
    Let people through to their boards, until cancelled. Boards are reached from this process's own network.

    Args:
        listening: already bound; it may be inherited, and stays open for whoever else has it.
        host: where people reach that socket, for the controller to tell them; and *port*.
    """
    limits = limits or Limits()
    key = await asyncio.to_thread(host_key, host_key_path)
    lobby = Lobby(limits)
    options = asyncssh.SSHServerConnectionOptions(
        server_factory=lambda: Visit(lobby, doorkeeper),
        server_host_keys=[key],
        server_version="BoardGrid",
        config=None,
        gss_host=None,
        host_based_auth=False,
        password_auth=False,
        kbdint_auth=False,
        public_key_auth=True,
        # What goes through is encrypted already; and a small packet could be inflated to any size.
        compression_algs=None,
        login_timeout=limits.login_s,
        agent_forwarding=False,
        x11_forwarding=False,
        allow_pty=False,
        allow_scp=False,
        # A user may suspend their client for hours: only a dead machine is hung up on, by TCP.
        keepalive_interval=0,
        tcp_keepalive=True,
    )
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Wire(loop, options), sock=listening)
    log.info("gateway.listens", host=host, port=port, host_key=public_line(key))
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(Watch(lobby, doorkeeper, clock, host, port, public_line(key)).run())
            tasks.create_task(Tally(lobby, doorkeeper, clock).run())
    finally:
        server.close()
        for guest in tuple(lobby.guests):
            guest.leave("the gateway ends")
