"""The gateway as a process that is handed its socket, as systemd does it."""

import asyncio
import os
import resource
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from boardgrid.api.spool import Spool
from boardgrid.daemon import launch
from boardgrid.daemon.launch import View
from boardgrid.daemon.layout import Layout
from boardgrid.daemon.sockets import Door, handed_on
from tests.api.door import Door as Api
from tests.api.door import served
from tests.services.house import House, records_with


@asynccontextmanager
async def started(folder: Path, config: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """With a socket like that of ListenStream=2270: on every address, of IPv6 and IPv4 alike. Tells its port too."""
    file = folder / "boardgrid.toml"
    file.write_text(f"[lab]\nvirtual = true\n{config}")
    with socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True) as listening:
        # As few descriptors as systemd and shells give to those who do not ask for more, and fewer.
        words = [*launch.words([listening.fileno()], View()), "prlimit", "--nofile=256:", "--"]
        gateway = await asyncio.create_subprocess_exec(
            *(*words, sys.executable, "-m", "boardgrid.daemon.main", "gateway", "--config", str(file)),
            pass_fds=[listening.fileno()],
            env={**os.environ, **handed_on([Door("ssh", listening)])},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            yield gateway, listening.getsockname()[1]
        finally:
            if gateway.returncode is None:
                gateway.kill()
            await gateway.communicate()


@pytest.mark.slow
async def test_a_gateway_on_every_address_does_not_start_until_people_can_be_told_one(tmp_path: Path) -> None:
    async with started(tmp_path, "") as (gateway, port), asyncio.timeout(60):
        said, _none = await gateway.communicate()
    assert gateway.returncode != 0
    assert "gateway.public: is missing: the gateway listens on every address of this machine (::)" in said.decode()
    assert f"gate.example.org:{port}" in said.decode()


@pytest.mark.slow
async def test_people_are_told_the_public_address_of_a_gateway_on_every_address(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    for folder in (layout.gateway, layout.run):
        folder.mkdir()
    with records_with() as records:
        api = Api.made(House.bare(records), Spool(tmp_path / "spool"))
        layout.token(layout.gateway).write_text(api.tokens["gateway"])
        public = '[gateway]\npublic = "gate.example.org:22"\n'
        async with (
            served(api.app, at=layout.run / "controller.sock"),
            started(tmp_path, public) as (gateway, _port),
            asyncio.timeout(60),
        ):
            while (told := api.house.farm.inventory.sites(api.house.ada)[0].gateway) is None:
                assert gateway.returncode is None
                await asyncio.sleep(0.05)
            soft, hard = resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE)
    assert (told.host, told.port) == ("gate.example.org", 22)
    assert soft == hard
