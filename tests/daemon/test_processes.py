import asyncio
import os
import signal
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
    assert [each.name for each in made] == ["dnsmasq", "controller", "agent", "gateway"]
    assert not any(each.inside for each in made)


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


def _is_back(conditions: dict[str, Condition], those: tuple[str, ...]) -> bool:
    return all(conditions[name].state == "ready" and conditions[name].restarts == 1 for name in those)
