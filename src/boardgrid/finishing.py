"""Work that is not left to itself: whoever gives up still waits for the end of what began."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def finished(work: Awaitable[T]) -> T:
    """
    The answer of *work*, and its end also where this task is cancelled meanwhile, however often.

    Raises:
        CancelledError: this task was cancelled; what *work* answered is lost.
    """
    running = asyncio.ensure_future(work)
    given_up: asyncio.CancelledError | None = None
    while not running.done():
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError as error:
            given_up = error
    if given_up is not None:
        if not running.cancelled():
            running.exception()  # nobody asks for it any more
        raise given_up
    return running.result()


async def whole(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """
    Do a piece of blocking work in a thread, to its end: a disk that hangs must not keep the event loop, and with it
    a site's lease. A thread that is left to itself would go on while whoever cleans up after it believes that it has
    ended.
    """
    return await finished(asyncio.to_thread(work, *args, **kwargs))


async def ended(*tasks: asyncio.Future[Any]) -> None:
    """Cancel them until they have ended: what they run may take one cancellation for a fault of its own."""
    while running := [task for task in tasks if not task.done()]:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=1)
    await asyncio.gather(*tasks, return_exceptions=True)
