"""Tells how far a program of the store is, as its :mod:`~boardgrid.adapters.store.diary` says, or a file that grows."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from boardgrid.model.errand import Progress
from boardgrid.ports import Tell

_EVERY_S = 1.0
_FIRST_S = 0.2  # most of what is small is over then


@contextlib.asynccontextmanager
async def followed(look: Callable[[], Progress | None], tell: Tell) -> AsyncIterator[None]:
    """While the block runs, tell what *look*, which blocks, sees."""

    async def follow() -> None:
        before, pause_s = None, _FIRST_S
        while True:
            await asyncio.sleep(pause_s)
            seen = await asyncio.to_thread(look)
            if seen is not None and seen != before:
                tell(seen)
            before, pause_s = seen, _EVERY_S

    following = asyncio.ensure_future(follow())
    try:
        yield
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


def diary_of(file: Path) -> Callable[[], Progress | None]:
    """Looks into a program's diary."""

    def look() -> Progress | None:
        try:
            return Progress(**json.loads(file.read_text()))
        except (OSError, ValueError, TypeError):
            return None  # it has not begun, or its folder is gone already

    return look


def size_of(file: Path, phase: str, total_bytes: int) -> Callable[[], Progress | None]:
    """Looks how large a file has become that is being written."""

    def look() -> Progress | None:
        try:
            return Progress(phase, file.stat().st_size, total_bytes)
        except OSError:
            return None

    return look
