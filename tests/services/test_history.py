"""What happened, and who may read it."""

from datetime import timedelta
from uuid import uuid4

import pytest

from boardgrid.model.board import Site
from boardgrid.model.deployment import Event, Outcome, Phase
from boardgrid.model.errors import Blame, NotFound
from boardgrid.model.report import SiteReport, StepReport
from boardgrid.model.user import User
from boardgrid.model.wish import Deployed
from boardgrid.services.booking import Fate
from tests.services.house import HOST_KEY, HOUR, House


def _told(events: list[Event]) -> list[tuple[str, str]]:
    return [(one.step, one.detail) for one in events]


def _with_console(house: House) -> None:
    wish = house.wish()
    assert isinstance(wish.wish, Deployed)
    report = StepReport(
        uuid4(),
        "tk1-1",
        wish.generation,
        "boot",
        Phase.ENDED,
        wish.wish.deployment,
        Outcome.FAILED,
        detail="it hangs",
        console=("secret of ada",),
    )
    house.tell(report)


def test_the_course_of_a_reservation_is_told_in_order(house: House) -> None:
    house.image()
    number = house.opened().reservation.number
    house.farm.booking.release(house.ada, number, Fate.KEEP, "mine")
    house.settle()
    events = house.farm.history.after(house.ada, reservation=number)
    assert _told(events) == [
        ("reservation", "ada holds it until 2026-03-01 13:00 UTC"),
        ("board", "it is open"),
        ("reservation", f"reservation {number} was released"),
    ]
    assert [one.phase for one in events] == [Phase.BEGAN, Phase.ENDED, Phase.ENDED]
    assert {one.reservation for one in events} == {number}
    all_of_it = [told for _step, told in _told(house.farm.history.after(house.ada))]
    for told in (
        "is being kept as mine:2026030101",
        "mine:2026030101 is ready",
        "is discarded",
        "is gone",
        "it is parked",
    ):
        assert any(told in one for one in all_of_it), told


def test_numbers_rise_and_a_client_goes_on_where_it_stopped(house: House) -> None:
    house.image()
    house.opened()
    everything = house.farm.history.after(house.admin)
    numbers = [one.number for one in everything]
    assert numbers == sorted(set(numbers))
    assert house.farm.history.last_number() == numbers[-1]
    cut = len(everything) // 2
    first = house.farm.history.after(house.admin, limit=cut)
    assert first + house.farm.history.after(house.admin, first[-1].number) == everything


def test_the_newest_events_are_told_and_those_of_long_ago_are_forgotten(house: House) -> None:
    house.image()
    house.opened()
    everything = house.farm.history.after(house.ada)
    assert house.farm.history.after(house.ada, limit=2, newest=True) == everything[-2:]
    house.now += timedelta(days=91)
    house.farm.upkeep.carry_out()
    assert not {one.number for one in everything} & {one.number for one in house.farm.history.after(house.ada)}
    assert house.farm.history.after(house.ada) != []


def test_console_lines_are_for_the_boards_user_and_admins(house: House) -> None:
    house.image()
    house.reserve()
    _with_console(house)

    def seen_by(user: str) -> Event:
        who = {"ada": house.ada, "bob": house.bob, "root": house.admin}[user]
        return next(one for one in house.farm.history.after(who, board="tk1-1") if one.step == "boot")

    assert seen_by("ada").console == seen_by("root").console == ("secret of ada",)
    assert (seen_by("bob").console, seen_by("bob").detail, seen_by("bob").deployment) == ((), "", None)
    assert seen_by("bob").outcome is Outcome.FAILED


def test_what_concerns_a_users_images_and_roots_is_not_there_for_others(house: House) -> None:
    house.image("mine", house.ada)
    assert house.farm.history.after(house.bob) == []
    assert any("mine:2026030101" in told for _step, told in _told(house.farm.history.after(house.ada)))


def test_the_history_of_what_is_not_there_is_not_found(house: House) -> None:
    with pytest.raises(NotFound):
        house.farm.history.after(house.ada, board="tk1-9")
    with pytest.raises(NotFound):
        house.farm.history.after(house.ada, reservation=9)


def test_a_board_that_has_left_still_has_a_history(house: House) -> None:
    house.settle()
    house.farm.inventory.remove_board(house.admin, "tk1-1")
    house.settle()
    assert ("board", "it has left the farm") in _told(house.farm.history.after(house.ada, board="tk1-1"))


def test_a_sites_trouble_is_told_when_it_comes_and_when_it_goes(house: House) -> None:
    for trouble in ("", "the NFS server does not answer", "the NFS server does not answer", ""):
        house.tell(SiteReport(uuid4(), Site("lab"), 100, 50, trouble))
    assert [told for step, told in _told(house.farm.history.after(house.bob)) if step == "site"] == [
        "the NFS server does not answer",
        "site lab works again",
    ]


def test_why_a_board_was_set_aside_is_in_its_history(house: House) -> None:
    house.image()
    number = house.reserve().reservation.number
    house.fail(Blame.BOARD, reason="its outlet is dead")
    told = _told(house.farm.history.after(house.ada, reservation=number))
    assert ("board", "its outlet is dead") in told and ("reservation", "its deployment failed") in told


def test_why_a_deployment_failed_is_for_its_user_and_admins(house: House) -> None:
    house.image("secret", house.ada)
    house.reserve(image="secret")
    house.fail(Blame.IMAGE, reason="secret:1 has no /srv/merger/init")
    others = house.farm.booking.reservations(house.bob, everyone=True)
    assert [one.reservation.ended_because for one in others] == ["its deployment failed"]
    assert "merger" not in str(others) + str(house.farm.history.after(house.bob))
    for who in (house.ada, house.admin):
        assert "merger" in str(house.farm.booking.reservations(who, everyone=True))
        assert "merger" in str(house.farm.history.after(who))


def test_a_board_that_is_taken_back_speaks_of_the_one_who_had_it(house: House) -> None:
    house.image()
    house.farm.booking.release(house.ada, house.opened().reservation.number)
    _says(house, "secret of ada")
    _only_for(house, "secret of ada", house.ada, house.admin)


def test_words_of_a_board_that_come_late_are_not_the_next_users(house: House) -> None:
    house.image()
    house.farm.booking.release(house.ada, house.opened().reservation.number)
    late = house.wish().generation
    house.settle()
    house.opened(house.bob)
    _says(house, "secret of ada", late)
    _only_for(house, "secret of ada", house.admin)


def _says(house: House, words: str, generation: int | None = None) -> None:
    """A step fails that is of no deployment."""
    at = house.wish().generation if generation is None else generation
    report = StepReport(
        uuid4(), "tk1-1", at, "stop", Phase.ENDED, outcome=Outcome.FAILED, detail=words, console=(words,)
    )
    assert house.tell(report).dropped == ()


def _only_for(house: House, words: str, *readers: User) -> None:
    for who in (house.ada, house.bob, house.admin):
        event = next(one for one in house.farm.history.after(who, board="tk1-1") if one.step == "stop")
        assert (event.detail, event.console) == ((words, (words,)) if who in readers else ("", ()))


def test_known_hosts_name_the_open_boards_that_one_holds(house: House) -> None:
    house.image()
    number = house.reserve().reservation.number
    assert house.farm.history.known_hosts(house.ada) == ""
    house.reach()
    assert house.farm.history.known_hosts(house.ada) == f"tk1-1,tk1-1.lab.boardgrid {HOST_KEY}\n"
    assert house.farm.history.known_hosts(house.bob) == ""
    house.now += HOUR
    assert house.farm.history.known_hosts(house.ada) == "", "its time is over, whether somebody has ended it or not"
    house.farm.booking.release(house.ada, number)
    assert house.farm.history.known_hosts(house.ada) == ""
