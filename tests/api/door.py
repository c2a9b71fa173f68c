"""The whole controller behind its HTTP face: real services on a real database, asked in this process or by sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from boardgrid.api.app import create
from boardgrid.api.spool import Spool
from boardgrid.api.streams import Streams
from boardgrid.model.user import Audience, Role
from tests.services.house import House

WHO = ("nobody", "user", "admin", "agent", "gateway")


@dataclass
class Door:
    """*ask* is anybody's request; ``ada`` is the user, ``root`` the admin."""

    house: House
    spool: Spool
    app: FastAPI = field(init=False)
    tokens: dict[str, str] = field(default_factory=dict)
    streams: Streams = field(default_factory=lambda: Streams(alive_s=0.2))

    def __post_init__(self) -> None:
        farm = self.house.farm
        self.spool.prepare()
        self.app = create(farm, self.spool, self.streams)
        self.tokens["admin"] = farm.accounts.create_admin("root", again=True).clear.reveal()
        farm.accounts.remove(self.house.admin, "ada")
        self.house.ada = self.user("ada", "user")
        for audience in (Audience.AGENT, Audience.GATEWAY):
            self.tokens[audience] = farm.accounts.site_token("lab", audience).clear.reveal()

    def user(self, name: str, who: str = "") -> Any:
        user, token = self.house.farm.accounts.add(self.house.admin, name, Role.USER)
        self.tokens[who or name] = token.clear.reveal()
        return user

    def headers(self, who: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[who]}"} if who != "nobody" else {}

    async def ask(self, who: str, method: str, path: str, **how: Any) -> httpx.Response:
        headers = {**self.headers(who), **how.pop("headers", {})}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://farm") as http:
            return await http.request(method, path, headers=headers, **how)


@asynccontextmanager
async def served(app: FastAPI, *, at: Path | None = None) -> AsyncIterator[str]:
    """The application behind a real server; on a Unix socket, or on a port whose URL is given."""
    if at is None:
        listening = socket.create_server(("127.0.0.1", 0))
    else:
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(at))
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1)
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
