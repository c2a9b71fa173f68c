"""
Hooks over HTTP.

A webhook is a way into the network that the controller stands in. So a name is looked up once, what it leads to is
looked at, and that very address is connected to: a name that leads elsewhere a moment later leads nowhere. Nobody is
followed to another address, and what is answered is hardly read.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import httpx

from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network
LookUp = Callable[[str, int], Awaitable[Sequence[IPAddress]]]

_READ_MOST = 4096
# Addresses that stand for an IPv4 address, which may be any.
_DISGUISES = tuple(ip_network(one) for one in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96"))


async def look_up(host: str, port: int) -> Sequence[IPAddress]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ip_address(str(address[0]).partition("%")[0]) for *_rest, address in found]


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
        port = url.port or {"http": 80, "https": 443}[url.scheme]
        found = await self.look_up(url.host, port)
        for address in found:
            if not self._may_reach(address):
                raise _failed(
                    str(url),
                    _(
                        "{address} is no address of the open internet; an admin allows it in notices.webhook_networks"
                    ).format(address=address),
                )
        if not found:
            raise _failed(str(url), _("the name leads nowhere"))
        return found[0]

    def _may_reach(self, address: IPAddress) -> bool:
        plain = address.ipv4_mapped if isinstance(address, IPv6Address) and address.ipv4_mapped else address
        if any(plain in network for network in self.allowed if network.version == plain.version):
            return True
        is_disguised = any(plain in network for network in _DISGUISES if network.version == plain.version)
        return plain.is_global and not plain.is_multicast and not is_disguised


def _failed(url: str, why: str) -> Fault:
    # The path of a webhook is often its password.
    host = httpx.URL(url).host
    return Fault(Code.WEBHOOK_FAILED, _("the webhook at {host} could not be called: {why}"), host=host, why=why[:300])
