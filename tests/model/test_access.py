"""Who may do what."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from boardgrid.model.access import InProject, Log, Owned, Verb, can
from boardgrid.model.image import Image, ImageState, Visibility
from boardgrid.model.project import Part, Project, UserGroup
from boardgrid.model.reservation import Group, Reservation, ReservationState
from boardgrid.model.root import Root, RootState
from boardgrid.model.user import Asker, Role, Scope, User
from boardgrid.model.window import Window

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ADA = User(UUID(int=1), "ada", Role.USER)
BOB = User(UUID(int=2), "bob", Role.USER)
ADMIN = User(UUID(int=3), "admin", Role.ADMIN)
OPERATOR = User(UUID(int=8), "opal", Role.OPERATOR)
GUEST = User(UUID(int=9), "gast", Role.GUEST)
VERBS: tuple[Verb, ...] = ("see", "use", "change", "administer")
HERS = Root(UUID(int=4), "notes", ADA.id, "lab", UUID(int=5), RootState.ASIDE, 1, NOW)
PRIVATE = Image(UUID(int=6), "mine", 1, ADA.id, "lab", ImageState.READY, NOW)
SHARED = Image(UUID(int=7), "debian", 1, ADMIN.id, "lab", ImageState.READY, NOW, visibility=Visibility.PUBLIC)
HELD = Reservation(
    1, ADA.id, (Group(board="tk1-1"),), ("tk1-1",), Window(NOW, NOW), ReservationState.RUNNING, NOW, UUID(int=8)
)


@pytest.mark.parametrize("verb", ["see", "use", "change", "administer"])
def test_an_admin_may_do_everything(verb: Verb) -> None:
    assert all(can(ADMIN, verb, thing) for thing in (None, ADA, HERS, PRIVATE, SHARED, HELD))


@pytest.mark.parametrize("verb", ["see", "use", "change", "administer"])
def test_a_root_and_a_private_image_are_their_owners_alone(verb: Verb) -> None:
    assert can(ADA, verb, HERS)
    assert can(ADA, verb, PRIVATE)
    assert not can(BOB, verb, HERS)
    assert not can(BOB, verb, PRIVATE)


def test_a_shared_image_is_used_by_all_and_changed_by_its_owner() -> None:
    assert can(BOB, "see", SHARED)
    assert can(BOB, "use", SHARED)
    assert not can(BOB, "change", SHARED)


def test_an_image_of_a_project_is_used_by_its_members_and_changed_by_its_owner() -> None:
    project = Project(UUID(int=10), "robots", {BOB.id: Part.MANAGER, GUEST.id: Part.MEMBER})
    image = replace(PRIVATE, visibility=Visibility.PROJECT, project=project.id)
    theirs = InProject(image, project)
    assert can(BOB, "see", theirs) and can(BOB, "use", theirs) and not can(BOB, "change", theirs)
    assert can(GUEST, "see", theirs) and not can(GUEST, "use", theirs)
    assert can(ADA, "change", theirs)
    assert not can(BOB, "see", image), "who does not know the project sees what is private"
    assert not can(BOB, "see", InProject(image, replace(project, members={})))
    assert not can(BOB, "see", InProject(image, replace(project, removed=True)))


def test_who_holds_a_board_is_seen_by_all_and_changed_by_them() -> None:
    assert can(BOB, "see", HELD)
    assert not can(BOB, "change", HELD)
    assert can(ADA, "change", HELD)


def test_what_concerns_one_user_is_theirs_and_what_concerns_nobody_the_admins() -> None:
    hers, nobodys = Owned(ADA.id), Owned(None)
    assert can(ADA, "see", hers)
    assert not can(BOB, "see", hers)
    assert not can(ADA, "see", nobodys)
    assert can(ADMIN, "see", hers)
    assert can(ADMIN, "see", nobodys)


def test_a_user_administers_nothing() -> None:
    assert not can(ADA, "administer")
    assert can(ADA, "use")


def test_a_removed_admin_may_do_nothing() -> None:
    former = User(UUID(int=3), "admin", Role.ADMIN, removed=True)
    assert not any(can(former, verb) for verb in ("see", "use", "change", "administer"))


def test_a_suspended_user_may_not_even_see() -> None:
    shut_out = replace(ADA, suspended=True)
    assert not any(can(shut_out, verb, thing) for verb in VERBS for thing in (None, ADA, HERS, HELD))


def test_a_guest_looks_on_and_keeps_what_is_theirs() -> None:
    assert [verb for verb in VERBS if can(GUEST, verb)] == ["see"]
    assert [verb for verb in VERBS if can(GUEST, verb, SHARED)] == ["see"]
    assert [verb for verb in VERBS if can(GUEST, verb, HELD)] == ["see"]
    assert can(GUEST, "change", replace(HELD, user=GUEST.id))


def test_an_operator_looks_after_boards_and_who_holds_them_and_into_nobodys_files() -> None:
    assert [verb for verb in VERBS if can(OPERATOR, verb)] == ["see", "use", "change"]
    assert [verb for verb in VERBS if can(OPERATOR, verb, HELD)] == ["see", "use", "change"]
    assert can(OPERATOR, "see", Owned(ADA.id)) and can(OPERATOR, "see", Owned(None))
    assert not any(can(OPERATOR, verb, thing) for verb in VERBS for thing in (HERS, PRIVATE, ADA, Log()))


def test_the_audit_log_is_the_admins() -> None:
    assert can(ADMIN, "see", Log())
    assert not any(can(user, "see", Log()) for user in (GUEST, ADA, OPERATOR))


def test_an_account_is_changed_by_its_user_and_administered_by_admins() -> None:
    assert [verb for verb in VERBS if can(ADA, verb, ADA)] == ["see", "change"]
    assert not any(can(BOB, verb, ADA) for verb in VERBS)


THINGS = (None, ADA, HERS, PRIVATE, SHARED, HELD, Owned(ADA.id), Owned(None), Log())


@pytest.mark.parametrize("user", [GUEST, ADA, OPERATOR, ADMIN], ids=lambda user: user.role)
def test_a_token_never_widens_and_a_wider_one_holds_the_narrower(user: User) -> None:
    def allowed(scope: Scope | None) -> set[tuple[Verb, int]]:
        came = user if scope is None else Asker(user.id, user.name, user.role, scope=scope)
        return {(verb, at) for verb in VERBS for at, thing in enumerate(THINGS) if can(came, verb, thing)}

    read, use, everything = (allowed(scope) for scope in Scope)
    assert read == {(verb, at) for verb, at in everything if verb == "see"}
    assert read <= use <= everything == allowed(None)


@pytest.mark.parametrize("user", [OPERATOR, ADMIN], ids=lambda user: user.role)
def test_with_a_token_to_use_the_farm_nobody_looks_after_it(user: User) -> None:
    came = Asker(user.id, user.name, user.role, scope=Scope.USE)
    as_user = Asker(user.id, user.name, Role.USER, scope=Scope.USE)
    for verb in VERBS[1:]:
        assert [can(came, verb, thing) for thing in THINGS] == [can(as_user, verb, thing) for thing in THINGS]
    assert not can(came, "change", came)


def test_a_group_is_seen_by_its_members_and_changed_by_admins() -> None:
    group = UserGroup(UUID(int=9), "vision", frozenset({ADA.id}))
    assert can(ADA, "see", group) and not can(ADA, "change", group)
    assert not can(BOB, "see", group)
    assert can(ADMIN, "change", group)


def test_a_project_is_used_by_its_members_and_changed_by_its_managers() -> None:
    project = Project(UUID(int=9), "robots", {ADA.id: Part.MANAGER, BOB.id: Part.MEMBER})
    assert can(ADA, "change", project) and not can(ADA, "administer", project)
    assert can(BOB, "use", project) and not can(BOB, "change", project)
    assert not can(User(UUID(int=10), "eve", Role.USER), "see", project)
    assert can(ADMIN, "change", project)
