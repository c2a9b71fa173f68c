"""One question to a server for all who ask at the same time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Shared(Generic[T]):
    """
    An answer is never older than the question: who asks while the server is being asked shares the next answer.

    Hundreds of boards are looked at at once, and each look wants to know what is offered.
    """

    def __init__(self, ask: Callable[[], Awaitable[T]]) -> None:
        self._ask = ask
        self._turn = asyncio.Lock()
        self._next: asyncio.Task[T] | None = None

    async def answer(self) -> T:
        if self._next is None:
            self._next = asyncio.create_task(self._asked())
            # Should all who wait give up, then its error is nobody's.
            self._next.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(self._next)

    async def _asked(self) -> T:
        async with self._turn:
            self._next = None
            return await self._ask()
