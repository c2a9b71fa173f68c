"""A process that runs until it is asked to end, and then leaves in order."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any


def run_until_asked(work: Coroutine[Any, Any, None]) -> None:
    """Run *work*; SIGTERM and SIGINT cancel it, and its ``finally`` blocks are waited for."""
    asyncio.run(_cancelled_by_signals(work))


async def _cancelled_by_signals(work: Coroutine[Any, Any, None]) -> None:
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)
    asked = False

    def ask() -> None:
        nonlocal asked
        asked = True
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ask)
    try:
        await task
    except asyncio.CancelledError:
        if not asked:
            raise
