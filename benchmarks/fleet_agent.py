"""One agent with a shelf of fake boards, behind the real agent door: what `fleet` measures."""

import asyncio
import sys
from pathlib import Path
from uuid import UUID

from boardgrid.adapters.controller import AgentDoor, client
from boardgrid.agent.agent import Agent
from boardgrid.agent.site import Pace, World
from boardgrid.model.board import Board, DriverSpec
from boardgrid.model.imports import Imports
from boardgrid.model.user import Secret
from boardgrid.testing import FACTS, FakeBoard, FakeClock, FakeSite


class Shelf(dict[str, FakeBoard]):
    """Fake boards, put there when the agent first asks for them."""

    def __init__(self, site: FakeSite, boot_s: float) -> None:
        self._site, self._boot_s = site, boot_s

    def of(self, board: Board) -> list[object]:
        if board.name not in self:
            self[board.name] = FakeBoard(board, self._site, boot_s=self._boot_s)
        return [self[board.name]]


async def run(socket: Path, token: str, boot_s: float) -> None:
    site = FakeSite()
    async with client(f"unix:{socket}", lambda: Secret(token)) as http:
        world = World(
            instance=UUID(int=1),
            public_key="ssh-ed25519 AAAAagent",
            facts=FACTS,
            imports=Imports(),
            images=site.images,
            roots=site.roots,
            volumes=site.volumes,
            kits=site.kits,
            exports=site.exports,
            netboot=site.netboot,
            sightings=site.sightings,
            host_keys=site.host_keys,
            admission=site.admission,
            drivers=Shelf(site, boot_s),
            controller=AgentDoor(http),
            clock=FakeClock(),
            # What a window costs is the lab's choice, not the software's.
            pace=Pace(window=1000),
        )
        site.roots.total_bytes = 1 << 50
        await Agent(world).run()


DRIVER = DriverSpec("command", {"on": ["true"], "off": ["true"], "state": ["true"]})

if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), Path(sys.argv[2]).read_text(encoding="ascii").strip(), float(sys.argv[3])))
