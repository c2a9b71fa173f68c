"""The ladder of restarts, and what a board's holder may ask of it."""

from dataclasses import dataclass, field

import pytest

from boardgrid.agent.ladder import Ladder
from boardgrid.model.board import Act
from boardgrid.model.errors import Blame, Code, Fault, Invalid


@dataclass
class Polite:
    """Can restart a board that listens."""

    fails: bool = False
    did: list[str] = field(default_factory=list)

    async def reset(self) -> None:
        if self.fails:
            raise Fault(Code.SSH_SILENT, "it does not listen", blame=Blame.BOARD)
        self.did.append("reset")


@dataclass
class Outlet:
    did: list[str] = field(default_factory=list)

    async def on(self) -> None:
        self.did.append("on")

    async def off(self) -> None:
        self.did.append("off")


@dataclass
class Cutter:
    """Can only take the power away."""

    did: list[str] = field(default_factory=list)

    async def off(self) -> None:
        self.did.append("cut")


@dataclass
class Waker:
    did: list[str] = field(default_factory=list)

    async def on(self) -> None:
        self.did.append("woken")


def names(ladder: Ladder, is_on: bool | None) -> list[str]:
    return [rung.name for rung in ladder.rungs(is_on)]


def test_the_rungs_stand_in_the_order_of_the_inventory() -> None:
    ladder = Ladder("tk1-1", [Polite(), Outlet(), Waker()])
    assert names(ladder, None) == ["reset by Polite", "power cycle by Outlet", "wake by Waker"]


@pytest.mark.parametrize("is_on", [True, False, None])
async def test_a_board_that_one_driver_cuts_and_another_wakes_is_restarted_by_both(is_on: bool | None) -> None:
    did: list[str] = []
    ladder = Ladder("tk1-1", [Polite(), Cutter(did), Waker(did)])
    rung = ladder.rungs(is_on)[-1]
    assert rung.name == "power off by Cutter, on by Waker"
    await rung.act()
    assert did == ["cut", "woken"]


@pytest.mark.parametrize("act", [Act.CYCLE, Act.RESET])
async def test_a_holder_may_restart_a_board_that_one_driver_cuts_and_another_wakes(act: Act) -> None:
    did: list[str] = []
    await Ladder("tk1-1", [Waker(did), Cutter(did)]).obey(act)
    assert did == ["cut", "woken"]


async def test_an_outlet_that_takes_the_power_away_gives_it_back_itself() -> None:
    """Nothing wakes a board without power."""
    did: list[str] = []
    ladder = Ladder("tk1-1", [Waker(did), Outlet(did)])
    assert names(ladder, None) == ["wake by Waker", "power cycle by Outlet"]
    await ladder.obey(Act.CYCLE)
    assert did == ["off", "on"]


def test_a_board_that_is_off_is_only_woken() -> None:
    assert names(Ladder("tk1-1", [Polite(), Outlet(), Waker()]), False) == ["power cycle by Outlet", "wake by Waker"]


def test_a_board_that_nothing_can_wake_is_asked_all_the_same() -> None:
    assert names(Ladder("tk1-1", [Polite()]), False) == ["reset by Polite"]


def test_off_is_sure_only_where_a_driver_tells_it() -> None:
    assert not Ladder("tk1-1", [Outlet()]).can_stop


async def test_a_reset_is_the_politest_that_works() -> None:
    outlet = Outlet()
    await Ladder("tk1-1", [Polite(fails=True), outlet]).obey(Act.RESET)
    assert outlet.did == ["off", "on"]


async def test_a_reset_that_nothing_can_do_tells_the_last_reason() -> None:
    with pytest.raises(Fault, match="it does not listen"):
        await Ladder("tk1-1", [Polite(fails=True)]).obey(Act.RESET)


@pytest.mark.parametrize("act", [Act.ON, Act.OFF, Act.CYCLE])
async def test_what_no_driver_can_do_is_said_with_what_would_help(act: Act) -> None:
    with pytest.raises(Invalid, match=f"power {act}") as refused:
        await Ladder("tk1-1", [Polite()]).obey(act)
    assert "power list" in refused.value.hint
