"""What the tests of the client share: a farm to talk to, and a way to run commands."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from structlog.testing import capture_logs

from boardgrid.api.spool import Spool
from boardgrid.client.main import cli
from tests.api.door import Door, served
from tests.client.fake_farm import TOKEN, FakeFarm, Server
from tests.client.fake_farm import Door as FakeDoor
from tests.services.house import House, records_with


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Ended]
Ask = Callable[..., Awaitable[Ended]]


@pytest.fixture
def farm() -> Iterator[FakeFarm]:
    farm = FakeFarm()
    server = Server(("127.0.0.1", 0), type("OneDoor", (FakeDoor,), {"farm": farm}))
    farm.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield farm
    finally:
        farm.over = True
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def run(farm: FakeFarm, tmp_path: Path) -> Run:
    """Run the command line as ada, and return how it ended."""

    def run(*argv: str, stdin: str | bytes | None = None, **environment: str) -> Ended:
        env = {
            "BOARDGRID_URL": farm.url, "BOARDGRID_TOKEN": TOKEN, "BOARDGRID_PROFILE": "", "NO_COLOR": "",
            "XDG_CONFIG_HOME": str(tmp_path / "config"), "BOARDGRID_DEBUG": "1", **environment,
        }  # fmt: skip
        ended = CliRunner().invoke(cli, list(argv), input=stdin, env=env)
        if ended.exception is not None and not isinstance(ended.exception, SystemExit):
            raise ended.exception
        return Ended(ended.exit_code, ended.stdout, ended.stderr)

    return run


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    with records_with() as records:
        door = Door.made(House.bare(records), Spool(tmp_path / "spool"))
        door.house.image()
        yield door


@pytest.fixture
async def url(door: Door) -> AsyncIterator[str]:
    # What the server logs would stand in the middle of what the command prints.
    with capture_logs():
        async with served(door.app) as url:
            yield url


@pytest.fixture
def ask(door: Door, url: str, tmp_path: Path) -> Ask:
    """Run the command line as root, the admin, or as somebody else."""

    async def ask(*argv: str, who: str = "admin", stdin: str | bytes | None = None) -> Ended:
        env = {
            "BOARDGRID_URL": url, "BOARDGRID_TOKEN": door.tokens.get(who, ""), "BOARDGRID_PROFILE": "", "NO_COLOR": "",
            "XDG_CONFIG_HOME": str(tmp_path / "config"), "BOARDGRID_DEBUG": "1", "TZ": "UTC",
        }  # fmt: skip
        ended = await asyncio.to_thread(CliRunner().invoke, cli, list(argv), input=stdin, env=env)
        if ended.exception is not None and not isinstance(ended.exception, SystemExit):
            raise ended.exception
        return Ended(ended.exit_code, ended.stdout, ended.stderr)

    return ask


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Wait until something is so; it is a failure of the test when it never is."""

    def eventually(is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not is_so():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    return eventually


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    import asyncssh  # noqa: PLC0415 - it takes long, and few tests need it

    path = tmp_path / "her key"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(path)
    path.chmod(0o600)
    return path
