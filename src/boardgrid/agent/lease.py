"""The agent's right to act: one agent a site, and none that has lost touch with the controller."""

import asyncio

from boardgrid.ports import Clock


class LeaseGuard:
    """
    Counts the lease from when it was *asked for*, by a clock that runs through the machine's sleep.

    Whoever is about to change something waits in :meth:`held` first: past the lease nothing begins.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until_s = float("-inf")
        self._renewed = asyncio.Event()
        self.epoch = 0

    def renew(self, epoch: int, asked_s: float, ttl_s: float) -> None:
        """*asked_s* is when the request was sent, by the same clock."""
        self.epoch = epoch
        self._until_s = asked_s + ttl_s
        self._renewed.set()

    @property
    def is_held(self) -> bool:
        return self._clock.now_s() < self._until_s

    async def held(self) -> None:
        """Return once the lease is held; at once where it is."""
        while not self.is_held:
            self._renewed.clear()
            await self._renewed.wait()
