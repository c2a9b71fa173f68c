"""What the tests of the client share: a farm to talk to, and a way to run commands."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from boardgrid.client.main import cli
from tests.client.fake_farm import TOKEN, Door, FakeFarm, Server


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


@pytest.fixture
def farm() -> Iterator[FakeFarm]:
    farm = FakeFarm()
    server = Server(("127.0.0.1", 0), type("OneDoor", (Door,), {"farm": farm}))
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
