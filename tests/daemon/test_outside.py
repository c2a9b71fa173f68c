"""An agent on the network of virtual boards has some of its programs, and its downloads, on the supervisor's."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from boardgrid.adapters.downloads import HttpDownloads
from boardgrid.daemon.outside import from_outside, handed_network, handed_on, outside
from boardgrid.testing import FakeShell

_ASKS = """
import asyncio, os
from boardgrid.adapters.shell import SubprocessShell
from boardgrid.daemon.outside import handed_network, outside

async def main():
    for shell in (SubprocessShell(), outside(SubprocessShell(), handed_network())):
        print((await shell.run("readlink", "/proc/self/ns/net")).strip())

asyncio.run(main())
"""

_FETCHES = """
import asyncio, ipaddress, os, sys
from pathlib import Path
from boardgrid.adapters.downloads import HttpDownloads
from boardgrid.daemon.outside import from_outside, handed_network
from boardgrid.model.errors import FarmError
from boardgrid.model.image import UrlSource

async def look_up(host, port):
    print("looks up on", await asyncio.to_thread(os.readlink, "/proc/thread-self/ns/net"))
    return [ipaddress.ip_address("127.0.0.1")]

async def main(url, to):
    here = HttpDownloads([url], [ipaddress.ip_network("127.0.0.0/8")], look_up=look_up)
    for downloads in (here, from_outside(here, handed_network())):
        try:
            await downloads.fetch(UrlSource(f"{url}image.tar"), to, 1000)
        except FarmError as error:
            print("refused:", error.code)
    print(to.read_text())
    waiting = asyncio.create_task(from_outside(here, handed_network()).fetch(UrlSource(f"{url}slow"), to, 1000))
    await asyncio.to_thread(sys.stdin.readline)  # somebody asked the server
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    print("given up:", waiting.cancelled(), to.exists(), os.readlink("/proc/self/ns/net"))

asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
"""


class Server(SimpleHTTPRequestHandler):
    asked = threading.Event()
    given_up = threading.Event()

    def do_GET(self) -> None:
        if self.path != "/slow":
            super().do_GET()
            return
        self.asked.set()
        assert self.rfile.read() == b"", "who asked is gone"
        self.given_up.set()

    def log_message(self, *_words: object) -> None:
        pass


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "image.tar").write_text("an image")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Server, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


async def test_where_nothing_was_handed_on_programs_stay_where_they_are() -> None:
    shell = FakeShell()
    assert outside(shell, handed_network({})) is shell
    downloads = HttpDownloads()
    assert from_outside(downloads, handed_network({})) is downloads
    with handed_on(is_wanted=False) as (descriptors, words):
        assert (descriptors, words) == ([], {})


def test_a_descriptor_of_the_network_is_handed_on_and_closed_again() -> None:
    with handed_on(is_wanted=True) as (descriptors, words):
        [network] = descriptors
        assert os.fstat(network).st_ino == Path("/proc/self/ns/net").stat().st_ino
        assert list(words.values()) == [str(network)]
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(network)


@pytest.mark.slow
def test_programs_of_a_process_on_another_network_run_on_ours() -> None:
    with handed_on(is_wanted=True) as (descriptors, words):
        told = subprocess.run(
            ["unshare", "--net", "--pid", "--fork", "--mount-proc", sys.executable, "-c", _ASKS],
            pass_fds=descriptors, env={**os.environ, **words}, capture_output=True, text=True, check=True,
        )  # fmt: skip
    theirs, ours = told.stdout.splitlines()
    assert ours == str(Path("/proc/self/ns/net").readlink()) != theirs


@pytest.mark.slow
def test_what_is_imported_by_address_comes_from_our_network_and_may_be_given_up(url: str, tmp_path: Path) -> None:
    to = tmp_path / "arrived"
    with handed_on(is_wanted=True) as (descriptors, words), subprocess.Popen(
        ["unshare", "--net", sys.executable, "-c", _FETCHES, url, str(to)],
        pass_fds=descriptors, env={**os.environ, **words}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert Server.asked.wait(60)
        told, _nothing = process.communicate("\n", timeout=60)
    there, refused, ours, arrived, _again, given_up = told.splitlines()
    assert refused == "refused: download.failed"
    assert ours == f"looks up on {Path('/proc/self/ns/net').readlink()}" != there
    assert arrived == "an image"
    assert given_up == f"given up: True False {there.removeprefix('looks up on ')}"
    assert Server.given_up.wait(60)
