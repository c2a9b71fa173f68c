"""What a board prints while it boots: anything at all, for its user decides."""

import pytest

from boardgrid.agent.arrival import Console
from boardgrid.model.errors import Code


def console(*lines: str) -> Console:
    async def tail() -> tuple[str, ...]:
        return lines

    return Console(tail)


@pytest.mark.parametrize("length", [100_000, 200_000])
async def test_a_line_without_end_is_looked_at_in_its_beginning_alone(length: int) -> None:
    endless = "error: " * (length // 7)
    assert await console(endless, endless + "invalid magic number").end() is None
    found = await console("[    4.28] Kernel panic - not syncing: " + endless).end()
    assert found is not None and found[0] is Code.KERNEL_PANICKED and len(found[1]) <= 300
