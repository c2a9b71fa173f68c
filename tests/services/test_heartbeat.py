"""Jobs that say that they live, and what becomes of one that does so no more; and who is next in the queue."""

from datetime import timedelta

import pytest

from boardgrid.model.errors import Code, Conflict, Invalid, NotAllowed
from boardgrid.model.reservation import Group, Kind, ReservationState
from boardgrid.ports import EVENTS
from tests.services.house import HOUR, START, House

MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def tiny(house: House) -> None:
    house.image()


def test_a_job_that_is_heard_no_more_gives_its_board_to_the_next_in_the_queue(house: House) -> None:
    number = house.opened().reservation.number
    house.farm.booking.heartbeat(house.ada, number, MINUTE)
    following = house.reserve(house.bob, kind=Kind.QUEUED)
    assert house.farm.upkeep.carry_out() == START + MINUTE
    house.now += MINUTE
    house.farm.upkeep.carry_out()
    ended = house.farm.booking.reservation(house.ada, number).reservation
    assert (ended.state, ended.ended_because) == (ReservationState.ENDED, "its job was heard no more")
    assert ended.window.end == START + MINUTE
    assert house.farm.booking.reservation(house.bob, following.reservation.number).reservation.is_running


def test_a_job_that_is_heard_in_time_goes_on_until_its_own_end(house: House) -> None:
    number = house.opened().reservation.number
    for _beat in range(60):
        house.farm.booking.heartbeat(house.ada, number, 2 * MINUTE)
        house.farm.upkeep.carry_out()
        assert house.farm.booking.reservation(house.ada, number).reservation.is_running
        house.now += MINUTE
    house.farm.upkeep.carry_out()
    assert house.farm.booking.reservation(house.ada, number).reservation.ended_because == "its time was over"


def test_a_reservation_without_a_heartbeat_needs_none(house: House) -> None:
    number = house.opened().reservation.number
    house.now += HOUR - MINUTE
    house.farm.upkeep.carry_out()
    assert house.farm.booking.reservation(house.ada, number).reservation.is_running


@pytest.mark.parametrize("kind", [Kind.QUEUED, Kind.BEST_EFFORT])
def test_a_job_that_dies_while_it_waits_leaves_the_queue(house: House, kind: Kind) -> None:
    house.opened(house.bob)
    number = house.reserve(kind=kind, for_=MINUTE).reservation.number
    house.farm.booking.heartbeat(house.ada, number, MINUTE)
    house.now += 2 * MINUTE
    house.farm.upkeep.carry_out()
    ended = house.farm.booking.reservation(house.ada, number).reservation
    assert (ended.state, ended.ended_because) == (ReservationState.CANCELLED, "its job was heard no more")
    assert house.farm.booking.queue(house.ada) == []


def test_whoever_waits_for_what_is_due_is_woken_by_the_first_heartbeat_and_by_no_other(house: House) -> None:
    number = house.opened().reservation.number
    before = house.changes.mark(EVENTS)
    house.farm.booking.heartbeat(house.ada, number, MINUTE)
    first = house.changes.mark(EVENTS)
    house.now += MINUTE / 2
    house.farm.booking.heartbeat(house.ada, number, MINUTE)
    assert first != before
    assert house.changes.mark(EVENTS) == first


@pytest.mark.parametrize("ttl", [timedelta(0), timedelta(seconds=-60), timedelta(days=2)])
def test_a_heart_that_beats_too_fast_or_too_slowly_is_refused(house: House, ttl: timedelta) -> None:
    number = house.reserve().reservation.number
    with pytest.raises(Invalid) as refused:
        house.farm.booking.heartbeat(house.ada, number, ttl)
    assert refused.value.code is Code.DURATION_INVALID


def test_nobody_else_says_that_a_job_lives_nor_that_a_dead_one_does(house: House) -> None:
    number = house.reserve().reservation.number
    with pytest.raises(NotAllowed):
        house.farm.booking.heartbeat(house.bob, number, MINUTE)
    house.farm.booking.release(house.ada, number)
    with pytest.raises(Conflict) as refused:
        house.farm.booking.heartbeat(house.ada, number, MINUTE)
    assert refused.value.code is Code.RESERVATION_OVER


def test_the_queue_is_in_the_order_of_turns_and_what_nobody_needs_comes_last(house: House) -> None:
    house.opened(house.bob)
    idle = house.reserve(house.ada, kind=Kind.BEST_EFFORT)
    again = house.reserve(house.bob, kind=Kind.QUEUED)
    first = house.reserve(house.ada, kind=Kind.QUEUED, groups=(Group(type="tk1"),))
    house.reserve(house.ada, at=START + 5 * HOUR)
    numbers = [view.reservation.number for view in house.farm.booking.queue(house.bob)]
    # Bob holds a board already.
    assert numbers == [one.reservation.number for one in (first, again, idle)]


def test_that_a_job_lives_is_no_news_for_the_audit_log(house: House) -> None:
    number = house.reserve().reservation.number
    before = house.farm.audit.after(house.admin)
    house.farm.booking.heartbeat(house.ada, number, MINUTE)
    assert house.farm.audit.after(house.admin) == before
