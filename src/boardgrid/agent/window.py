"""Reboots go out in windows, so that DHCP, TFTP and power are not flooded."""

import asyncio
from collections.abc import Callable

from boardgrid.ports import Clock


class Window:
    """
    At most *places* boards are on their way to a first sign of life at once.

    A place is given back after *seconds* whatever its board does: a hung outlet must not keep others waiting.
    """

    def __init__(self, places: int, seconds: float, clock: Clock) -> None:
        self._places = asyncio.Semaphore(places)
        self._seconds = seconds
        self._clock = clock
        self._timers: set[asyncio.Task[None]] = set()

    async def enter(self) -> Callable[[], object]:
        """Wait for a place and return what gives it back; that may be called twice."""
        await self._places.acquire()
        timer = asyncio.ensure_future(self._clock.sleep(self._seconds))
        self._timers.add(timer)

        def leave(_timer: asyncio.Task[None]) -> None:
            self._timers.discard(timer)
            self._places.release()

        timer.add_done_callback(leave)
        return timer.cancel
