"""Links: codes by which people come into a project by themselves."""

import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest

from boardgrid.model.errors import Code, FarmError, Invalid, NotAllowed, NotFound
from boardgrid.model.project import Part
from boardgrid.model.user import Role, User
from boardgrid.services.links import NewLink
from tests.services.house import KEY_A, House

GOOD = "correct horse battery"
KEY_C = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGNjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2Nj"
DAY = timedelta(days=1)


@pytest.fixture
def grace(house: House) -> User:
    """A manager of the project "course", who is no admin."""
    grace = house.user("grace")
    house.farm.projects.add(house.admin, "course", members={"grace": Part.MANAGER})
    return grace


def enter(house: House, who: User, made: NewLink) -> bool:
    """Whether they were not in it before."""
    return house.farm.links.enter(who, made.clear.reveal())[1]


def accept(house: House, made: NewLink, name: str = "eve", **how: object) -> User:
    how = {"password": GOOD, **how}
    return house.farm.invitations.accept(made.clear.reveal(), name=name, origin="192.0.2.1", **how)[0]  # type: ignore[arg-type]


def code_of(act: Callable[[], object]) -> Code:
    with pytest.raises(FarmError) as error:
        act()
    return error.value.code


def is_refused(house: House, made: NewLink) -> bool:
    """Both ways, and with the same sentence as for what is no code at all."""
    told = set()
    for code in (made.clear.reveal(), "bgj_0123456789abcdef_" + "x" * 43, "nothing"):
        for act in (
            partial(house.farm.links.enter, house.bob, code),
            partial(house.farm.invitations.accept, code, name="x", password="short", origin="x"),
        ):
            with pytest.raises(NotAllowed) as error:
                act()
            told.add((error.value.code, str(error.value), error.value.hint))
    [(code, _sentence, _hint)] = told
    return code is Code.INVITATION_REFUSED


def members(house: House) -> dict[str, Part]:
    return dict(house.farm.projects.project(house.admin, "course").members)


def test_who_has_the_code_comes_into_the_project_and_its_team(house: House, grace: User) -> None:
    made = house.farm.links.make(grace, "course", team="red")
    view, is_new = house.farm.links.enter(house.ada, made.clear.reveal())
    assert is_new and view.members == {"ada": Part.MEMBER, "grace": Part.MANAGER} and view.teams == {"red": ("ada",)}
    [link] = house.farm.links.links(grace, "course")
    assert (link.made_by, link.link.used, link.link.most, link.is_good) == ("grace", 1, 100, True)
    assert link.link.expires_at == house.now + 14 * DAY


def test_who_is_in_already_uses_nothing_up_and_stays_what_they_are(house: House, grace: User) -> None:
    made = house.farm.links.make(grace, "course", most=1, team="red")
    assert not enter(house, grace, made)
    assert enter(house, house.ada, made) and not enter(house, house.ada, made)
    assert house.farm.links.links(grace, "course")[0].link.used == 1
    assert members(house) == {"ada": Part.MEMBER, "grace": Part.MANAGER}


def test_a_guest_who_joins_is_a_guest(house: House, grace: User) -> None:
    guest = house.farm.accounts.add(house.admin, "gus", Role.GUEST)[0]
    assert enter(house, guest, house.farm.links.make(grace, "course"))
    assert house.farm.accounts.user(house.admin, "gus").role is Role.GUEST


def test_a_link_ends_by_its_date_by_its_uses_and_by_being_taken_back(house: House, grace: User) -> None:
    old, used, taken_back = (house.farm.links.make(grace, "course", most=1, for_=days * DAY) for days in (1, 9, 9))
    assert enter(house, house.ada, used) and is_refused(house, used)
    house.farm.links.remove(grace, "course", taken_back.view.link.id)
    assert is_refused(house, taken_back)
    house.now += DAY
    assert is_refused(house, old)
    assert [one.is_good for one in house.farm.links.links(grace, "course")] == [False, False]
    house.farm.links.make(grace, "course")
    assert [one.is_good for one in house.farm.links.links(grace, "course")] == [True], "what is over is forgotten then"


def test_a_link_is_good_while_its_maker_may_let_people_in(house: House, grace: User) -> None:
    made = house.farm.links.make(grace, "course")
    house.farm.accounts.suspend(house.admin, "grace")
    assert is_refused(house, made)
    house.farm.accounts.restore(house.admin, "grace")
    assert enter(house, house.ada, made)
    house.farm.projects.change(house.admin, "course", {"grace": Part.MEMBER})
    assert is_refused(house, made)
    house.farm.projects.change(house.admin, "course", {"grace": Part.MANAGER})
    house.farm.accounts.remove(house.admin, "grace")
    assert is_refused(house, made)


def test_an_admin_who_is_one_no_more_lets_in_no_strangers_though_they_manage(house: House, grace: User) -> None:
    hopper = house.farm.accounts.add(house.admin, "hopper", Role.ADMIN)[0]
    house.farm.projects.change(house.admin, "course", {"hopper": Part.MANAGER})
    made, modest = (house.farm.links.make(hopper, "course", new_accounts=new) for new in (True, False))
    house.farm.accounts.give_role(house.admin, "hopper", Role.USER)
    assert is_refused(house, made) and enter(house, house.ada, modest)


def test_the_links_into_a_removed_project_are_good_for_nothing(house: House, grace: User) -> None:
    made = house.farm.links.make(grace, "course")
    house.farm.projects.remove(house.admin, "course")
    assert is_refused(house, made)
    house.farm.projects.add(house.admin, "course", members={"grace": Part.MANAGER})
    assert house.farm.links.links(grace, "course") == [] and is_refused(house, made)


def test_only_managers_and_admins_make_list_and_remove_links(house: House, grace: User) -> None:
    made = house.farm.links.make(grace, "course")
    enter(house, house.ada, made)
    for who, code in ((house.ada, Code.ACT_FORBIDDEN), (house.bob, Code.PROJECT_UNKNOWN)):
        assert code_of(partial(house.farm.links.make, who, "course")) is code
        assert code_of(partial(house.farm.links.links, who, "course")) is code
        assert code_of(partial(house.farm.links.remove, who, "course", made.view.link.id)) is code
    assert code_of(lambda: house.farm.links.make(grace, "course", new_accounts=True)) is Code.ACT_FORBIDDEN
    house.farm.projects.add(house.admin, "robots", members={"grace": Part.MANAGER})
    with pytest.raises(NotFound) as error:
        house.farm.links.remove(grace, "robots", made.view.link.id)
    assert error.value.code is Code.LINK_UNKNOWN


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({"most": 0}, Code.REQUEST_INVALID),
        ({"most": 1001}, Code.REQUEST_INVALID),
        ({"for_": timedelta(seconds=59)}, Code.DURATION_INVALID),
        ({"for_": timedelta(days=181)}, Code.DURATION_INVALID),
        ({"team": "Red!"}, Code.NAME_INVALID),
    ],
)
def test_a_link_has_bounds(house: House, grace: User, how: dict[str, object], code: Code) -> None:
    with pytest.raises(Invalid) as error:
        house.farm.links.make(grace, "course", **how)  # type: ignore[arg-type]
    assert error.value.code is code


def test_of_links_into_one_project_there_are_not_very_many(house: House, grace: User) -> None:
    for _number in range(50):
        house.farm.links.make(grace, "course", for_=DAY)
    assert code_of(lambda: house.farm.links.make(grace, "course")) is Code.REQUESTS_TOO_MANY
    house.now += DAY
    assert house.farm.links.make(grace, "course").view.is_good


# --- strangers


def test_a_stranger_makes_an_account_and_is_in_the_project_at_once(house: House, grace: User) -> None:
    made = house.farm.links.make(house.admin, "course", team="red", new_accounts=True)
    eve = accept(house, made, ssh_keys=[KEY_C])
    linus = accept(house, made, "linus", password=None, ssh_keys=[KEY_A[:-1] + "g"])
    assert (eve.role, linus.role) == (Role.USER, Role.USER)
    assert house.farm.logins.login("eve", GOOD, origin="192.0.2.1")[0] == eve
    assert house.farm.projects.project(eve, "course").teams == {"red": ("eve", "linus")}
    assert house.farm.links.links(grace, "course")[0].link.used == 2
    assert enter(house, house.ada, made), "who has an account comes in by it, too"


def test_a_link_for_those_who_have_an_account_tells_a_stranger_so(house: House, grace: User) -> None:
    made = house.farm.links.make(grace, "course")
    assert code_of(lambda: accept(house, made)) is Code.ACCOUNT_MISSING


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({"name": ""}, Code.REQUEST_INVALID),
        ({"name": "ada"}, Code.NAME_TAKEN),
        ({"password": "short"}, Code.PASSWORD_INVALID),
        ({"password": None}, Code.REQUEST_INVALID),
        ({"ssh_keys": [KEY_A]}, Code.KEY_TAKEN),
    ],
)
def test_a_strangers_mistake_uses_nothing_up(house: House, grace: User, how: dict[str, object], code: Code) -> None:
    made = house.farm.links.make(house.admin, "course", most=1, new_accounts=True)
    assert code_of(lambda: accept(house, made, **how)) is code  # type: ignore[arg-type]
    assert accept(house, made).name == "eve"


@pytest.mark.parametrize("new_accounts", [False, True], ids=["who have accounts", "strangers"])
def test_of_two_who_take_the_last_use_at_the_same_moment_one_gets_it(
    house: House, grace: User, new_accounts: bool
) -> None:
    made = house.farm.links.make(house.admin, "course", most=1, new_accounts=new_accounts)
    barrier, outcomes = threading.Barrier(2), list[str]()

    def try_it(name: str) -> None:
        barrier.wait(timeout=30)
        try:
            if new_accounts:
                accept(house, made, f"new-{name}")
            else:
                enter(house, house.ada if name == "ada" else house.bob, made)
            outcomes.append("in")
        except NotAllowed as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=try_it, args=(name,)) for name in ("ada", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(outcomes) == ["in", Code.INVITATION_REFUSED]
    assert len(members(house)) == 2 and house.farm.links.links(house.admin, "course")[0].link.used == 1


def test_the_audit_log_tells_who_joined_and_no_code(house: House, grace: User) -> None:
    made = house.farm.links.make(house.admin, "course", new_accounts=True)
    enter(house, house.ada, made)
    accept(house, made)
    house.farm.links.remove(house.admin, "course", made.view.link.id)
    told = house.farm.audit.after(house.admin)
    link = f"link:{made.view.link.id}"
    assert [(one.act, one.name) for one in told if one.thing == link] == [
        ("link.make", "root"), ("project.enter", "ada"), ("invitation.accept", "eve"), ("link.remove", "root"),
    ]  # fmt: skip
    assert all(made.clear.reveal() not in repr(one) and "digest" not in repr(one) for one in told)
    assert made.clear.reveal() not in repr(made)


def test_a_name_that_was_invited_is_for_who_has_that_code(house: House, grace: User) -> None:
    invited = house.farm.invitations.invite(house.admin, Role.USER, "prof")
    made = house.farm.links.make(house.admin, "course", new_accounts=True)
    open_one = house.farm.invitations.invite(house.admin).clear.reveal()
    assert code_of(lambda: accept(house, made, "prof")) is Code.NAME_TAKEN
    accepting = partial(house.farm.invitations.accept, name="prof", password=GOOD, origin="192.0.2.1")
    assert code_of(lambda: accepting(open_one)) is Code.NAME_TAKEN
    assert accepting(invited.clear.reveal())[0].name == "prof"
