"""A gateway in a process of its own, so that its memory can be measured. ada holds tk1-1, at the port that is given."""

import asyncio
import socket
import sys
from ipaddress import IPv4Address
from pathlib import Path

from boardgrid.adapters.clock import BootClock
from boardgrid.gateway.door import serve
from boardgrid.ports import Route
from boardgrid.testing import FakeDoorkeeper

SMALL_BYTES = 65536


async def main(folder: str, board_port: str, key: str) -> None:
    doorkeeper = FakeDoorkeeper(users={key: "ada"})
    doorkeeper.held["ada", "tk1-1"] = Route(IPv4Address("127.0.0.1"), int(board_port))
    listening = socket.create_server(("127.0.0.1", 0))
    for kind in (socket.SO_SNDBUF, socket.SO_RCVBUF):  # what the kernel keeps hides what the gateway would
        listening.setsockopt(socket.SOL_SOCKET, kind, SMALL_BYTES)
    port = listening.getsockname()[1]
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await serve(listening, Path(folder) / "host_key", doorkeeper, BootClock(), host="127.0.0.1", port=port)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
