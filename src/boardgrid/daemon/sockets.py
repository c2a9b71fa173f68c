"""Doors that outlive who stands in them: listening sockets, opened once and handed on by the LISTEN_FDS convention."""

import contextlib
import errno
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from boardgrid.daemon.config import Listen
from boardgrid.daemon.launch import FIRST_FD
from boardgrid.messages import _
from boardgrid.model.errors import Code, Conflict, Fault

BACKLOG = 1024
_TRIES = 200  # how far a free port is looked for


@dataclass(frozen=True, slots=True)
class Door:
    """A listening socket and the name by which it is handed on."""

    name: str
    socket: socket.socket

    @property
    def address(self) -> str:
        """``127.0.0.1:8470``, or the path of a Unix socket."""
        where = self.socket.getsockname()
        return where if isinstance(where, str) else f"{where[0]}:{where[1]}"


def open_tcp(name: str, listen: Listen, *, remembered: int | None = None, key: str) -> Door:
    """
    Listen where the config says. Where it allows the next free port, the *remembered* one is tried first.

    Raises:
        Conflict: another program listens there; the sentence names the *key* of the config.
        Fault: this machine has no such address.
    """
    ports = [listen.port]
    if listen.or_next:
        ports = [*([remembered] if remembered else []), *range(listen.port, min(listen.port + _TRIES, 65536))]
    for port in ports:
        # Told to be TCP, else asyncio would not know it for that, and keep the end of a short answer back for 40 ms
        # until the beginning was acknowledged (Nagle).
        door = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            door.bind((str(listen.host), port))
            door.listen(BACKLOG)
        except OSError as error:
            door.close()
            if error.errno == errno.EADDRINUSE:
                continue
            raise Fault(
                Code.CONFIG_INVALID,
                _("{key}: cannot listen on {host}:{port}: {why}"),
                key=key,
                host=listen.host,
                port=port,
                why=error.strerror,
            ) from error
        return Door(name, door)
    raise Conflict(
        Code.PORT_TAKEN,
        _("{key}: another program listens on {listen}"),
        hint=_('give another port, or write "{listen}+" to take the next free one'),
        key=key,
        listen=listen,
    )


def open_unix(name: str, path: Path, mode: int) -> Door:
    """Listen on a Unix socket; one that an earlier run left is replaced, for the state folder is locked."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    door.bind(str(path))
    path.chmod(mode)
    door.listen(BACKLOG)
    return Door(name, door)


def handed_on(doors: Sequence[Door]) -> dict[str, str]:
    """The environment that tells a child of its doors, which are its file descriptors from FIRST_FD on."""
    if not doors:
        return {}
    return {"LISTEN_FDS": str(len(doors)), "LISTEN_FDNAMES": ":".join(door.name for door in doors)}


def inherited(environ: Mapping[str, str]) -> dict[str, socket.socket]:
    """
    The sockets that this process was given, by name; empty where it was given none.

    LISTEN_PID is believed where it is set (systemd does). Our supervisor cannot tell it: a child that enters a
    process namespace has another number than the one that was started.
    """
    if environ.get("LISTEN_PID", str(os.getpid())) != str(os.getpid()):
        return {}
    count = int(environ.get("LISTEN_FDS", "0"))
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    doors: dict[str, socket.socket] = {}
    for number in range(count):
        os.set_inheritable(FIRST_FD + number, False)
        door = socket.socket(fileno=FIRST_FD + number)
        door.setblocking(False)
        doors[names[number] if number < len(names) else str(number)] = door
    return doors
