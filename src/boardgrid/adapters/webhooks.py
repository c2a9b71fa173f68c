"""
Hooks over HTTP.

A webhook is a way into the network that the controller stands in. So a name is looked up once, what it leads to is
looked at, and that very address is connected to: a name that leads elsewhere a moment later leads nowhere. Nobody is
followed to another address, and what is answered is hardly read.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import httpx

from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault
from boardgrid.model.imports import PORTS
from boardgrid.reach import IPAddress, IPNetwork, LookUp, look_up, may_reach

_READ_MOST = 4096


@dataclass(frozen=True, slots=True)
class HttpHooks:
    allowed: Sequence[IPNetwork] = ()  # networks of one's own that may be reached
    within_s: float = 10.0
    look_up: LookUp = look_up
    transport: httpx.AsyncBaseTransport | None = field(default=None, repr=False)

    async def call(self, url: str, headers: Mapping[str, str], body: bytes) -> None:
        try:
            async with asyncio.timeout(self.within_s):
                await self._call(httpx.URL(url), headers, body)
        except (httpx.HTTPError, OSError, UnicodeError) as error:  # TimeoutError is an OSError
            raise _failed(url, str(error) or type(error).__name__) from error

    async def _call(self, url: httpx.URL, headers: Mapping[str, str], body: bytes) -> None:
        address = await self._address(url)
        # An environment of proxies would look the name up once more, and elsewhere.
        async with (
            httpx.AsyncClient(
                transport=self.transport, timeout=self.within_s, trust_env=False, follow_redirects=False
            ) as client,
            client.stream(
                "POST",
                url.copy_with(host=str(address)),
                headers={**headers, "Host": url.netloc.decode("ascii"), "User-Agent": "boardgrid"},
                content=body,
                extensions={"sni_hostname": url.raw_host.decode("ascii")},
            ) as answer,
        ):
            if not answer.is_success:
                raise _failed(str(url), _("status {status}").format(status=answer.status_code))
            read = 0
            async for chunk in answer.aiter_raw():
                read += len(chunk)
                if read > _READ_MOST:
                    break

    async def _address(self, url: httpx.URL) -> IPAddress:
        found = await self.look_up(url.host, url.port or PORTS[url.scheme])
        for address in found:
            if not may_reach(address, self.allowed):
                raise _failed(
                    str(url),
                    _(
                        "{address} is no address of the open internet; an admin allows it in notices.webhook_networks"
                    ).format(address=address),
                )
        if not found:
            raise _failed(str(url), _("the name leads nowhere"))
        return found[0]


def _failed(url: str, why: str) -> Fault:
    # The path of a webhook is often its password.
    host = httpx.URL(url).host
    return Fault(Code.WEBHOOK_FAILED, _("the webhook at {host} could not be called: {why}"), host=host, why=why[:300])
