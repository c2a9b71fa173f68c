"""A gateway for each test."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from boardgrid.gateway.limits import Limits
from boardgrid.testing import FakeDoorkeeper
from tests.gateway.loopback import Door, Opener, board, gateway


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Opener]:
    """Open a gateway with these limits, at which ada holds tk1-1, and bob is known but holds nothing."""
    async with AsyncExitStack() as stack:

        async def open_(**limits: float) -> Door:
            board_port = await stack.enter_async_context(board())
            made = Limits(**limits)  # type: ignore[arg-type]  # some of them are whole numbers
            door = await stack.enter_async_context(gateway(tmp_path, made, FakeDoorkeeper(), board_port))
            door.user("ada")
            door.user("bob")
            door.holds("ada")
            return door

        yield open_


@pytest.fixture
async def door(opened: Opener) -> Door:
    return await opened()
