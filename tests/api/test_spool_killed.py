"""A controller is killed at each change that it makes to the spool: what came is there whole, or comes again."""

import asyncio
import itertools
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from boardgrid.api.spool import Spool
from tests.adapters.store.doomed import ENDED, doom
from tests.api.test_uploads import SHA256, TAR, files, pieces

THING = uuid4()

Work = Callable[[Spool, Path], Coroutine[Any, Any, None]]


async def an_upload(spool: Spool, noted: Path) -> None:
    arrived = await spool.receive(pieces(), len(TAR))
    spool.settle(arrived, lambda: noted.write_text(arrived.sha256))


async def an_upload_that_goes_on(spool: Spool, noted: Path) -> None:
    come = await spool.come(THING)
    for until in (len(TAR) // 2, len(TAR)):
        come = await spool.append(THING, come.size_bytes, pieces(TAR[come.size_bytes : until]), len(TAR))
    arrived = spool.arrived(THING, come)
    spool.settle(arrived, lambda: noted.write_text(arrived.sha256))


async def an_export(spool: Spool, noted: Path) -> None:
    await spool.keep(THING, pieces(), len(TAR))
    await asyncio.to_thread(noted.write_text, str(THING))


def controller(folder: Path, noted: Path, work: Work, die_at: int) -> int:
    """How it ended. It is forked off, and may die."""
    if process := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    try:
        spool = Spool(folder)
        spool.prepare()
        doom(die_at, str(folder), any_thread=True)
        asyncio.run(work(spool, noted))
        os._exit(0)
    finally:
        os._exit(1)


def wanted(noted: Path) -> frozenset[str]:
    """As the records have it: an image that awaits its content, or an errand; or what came."""
    return frozenset({str(THING), *([noted.read_text()] if noted.exists() else [])})


@pytest.mark.parametrize("work", [an_upload, an_upload_that_goes_on, an_export])
def test_it_comes_whole(tmp_path: Path, work: Work) -> None:
    folder, noted = tmp_path / "spool", tmp_path / "noted"
    for number in itertools.count(1):
        status = controller(folder, noted, work, number)
        spool = Spool(folder)
        spool.prepare()
        spool.sweep(lambda: wanted(noted))
        assert {*files(folder)} <= wanted(noted)
        if status == 0:
            break
        assert (status, noted.exists()) == (ENDED, False)
    assert number > 2
    assert (folder / noted.read_text()).read_bytes() == TAR
    assert noted.read_text() in {SHA256, str(THING)}
