"""What people come in with, and what they give their programs."""

from datetime import timedelta

import pytest

from boardgrid.model.errors import Code, Invalid, NotAllowed, NotFound
from boardgrid.model.user import Asker, Audience, Role, Scope, User
from boardgrid.services.tokens import LONGEST, TOKEN_FOR
from tests.services.house import House

DAY = timedelta(days=1)


def asker(house: House, user: User, **how: object) -> Asker:
    """Somebody who came in by a token of their own."""
    return house.farm.tokens.asker(house.farm.tokens.create(user, "test", **how).clear.reveal(), "192.0.2.1")  # type: ignore[arg-type]


def test_a_token_has_a_label_a_scope_and_an_end(house: House) -> None:
    made = house.farm.tokens.create(house.ada, "nightly", scope=Scope.USE)
    assert made.token in house.farm.tokens.list(house.ada)
    assert (made.token.label, made.token.scope) == ("nightly", Scope.USE)
    assert made.token.expires_at == house.now + TOKEN_FOR
    came = house.farm.tokens.asker(made.clear.reveal(), "192.0.2.7")
    assert (came.id, came.scope, came.origin, came.token) == (house.ada.id, Scope.USE, "192.0.2.7", made.token.id)


def test_a_token_makes_none_that_is_good_for_more_or_longer(house: House) -> None:
    narrow = asker(house, house.ada, scope=Scope.USE, for_=2 * DAY)
    made = house.farm.tokens.create(narrow, "child").token
    assert (made.scope, made.expires_at) == (Scope.USE, house.now + 2 * DAY)
    with pytest.raises(NotAllowed) as more:
        house.farm.tokens.create(narrow, "child", scope=Scope.ALL)
    assert more.value.code is Code.TOKEN_NARROW
    with pytest.raises(Invalid) as longer:
        house.farm.tokens.create(narrow, "child", for_=3 * DAY)
    assert longer.value.code is Code.DURATION_INVALID and "2 days" in longer.value.hint


def test_a_login_makes_tokens_that_outlive_it(house: House) -> None:
    house.farm.logins.change_password(house.ada, None, "correct horse", origin="here")
    login = house.farm.logins.login("ada", "correct horse", origin="here")[1]
    came = house.farm.tokens.asker(login.clear.reveal())
    assert house.farm.tokens.create(came, "ci").token.expires_at == house.now + TOKEN_FOR


@pytest.mark.parametrize("for_", [timedelta(0), -DAY, LONGEST + DAY])
def test_no_token_is_good_for_ever_or_never(house: House, for_: timedelta) -> None:
    with pytest.raises(Invalid):
        house.farm.tokens.create(house.ada, "ci", for_=for_)


def test_a_token_that_is_over_says_so(house: House) -> None:
    clear = house.farm.tokens.create(house.ada, "ci", for_=DAY).clear.reveal()
    house.now += DAY - timedelta(microseconds=1)
    assert house.farm.tokens.asker(clear).id == house.ada.id
    house.now += timedelta(microseconds=1)
    with pytest.raises(NotAllowed) as error:
        house.farm.tokens.asker(clear)
    assert error.value.code is Code.TOKEN_EXPIRED


def test_a_token_that_reads_changes_nothing(house: House) -> None:
    house.image()
    reader = asker(house, house.ada, scope=Scope.READ)
    assert house.farm.inventory.boards(reader)
    for act in (
        lambda: house.reserve(reader),
        lambda: house.farm.catalog.open(reader, "mine"),
        lambda: house.farm.tokens.create(reader, "another"),
        lambda: house.farm.accounts.add_key(reader, "no key"),
    ):
        with pytest.raises((NotAllowed, Invalid)) as error:
            act()
        assert error.value.code in {Code.TOKEN_NARROW, Code.KEY_INVALID}


def test_an_admin_with_a_token_for_using_the_farm_is_a_user_who_sees_more(house: House) -> None:
    house.image()
    house.opened()
    worker = asker(house, house.admin, scope=Scope.USE)
    assert [one.name for one in house.farm.accounts.users(worker)] == ["ada", "bob", "root"]
    with pytest.raises(NotAllowed) as administering:
        house.farm.accounts.suspend(worker, "bob")
    assert administering.value.code is Code.TOKEN_NARROW
    with pytest.raises(NotAllowed):
        house.farm.booking.release(worker, 1)
    house.farm.booking.release(house.admin, 1)
    house.settle()
    assert house.reserve(worker).user == "root"


def test_one_revokes_ones_own_tokens_and_an_admin_anybodys(house: House) -> None:
    mine, other = house.farm.tokens.create(house.ada, "a"), house.farm.tokens.create(house.ada, "b")
    house.farm.tokens.revoke(house.ada, mine.token.id)
    with pytest.raises(NotAllowed) as error:
        house.farm.tokens.asker(mine.clear.reveal())
    assert error.value.code is Code.TOKEN_REFUSED
    with pytest.raises(NotFound):
        house.farm.tokens.revoke(house.bob, other.token.id)
    with pytest.raises(NotFound):
        house.farm.tokens.revoke(house.ada, mine.token.id)
    house.farm.tokens.revoke(house.admin, other.token.id)
    assert [one.label for one in house.farm.tokens.list(house.admin, "ada")] == [""], "the one she was added with"
    with pytest.raises(NotFound):
        house.farm.tokens.list(house.bob, "ada")


def test_the_door_of_a_machine_is_shut_by_nobody_who_revokes(house: House) -> None:
    token = house.farm.accounts.site_token("lab", Audience.AGENT)
    with pytest.raises(NotFound):
        house.farm.tokens.revoke(house.admin, token.token.id)


@pytest.mark.parametrize("scope", Scope)
def test_any_token_may_end_itself(house: House, scope: Scope) -> None:
    came = asker(house, house.ada, scope=scope)
    house.farm.tokens.revoke(came, came.token)
    assert came.token not in {one.id for one in house.farm.tokens.list(house.ada)}


def test_a_narrow_token_ends_no_other(house: House) -> None:
    came, other = asker(house, house.ada, scope=Scope.USE), house.farm.tokens.create(house.ada, "x")
    with pytest.raises(NotAllowed):
        house.farm.tokens.revoke(came, other.token.id)


def test_when_a_token_was_used_is_known_at_once_and_written_down_now_and_then(house: House) -> None:
    made = house.farm.tokens.create(house.ada, "ci")
    house.now += DAY
    house.farm.tokens.asker(made.clear.reveal())
    [seen] = [one for one in house.farm.tokens.list(house.ada) if one.id == made.token.id]
    with house.records.read() as records:
        stored = records.token(made.token.id)
    assert seen.last_used_at == house.now and stored is not None and stored.last_used_at is None
    house.farm.tokens.write_uses()
    with house.records.read() as records:
        stored = records.token(made.token.id)
    assert stored is not None and stored.last_used_at == house.now
    house.farm.tokens.write_uses()


def test_who_has_too_many_tokens_is_told_to_revoke_some(house: House) -> None:
    with pytest.raises(Invalid, match="you have 100 tokens"):
        for number in range(101):
            house.farm.tokens.create(house.ada, str(number))


def test_a_guest_looks_on(house: House) -> None:
    house.image()
    guest = house.farm.accounts.add(house.admin, "gast", Role.GUEST)[0]
    assert house.farm.inventory.boards(guest) and house.farm.booking.reservations(guest, everyone=True) == []
    assert house.farm.tokens.create(guest, "mine")
    for act in (lambda: house.reserve(guest), lambda: house.farm.catalog.open(guest, "mine")):
        with pytest.raises(NotAllowed, match="gast is a guest"):
            act()


def test_an_operator_looks_after_the_shelf_and_not_after_people(house: House) -> None:
    house.image()
    operator = house.farm.accounts.add(house.admin, "opal", Role.OPERATOR)[0]
    house.farm.inventory.fit(operator, "tk1-1")
    house.opened()
    assert house.farm.booking.reservation(operator, 1).deployment is not None
    house.farm.booking.release(operator, 1)
    assert house.farm.roots.roots(operator) == [], "what is in them is their owner's"
    for act in (
        lambda: house.farm.accounts.suspend(operator, "ada"),
        lambda: house.farm.inventory.remove_board(operator, "tk1-1"),
        lambda: house.farm.audit.after(operator),
    ):
        with pytest.raises(NotAllowed):
            act()
