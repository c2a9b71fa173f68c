"""A process says that it is ready: one datagram, as systemd's services of type ``notify`` do."""

import contextlib
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from boardgrid.daemon.identity import Identity

_READY = b"READY=1"


def tell_ready() -> None:
    """Say it to whoever started this process; nobody may have asked."""
    where = os.environ.pop("NOTIFY_SOCKET", "")
    if not where:
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notice:
        notice.connect("\0" + where[1:] if where.startswith("@") else where)
        notice.send(_READY)


@dataclass(slots=True)
class Notice:
    """Where one process says it. The answer to its *ready* question; listens anew before each start."""

    path: Path
    identity: Identity | None = None
    _socket: socket.socket | None = None

    @property
    def environment(self) -> dict[str, str]:
        return {"NOTIFY_SOCKET": str(self.path)}

    async def listen(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self.path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(str(self.path))
        self.path.chmod(0o600)
        if self.identity:
            os.chown(self.path, self.identity.uid, self.identity.gid)

    async def is_ready(self, _pid: int) -> bool:
        assert self._socket is not None  # noqa: S101 - a process is prepared before it is asked
        with contextlib.suppress(BlockingIOError):
            return _READY in self._socket.recv(4096).split(b"\n")
        return False
