"""Boards that nobody uses go to who waits for them: after a warning, and never where anything is unknown."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from boardgrid.model.board import Act
from boardgrid.model.notice import Occasion
from boardgrid.model.report import HealthReport, Power, Voice
from boardgrid.model.reservation import Group, Kind, Reservation
from boardgrid.model.root import RootState
from boardgrid.ports import Use
from boardgrid.services.farm import Farm
from boardgrid.services.idling import Idling
from boardgrid.testing import FakePasswords
from tests.services.house import HOUR, START, House, a_board, records_with

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


@pytest.fixture
def house() -> Iterator[House]:
    """ada holds tk1-1 for a day; whoever uses nothing for an hour is warned, and has a quarter of one."""
    with records_with(boards=1) as records:
        house = House(records)
        house.farm = _farm(house, Idling(HOUR, 15 * MINUTE))
        house.image()
        tell(house)
        house.opened(for_=DAY)
        yield house


def _farm(house: House, idling: Idling) -> Farm:
    return Farm.of(house.records, house.changes, lambda: house.now, passwords=FakePasswords(), idling=idling)


def tell(house: House, *uses: Use) -> None:
    house.farm.doors.activity("lab", uses)


def bob_waits(house: House) -> None:
    house.farm.booking.reserve(house.bob, groups=[Group(type="tk1")], image="tiny", for_=HOUR, kind=Kind.QUEUED)


def go(house: House, until: datetime, *uses: Use) -> None:
    """Let time pass, with a gateway that tells every five minutes of the same."""
    while house.now < until:
        house.now = min(house.now + 5 * MINUTE, until)
        tell(house, *uses)
        house.farm.upkeep.carry_out()


def adas(house: House) -> Reservation:
    return house.farm.booking.reservation(house.ada, 1).reservation


def test_who_uses_nothing_while_somebody_waits_is_warned_and_then_released_with_the_root_kept(house: House) -> None:
    bob_waits(house)
    go(house, START + HOUR - MINUTE)
    assert adas(house).idle_until is None
    go(house, START + HOUR)
    assert adas(house).idle_until == START + HOUR + 15 * MINUTE
    go(house, START + HOUR + 14 * MINUTE)
    assert adas(house).is_running
    go(house, START + HOUR + 15 * MINUTE)
    assert adas(house).ended_because == "nobody used it, and somebody waited for it"
    assert [one.root.state for one in house.farm.roots.roots(house.ada)] == [RootState.ASIDE]
    assert house.farm.booking.reservation(house.bob, 2).reservation.is_running


def test_the_warning_is_told_once_with_the_time_of_the_release(house: House) -> None:
    house.farm.notices.change_contact(house.ada, email="ada@example.org", occasions=[Occasion.IDLE])
    bob_waits(house)
    go(house, START + HOUR + 10 * MINUTE)
    with house.records.read() as records:
        [posting] = records.postings()
    assert posting.notice.before == START + HOUR + 15 * MINUTE
    [event] = [one for one in house.farm.history.after(house.ada, reservation=1) if "nobody uses it" in one.detail]
    assert (
        event.detail
        == "nobody uses it and somebody waits: it is released at 2026-03-01 13:15 UTC unless somebody logs in"
    )


def test_where_nobody_waits_nobody_is_asked_to_go(house: House) -> None:
    go(house, START + 5 * HOUR)
    assert adas(house).is_running and adas(house).idle_until is None


def test_where_it_is_not_set_nobody_is_asked_to_go(house: House) -> None:
    house.farm = _farm(house, Idling())
    bob_waits(house)
    go(house, START + 5 * HOUR)
    assert adas(house).is_running


def test_who_is_logged_in_uses_the_board_however_quiet_they_are(house: House) -> None:
    bob_waits(house)
    go(house, START + 5 * HOUR, Use("tk1-1", 1))
    assert adas(house).is_running and adas(house).idle_until is None
    go(house, START + 6 * HOUR - 5 * MINUTE)
    assert adas(house).idle_until is None, "it was used an hour ago"
    go(house, START + 6 * HOUR + 5 * MINUTE)
    assert adas(house).idle_until is not None


def test_a_login_after_the_warning_calls_it_off(house: House) -> None:
    bob_waits(house)
    go(house, START + HOUR)
    tell(house, Use("tk1-1", 0, quiet_s=30))  # it came and went between two looks
    house.farm.upkeep.carry_out()
    assert adas(house).idle_until is None
    go(house, START + HOUR + 30 * MINUTE)
    assert adas(house).is_running


@pytest.mark.parametrize("what", ["power", "extend"])
def test_whatever_its_user_does_with_it_calls_it_off(house: House, what: str) -> None:
    house.farm.booking.reserve(house.bob, groups=[Group(type="tk1")], image="tiny", for_=HOUR, kind=Kind.QUEUED)
    go(house, START + HOUR)
    if what == "power":
        house.farm.orders.order_power(house.ada, "tk1-1", Act.RESET)
    else:
        with pytest.raises(Exception, match="somebody else has"):
            house.farm.booking.extend(house.ada, 1, HOUR)
        house.farm.booking.release(house.bob, 2)
        house.farm.booking.extend(house.ada, 1, HOUR)
        bob_waits(house)
    house.farm.upkeep.carry_out()
    assert adas(house).idle_until is None


def test_when_nobody_waits_any_more_the_warning_is_called_off(house: House) -> None:
    bob_waits(house)
    go(house, START + HOUR)
    house.farm.booking.release(house.bob, 2)
    house.farm.upkeep.carry_out()
    assert adas(house).idle_until is None


def test_while_no_gateway_tells_nothing_is_idle(house: House) -> None:
    bob_waits(house)
    for _quarter in range(20):
        house.now += 15 * MINUTE
        house.farm.upkeep.carry_out()
    assert adas(house).is_running and adas(house).idle_until is None


def test_after_a_silence_of_the_gateway_the_time_is_counted_anew(house: House) -> None:
    bob_waits(house)
    go(house, START + 50 * MINUTE)
    house.now += 30 * MINUTE
    heard = house.now
    tell(house)
    house.farm.upkeep.carry_out()
    assert adas(house).idle_until is None
    go(house, heard + HOUR)
    assert adas(house).idle_until == heard + HOUR + 15 * MINUTE


def test_a_gateway_that_falls_silent_after_the_warning_calls_it_off(house: House) -> None:
    bob_waits(house)
    go(house, START + HOUR)
    house.now += 15 * MINUTE
    house.farm.upkeep.carry_out()
    assert adas(house).is_running and adas(house).idle_until is None


def test_a_controller_that_was_restarted_keeps_to_the_warning(house: House) -> None:
    bob_waits(house)
    go(house, START + HOUR)
    house.farm = _farm(house, Idling(HOUR, 15 * MINUTE))
    assert house.farm.upkeep.carry_out() == START + HOUR + 15 * MINUTE


def test_a_gateway_tells_of_its_own_boards_alone(house: House) -> None:
    tell(house, Use("tk1-1", 2), Use("tk9-9", 1))
    with house.records.read() as records:
        assert {board: one.sessions for board, one in records.activity().items()} == {"tk1-1": 2}
    tell(house)
    with house.records.read() as records:
        assert records.activity()["tk1-1"].sessions == 0


def test_two_idle_boards_and_one_who_waits_cost_one_user_theirs(house: House) -> None:
    house.farm.inventory.put_board(house.admin, a_board(2))
    house.opened(house.admin, board="tk1-2", for_=DAY)
    bob_waits(house)
    go(house, START + 2 * HOUR)
    running = [one.reservation for one in house.farm.booking.reservations(house.admin, everyone=True, ended=False)]
    assert len(running) == 2 and house.bob.id in {one.user for one in running}
    assert all(one.idle_until is None for one in running)


def test_who_sits_at_the_serial_console_uses_the_board(house: House) -> None:
    bob_waits(house)
    for _look in range(8):  # two hours
        go(house, house.now + 15 * MINUTE)
        house.tell(HealthReport(uuid4(), "tk1-1", house.wish().generation, Power.ON, Voice.OURS, console_s=10.0))
        assert adas(house).is_running and adas(house).idle_until is None
    go(house, house.now + HOUR)
    assert adas(house).idle_until is not None
    house.tell(HealthReport(uuid4(), "tk1-1", house.wish().generation, Power.ON, Voice.OURS, console_s=0.0))
    go(house, house.now + 5 * MINUTE)
    assert adas(house).idle_until is None
