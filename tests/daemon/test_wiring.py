"""What an agent's world is put together from, tried where the parts must know of each other."""

import asyncio
import time
from pathlib import Path
from uuid import UUID

import httpx

from boardgrid.adapters.clock import BootClock
from boardgrid.adapters.controller import AgentDoor
from boardgrid.adapters.exports.knfsd_table import options
from boardgrid.adapters.netboot.hosts import DhcpHosts
from boardgrid.adapters.shell import SubprocessShell
from boardgrid.daemon import config
from boardgrid.daemon.processes import Farm
from boardgrid.daemon.wiring.agent import world_of
from boardgrid.ports import Sign
from boardgrid.testing import FakeShell, a_board

PLAIN = '[agent]\nnfs = "knfsd"\n[site]\ninterface = "eth1"\nserver = "10.20.0.1/24"\n'
PROXY = '[site]\ninterface = "eth1"\nserver = "10.20.0.1/24"\ndhcp = "proxy"\n'


def configured(folder: Path, said: str) -> config.Config:
    """With what the agent finds in its state folder when it starts."""
    (folder / "boardgrid.toml").write_text(f'state = "{folder}/state"\n{said}')
    read = config.read(folder / "boardgrid.toml")
    farm = Farm.of(read)
    for needed in (farm.layout.store, farm.layout.agent_key.parent, farm.dnsmasq.log.parent):
        needed.mkdir(parents=True, exist_ok=True)
    farm.layout.agent_key.with_name(f"{farm.layout.agent_key.name}.pub").write_text("ssh-ed25519 AAAA agent\n")
    return read


async def test_beside_another_dhcp_server_a_board_that_asks_is_known_by_its_mac(tmp_path: Path) -> None:
    read, board = configured(tmp_path, PROXY), a_board(1)
    farm = Farm.of(read)
    DhcpHosts(farm.dnsmasq.hosts).put(board)
    stamp = time.strftime("%b %e %H:%M:%S")
    farm.dnsmasq.log.write_text(f"{stamp} dnsmasq-dhcp[7]: 3214 PXE(eth1) {board.mac} proxy\n")
    async with httpx.AsyncClient() as http:
        world = world_of(read, SubprocessShell(), BootClock(), AgentDoor(http))
    async with asyncio.timeout(30):
        seen = await anext(world.sightings.watch())
    assert (seen.board, seen.sign) == (board.address, Sign.DHCP)


async def test_of_what_the_kernel_s_server_offers_the_agent_tends_what_is_in_its_own_store(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "state").symlink_to(tmp_path / "disk")
    read, shell = configured(tmp_path, PLAIN), FakeShell()
    async with httpx.AsyncClient() as http:
        world = world_of(read, shell, BootClock(), AgentDoor(http))
    root = world.roots.path(UUID(int=1))
    trees = (root, Path("/srv/other-farm/agent/store/roots") / root.parent.name / "tree")
    shell.answers = {"exportfs": "".join(f"{tree}  10.20.0.11({options(tree)})\n" for tree in trees)}
    assert {export.tree for export in await world.exports.all()} == {root}
