"""What came of work that takes long: what was wanted, or what went wrong."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import TypeVar

import structlog

from boardgrid.agent.blame import bug
from boardgrid.model.errors import Code, FarmError, Fault

log = structlog.get_logger()

T = TypeVar("T")


async def outcome(work: Awaitable[T], logged: str, **names: str) -> T | FarmError:
    """
    Args:
        logged: what a bug is called in the log, which has the whole of it; *names* tell where it was.
    """
    try:
        return await work
    except FarmError as error:
        return error
    except Exception:
        log.exception(logged, **names)
        return bug()


@asynccontextmanager
async def within(seconds: float, late: str, *, hint: str = "") -> AsyncIterator[None]:
    """
    Raises:
        Fault: PROGRAM_TIMEOUT, the block took longer.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise Fault(Code.PROGRAM_TIMEOUT, late, hint=hint) from error
