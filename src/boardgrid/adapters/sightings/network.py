"""The port ``Sightings``: dnsmasq's log tells of DHCP and TFTP, the kernel's table of connections of NFS."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Address
from pathlib import Path

import structlog

from boardgrid.adapters.sightings.follow import Tail, changes_in
from boardgrid.adapters.sightings.lines import AddressOf, age_s, sighting
from boardgrid.adapters.sightings.sockets import peers
from boardgrid.finishing import whole
from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault
from boardgrid.ports import Clock, Sighting, Sign

log = structlog.get_logger()

_NFS_PORT = 2049
_LOOK_EVERY_S = 0.5  # the kernel tells nobody of a new connection, so while somebody watches we look
_REMEMBERED_BYTES = 1 << 18  # of the log, when the first watcher comes: some thousand lines
_LONGEST_LOG = 8 << 20  # boards can make dnsmasq say much, and must not fill the disk with it
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))


@dataclass(slots=True)
class NetworkSightings:
    """
    Must run in the network namespace of the NFS server. One watcher for a site is what it is made for; more work, too.

    DHCP and TFTP come by push: the kernel wakes us when the log grows. What dnsmasq saw while nobody watched is read
    from the end of its log, with times to the second. Of NFS connections that were there before the first look nobody
    can tell the age, so they are no sightings; ``nfs_peers`` has them.
    """

    clock: Clock
    log: Path  # dnsmasq's, written with --log-dhcp
    tftp: Path  # dnsmasq's, where each board has a folder
    address_of: AddressOf  # by MAC; asked where dnsmasq is a proxy
    tables: tuple[Path, ...] = _TABLES
    _last: dict[tuple[IPv4Address, Sign], Sighting] = field(default_factory=dict, init=False)

    async def watch(self) -> AsyncIterator[Sighting]:
        """
        Raises:
            Fault: the log or the kernel's tables cannot be read.
        """
        try:
            await whole(self.log.parent.mkdir, parents=True, exist_ok=True)
            with changes_in(self.log.parent) as changed, contextlib.closing(Tail(self.log)) as tail:
                async for seen in self._watch(tail, changed):
                    yield seen
        except OSError as error:
            raise Fault(
                Code.NETBOOT_FAILED,
                _("what boards do cannot be followed in {log}: {error}"),
                log=self.log,
                error=error.strerror or error,
            ) from error

    async def _watch(self, tail: Tail, changed: asyncio.Event) -> AsyncIterator[Sighting]:
        self._remember(await whole(lambda: self._from_past(tail.to_end(_REMEMBERED_BYTES))))
        for known in sorted(self._last.values(), key=lambda one: one.at_s):
            yield known
        connected = peers(self.tables, _NFS_PORT)
        look_at_s = self.clock.now_s() + _LOOK_EVERY_S
        while True:
            changed.clear()
            while lines := await whole(tail.new_lines):
                for seen in self._remember(await whole(self._from_now, lines)):
                    yield seen
                if self.clock.now_s() >= look_at_s:
                    break  # a flood of lines does not hide the connections
            if self.clock.now_s() >= look_at_s:
                before, connected = connected, peers(self.tables, _NFS_PORT)
                for seen in self._remember(self._connections(connected - before)):
                    yield seen
                look_at_s = self.clock.now_s() + _LOOK_EVERY_S
            if not lines:
                if await whole(tail.shorten, _LONGEST_LOG):
                    log.info("dnsmasq.log_emptied", path=str(self.log))
                await self._changed_or_passed(changed, look_at_s - self.clock.now_s())

    async def nfs_peers(self) -> set[tuple[IPv4Address, int]]:
        if not await whole(self.log.exists):
            raise Fault(
                Code.NETBOOT_FAILED,
                _("{log} is not there, so nobody sees what boards ask of dnsmasq"),
                hint=_("restart dnsmasq, which makes it anew: boardgridd status has its number, and kill is enough"),
                log=self.log,
            )
        return peers(self.tables, _NFS_PORT)

    async def _changed_or_passed(self, changed: asyncio.Event, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 0)):
                await changed.wait()

    def _from_now(self, lines: Iterable[str]) -> list[Sighting]:
        return self._told(lines, lambda _line: self.clock.now_s())

    def _from_past(self, lines: Iterable[str]) -> list[Sighting]:
        now, now_s = datetime.now().astimezone(), self.clock.now_s()

        def at_s(line: str) -> float | None:
            age = age_s(line, now)
            return None if age is None or age > now_s else now_s - age  # before the machine's start: another life

        return self._told(lines, at_s)

    def _told(self, lines: Iterable[str], at_s: Callable[[str], float | None]) -> list[Sighting]:
        told = []
        address_of = functools.cache(self.address_of)  # a board may ask without end; each look reads files
        for line in lines:
            when = at_s(line)
            seen = sighting(line, self.tftp, address_of, when) if when is not None else None
            if seen:
                told.append(seen)
        return told

    def _connections(self, new: Iterable[tuple[IPv4Address, int]]) -> list[Sighting]:
        return [Sighting(board, Sign.NFS, f"port {port}", self.clock.now_s()) for board, port in sorted(new)]

    def _remember(self, seen: list[Sighting]) -> list[Sighting]:
        for one in seen:
            known = self._last.get((one.board, one.sign))
            # What this process saw itself is known better than what it reads again from the log's end.
            if known is None or one.at_s >= known.at_s:
                self._last[one.board, one.sign] = one
        return seen
