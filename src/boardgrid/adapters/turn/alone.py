"""Turns, where there is one controller alone."""

from collections.abc import Awaitable, Callable


class AlwaysOurs:
    async def keep(self, work: Callable[[], Awaitable[None]]) -> None:
        await work()
