"""Into which account people come whom a directory knows, and as what."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from boardgrid.model.errors import Code, Conflict, FarmError, Fault, NotAllowed
from boardgrid.model.federation import Enrolment
from boardgrid.model.user import Asker, Role
from boardgrid.services.attempts import OF_ONE_AT_ONE_ADDRESS
from boardgrid.testing import FakeDirectory, FakePasswords
from tests.services.house import House, records_with

GOOD, OTHER, HOME = "correct horse battery", "staple of the horse", "192.0.2.1"
OPEN = Enrolment(create=True)
BY_GROUP = Enrolment(
    create=True,
    role=None,
    groups={Role.ADMIN: frozenset({"admins"}), Role.USER: frozenset({"lab"}), Role.GUEST: frozenset({"all"})},
)

Made = Callable[[Enrolment], House]


@pytest.fixture
def directory() -> FakeDirectory:
    return FakeDirectory()


@pytest.fixture
def made(directory: FakeDirectory) -> Iterator[Made]:
    with records_with(boards=1) as records:
        yield lambda enrolment: House(records, directory=(directory, enrolment))


def login(house: House, name: str, password: str = GOOD, origin: str = HOME) -> Asker:
    _user, token = house.farm.logins.login(name, password, origin=origin)
    return house.farm.tokens.asker(token.clear.reveal(), origin)


def refused(house: House, name: str, password: str = GOOD, origin: str = HOME) -> FarmError:
    with pytest.raises(FarmError) as error:
        login(house, name, password, origin)
    return error.value


def last_failure(house: House) -> tuple[str, str]:
    entry = house.farm.audit.after(house.admin, limit=1, newest=True)[0]
    assert entry.act == "login.fail"
    return entry.thing, entry.origin


def test_somebody_who_is_new_gets_an_account_where_the_farm_makes_them(made: Made, directory: FakeDirectory) -> None:
    house = made(OPEN)
    directory.put("grace", GOOD)
    grace = login(house, "grace")
    assert (grace.name, grace.role) == ("grace", Role.USER)
    assert login(house, "grace").id == grace.id
    acts = [(one.act, one.thing, one.name) for one in house.farm.audit.after(house.admin, who="grace")]
    assert ("login", "user:grace", "grace") in acts
    [linked] = house.farm.accounts.external_identities(house.admin, "grace")
    assert linked.key == "ldap id-of-grace"


def test_where_it_does_not_they_are_told_what_an_admin_needs(made: Made, directory: FakeDirectory) -> None:
    house = made(Enrolment())
    directory.put("grace", GOOD)
    error = refused(house, "grace")
    assert error.code is Code.ACCOUNT_MISSING
    assert "boardgrid user link NAME 'ldap id-of-grace'" in error.hint
    assert last_failure(house) == ("user:grace", HOME)
    house.farm.accounts.link(house.admin, "bob", ["ldap id-of-grace"])
    assert login(house, "grace").id == house.bob.id


def test_a_name_alone_opens_nobody_s_account(made: Made, directory: FakeDirectory) -> None:
    house = made(OPEN)
    directory.put("ada", GOOD)
    error = refused(house, "ada")
    assert isinstance(error, Conflict) and error.code is Code.NAME_TAKEN
    house.farm.accounts.link(house.admin, "ada", ["ldap id-of-ada"])
    assert login(house, "ada").id == house.ada.id


def test_who_is_renamed_there_keeps_the_account_and_who_gets_the_name_does_not(
    made: Made, directory: FakeDirectory
) -> None:
    house = made(OPEN)
    directory.put("grace", GOOD, external_id="1")
    grace = login(house, "grace")
    directory.put("hopper", GOOD, external_id="1")
    directory.put("grace", OTHER, external_id="2")
    assert login(house, "hopper").id == grace.id
    assert refused(house, "grace", OTHER).code is Code.NAME_TAKEN


def test_a_password_of_the_farm_comes_first_also_when_the_directory_is_away(
    made: Made, directory: FakeDirectory
) -> None:
    house = made(OPEN)
    house.farm.logins.change_password(house.ada, None, GOOD, origin=HOME)
    directory.is_away = True
    assert login(house, "ada").id == house.ada.id
    assert directory.asked == []
    for name in ("ada", "nobody"):
        error = refused(house, name, OTHER)
        assert isinstance(error, Fault) and error.code is Code.DIRECTORY_FAILED


def test_whatever_is_wrong_the_answer_is_the_same_and_as_much_was_asked(made: Made, directory: FakeDirectory) -> None:
    house = made(OPEN)
    house.farm.logins.change_password(house.ada, None, GOOD, origin=HOME)
    directory.put("grace", GOOD)
    passwords = house.farm.logins.passwords
    assert isinstance(passwords, FakePasswords)
    told = set()
    for name, password in (("ada", OTHER), ("bob", OTHER), ("grace", OTHER), ("nobody", OTHER), ("grace", "")):
        before = len(directory.asked), len(passwords.compared)
        error = refused(house, name, password, f"192.0.2.{before[0]}")
        asked = len(directory.asked) - before[0], len(passwords.compared) - before[1]
        told.add((error.code, error.detail, error.hint, asked))
    [(code, _detail, _hint, asked)] = told
    assert (code, asked) == (Code.LOGIN_REFUSED, (1, 1))


def test_passwords_of_a_directory_cannot_be_tried_without_end(made: Made, directory: FakeDirectory) -> None:
    house = made(OPEN)
    directory.put("grace", GOOD)
    for number in range(OF_ONE_AT_ONE_ADDRESS):
        refused(house, "grace" if number % 2 else "GRACE", OTHER)
    assert refused(house, "Grace", GOOD).code is Code.LOGINS_TOO_MANY


def test_roles_follow_groups_at_each_login(made: Made, directory: FakeDirectory) -> None:
    house = made(BY_GROUP)
    for groups, role in ((["lab", "admins"], Role.ADMIN), (["all"], Role.GUEST), (["lab", "all"], Role.USER)):
        directory.put("grace", GOOD, *groups)
        assert login(house, "grace").role is role
    directory.put("grace", GOOD)
    assert refused(house, "grace").code is Code.ACCOUNT_MISSING, "who is in none of them stays out"


def test_without_groups_in_the_config_roles_are_given_here(made: Made, directory: FakeDirectory) -> None:
    house = made(Enrolment(create=True, role=Role.GUEST))
    directory.put("grace", GOOD)
    assert login(house, "grace").role is Role.GUEST
    house.farm.accounts.give_role(house.admin, "grace", Role.OPERATOR)
    assert login(house, "grace").role is Role.OPERATOR


def test_the_last_admin_stays_one_whatever_the_directory_says(made: Made, directory: FakeDirectory) -> None:
    house = made(BY_GROUP)
    directory.put("root", GOOD, "all")
    house.farm.accounts.link(house.admin, "root", ["ldap id-of-root"])
    assert login(house, "root").role is Role.ADMIN


def test_who_is_suspended_here_stays_out(made: Made, directory: FakeDirectory) -> None:
    house = made(OPEN)
    directory.put("grace", GOOD)
    login(house, "grace")
    house.farm.accounts.suspend(house.admin, "grace")
    assert refused(house, "grace").code is Code.ACCOUNT_SUSPENDED
    assert refused(house, "grace", OTHER).code is Code.LOGIN_REFUSED
    house.farm.accounts.restore(house.admin, "grace")
    login(house, "grace")


def test_a_removed_account_is_not_opened_again(made: Made, directory: FakeDirectory) -> None:
    house = made(OPEN)
    directory.put("grace", GOOD)
    first = login(house, "grace")
    house.farm.accounts.remove(house.admin, "grace")
    assert login(house, "grace").id != first.id


@pytest.mark.parametrize("name", ["Grace@example.org", "GRACE"])
def test_an_account_is_called_as_the_farm_calls_people(made: Made, directory: FakeDirectory, name: str) -> None:
    house = made(OPEN)
    directory.put(name, GOOD)
    assert login(house, name).name == "grace"


def test_who_cannot_be_called_so_here_is_told(made: Made, directory: FakeDirectory) -> None:
    house = made(OPEN)
    directory.put("7of9", GOOD)
    assert refused(house, "7of9").code is Code.NAME_INVALID


def test_links_are_given_by_admins_to_one_account_at_a_time_and_taken_back(
    made: Made, directory: FakeDirectory
) -> None:
    house = made(Enrolment())
    directory.put("grace", GOOD)
    key = "ldap id-of-grace"
    with pytest.raises(NotAllowed):
        house.farm.accounts.link(house.ada, "ada", [key])
    house.farm.accounts.link(house.admin, "ada", [key])
    with pytest.raises(Conflict) as error:
        house.farm.accounts.link(house.admin, "bob", [key])
    assert error.value.code is Code.KEY_TAKEN
    house.farm.accounts.link(house.admin, "ada", [])
    assert refused(house, "grace").code is Code.ACCOUNT_MISSING
    house.now += timedelta(hours=1)
    acts = [one.act for one in house.farm.audit.after(house.admin, thing="user:ada")]
    assert acts.count("user.link") == 2
