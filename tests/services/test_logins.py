"""How a password becomes a token, and how it is changed."""

from datetime import timedelta
from functools import partial

import pytest
from structlog.testing import capture_logs

from boardgrid.adapters.records.schema import metadata
from boardgrid.model.errors import Code, Conflict, Invalid, NotAllowed, NotFound
from boardgrid.model.user import Asker, Role, Scope
from boardgrid.services.attempts import AT_ONE_ADDRESS, OF_ONE, OF_ONE_AT_ONE_ADDRESS, Attempts
from boardgrid.services.logins import LOGINS_MOST
from boardgrid.testing import FakePasswords
from tests.services.house import House

GOOD, OTHER = "correct horse battery", "staple of the horse"
HOME, AWAY = "192.0.2.1", "192.0.2.99"


@pytest.fixture
def home(house: House) -> House:
    """ada has a password."""
    house.farm.logins.change_password(house.ada, None, GOOD, origin=HOME)
    return house


def login(house: House, password: str = GOOD, name: str = "ada", origin: str = HOME) -> Asker:
    _user, token = house.farm.logins.login(name, password, origin=origin, label="laptop")
    return house.farm.tokens.asker(token.clear.reveal(), origin)


def compared(house: House) -> list[str | None]:
    passwords = house.farm.logins.passwords
    assert isinstance(passwords, FakePasswords)
    return passwords.compared


def test_who_knows_the_password_gets_a_token_that_ends(home: House) -> None:
    ada = login(home)
    assert (ada.id, ada.scope, ada.origin) == (home.ada.id, Scope.ALL, HOME)
    [token] = [one for one in home.farm.tokens.list(ada) if one.is_login]
    assert (token.label, token.origin, token.created_at) == ("laptop", HOME, home.now)
    home.now += timedelta(days=29)
    clear = home.farm.logins.login("ada", GOOD, origin=HOME)[1].clear.reveal()
    home.now += timedelta(days=30)
    with pytest.raises(NotAllowed, match="was good until 2026-04-29 12:00 UTC") as over:
        home.farm.tokens.asker(clear)
    assert over.value.code is Code.TOKEN_EXPIRED


def test_whatever_is_wrong_the_answer_is_the_same_and_as_much_was_compared(home: House) -> None:
    home.user("eve")
    home.farm.logins.change_password(home.bob, None, GOOD, origin=HOME)
    home.farm.accounts.suspend(home.admin, "bob")
    told = set()
    for name, password in (("ada", OTHER), ("nobody", GOOD), ("eve", GOOD), ("bob", OTHER), ("", "")):
        before = len(compared(home))
        with pytest.raises(NotAllowed) as error:
            login(home, password, name, f"192.0.2.{before}")
        told.add((error.value.code, error.value.detail, error.value.hint, len(compared(home)) - before))
    [(code, _detail, _hint, times)] = told
    assert (code, times) == (Code.LOGIN_REFUSED, 1)


def test_a_suspended_user_is_told_so_if_they_know_the_password(home: House) -> None:
    home.farm.accounts.suspend(home.admin, "ada")
    with pytest.raises(NotAllowed) as error:
        login(home)
    assert error.value.code is Code.ACCOUNT_SUSPENDED


def test_an_accent_is_the_same_however_it_was_typed(house: House) -> None:
    house.farm.logins.change_password(house.ada, None, "cafe\u0301 au lait", origin=HOME)
    assert login(house, "caf\u00e9 au lait").id == house.ada.id


@pytest.mark.parametrize("password", ["", "short", "a" * 9, "a" * 1025])
def test_a_password_that_is_none_is_refused(home: House, password: str) -> None:
    with pytest.raises(Invalid) as error:
        home.farm.logins.change_password(home.ada, GOOD, password, origin=HOME)
    assert error.value.code is Code.PASSWORD_INVALID


def test_a_password_is_not_the_name_of_its_user(house: House) -> None:
    user = house.user("ada.lovelace")
    with pytest.raises(Invalid, match="not the name of its user"):
        house.farm.logins.change_password(user, None, "Ada.Lovelace", origin=HOME)


def test_a_new_password_ends_other_logins_and_leaves_tokens_of_programs(home: House) -> None:
    here, there = login(home), login(home)
    program = home.farm.tokens.create(here, "ci").clear.reveal()
    home.farm.logins.change_password(here, GOOD, OTHER, origin=HOME)
    assert {one.id for one in home.farm.tokens.list(here) if one.is_login} == {here.token}
    assert there.token not in {one.id for one in home.farm.tokens.list(here)}
    assert home.farm.tokens.asker(program).id == home.ada.id
    assert login(home, OTHER).id == home.ada.id
    with pytest.raises(NotAllowed):
        login(home, GOOD)


def test_who_has_a_password_needs_the_old_one(home: House) -> None:
    for old in (None, "", OTHER):
        with pytest.raises(NotAllowed, match="the old password is wrong"):
            home.farm.logins.change_password(home.ada, old, OTHER, origin=HOME)


def test_a_narrow_token_changes_no_password(home: House) -> None:
    ada = login(home)
    for scope in (Scope.READ, Scope.USE):
        narrow = home.farm.tokens.asker(home.farm.tokens.create(ada, "x", scope=scope).clear.reveal())
        with pytest.raises(NotAllowed) as error:
            home.farm.logins.change_password(narrow, GOOD, OTHER, origin=HOME)
        assert error.value.code is Code.TOKEN_NARROW


def test_of_too_many_logins_the_oldest_ends(home: House) -> None:
    first = login(home)
    for _again in range(LOGINS_MOST):
        home.now += timedelta(seconds=1)
        last = login(home)
    logins = [one.id for one in home.farm.tokens.list(last) if one.is_login]
    assert len(logins) == LOGINS_MOST
    assert first.token not in logins


# --- how often


def fail(house: House, times: int, name: str = "ada", origin: str = AWAY) -> None:
    for _again in range(times):
        with pytest.raises(NotAllowed):
            login(house, OTHER, name, origin)


def test_passwords_cannot_be_tried_without_end_and_it_is_told_for_how_long(home: House) -> None:
    fail(home, OF_ONE_AT_ONE_ADDRESS)
    with pytest.raises(Conflict, match="too many passwords") as error:
        login(home, GOOD, origin=AWAY)
    assert error.value.code is Code.LOGINS_TOO_MANY
    assert "600 s" in error.value.hint or "599 s" in error.value.hint
    assert login(home, origin=HOME).id == home.ada.id, "from elsewhere she comes in"


def test_one_address_cannot_try_many_names(home: House) -> None:
    for number in range(AT_ONE_ADDRESS):
        fail(home, 1, f"user{number}")
    with pytest.raises(Conflict):
        login(home, OTHER, "another", AWAY)


def test_strangers_from_everywhere_do_not_shut_a_user_out_where_she_was_before(home: House) -> None:
    login(home, origin=HOME)
    for number in range(OF_ONE):
        fail(home, 1, "ada", f"203.0.113.{number}")
    with pytest.raises(Conflict):
        login(home, GOOD, origin="198.51.100.7")
    assert login(home, origin=HOME).id == home.ada.id


def test_a_login_that_succeeds_counts_for_nothing(home: House) -> None:
    for _again in range(3):
        fail(home, OF_ONE_AT_ONE_ADDRESS - 1)
        login(home, origin=AWAY)


def test_a_window_ends() -> None:
    attempts = Attempts(window_s=1)
    for _again in range(OF_ONE_AT_ONE_ADDRESS):
        attempts.begin("ada", HOME, is_familiar=True)
    with pytest.raises(Conflict):
        attempts.begin("ada", HOME, is_familiar=True)
    with pytest.raises(Conflict) as error:
        attempts.begin("ada", HOME, is_familiar=True)
    assert "in 1 s" in error.value.hint


# --- what is left of secrets


def test_no_clear_token_or_password_is_left_anywhere(house: House) -> None:
    farm, secrets = house.farm, [GOOD, OTHER]
    with capture_logs() as logs:
        secrets.append(farm.accounts.create_admin("grace").clear.reveal())
        user, first = farm.accounts.add(house.admin, "eve", Role.USER)
        farm.logins.change_password(user, None, GOOD, origin=HOME)
        ada = login(house, GOOD, "eve")
        secrets += [first.clear.reveal(), farm.tokens.create(ada, "ci").clear.reveal()]
        with pytest.raises(NotAllowed):
            login(house, OTHER, "eve")
        invited = farm.invitations.invite(house.admin, Role.GUEST, "linus")
        reset = farm.invitations.reset(house.admin, "eve")
        secrets += [invited.clear.reveal(), reset.clear.reveal()]
        farm.projects.add(house.admin, "robots")
        link = farm.links.make(house.admin, "robots", new_accounts=True).clear.reveal()
        joined = farm.invitations.accept(link, name="hopper", password=OTHER, origin=HOME)[1].clear.reveal()
        secrets += [link, joined, farm.feeds.create(house.admin).clear.reveal()]
        # Somebody gives them in the place of an id.
        for refuse in (
            partial(farm.links.remove, house.admin, "robots"),
            partial(farm.invitations.revoke, house.admin),
            partial(farm.tokens.revoke, house.admin),
            partial(farm.feeds.revoke, house.admin),
        ):
            for given in secrets[2:]:
                with pytest.raises(NotFound) as unknown:
                    refuse(given)
                assert given[-43:] not in unknown.value.detail
        secrets.append(farm.invitations.accept(reset.clear.reveal(), password=OTHER, origin=HOME)[1].clear.reveal())
        audited = farm.audit.after(house.admin, limit=500)
    with house.records.read() as records:
        password = records.password(user.id)
        assert password is not None and password.hash not in repr(audited) + repr(logs)
        for token in (one for user_ in records.users() for one in records.tokens(user_.id)):
            assert token.digest not in repr(audited) + repr(logs)
    with house.records.read() as records:
        rows = (records._connection.execute(table.select()) for table in metadata.tables.values())  # type: ignore[attr-defined]
        dump = "\n".join(repr(row) for found in rows for row in found)
    for secret in secrets:
        assert secret not in dump and secret not in repr(logs) and secret not in repr(audited)
        assert secret[-43:] not in dump, "nor without what it begins with"
