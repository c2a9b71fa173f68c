"""
Files that are fetched for imports by address.

Users choose the address, and the request comes from inside the site's network. So it must lie below one that the config
names; a name is looked up once, what it leads to is looked at, and that very address is connected to; and where the
server sends one on to, the same holds.
"""

import asyncio
import errno
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BufferedRandom
from pathlib import Path

import httpx

from boardgrid.finishing import whole
from boardgrid.messages import _, bytes_text
from boardgrid.model.errors import Code, Fault, Invalid, NotFound
from boardgrid.model.image import UrlSource, checked_url, shown_url
from boardgrid.model.imports import PORTS, Imports
from boardgrid.reach import IPAddress, IPNetwork, LookUp, look_up, may_reach

_HOPS = 5
_GONE = {httpx.codes.NOT_FOUND, httpx.codes.GONE}


@dataclass(frozen=True, slots=True)
class HttpDownloads:
    """
    Args:
        below: addresses below which everything may be imported: ``https://images.example.org/boards/``.
        networks: networks of one's own that may be reached.
        silence_s: so long nothing may come.
        pauses_s: before each new try, once a transfer broke.
    """

    below: Sequence[str] = ()
    networks: Sequence[IPNetwork] = ()
    silence_s: float = 60.0
    pauses_s: Sequence[float] = (1.0, 5.0, 15.0, 60.0)
    look_up: LookUp = look_up
    transport: httpx.AsyncBaseTransport | None = field(default=None, repr=False)

    async def fetch(self, source: UrlSource, to: Path, at_most: int) -> None:
        try:
            file = await asyncio.to_thread(to.open, "w+b")
            try:
                await self._fetch(source, _Arriving(source.url, file, at_most))
                if source.sha256:
                    await asyncio.to_thread(_check, file, source)
            finally:
                await asyncio.to_thread(file.close)
        except BaseException as error:
            await whole(to.unlink, missing_ok=True)
            if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise Fault(
                    Code.STORE_FULL,
                    _("the disk has no room for {url}"),
                    hint=_("remove images or roots that nobody needs, or give the store a larger disk"),
                    url=shown_url(source.url),
                ) from error
            raise

    async def _fetch(self, source: UrlSource, arriving: "_Arriving") -> None:
        for pause_s in (*self.pauses_s, None):
            begun = arriving.size
            try:
                async with self._answer(checked_url(source.url), arriving) as answer:
                    await arriving.take(answer)
                    return
            except (httpx.HTTPError, UnicodeError, TimeoutError, ConnectionError) as error:
                # Nothing came, not even once: to try on would only hide a wrong address for a while.
                if pause_s is None or arriving.size == begun == 0:
                    raise _failed(source.url, str(error) or type(error).__name__) from error
            await asyncio.sleep(pause_s)

    @asynccontextmanager
    async def _answer(self, url: str, arriving: "_Arriving") -> AsyncIterator[httpx.Response]:
        for _hop in range(_HOPS):
            Imports(addresses=tuple(self.below)).check_address(url)
            asked = httpx.URL(url)
            address = await self._address(asked)
            # An environment of proxies would look the name up once more, and elsewhere.
            async with (
                httpx.AsyncClient(transport=self.transport, timeout=self.silence_s, trust_env=False) as client,
                client.stream(
                    "GET",
                    asked.copy_with(host=str(address)),
                    headers={**arriving.headers(), "Host": asked.netloc.decode("ascii"), "User-Agent": "boardgrid"},
                    extensions={"sni_hostname": asked.raw_host.decode("ascii")},
                ) as answer,
            ):
                if not answer.has_redirect_location:
                    yield answer
                    return
                url = str(asked.join(answer.headers["Location"]))
        raise _failed(url, _("it sends on and on"))

    async def _address(self, url: httpx.URL) -> IPAddress:
        try:
            found = await self.look_up(url.host, url.port or PORTS[url.scheme])
        except OSError as error:
            raise _failed(str(url), _("the name leads nowhere")) from error
        for address in found:
            if not may_reach(address, self.networks):
                raise Invalid(
                    Code.PATH_FORBIDDEN,
                    _("{url} leads to {address}, which is no address of the open internet"),
                    hint=_("an admin allows its network in agent.import_networks"),
                    url=shown_url(str(url)),
                    address=address,
                )
        if not found:
            raise _failed(str(url), _("the name leads nowhere"))
        return found[0]


@dataclass(slots=True)
class _Arriving:
    """A file that comes in pieces: what was there when a transfer broke is not sent again."""

    url: str
    file: BufferedRandom
    at_most: int
    size: int = 0
    _tag: str = ""  # tells this very content; without one nobody can say that the rest belongs to it

    def headers(self) -> dict[str, str]:
        plain = {"Accept-Encoding": "identity"}
        return {**plain, "Range": f"bytes={self.size}-", "If-Range": self._tag} if self.size and self._tag else plain

    async def take(self, answer: httpx.Response) -> None:
        if answer.status_code in _GONE:
            raise NotFound(
                Code.PATH_UNKNOWN,
                _("there is nothing at {url}"),
                hint=_("see whether the address is right"),
                url=shown_url(self.url),
            )
        is_rest = answer.headers.get("Content-Range", "").startswith(f"bytes {self.size}-")
        if answer.status_code == httpx.codes.PARTIAL_CONTENT and is_rest:
            pass
        elif answer.status_code == httpx.codes.OK:
            await asyncio.to_thread(self._begin, answer)
        else:
            raise _failed(self.url, _("status {status}").format(status=answer.status_code))
        async for chunk in answer.aiter_raw():
            if self.size + len(chunk) > self.at_most:
                raise Invalid(
                    Code.IMAGE_TOO_LARGE,
                    _("{url} is over {limit}, as much as this site takes in now"),
                    hint=_("import a smaller one, or ask an admin for room in the store"),
                    url=shown_url(self.url),
                    limit=bytes_text(self.at_most),
                )
            await asyncio.to_thread(self.file.write, chunk)
            self.size += len(chunk)

    def _begin(self, answer: httpx.Response) -> None:
        self.file.seek(0)
        self.file.truncate()
        self.size = 0
        tag = answer.headers.get("ETag", "")
        self._tag = tag if tag.startswith('"') else ""  # a weak one does not tell


def _check(file: BufferedRandom, source: UrlSource) -> None:
    file.seek(0)
    if (arrived := hashlib.file_digest(file, "sha256").hexdigest()) != source.sha256:
        raise Invalid(
            Code.ARCHIVE_REFUSED,
            _("what lies at {url} has the SHA-256 {arrived}, not {wanted}"),
            hint=_("see whether the file was changed, or the sum is of another one"),
            url=shown_url(source.url),
            arrived=arrived,
            wanted=source.sha256,
        )


def _failed(url: str, why: str) -> Fault:
    return Fault(
        Code.DOWNLOAD_FAILED,
        _("{url} could not be fetched: {why}"),
        hint=_("see whether the address is right and its server answers; then import it again"),
        url=shown_url(url),
        why=why[:300],
    )
