"""The mill for wishes: at each step it fails, hangs, or its agent is killed, before its work or after."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any, NoReturn
from uuid import UUID

from boardgrid.agent.agent import Agent
from boardgrid.agent.site import Pace, World
from boardgrid.model.board import Board, Boot
from boardgrid.model.imports import Imports
from boardgrid.model.report import BoardReport, Reached
from boardgrid.model.wish import BoardWish, Deployed, Parked, Wish
from boardgrid.testing import FACTS, TYPE, FakeBoard, FakeClock, FakeSite, a_board, a_manifest

IMAGE = UUID(int=100)
ROOT = UUID(int=200)
DEPLOYMENT = UUID(int=300)
FLASHED_PATH = PurePosixPath("/NFSRoot1")
PARKED = Parked()


@dataclass
class Fate:
    """
    What is to befall an agent, once: at a call of a port, before it did its work or after.

    *error* None means kill -9: from that moment on no call of this agent reaches the world, whatever its code does to
    clean up. "hang" means that the call does not return.
    """

    port: str
    call: str
    after: bool
    error: Exception | str | None = None
    has_struck: bool = False
    is_dead: bool = False
    struck: asyncio.Event = field(default_factory=asyncio.Event)

    async def strike(self) -> None:
        self.has_struck = True
        self.struck.set()
        if isinstance(self.error, Exception):
            raise self.error
        self.is_dead = self.error is None
        await _for_ever()


@dataclass
class Mortal:
    """A port as an agent with a fate sees it."""

    name: str
    port: Any
    fate: Fate

    def __getattr__(self, call: str) -> Any:
        real = getattr(self.port, call)
        if not asyncio.iscoroutinefunction(real):
            return real

        async def fated(*args: Any, **kwargs: Any) -> Any:
            fate = self.fate
            if fate.is_dead:
                await _for_ever()
            is_it = not fate.has_struck and (fate.port, fate.call) == (self.name, call)
            if is_it and not fate.after:
                await fate.strike()
            answer = await real(*args, **kwargs)
            if is_it and fate.after:
                await fate.strike()
            return answer

        return fated


@dataclass
class MortalDrivers:
    drivers: Any
    fate: Fate

    def of(self, board: Board) -> Sequence[object]:
        return [Mortal("drivers", driver, self.fate) for driver in self.drivers.of(board)]


async def _for_ever() -> NoReturn:
    await asyncio.get_running_loop().create_future()
    raise AssertionError


@dataclass
class OnlyResets:
    """A board that nothing can switch off."""

    board: FakeBoard

    async def reset(self) -> None:
        await self.board.reset()


@dataclass
class Outlet:
    """It switches, and cannot tell: a board at it is never known to be off."""

    board: FakeBoard

    async def on(self) -> None:
        await self.board.on()

    async def off(self) -> None:
        await self.board.off()


@dataclass
class Asks:
    """The board itself, asked by SSH: what runs on it may say that it restarts, and go on."""

    board: FakeBoard
    is_obeyed: bool = False
    asked: int = 0

    async def reset(self) -> None:
        self.asked += 1
        if self.is_obeyed:
            await self.board.reset()

    async def quiesce(self) -> None:
        pass


@dataclass
class Drivers:
    """The same drivers for each board of a site with one."""

    drivers: Sequence[object]

    def of(self, _board: Board) -> Sequence[object]:
        return self.drivers


def deployed(number: int = 0, **changes: Any) -> Deployed:
    """The *number*-th deployment of the image, each with a root of its own."""
    wish = Deployed(
        deployment=UUID(int=DEPLOYMENT.int + number),
        root=UUID(int=ROOT.int + number),
        image=IMAGE,
        size_bytes=1 << 30,
        hostname="tk1-1.lab.boardgrid",
        keys=("ssh-ed25519 AAAAada",),
        kernel=a_manifest().kernels[0],
    )
    return replace(wish, **changes)


def wished(board: Board, wish: Wish) -> BoardWish:
    return BoardWish(board, TYPE, 0, wish)


def a_site(*boards: Board, **flaws: Any) -> FakeSite:
    """A site that holds the image and has these boards, parked once. *flaws* are those of the first one."""
    site = FakeSite()
    site.images.built[IMAGE] = a_manifest()
    for index, board in enumerate(boards or (a_board(),)):
        site.add(board, **(flaws if index == 0 else {}))
    return site


def world(site: FakeSite, **ports: Any) -> World:
    parts: dict[str, Any] = {
        "instance": UUID(int=1),
        "public_key": "ssh-ed25519 AAAAagent",
        "facts": FACTS,
        "imports": Imports(),
        "images": site.images,
        "roots": site.roots,
        "volumes": site.volumes,
        "kits": site.kits,
        "exports": site.exports,
        "netboot": site.netboot,
        "sightings": site.sightings,
        "host_keys": site.host_keys,
        "admission": site.admission,
        "drivers": site.drivers,
        "controller": site.controller,
        "clock": FakeClock(),
        "pace": Pace(),
    }
    return World(**{**parts, **ports})


@asynccontextmanager
async def agent(site: FakeSite, **ports: Any) -> AsyncIterator[asyncio.Task[None]]:
    """An agent at work; ended orderly at the end."""
    task = asyncio.ensure_future(Agent(world(site, **ports)).run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})


def mortal(site: FakeSite, fate: Fate) -> dict[str, Any]:
    """The ports of a site for an agent with this fate."""
    names = (
        "images",
        "roots",
        "volumes",
        "kits",
        "exports",
        "netboot",
        "sightings",
        "host_keys",
        "admission",
        "controller",
    )
    ports: dict[str, Any] = {name: Mortal(name, getattr(site, name), fate) for name in names}
    return {**ports, "drivers": MortalDrivers(site.drivers, fate)}


def reached(site: FakeSite, what: Reached, board: str = "tk1-1") -> Callable[[], bool]:
    """Whether the board's present wish came to this."""

    def is_so() -> bool:
        wish = next((one.wish for one in site.controller.site.boards if one.board.name == board), None)
        deployment = wish.deployment if isinstance(wish, Deployed) else None
        told = [report for report in site.controller.of_kind(BoardReport) if report.board == board]
        return bool(told) and (told[-1].reached, told[-1].deployment) == (what, deployment)

    return is_so


def flashed_board() -> Board:
    return a_board(boot=Boot.FLASHED, nfs_path=FLASHED_PATH, kernel="3.10.40")
