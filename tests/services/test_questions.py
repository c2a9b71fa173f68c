"""Questions to a site's agent: who may ask, what goes out, and what becomes of the answer."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from boardgrid.model.difference import Change, Count, Difference, PathChange
from boardgrid.model.errors import Code, Conflict, Invalid, NotFound
from boardgrid.model.image import Visibility
from boardgrid.model.project import Part
from boardgrid.model.question import ImageChanges, RootChanges
from boardgrid.model.report import AnswerReport
from boardgrid.model.root import Root
from boardgrid.ports import ANSWERS, wishes_of
from boardgrid.services.booking import Fate
from boardgrid.services.catalog import Described
from tests.services.house import House

FOUND = Difference(added=Count(1, 4), paths=(PathChange("srv/notes", Change.ADDED, 4),))


@pytest.fixture
def root(house: House) -> Root:
    """The root that ada's board runs."""
    house.image("tiny")
    house.opened()
    return house.farm.roots.roots(house.ada)[0].root


def answered(house: House, question: UUID) -> None:
    assert house.tell(AnswerReport(uuid4(), question, FOUND)).dropped == ()


def test_a_question_goes_out_as_a_wish_and_its_answer_ends_it(house: House, root: Root) -> None:
    before, mark = house.wishes.version, house.changes.mark(wishes_of("lab"))
    asked = house.farm.questions.root_changes(house.ada, root.name)
    assert house.wishes.version > before
    assert house.changes.mark(wishes_of("lab")) > mark
    [wish] = house.wishes.questions
    assert (wish.id, wish.asked) == (asked.id, RootChanges(root.id))
    assert house.farm.questions.question(house.ada, asked.id).is_open

    mark = house.changes.mark(ANSWERS)
    answered(house, asked.id)
    assert house.changes.mark(ANSWERS) > mark
    assert house.wishes.questions == ()
    assert house.farm.questions.question(house.ada, asked.id).answer == FOUND


def test_the_root_that_a_board_runs_is_found_by_the_board(house: House, root: Root) -> None:
    assert house.farm.questions.board_changes(house.ada, "tk1-1").asked == RootChanges(root.id)
    for ask, name in ((house.farm.questions.board_changes, "tk1-1"), (house.farm.questions.root_changes, root.name)):
        assert ask(house.ada, name, without_farms=True).asked == RootChanges(root.id, without_farms=True)
    assert house.farm.questions.board_changes(house.admin, "tk1-1").asked == RootChanges(root.id)


def test_what_one_may_not_see_is_not_there(house: House, root: Root) -> None:
    questions = house.farm.questions
    for ask, name, code in (
        (questions.root_changes, root.name, Code.ROOT_UNKNOWN),
        (questions.board_changes, "tk1-1", Code.ROOT_UNKNOWN),
        (questions.board_changes, "tk1-9", Code.BOARD_UNKNOWN),
        (questions.image_changes, "nothing", Code.IMAGE_UNKNOWN),
    ):
        with pytest.raises(NotFound) as raised:
            ask(house.bob, name)
        assert raised.value.code is code
    assert house.wishes.questions == ()


def test_an_answer_is_told_to_who_asked_alone(house: House, root: Root) -> None:
    asked = house.farm.questions.root_changes(house.ada, root.name)
    for who, question in ((house.bob, asked.id), (house.admin, asked.id), (house.ada, uuid4())):
        with pytest.raises(NotFound) as raised:
            house.farm.questions.question(who, question)
        assert raised.value.code is Code.QUESTION_UNKNOWN


def test_a_kept_image_is_compared_with_its_parent(house: House, root: Root) -> None:
    house.farm.booking.release(house.ada, 1, Fate.KEEP, "mine")
    with pytest.raises(Conflict) as unready:
        house.farm.questions.image_changes(house.ada, "mine")
    assert unready.value.code is Code.IMAGE_NOT_READY
    house.settle()
    mine, tiny = (house.farm.catalog.image(house.ada, name).image.id for name in ("mine", "tiny"))
    assert house.farm.questions.image_changes(house.ada, "mine").asked == ImageChanges(mine, tiny)
    assert house.farm.questions.image_changes(house.ada, "tiny", "mine").asked == ImageChanges(tiny, mine)


def test_an_image_without_a_parent_wants_another_named(house: House) -> None:
    house.image("tiny")
    with pytest.raises(Invalid, match="made of no other image"):
        house.farm.questions.image_changes(house.ada, "tiny")


def test_a_parent_that_one_may_not_see_is_not_there(house: House) -> None:
    house.image("secret", house.bob)
    house.opened(house.bob, image="secret")
    house.farm.booking.release(house.bob, 1, Fate.KEEP, "mine")
    house.settle()
    with pytest.raises(NotFound):
        house.farm.questions.image_changes(house.ada, "mine")
    assert house.farm.questions.image_changes(house.bob, "mine").is_open


def test_one_user_waits_for_few_at_once_and_keeps_few_answers(house: House, root: Root) -> None:
    asked = [house.farm.questions.root_changes(house.ada, root.name) for _ in range(4)]
    with pytest.raises(Conflict) as raised:
        house.farm.questions.root_changes(house.ada, root.name)
    assert raised.value.code is Code.REQUESTS_TOO_MANY
    assert house.farm.questions.root_changes(house.admin, str(root.id)).is_open
    for _round in range(3):
        for one in asked:
            answered(house, one.id)
        asked = [house.farm.questions.root_changes(house.ada, root.name) for _ in range(4)]
    with house.records.read() as records:
        assert len(records.questions(asker=house.ada.id)) == 8


def test_what_was_asked_is_forgotten_after_a_while_answered_or_not(house: House, root: Root) -> None:
    first, second = (house.farm.questions.root_changes(house.ada, root.name) for _ in range(2))
    answered(house, first.id)
    before = house.wishes.version
    house.pass_to(house.now + timedelta(minutes=11))
    assert house.wishes.questions == ()
    assert house.wishes.version > before
    for one in (first, second):
        with pytest.raises(NotFound):
            house.farm.questions.question(house.ada, one.id)
    assert house.tell(AnswerReport(report := uuid4(), second.id, FOUND)).dropped == (report,)


def test_what_kept_the_agent_from_looking_is_told_and_the_first_answer_stays(house: House, root: Root) -> None:
    asked = house.farm.questions.root_changes(house.ada, root.name)
    house.tell(AnswerReport(uuid4(), asked.id, None, Code.ROOT_UNKNOWN, "it is not there", "make one"))
    answered(house, asked.id)
    seen = house.farm.questions.question(house.ada, asked.id)
    assert (seen.answer, seen.code, seen.reason, seen.hint) == (None, Code.ROOT_UNKNOWN, "it is not there", "make one")


def test_an_agent_that_knows_no_end_is_cut_short(house: House, root: Root) -> None:
    asked = house.farm.questions.root_changes(house.ada, root.name)
    endless = Difference(paths=(PathChange("x" * 10_000, Change.ADDED, 1),) * 5000)
    house.tell(AnswerReport(uuid4(), asked.id, endless))
    seen = house.farm.questions.question(house.ada, asked.id).answer
    assert seen is not None
    assert (len(seen.paths), len(seen.paths[0].path)) == (2000, 400)


def test_a_parent_that_ones_project_shares_is_compared_with(house: House, root: Root) -> None:
    house.image("base", house.ada)
    number = house.farm.booking.reservations(house.ada)[0].reservation.number
    house.farm.booking.release(house.ada, number)
    house.settle()
    number = house.opened(image="base").reservation.number
    house.farm.booking.release(house.ada, number, Fate.KEEP, "child")
    house.settle()
    house.farm.projects.add(house.admin, "robots", members={"ada": Part.MEMBER, "bob": Part.MEMBER})
    for name in ("base", "child"):
        described = Described(visibility=Visibility.PROJECT, project="robots")
        house.farm.curating.describe(house.ada, name, described)
    asked = house.farm.questions.image_changes(house.bob, "child").asked
    assert asked == house.farm.questions.image_changes(house.bob, "child", "base").asked
