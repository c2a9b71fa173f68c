"""A file is fetched whole from where the config allows, through breaks, and from nowhere else."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from boardgrid.adapters.downloads import HttpDownloads
from boardgrid.model.errors import Code, FarmError, Fault, Invalid, NotFound
from boardgrid.model.image import UrlSource, checked_url, shown_url
from boardgrid.ports import Downloads
from boardgrid.reach import IPAddress
from boardgrid.testing import FakeDownloads

CONTENT = bytes(range(256)) * 4000
LOOPBACK = (ip_network("127.0.0.0/8"),)
HOST = "images.example.org"


@dataclass
class Shelf:
    """A real HTTP server with one file, which breaks off as often as it is told to."""

    content: bytes = CONTENT
    breaks_at: list[int] = field(default_factory=list)  # so many bytes of an answer are sent, each time once
    moved: str = ""
    tags: list[str] = field(default_factory=lambda: ['"one"'])
    heard: list[bytes] = field(default_factory=list)
    port: int = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        self.heard.append(head)
        writer.write(self._answer(head))
        await writer.drain()
        writer.close()

    def _answer(self, head: bytes) -> bytes:
        if self.moved:
            return f"HTTP/1.1 302 Found\r\nLocation: {self.moved}\r\nContent-Length: 0\r\n\r\n".encode()
        if b"/nothing" in head.splitlines()[0]:
            return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        tag = self.tags.pop(0) if len(self.tags) > 1 else self.tags[0]
        begin, status = 0, "200 OK"
        if b"\r\nrange: bytes=" in head and f"if-range: {tag}".encode() in head:
            begin = int(head.split(b"\r\nrange: bytes=")[1].split(b"-")[0])
            status = f"206 Partial\r\nContent-Range: bytes {begin}-{len(self.content) - 1}/{len(self.content)}"
        body = self.content[begin:]
        answer = f"HTTP/1.1 {status}\r\nETag: {tag}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        return answer + body[: self.breaks_at.pop(0) if self.breaks_at else None]


@asynccontextmanager
async def serving(shelf: Shelf) -> AsyncIterator[Shelf]:
    server = await asyncio.start_server(shelf.talk, "127.0.0.1", 0)
    shelf.port = server.sockets[0].getsockname()[1]
    try:
        yield shelf
    finally:
        server.close()


@dataclass
class Names:
    answer: str = "127.0.0.1"
    asked: list[str] = field(default_factory=list)

    async def __call__(self, host: str, port: int) -> Sequence[IPAddress]:
        self.asked.append(host)
        return [ip_address(one) for one in self.answer.split()]


def of(shelf: Shelf, names: Names | None = None, **how: object) -> HttpDownloads:
    settings: dict[str, object] = {"networks": LOOPBACK, "pauses_s": (0.0, 0.0, 0.0), **how}
    below = (f"http://{HOST}:{shelf.port}/boards/",)
    return HttpDownloads(below, look_up=names or Names(), **settings)  # type: ignore[arg-type] # fields


def at(shelf: Shelf, path: str = "/boards/a.tar", host: str = HOST) -> str:
    return f"http://{host}:{shelf.port}{path}"


def seen(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()]


@pytest.fixture(params=["fake", "http"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Downloads, str]]:
    async with serving(Shelf()) as shelf:
        if request.param == "fake":
            yield FakeDownloads({at(shelf): CONTENT}), at(shelf)
        else:
            yield of(shelf), at(shelf)


async def test_a_file_arrives_as_it_is(world: tuple[Downloads, str], tmp_path: Path) -> None:
    downloads, url = world
    await downloads.fetch(UrlSource(url, sha256(CONTENT).hexdigest()), tmp_path / "a", len(CONTENT))
    assert (tmp_path / "a").read_bytes() == CONTENT


@pytest.mark.parametrize("what", ["another sum", "too large", "not there"])
async def test_what_cannot_be_had_is_refused_and_leaves_nothing(
    world: tuple[Downloads, str], tmp_path: Path, what: str
) -> None:
    downloads, url = world
    source, at_most, code = {
        "another sum": (UrlSource(url, "0" * 64), 1 << 30, Code.ARCHIVE_REFUSED),
        "too large": (UrlSource(url), 1000, Code.IMAGE_TOO_LARGE),
        "not there": (UrlSource(f"{url}/nothing"), 1 << 30, Code.PATH_UNKNOWN),
    }[what]
    with pytest.raises((Invalid, NotFound)) as raised:
        await downloads.fetch(source, tmp_path / "a", at_most)
    assert (raised.value.code, seen(tmp_path)) == (code, [])


async def test_after_a_break_only_the_rest_is_sent(tmp_path: Path) -> None:
    async with serving(Shelf(breaks_at=[300_000, 200_000])) as shelf:
        await of(shelf).fetch(UrlSource(at(shelf)), tmp_path / "a", 1 << 30)
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert len(shelf.heard) == 3
    assert all(b"range: bytes=" in head for head in shelf.heard[1:])


async def test_a_file_that_was_changed_during_a_break_is_fetched_anew(tmp_path: Path) -> None:
    async with serving(Shelf(breaks_at=[300_000], tags=['"one"', '"two"'])) as shelf:
        await of(shelf).fetch(UrlSource(at(shelf)), tmp_path / "a", 1 << 30)
    assert (tmp_path / "a").read_bytes() == CONTENT


async def test_a_transfer_that_always_breaks_is_given_up(tmp_path: Path) -> None:
    async with serving(Shelf(breaks_at=[200_000] * 4)) as shelf:
        with pytest.raises(Fault) as raised:
            await of(shelf).fetch(UrlSource(at(shelf)), tmp_path / "a", 1 << 30)
    assert raised.value.code is Code.DOWNLOAD_FAILED
    assert seen(tmp_path) == []


@pytest.mark.parametrize(
    ("host", "path"),
    [
        (HOST, "/boards"), (HOST, "/boardsecret/a"), (HOST, "/"), (HOST, "/boards/../secret"),
        (HOST, "/boards/%2e%2e/secret"), (HOST, "/boards/..%2fsecret"), ("evil.example.org", "/boards/a"),
        (f"{HOST}.evil.org", "/boards/a"), (f"{HOST}@evil.org", "/boards/a"), ("127.0.0.1", "/boards/a"),
    ],
)  # fmt: skip
async def test_only_what_lies_below_an_allowed_address_is_fetched(tmp_path: Path, host: str, path: str) -> None:
    async with serving(Shelf()) as shelf:
        with pytest.raises(Invalid) as raised:
            await of(shelf).fetch(UrlSource(at(shelf, path, host)), tmp_path / "a", 1 << 30)
    assert (raised.value.code, shelf.heard) == (Code.PATH_FORBIDDEN, [])


@pytest.mark.parametrize("answer", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fe80::1", "8.8.8.8 127.0.0.1"])
async def test_a_name_that_leads_inside_is_not_followed(tmp_path: Path, answer: str) -> None:
    async with serving(Shelf()) as shelf:
        with pytest.raises(Invalid, match="no address of the open internet") as raised:
            await of(shelf, Names(answer), networks=()).fetch(UrlSource(at(shelf)), tmp_path / "a", 1 << 30)
    assert "import_networks" in raised.value.hint
    assert shelf.heard == []


async def test_one_is_sent_on_only_to_what_is_allowed_too(tmp_path: Path) -> None:
    async with serving(Shelf()) as inner, serving(Shelf()) as shelf:
        for to in (at(inner), at(shelf, "/secret")):
            shelf.moved = to
            with pytest.raises(Invalid) as raised:
                await of(shelf).fetch(UrlSource(at(shelf)), tmp_path / "a", 1 << 30)
            assert raised.value.code is Code.PATH_FORBIDDEN
        both = HttpDownloads((at(shelf, "/boards/"), at(inner, "/boards/")), LOOPBACK, look_up=Names(), pauses_s=())
        shelf.moved = at(inner)
        await both.fetch(UrlSource(at(shelf)), tmp_path / "a", 1 << 30)
        assert (tmp_path / "a").read_bytes() == CONTENT
        shelf.moved = at(shelf)
        with pytest.raises(FarmError, match="on and on"):
            await both.fetch(UrlSource(at(shelf)), tmp_path / "b", 1 << 30)


@pytest.mark.parametrize(
    "url",
    [
        "", "ftp://a.org/x", "https:///x", "https://a.org:0/x", "https://me:pw@a.org/x", "https://a.org/x#y",
        "https://a b/x", "https://a.org/../x", "https://a.org/%2E%2e/x", "https://a.org\\b", "file:///etc/passwd",
        "https://[::1", "x" * 3000,
    ],
)  # fmt: skip
def test_what_is_no_plain_address_names_no_image(url: str) -> None:
    with pytest.raises(Invalid) as raised:
        checked_url(url)
    assert raised.value.code is Code.PATH_FORBIDDEN


async def test_a_sentence_never_tells_what_may_be_secret_in_an_address(tmp_path: Path) -> None:
    async with serving(Shelf()) as shelf:
        for url in (f"{at(shelf, '/boards/nothing')}?s3cret", f"{at(shelf, '/elsewhere')}?s3cret"):
            with pytest.raises(FarmError) as raised:
                await of(shelf).fetch(UrlSource(url), tmp_path / "a", 1 << 30)
            assert "s3cret" not in str(raised.value) and shown_url(url) in str(raised.value)
        shelf.moved = "http://ada:s3cret@elsewhere.example.org/a?s3cret"
        with pytest.raises(FarmError) as raised:
            await of(shelf).fetch(UrlSource(at(shelf)), tmp_path / "a", 1 << 30)
        assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://h/a.tar", "https://h/a.tar"),
        ("https://ada:pw@h:1/a@b?c#d", "https://h:1/a@b"),
        ("ada:pw@h/a?b@c/", "h/a"),
        ("http://[?x", "http://["),
    ],
)
def test_an_address_is_shown_without_who_asks_and_what_for(url: str, shown: str) -> None:
    assert shown_url(url) == shown
