import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from boardgrid.adapters.clock import BootClock
from boardgrid.daemon import config
from boardgrid.daemon.config import Listen
from boardgrid.daemon.identity import identity_of
from boardgrid.daemon.processes import Farm
from boardgrid.daemon.sockets import Door, open_tcp
from boardgrid.daemon.state import Condition
from boardgrid.daemon.supervisor import Supervisor
from boardgrid.model.errors import Invalid
from tests.daemon.supervised import await_end

PATIENCE_S = 90.0
needs_dnsmasq = pytest.mark.world  # Debian's package adds the user that it runs as
REAL = '[site]\ninterface = "eth1"\nserver = "10.1.0.1/24"\n'


def farm(folder: Path, text: str) -> Farm:
    (folder / "boardgrid.toml").write_text(text)
    return Farm.of(config.read(folder / "boardgrid.toml"))


@pytest.fixture
def door() -> Iterator[Door]:
    opened = open_tcp("api", Listen(IPv4Address("127.0.0.1"), 20000, or_next=True), key="test")
    with closing(opened.socket):
        yield opened


def names(farm: Farm, door: Door) -> list[str]:
    return [process.name for process in farm.processes(door, door, door)]


@needs_dnsmasq
def test_virtual_boards_have_a_lab_in_which_agent_and_servers_live(tmp_path: Path, door: Door) -> None:
    made = farm(tmp_path, "[lab]\nvirtual = true\n").processes(door, door, door)
    assert {each.name: each.inside for each in made} == {
        "lab": "",
        "rpcbind": "lab",
        "dbus": "lab",
        "ganesha": "lab",
        "dnsmasq": "lab",
        "controller": "",
        "agent": "lab",
        "gateway": "lab",
    }


@needs_dnsmasq
def test_controller_and_gateway_are_two_users_and_neither_is_root(tmp_path: Path, door: Door) -> None:
    made = farm(tmp_path, "[lab]\nvirtual = true\n").processes(door, door, door)
    users = {each.name: each.identity.uid for each in made if each.identity}
    assert users.keys() == {"controller", "gateway"}
    assert len({*users.values(), 0}) == 3


def test_controller_and_gateway_are_two_users_also_where_one_number_comes_out_for_both(tmp_path: Path) -> None:
    made = farm(tmp_path, 'state = "/srv/farm19772"\n[lab]\nvirtual = true\n')
    assert made.controller.uid == identity_of("", Path("/srv/farm19772/gateway"), "alone").uid
    assert made.gateway != made.controller


def test_one_user_for_controller_and_gateway_is_refused(tmp_path: Path) -> None:
    both = '[lab]\nvirtual = true\n[controller]\nuser = "nobody"\n[gateway]\nuser = "nobody"\n'
    with pytest.raises(Invalid, match=r"gateway\.user: another process runs as nobody"):
        farm(tmp_path, both)


@needs_dnsmasq
def test_with_the_kernels_server_the_agent_lives_where_the_machine_mounts(tmp_path: Path, door: Door) -> None:
    made = farm(tmp_path, f'{REAL}[agent]\nnfs = "knfsd"\n').processes(door, door, door)
    assert [each.name for each in made] == ["box", "dnsmasq", "controller", "agent", "gateway"]
    assert {each.name: each.namespaces for each in made if each.namespaces} == {"box": ("pid",), "dnsmasq": ("pid",)}
    assert [each.name for each in made if each.inside] == ["dnsmasq"]


@needs_dnsmasq
def test_ganesha_for_real_boards_shares_mounts_with_the_agent_and_the_machines_network(
    tmp_path: Path, door: Door
) -> None:
    made = {each.name: each for each in farm(tmp_path, f'{REAL}[agent]\nnfs = "ganesha"\n').processes(door, door, door)}
    assert {name for name, each in made.items() if each.inside == "box"} == {
        *("rpcbind", "dbus", "ganesha", "dnsmasq", "agent", "gateway")
    }
    assert "net" not in made["ganesha"].namespaces


def test_the_kernels_server_cannot_reach_virtual_boards(tmp_path: Path, door: Door) -> None:
    with pytest.raises(Invalid, match=r"agent\.nfs: virtual boards .* need .ganesha."):
        names(farm(tmp_path, '[lab]\nvirtual = true\n[agent]\nnfs = "knfsd"\n'), door)


@asynccontextmanager
async def servers(folder: Path, door: Door, text: str = "[lab]\nvirtual = true\n") -> AsyncIterator[Supervisor]:
    """What a farm has below its agent, for real. Pytest keeps its folders from others, as /root would be."""
    (state := folder / "farm").mkdir(mode=0o755)
    made = farm(state, text)
    made.layout.make(made.controller, made.gateway)
    wanted = [each for each in made.processes(door, door, door) if each.name not in {"controller", "agent", "gateway"}]
    supervisor = Supervisor(wanted, made.layout.log, BootClock())
    stop, ready = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(supervisor.run(stop, ready_within_s=PATIENCE_S, on_ready=ready.set))
    waits = asyncio.create_task(ready.wait())
    await asyncio.wait({task, waits}, return_when=asyncio.FIRST_COMPLETED)
    try:
        yield supervisor
    finally:
        waits.cancel()
        stop.set()
        await task


@pytest.mark.world
async def test_the_servers_of_a_lab_start_and_come_back_when_the_port_mapper_falls(tmp_path: Path, door: Door) -> None:
    async with servers(tmp_path, door) as supervisor:
        before = supervisor.conditions()
        mapper = before["rpcbind"].pid
        assert mapper is not None
        os.kill(mapper, signal.SIGKILL)
        async with asyncio.timeout(PATIENCE_S):
            while not _is_back(supervisor.conditions(), ("rpcbind", "ganesha")):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.1)
        assert supervisor.conditions()["dnsmasq"] == before["dnsmasq"]
        assert supervisor.conditions()["lab"] == before["lab"]


SUPERVISES = """
import asyncio, json, sys
from ipaddress import IPv4Address
from pathlib import Path
from boardgrid.adapters.clock import BootClock
from boardgrid.daemon import config
from boardgrid.daemon.config import Listen
from boardgrid.daemon.processes import Farm
from boardgrid.daemon.sockets import open_tcp
from boardgrid.daemon.supervisor import Supervisor
from boardgrid.logs import log_to_stderr
log_to_stderr()
farm = Farm.of(config.read(Path(sys.argv[1])))
farm.layout.make(farm.controller, farm.gateway)
door = open_tcp("api", Listen(IPv4Address("127.0.0.1"), 20000), key="test")
servers = [each for each in farm.processes(door, door, door) if each.name not in {"controller", "agent", "gateway"}]
supervisor = Supervisor(servers, farm.layout.log, BootClock())
def tell():
    print(json.dumps({name: condition.pid for name, condition in supervisor.conditions().items()}), flush=True)
asyncio.run(supervisor.run(asyncio.Event(), ready_within_s=60, on_ready=tell))
"""


@pytest.mark.world
@pytest.mark.parametrize("nfs", ["knfsd", "ganesha"])
def test_what_serves_real_boards_ends_with_a_supervisor_that_is_killed(tmp_path: Path, nfs: str) -> None:
    (state := tmp_path / "farm").mkdir(mode=0o755)
    (file := state / "boardgrid.toml").write_text(f'{REAL}[agent]\nnfs = "{nfs}"\n')
    # Not in the machine's own network, where somebody else may give addresses.
    network = (
        "ip link set lo up; ip link add eth1 type bridge; ip address add 10.1.0.1/24 dev eth1; ip link set eth1 up"
    )
    words = ["unshare", "--net", "--", "sh", "-ec", f'{network}; exec "$@"', "-", sys.executable, "-c", SUPERVISES]
    with subprocess.Popen([*words, str(file)], stdout=subprocess.PIPE, text=True) as supervisor:
        try:
            assert supervisor.stdout is not None
            pids: dict[str, int] = json.loads(supervisor.stdout.readline())
            processes = [os.pidfd_open(pid) for pid in pids.values()]
            # Where the agent looks when it has something to tell dnsmasq.
            proc = Path(f"/proc/{pids['box']}/root/proc")
            assert (proc / (state / "run" / "dnsmasq.pid").read_text() / "comm").read_text() == "dnsmasq\n"
        finally:
            supervisor.kill()
        try:
            for process in processes:
                await_end(process)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pids["dnsmasq"], signal.SIGKILL)


def _is_back(conditions: dict[str, Condition], those: tuple[str, ...]) -> bool:
    return all(conditions[name].state == "ready" and conditions[name].restarts == 1 for name in those)
