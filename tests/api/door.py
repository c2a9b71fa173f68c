"""The whole controller behind its HTTP face: real services on a real database, asked in this process or by sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any, cast

import httpx
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from boardgrid.api.app import create
from boardgrid.api.spool import Spool
from boardgrid.api.streams import Streams
from boardgrid.daemon.wiring.connection import Connection
from boardgrid.model.board import BoardType, Site
from boardgrid.model.user import Audience, Role, Scope, User
from boardgrid.services.farm import Farm
from tests.services.house import KEY_A, KEY_B, House, a_board


@cache
def _application() -> FastAPI:
    """Made once, for it takes longer than most tests: whose farm it is stands in its state."""
    return create(cast(Farm, None), cast(Spool, None))


@dataclass
class Door:
    """*ask* is anybody's request; ``ada`` is the user, ``root`` the admin."""

    house: House
    spool: Spool
    tokens: dict[str, str] = field(default_factory=dict)
    streams: Streams = field(default_factory=lambda: Streams(alive_s=0.2))

    @classmethod
    def made(cls, house: House, spool: Spool) -> "Door":
        """Furnish a bare house with a site, a board, two users, and a token for each who comes."""
        door = cls(house, spool)
        farm = house.farm
        door.tokens["admin"] = farm.accounts.create_admin("root", again=True).clear.reveal()
        farm.inventory.put_site(Site("lab", server=IPv4Interface("10.20.0.1/24")))
        farm.inventory.put_type(house.admin, BoardType("tk1", "armhf", console="ttyS0"))
        farm.inventory.put_board(house.admin, a_board(1))
        house.ada, house.bob = door.user("ada", "user", KEY_A), door.user("bob", "bob", KEY_B)
        door.tokens["ada"] = door.tokens["user"]  # who asks as "user" may be another by and by
        for audience in (Audience.AGENT, Audience.GATEWAY):
            door.tokens[audience] = farm.accounts.site_token("lab", audience).clear.reveal()
        return door

    @property
    def app(self) -> FastAPI:
        """The application, with this farm behind it until another door's is asked for."""
        app = _application()
        app.state.farm, app.state.spool, app.state.streams = self.house.farm, self.spool, self.streams
        return app

    def user(self, name: str, who: str = "", *keys: str, role: Role = Role.USER) -> User:
        user, token = self.house.farm.accounts.add(self.house.admin, name, role, keys)
        self.tokens[who or name] = token.clear.reveal()
        return user

    def narrow(self, who: str, scope: Scope, name: str) -> None:
        """Another token of somebody's, good for less."""
        asker = self.house.farm.tokens.asker(self.tokens[who])
        self.tokens[name] = self.house.farm.tokens.create(asker, name, scope=scope).clear.reveal()

    def headers(self, who: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[who]}"} if who != "nobody" else {}

    async def ask(self, who: str, method: str, path: str, **how: Any) -> httpx.Response:
        headers = {**self.headers(who), **how.pop("headers", {})}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://farm") as http:
            return await http.request(method, path, headers=headers, **how)


@asynccontextmanager
async def served(app: ASGIApp, *, at: Path | None = None) -> AsyncIterator[str]:
    """The application behind a real server; on a Unix socket, or on a port whose URL is given."""
    if at is None:
        listening = socket.create_server(("127.0.0.1", 0))
    else:
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(at))
    config = uvicorn.Config(app, http=Connection, log_config=None, access_log=False, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        async with asyncio.timeout(30):
            while not server.started:  # noqa: ASYNC110 - it has no event for that
                await asyncio.sleep(0.01)
        yield f"unix:{at}" if at else f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
        listening.close()
