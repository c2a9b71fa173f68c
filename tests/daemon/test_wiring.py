"""What an agent's world is put together from, tried where the parts must know of each other."""

import asyncio
import time
from pathlib import Path

import httpx

from boardgrid.adapters.clock import BootClock
from boardgrid.adapters.controller import AgentDoor
from boardgrid.adapters.netboot.hosts import DhcpHosts
from boardgrid.adapters.shell import SubprocessShell
from boardgrid.daemon import config
from boardgrid.daemon.processes import Farm
from boardgrid.daemon.wiring.agent import world_of
from boardgrid.ports import Sign
from boardgrid.testing import a_board

PROXY = '[site]\ninterface = "eth1"\nserver = "10.20.0.1/24"\ndhcp = "proxy"\n'


async def test_beside_another_dhcp_server_a_board_that_asks_is_known_by_its_mac(tmp_path: Path) -> None:
    (tmp_path / "boardgrid.toml").write_text(f'state = "{tmp_path}/state"\n{PROXY}')
    read = config.read(tmp_path / "boardgrid.toml")
    farm, board = Farm.of(read), a_board(1)
    for folder in (farm.layout.store, farm.layout.agent_key.parent, farm.dnsmasq.log.parent):
        folder.mkdir(parents=True, exist_ok=True)
    farm.layout.agent_key.with_name(f"{farm.layout.agent_key.name}.pub").write_text("ssh-ed25519 AAAA agent\n")
    DhcpHosts(farm.dnsmasq.hosts).put(board)
    stamp = time.strftime("%b %e %H:%M:%S")
    farm.dnsmasq.log.write_text(f"{stamp} dnsmasq-dhcp[7]: 3214 PXE(eth1) {board.mac} proxy\n")
    async with httpx.AsyncClient() as http:
        world = world_of(read, SubprocessShell(), BootClock(), AgentDoor(http))
    async with asyncio.timeout(30):
        seen = await anext(world.sightings.watch())
    assert (seen.board, seen.sign) == (board.address, Sign.DHCP)
