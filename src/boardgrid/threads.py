"""Blocking work beside the event loop: a disk that hangs must not keep a site's lease from being renewed."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def whole(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """
    Do a short piece of blocking work in a thread, and see its end even when this task is cancelled.

    A thread that is left to itself would go on while whoever cleans up after it believes that it has ended.
    """
    thread = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        await asyncio.wait([thread])
        raise
