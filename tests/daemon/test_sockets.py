import json
import socket
import subprocess
import sys
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from boardgrid.daemon import launch, sockets
from boardgrid.daemon.config import Listen
from boardgrid.daemon.launch import View
from boardgrid.model.errors import Conflict, Fault

LOCAL = IPv4Address("127.0.0.1")
TELL_DOORS = """
import json, os
from boardgrid.daemon.sockets import inherited
doors = inherited(os.environ)
told = {name: door.getsockname() for name, door in doors.items()}
print(json.dumps([told, sorted(int(fd) for fd in os.listdir("/proc/self/fd"))]))
"""


def a_port_in_use() -> socket.socket:
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    return taken


def test_a_taken_port_is_named_with_its_key() -> None:
    with a_port_in_use() as taken:
        listen = Listen(LOCAL, taken.getsockname()[1])
        with pytest.raises(Conflict, match=r"controller\.listen: another program listens on 127\.0\.0\.1"):
            sockets.open_tcp("api", listen, key="controller.listen")


def test_with_a_plus_the_next_free_port_is_taken_and_the_remembered_one_first() -> None:
    with a_port_in_use() as taken:
        listen = Listen(LOCAL, taken.getsockname()[1], or_next=True)
        first = sockets.open_tcp("api", listen, key="controller.listen")
        port = first.socket.getsockname()[1]
        first.socket.close()
        assert port != listen.port
    again = sockets.open_tcp("api", listen, remembered=port, key="controller.listen")
    assert again.socket.getsockname()[1] == port
    again.socket.close()


def test_short_answers_are_not_held_back() -> None:
    with sockets.open_tcp("api", Listen(LOCAL, 20000, or_next=True), key="controller.listen").socket as door:
        assert door.proto == socket.IPPROTO_TCP, "asyncio sets TCP_NODELAY where it sees that"


def test_an_address_of_another_machine_is_a_fault() -> None:
    with pytest.raises(Fault, match=r"gateway\.listen: cannot listen on 192\.0\.2\.1:9"):
        sockets.open_tcp("ssh", Listen(IPv4Address("192.0.2.1"), 9), key="gateway.listen")


def test_a_child_gets_its_doors_by_name_and_nothing_else(tmp_path: Path) -> None:
    api = sockets.open_tcp("api", Listen(LOCAL, 20000, or_next=True), key="controller.listen")
    local = sockets.open_unix("local", tmp_path / "c.sock", 0o666)
    doors = [local, api]
    fds = [door.socket.fileno() for door in doors]
    child = subprocess.run(
        [*launch.words(fds, View()), sys.executable, "-c", TELL_DOORS],
        pass_fds=fds,
        env={**sockets.handed_on(doors)},
        capture_output=True,
        check=True,
        timeout=60,
    )
    told, open_fds = json.loads(child.stdout)
    assert told == {"local": str(tmp_path / "c.sock"), "api": list(api.socket.getsockname())}
    assert open_fds[:5] == [0, 1, 2, 3, 4]
    assert len(open_fds) == 6  # the last is the listing itself
    for door in doors:
        door.socket.close()


def test_doors_that_are_meant_for_another_process_are_left_alone() -> None:
    assert sockets.inherited({"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "api"}) == {}
    assert sockets.inherited({}) == {}


def test_a_socket_that_an_earlier_run_left_is_replaced(tmp_path: Path) -> None:
    for _run in range(2):
        door = sockets.open_unix("local", tmp_path / "c.sock", 0o600)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(door.address)
        door.socket.close()
