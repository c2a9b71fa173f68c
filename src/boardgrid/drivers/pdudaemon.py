"""
Outlets behind pdudaemon, the power switching daemon that LAVA labs use: it speaks some forty makes of them.

    power = [{ driver = "pdudaemon", pdu = "apc7952", outlet = 7 }]
"""

import asyncio
from dataclasses import dataclass, field

import httpx

from boardgrid.messages import _
from boardgrid.model.errors import Blame, Code, Fault
from boardgrid.ports import Tools


@dataclass(frozen=True, slots=True, kw_only=True)
class PduDaemon:
    """
    One outlet of one of the daemon's PDUs. It cannot tell whether the outlet is on.

    The daemon answers when it has switched; it also does when the PDU refused, after it tried for a while.
    """

    pdu: str  # its name in the daemon's config
    outlet: int
    host: str = "localhost"  # where the daemon runs, with its listener set to "http"
    port: int = 16421
    settle_s: float = 2.0  # a small board lives on for a while on what its capacitors hold
    timeout_s: float = 30.0
    tools: Tools = field(repr=False)

    def __post_init__(self) -> None:
        if not 0 < self.port < 65536:
            raise ValueError(_("port should be 1 to 65535"))
        if not 0 <= self.settle_s <= 60 or not 0 < self.timeout_s <= 600:
            raise ValueError(_("settle_s should be 0 to 60, timeout_s at most 600"))
        try:
            is_host = bool(self._where("on").host)
        except (httpx.InvalidURL, ValueError):
            is_host = False
        # The rest of an address has no place in a host: it would lead to another path than the daemon's.
        if not is_host or set(self.host) & set("/?#@ "):
            raise ValueError(_("host should be a host name or an address"))

    async def on(self) -> None:
        await self._switch("on")

    async def off(self) -> None:
        await self._switch("off")
        await self.tools.clock.sleep(self.settle_s)

    def _where(self, act: str) -> httpx.URL:
        return httpx.URL(
            scheme="http",
            host=self.host,
            port=self.port,
            path=f"/power/control/{act}",
            params={"hostname": self.pdu, "port": self.outlet},
        )

    async def _switch(self, act: str) -> None:
        # Neither proxies of the environment nor redirects: the outlet is where the inventory says.
        async with httpx.AsyncClient(verify=False, trust_env=False, follow_redirects=False) as http:  # noqa: S501 - plain HTTP
            try:
                async with (
                    asyncio.timeout(self.timeout_s),
                    http.stream("GET", self._where(act), timeout=None) as answer,
                ):
                    status = answer.status_code
            except TimeoutError as error:
                raise self._failed(_("no answer in {seconds:g} s").format(seconds=self.timeout_s)) from error
            except httpx.HTTPError as error:
                raise self._failed(str(error) or type(error).__name__) from error
        if status != httpx.codes.OK:
            raise self._failed(_("status {status}: does its config have this PDU?").format(status=status))

    def _failed(self, why: str) -> Fault:
        return Fault(
            Code.POWER_FAILED,
            _("outlet {outlet} of {pdu}, behind pdudaemon on {host}:{port}, could not be switched: {why}"),
            hint=_("{board} hangs on it; look at the log of pdudaemon"),
            blame=Blame.BOARD,
            outlet=self.outlet,
            pdu=self.pdu,
            host=self.host,
            port=self.port,
            why=why,
            board=self.tools.board.name,
        )
