"""The agents' door."""

import math
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from boardgrid.model.board import Site
from boardgrid.model.deployment import Outcome, Phase
from boardgrid.model.errors import Blame, Code, Conflict, NotFound
from boardgrid.model.report import (
    BoardReport,
    HealthReport,
    ImageReport,
    OrderReport,
    Power,
    Reached,
    Report,
    RootReport,
    SiteReport,
    StepReport,
    Voice,
)
from boardgrid.model.wish import Deployed
from boardgrid.ports import EVENTS, wishes_of
from tests.services.house import House, a_board, a_manifest, reached


def _step(house: House, **changes: Any) -> StepReport:
    wish = house.wish()
    facts: dict[str, Any] = {
        "id": uuid4(),
        "board": "tk1-1",
        "generation": wish.generation,
        "step": "clone",
        "phase": Phase.ENDED,
        "deployment": wish.wish.deployment if isinstance(wish.wish, Deployed) else None,
        "outcome": Outcome.OK,
        "took_s": 0.04,
    }
    return StepReport(**facts | changes)


# --- the lease


def test_every_lease_begins_a_new_epoch_and_ends_the_one_before(house: House) -> None:
    first = house.farm.fleet.lease("lab", house.instance, 1)
    second = house.farm.fleet.lease("lab", house.instance, 1)
    assert second.epoch > first.epoch
    for call in (lambda: house.farm.fleet.wishes("lab", first.epoch), lambda: house.farm.fleet.report("lab", 1, [])):
        with pytest.raises(Conflict) as error:
            call()
        assert error.value.code is Code.EPOCH_STALE
    assert house.farm.fleet.wishes("lab", second.epoch).boards


def test_another_agent_gets_the_site_only_when_the_lease_has_run_out_by_its_holders_own_count(house: House) -> None:
    lease = house.farm.fleet.lease("lab", house.instance, 1)
    house.now += timedelta(seconds=4)
    house.farm.fleet.wishes("lab", lease.epoch)  # the agent counts from here, though this was not written down
    house.now += timedelta(seconds=lease.ttl_s)
    with pytest.raises(Conflict, match="another agent has the lease of site lab") as error:
        house.farm.fleet.lease("lab", uuid4(), 1)
    assert error.value.code is Code.EPOCH_STALE and "s" in error.value.hint
    house.now += timedelta(seconds=15)
    other = house.farm.fleet.lease("lab", uuid4(), 1)
    with pytest.raises(Conflict):
        house.farm.fleet.wishes("lab", lease.epoch)
    assert other.epoch > lease.epoch


def test_asking_for_wishes_renews_the_lease(house: House) -> None:
    lease = house.farm.fleet.lease("lab", house.instance, 1)
    for _ in range(10):
        house.now += timedelta(seconds=25)
        house.farm.fleet.wishes("lab", lease.epoch)
    with pytest.raises(Conflict):
        house.farm.fleet.lease("lab", uuid4(), 1)


def test_a_clock_that_was_set_back_does_not_keep_a_site_for_days(house: House) -> None:
    house.farm.fleet.lease("lab", house.instance, 1)
    house.now -= timedelta(days=3)
    with pytest.raises(Conflict):
        house.farm.fleet.lease("lab", uuid4(), 1)
    house.now += timedelta(seconds=120)
    house.farm.fleet.lease("lab", uuid4(), 1)


def test_an_agent_of_a_release_too_far_away_is_told_so(house: House) -> None:
    with pytest.raises(Conflict) as error:
        house.farm.fleet.lease("lab", house.instance, 99)
    assert error.value.code is Code.PROTOCOL_UNSPOKEN
    with pytest.raises(NotFound):
        house.farm.fleet.lease("moon", house.instance, 1)


def test_whoever_waits_with_an_old_epoch_is_woken(house: House) -> None:
    house.farm.fleet.lease("lab", house.instance, 1)
    mark = house.changes.mark(wishes_of("lab"))
    house.farm.fleet.lease("lab", house.instance, 1)
    assert house.changes.mark(wishes_of("lab")) > mark


# --- wishes


def test_the_version_rises_whenever_any_wish_differs_and_only_then(house: House) -> None:
    house.image()
    before = house.wishes
    house.farm.booking.reservations(house.ada)
    house.tell(_step(house))
    assert house.wishes == before
    mark = house.changes.mark(wishes_of("lab"))
    house.reserve()
    assert house.wishes.version > before.version
    assert house.changes.mark(wishes_of("lab")) > mark


def test_a_site_is_told_of_its_own_boards_alone(house: House) -> None:
    house.farm.inventory.put_site(Site("moon"))
    house.farm.inventory.put_board(house.admin, a_board(2, site="moon"))
    assert [one.board.name for one in house.wishes.boards] == ["tk1-1"]
    wish = house.farm.fleet.wishes("moon", house.farm.fleet.lease("moon", uuid4(), 1).epoch).boards[0]
    assert house.tell(reached(wish)).dropped, "nor may it tell of another site's"


# --- reports


def test_a_report_that_comes_twice_counts_once(house: House) -> None:
    report = _step(house)
    assert house.tell(report, report).taken == (report.id, report.id)
    house.tell(report)
    assert [one.step for one in house.farm.history.after(house.admin, board="tk1-1")] == ["clone"]


def test_a_late_report_is_dropped_and_spoils_nothing(house: House) -> None:
    house.image()
    number = house.reserve().reservation.number
    late = reached(house.wish())
    house.farm.booking.release(house.ada, number)
    good = reached(house.wish())
    told = house.tell(late, good)
    assert (told.taken, told.dropped) == ((good.id,), (late.id,))
    assert house.standing().is_clean
    assert house.tell(late).taken == (late.id,), "sent once more, it is known"


def test_the_step_of_a_passed_generation_is_history_all_the_same(house: House) -> None:
    house.image()
    number = house.reserve().reservation.number
    cancelled = _step(house, outcome=Outcome.CANCELLED)
    house.farm.booking.release(house.ada, number)
    assert house.tell(cancelled).dropped == ()
    [event] = [one for one in house.farm.history.after(house.ada, reservation=number) if one.step == "clone"]
    assert event.outcome is Outcome.CANCELLED
    assert house.tell(_step(house, generation=house.wish().generation + 1)).dropped


def test_what_a_board_makes_its_agent_tell_is_bounded(house: House) -> None:
    house.tell(
        _step(
            house,
            detail="x" * 10**6,
            console=("y" * 10**5,) * 1000,
            ago_s=math.nan,
            took_s=math.inf,
        )
    )
    [event] = house.farm.history.after(house.admin, board="tk1-1")
    assert len(event.detail) <= 2000
    assert len(event.console) <= 40 and all(len(line) <= 400 for line in event.console)
    assert (event.at, event.took_s) == (house.now, None)


def test_an_event_carries_the_time_when_it_happened(house: House) -> None:
    house.tell(_step(house, ago_s=90.0))
    [event] = house.farm.history.after(house.admin, board="tk1-1")
    assert event.at == house.now - timedelta(seconds=90)


def test_every_report_that_is_taken_wakes_who_follows_the_events(house: House) -> None:
    mark = house.changes.mark(EVENTS)
    house.tell(_step(house))
    assert house.changes.mark(EVENTS) > mark


def test_health_is_shown_of_an_open_board_and_not_of_the_next_users(house: House) -> None:
    house.image()
    number = house.opened().reservation.number
    house.tell(HealthReport(uuid4(), "tk1-1", house.wish().generation, Power.ON, Voice.OURS))
    house.now += timedelta(seconds=7)
    health = house.farm.inventory.board(house.bob, "tk1-1").health
    assert health is not None and (health.power, health.voice, health.ago_s) == (Power.ON, Voice.OURS, 7.0)
    house.farm.booking.release(house.ada, number)
    assert house.farm.inventory.board(house.bob, "tk1-1").health is None
    house.reach()
    house.opened(house.bob)
    assert house.farm.inventory.board(house.bob, "tk1-1").health is None


def test_a_root_that_nobody_gave_up_is_not_gone_because_an_agent_says_so(house: House) -> None:
    house.image()
    house.opened()
    [root] = house.farm.roots.roots(house.ada)
    assert house.tell(RootReport(uuid4(), root.root.id)).dropped
    assert house.farm.roots.roots(house.ada) == [root]


def test_an_image_of_another_site_or_of_none_is_not_heard_of(house: House) -> None:
    image = house.farm.catalog.open(house.ada, "mine").image
    assert house.tell(ImageReport(uuid4(), uuid4(), a_manifest())).dropped
    assert house.tell(ImageReport(uuid4(), image.id, a_manifest())).dropped, "its content has not come"


def test_a_host_key_with_a_line_break_does_not_reach_known_hosts(house: House) -> None:
    house.image()
    house.reserve()
    wish = house.wish()
    evil = BoardReport(uuid4(), "tk1-1", wish.generation, Reached.OPEN, host_key="ssh-ed25519 AAAA\n* ssh-ed25519 BBBB")
    house.tell(evil)
    assert house.farm.history.known_hosts(house.ada) == ""


_words = st.text(max_size=20)
_floats = st.floats() | st.none()
_numbers = st.integers(-(2**70), 2**70) | st.integers(0, 12)
_boards = st.sampled_from(["tk1-1", "tk1-2", "", "x" * 50])
_ids = st.uuids()


def _reports(known: list[UUID]) -> st.SearchStrategy[Report]:
    things = st.sampled_from(known) | _ids
    return st.one_of(
        st.builds(
            StepReport,
            _ids,
            _boards,
            _numbers,
            _words,
            st.sampled_from(Phase),
            things | st.none(),
            st.sampled_from(Outcome) | st.none(),
            _floats,
            st.floats(),
            _words,
            st.lists(_words, max_size=3).map(tuple),
        ),
        st.builds(
            BoardReport,
            _ids,
            _boards,
            _numbers,
            st.sampled_from(Reached),
            things | st.none(),
            _words,
            st.sampled_from(Code) | st.none(),
            _words,
            _words,
            st.sampled_from(Blame) | st.none(),
        ),
        st.builds(HealthReport, _ids, _boards, _numbers, st.sampled_from(Power), st.sampled_from(Voice)),
        st.builds(RootReport, _ids, things),
        st.builds(ImageReport, _ids, things, st.just(a_manifest()) | st.none(), st.sampled_from(Code), _words),
        st.builds(OrderReport, _ids, _boards, things, _words),
        st.builds(SiteReport, _ids, st.builds(Site, st.just("lab") | _words), _numbers, _numbers, _words),
    )


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_an_agent_tells_is_answered_and_spoils_no_batch(house: House, data: st.DataObject) -> None:
    if not house.farm.catalog.images(house.admin):
        house.image()
        house.farm.inventory.put_board(house.admin, a_board(2))
        house.reserve(for_=timedelta(days=1))
    roots = [one.root.id for one in house.farm.roots.roots(house.admin)]
    images = [one.image.id for one in house.farm.catalog.images(house.admin)]
    deployments = [one.wish.deployment for one in house.wishes.boards if isinstance(one.wish, Deployed)]
    reports = data.draw(st.lists(_reports([*roots, *images, *deployments]), max_size=4))
    told = house.tell(*reports)
    assert sorted(told.taken + told.dropped) == sorted(one.id for one in reports)
