"""
Becomes rpcbind, on one address.

Started as ``python -m boardgrid.adapters.exports.port_mapper_start ADDRESS``. By itself it listens on all addresses
(its option ``-h`` is for UDP alone); sockets that it is handed, as by systemd, it takes instead of its own.
"""

import errno
import fcntl
import os
import socket
import sys
from collections.abc import Sequence
from ipaddress import IPv4Address
from pathlib import Path

from boardgrid.messages import _

LOCAL = Path("/run/rpcbind.sock")
PORT = 111
_FIRST_FD = 3


def opened(address: IPv4Address) -> list[socket.socket]:
    """
    One socket for each transport that rpcbind knows; it would open one of its own for any that is missing.

    Raises:
        OSError: another port mapper runs here, or this machine has no such address.
    """
    LOCAL.unlink(missing_ok=True)
    sockets = [socket.socket(socket.AF_UNIX)]
    sockets[0].bind(str(LOCAL))
    LOCAL.chmod(0o666)
    # No board speaks IPv6 with it, so there it stays on the loopback.
    for family, host in ((socket.AF_INET, str(address)), (socket.AF_INET6, "::1")):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            try:
                sockets.append(_bound(family, kind, host))
            except OSError as error:
                if family is not socket.AF_INET6 or error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                    raise
                # A kernel without IPv6, or with none of its addresses: rpcbind cannot have it either.
    for each in sockets:
        if each.type == socket.SOCK_STREAM:
            each.listen()
    return sockets


def _bound(family: socket.AddressFamily, kind: socket.SocketKind, host: str) -> socket.socket:
    made = socket.socket(family, kind)
    if kind is socket.SOCK_STREAM:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # the one before it may just have ended
    made.bind((host, PORT))
    return made


def hand_on(sockets: Sequence[socket.socket]) -> None:
    """They become 3, 4, ... of the program that this process becomes."""
    # Detached: a socket that Python forgets would close a number that is another's by then.
    high = [fcntl.fcntl(each.detach(), fcntl.F_DUPFD_CLOEXEC, _FIRST_FD + len(sockets)) for each in sockets]
    for number, fd in enumerate(high, _FIRST_FD):
        os.dup2(fd, number, inheritable=True)
    os.environ |= {"LISTEN_FDS": str(len(sockets)), "LISTEN_PID": str(os.getpid())}


def main(address: str) -> None:
    try:
        hand_on(opened(IPv4Address(address)))
        os.execvp("rpcbind", ["rpcbind", "-f"])  # noqa: S606 - who watches this process watches rpcbind itself
    except OSError as error:
        sys.exit(_("rpcbind cannot start: {error}").format(error=error))


if __name__ == "__main__":
    main(*sys.argv[1:])
