"""What a board prints while it boots: anything at all, for its user decides."""

import pytest

from boardgrid.agent.arrival import Console
from boardgrid.model.errors import Code

PANICKED, REFUSED = Code.KERNEL_PANICKED, Code.KERNEL_REFUSED
PANIC, REFUSAL = "Kernel panic - not syncing", "Wrong Image Format for bootm command"


class Screen:
    """What a board has printed so far, and how its boot can have failed by then."""

    def __init__(self, *lines: str, can_fail: set[Code] | None = None) -> None:
        self.lines, self.can_fail = list(lines), {PANICKED, REFUSED} if can_fail is None else can_fail
        self.console = Console(self._tail)

    async def _tail(self) -> tuple[str, ...]:
        return tuple(self.lines)

    async def last_word(self) -> tuple[Code, str] | None:
        return await self.console.last_word(lambda: self.can_fail)


@pytest.mark.parametrize("length", [100_000, 200_000])
async def test_a_line_without_end_is_looked_at_in_its_beginning_alone(length: int) -> None:
    endless = "error: " * (length // 7)
    assert await Screen(endless, endless + "invalid magic number").last_word() is None
    found = await Screen("[    4.28] Kernel panic - not syncing: " + endless).last_word()
    assert found is not None and found[0] is PANICKED and len(found[1]) <= 300


async def test_a_panic_counts_from_a_boots_first_sign_on() -> None:
    screen = Screen(PANIC, can_fail=set())
    assert await screen.last_word() is None
    screen.can_fail = {PANICKED}
    assert await screen.last_word() is None
    screen.lines.append(PANIC)
    assert await screen.last_word() == (PANICKED, PANIC)


async def test_a_refusal_counts_once_there_is_something_to_refuse() -> None:
    screen = Screen("DHCP client bound", REFUSAL, can_fail={PANICKED})
    assert await screen.last_word() is None
    screen.can_fail.add(REFUSED)
    screen.lines.append("Loading kernel")
    assert await screen.last_word() is None
    screen.lines.append(REFUSAL)
    assert await screen.last_word() == (REFUSED, REFUSAL)
    assert screen.console.last_words == tuple(screen.lines), "all since the restart is told of it"
