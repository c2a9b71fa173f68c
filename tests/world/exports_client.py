"""
A small raw client of NFSv3 and MOUNT over TCP: it says what a hostile board can say, any file handle included.

An honest client (a kernel, libnfs) never sends a handle that it was not given; an evil one does.
"""

import ctypes
import itertools
import os
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

CLONE_NEWNET = 0x40000000
NFS, MOUNT, PORTMAP, NFSACL = 100003, 100005, 100000, 100227
IO, IS_FOLDER, INVALID, NOT_SUPPORTED = 5, 21, 22, 10004
NO_SUCH_PROGRAM = -1
_TRIES = 4
_serial = itertools.count(os.getpid())


class Refused(Exception):
    """The server's answer was not a yes. *status* is its number: of NFS, of MOUNT, or negative, of RPC itself."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


def socket_in(netns: Path | None, kind: int = socket.SOCK_STREAM) -> socket.socket:
    """A socket of another network namespace: a thread enters it for just long enough to make one."""
    if netns is None:
        return socket.socket(socket.AF_INET, kind)
    made: list[socket.socket | OSError] = []

    def make() -> None:
        handle = os.open(netns, os.O_RDONLY)
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.setns(handle, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"setns to {netns}")
            made.append(socket.socket(socket.AF_INET, kind))
        except OSError as error:
            made.append(error)
        finally:
            os.close(handle)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    if isinstance(made[0], OSError):
        raise made[0]
    return made[0]


def opaque(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data + bytes(-len(data) % 4)


class _Reader:
    """Reads what XDR wrote."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def number(self) -> int:
        (value,) = struct.unpack_from(">I", self.data, self.at)
        self.at += 4
        return int(value)

    def skip(self, count: int) -> None:
        self.at += count

    def opaque(self) -> bytes:
        size = self.number()
        value = self.data[self.at : self.at + size]
        self.at += size + (-size % 4)
        return value

    def attributes(self) -> bytes:
        """Of a post_op_attr: 84 bytes when they are there."""
        if not self.number():
            return b""
        value = self.data[self.at : self.at + 84]
        self.at += 84
        return value


@dataclass
class Client:
    """
    One board's way to the server.

    A *privileged* client speaks from a port below 1024, as the kernel of a board does.
    """

    server: str
    netns: Path | None = None
    source: str = ""
    privileged: bool = True
    nfs_port: int = 2049
    mount_port: int = 20048
    timeout_s: float = 20
    _open: dict[int, socket.socket] = field(default_factory=dict)

    def close(self) -> None:
        for connection in self._open.values():
            connection.close()
        self._open.clear()

    def _connected(self, port: int) -> socket.socket:
        if port in self._open:
            return self._open[port]
        last: OSError = OSError("no free port below 1024")
        for own in range(1000, 700, -1) if self.privileged else [0]:
            connection = socket_in(self.netns)
            connection.settimeout(self.timeout_s)
            try:
                connection.bind((self.source, own))
                connection.connect((self.server, port))
            except OSError as error:
                last = error
                connection.close()
                if isinstance(error, ConnectionRefusedError | TimeoutError):
                    break
            else:
                self._open[port] = connection
                return connection
        raise last

    def call(self, port: int, what: tuple[int, int, int], body: bytes = b"", uid: int = 0) -> _Reader:
        """*what* is program, version and procedure."""
        credential = struct.pack(">I", 0) + opaque(b"board") + struct.pack(">III", uid, uid, 0)
        number = next(_serial) & 0xFFFFFFFF
        head = struct.pack(">IIIIII", number, 0, 2, *what)
        message = head + struct.pack(">I", 1) + opaque(credential) + struct.pack(">II", 0, 0) + body
        reader = _Reader(self._answered(port, message))
        reader.skip(8)
        if reader.number():  # the call itself was denied: no right to speak
            raise Refused(-1000 - reader.number())
        reader.skip(4)
        reader.opaque()
        if status := reader.number():
            raise Refused(-status)
        return reader

    def _answered(self, port: int, message: bytes) -> bytes:
        """
        As boards do: what is not answered is asked again. The kernel's server may drop what it asks rpc.mountd about,
        for instance after its exports have changed, and leaves it to its clients to come again.
        """
        for _try in range(_TRIES - 1):
            with suppress(TimeoutError):
                return self._asked(port, message)
        return self._asked(port, message)

    def _asked(self, port: int, message: bytes) -> bytes:
        connection = self._connected(port)
        try:
            connection.sendall(struct.pack(">I", len(message) | 0x80000000) + message)
            return self._answer(connection)
        except (OSError, EOFError):
            connection.close()
            self._open.pop(port, None)
            raise

    @staticmethod
    def _answer(connection: socket.socket) -> bytes:
        def exactly(count: int) -> bytes:
            data = b""
            while len(data) < count:
                if not (more := connection.recv(count - len(data))):
                    raise EOFError("the server hung up")
                data += more
            return data

        answer, last = b"", False
        while not last:
            (mark,) = struct.unpack(">I", exactly(4))
            last = bool(mark & 0x80000000)
            answer += exactly(mark & 0x7FFFFFFF)
        return answer

    # --- MOUNT

    def mount(self, path: str) -> bytes:
        """The handle of an export's root."""
        reader = self.call(self.mount_port, (MOUNT, 3, 1), opaque(path.encode()))
        if status := reader.number():
            raise Refused(status)
        return reader.opaque()

    def listed(self) -> list[str]:
        """The paths that ``showmount -e`` shows."""
        reader, paths = self.call(self.mount_port, (MOUNT, 3, 5)), []
        while reader.number():
            paths.append(reader.opaque().decode())
            while reader.number():
                reader.opaque()
        return paths

    # --- NFS

    def _nfs(self, procedure: int, body: bytes, uid: int = 0) -> _Reader:
        reader = self.call(self.nfs_port, (NFS, 3, procedure), body, uid)
        if status := reader.number():
            raise Refused(status)
        return reader

    def attributes(self, handle: bytes) -> bytes:
        reader = self._nfs(1, opaque(handle))
        return reader.data[reader.at : reader.at + 84]

    def file_system_id(self, handle: bytes) -> int:
        (number,) = struct.unpack_from(">Q", self.attributes(handle), 44)
        return int(number)

    def lookup(self, folder: bytes, name: str) -> bytes:
        return self._nfs(3, opaque(folder) + opaque(name.encode())).opaque()

    def read(self, handle: bytes, count: int = 4096) -> bytes:
        reader = self._nfs(6, opaque(handle) + struct.pack(">QI", 0, count))
        reader.attributes()
        reader.skip(8)
        return reader.opaque()

    def write(self, handle: bytes, data: bytes, offset: int = 0) -> None:
        self._nfs(7, opaque(handle) + struct.pack(">QII", offset, len(data), 2) + opaque(data))

    def create(self, folder: bytes, name: str, uid: int = 0) -> bytes:
        how = struct.pack(">I", 0) + struct.pack(">II", 1, 0o644) + bytes(4 * 5)
        reader = self._nfs(8, opaque(folder) + opaque(name.encode()) + how, uid)
        if not reader.number():
            raise Refused(IO)
        return reader.opaque()

    def set_acl(self, handle: bytes, mode: int) -> None:
        """Of a file; one that says no more than its mode, as Linux sends it: owner, group, mask, others, no default."""
        rights = [(1, mode >> 6), (4, mode >> 3 & 7), (0x10, mode >> 3 & 7), (0x20, mode & 7)]
        entries = b"".join(struct.pack(">III", kind, 0, right) for kind, right in rights)
        acl = struct.pack(">II", len(rights), len(rights)) + entries
        reader = self.call(self.nfs_port, (NFSACL, 3, 2), opaque(handle) + struct.pack(">I", 1) + acl + bytes(8))
        if status := reader.number():
            raise Refused(status)

    def names(self, folder: bytes) -> list[str]:
        reader, names = self._nfs(16, opaque(folder) + bytes(16) + struct.pack(">I", 8192)), []
        reader.attributes()
        reader.skip(8)
        while reader.number():
            reader.skip(8)
            names.append(reader.opaque().decode())
            reader.skip(8)
        return names


def refusal(say: Callable[[], object]) -> int:
    """The status by which the server refuses; fails when it does not."""
    try:
        got = say()
    except Refused as error:
        return error.status
    raise AssertionError(f"the server answered {got!r}")
