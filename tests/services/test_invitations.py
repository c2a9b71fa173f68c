"""Codes that are good once."""

from dataclasses import replace
from datetime import timedelta

import pytest

from boardgrid.model.errors import Code, Conflict, FarmError, Invalid, NotAllowed, NotFound
from boardgrid.model.user import NewInvitation, Role
from tests.services.house import KEY_A, House

GOOD, OTHER = "correct horse battery", "staple of the horse"
KEY_C = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGNjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2Nj"


def accept(house: House, made: NewInvitation, **how: object) -> str:
    """Whose account it became."""
    how = {"password": GOOD, **how}
    return house.farm.invitations.accept(made.clear.reveal(), origin="192.0.2.1", **how)[0].name  # type: ignore[arg-type]


def refused(house: House, made: NewInvitation) -> bool:
    with pytest.raises(NotAllowed) as error:
        accept(house, made, name="" if made.invitation.name else "linus")
    return error.value.code is Code.INVITATION_REFUSED


def test_who_is_invited_makes_an_account_once(house: House) -> None:
    made = house.farm.invitations.invite(house.admin, Role.OPERATOR)
    assert accept(house, made, name="linus", ssh_keys=[KEY_C]) == "linus"
    user = house.farm.accounts.user(house.admin, "linus")
    assert (user.role, user.ssh_keys) == (Role.OPERATOR, (KEY_C,))
    assert house.farm.logins.login("linus", GOOD, origin="192.0.2.1")[0] == user
    assert refused(house, made)
    assert house.farm.invitations.open(house.admin) == []


def test_an_invitation_by_name_is_for_that_name(house: House) -> None:
    made = house.farm.invitations.invite(house.admin, name="linus")
    with pytest.raises(Invalid, match="this code is for linus"):
        accept(house, made, name="grace")
    assert accept(house, made) == "linus"


def test_who_accepts_with_a_key_alone_comes_in_by_the_token_that_is_given(house: House) -> None:
    made = house.farm.invitations.invite(house.admin, name="linus")
    user, token = house.farm.invitations.accept(made.clear.reveal(), ssh_keys=[KEY_C], origin="192.0.2.1")
    assert house.farm.tokens.asker(token.clear.reveal()).id == user.id


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({"name": ""}, Code.REQUEST_INVALID),
        ({"name": "Linus!"}, Code.NAME_INVALID),
        ({"name": "ada"}, Code.NAME_TAKEN),
        ({"name": "linus", "password": "short"}, Code.PASSWORD_INVALID),
        ({"name": "linus", "password": None}, Code.REQUEST_INVALID),
        ({"name": "linus", "ssh_keys": ["no key"]}, Code.KEY_INVALID),
        ({"name": "linus", "ssh_keys": [KEY_A]}, Code.KEY_TAKEN),
    ],
)
def test_a_mistake_does_not_use_the_code_up(house: House, how: dict[str, object], code: Code) -> None:
    made = house.farm.invitations.invite(house.admin)
    with pytest.raises(FarmError) as error:
        accept(house, made, **how)
    assert error.value.code is code
    assert accept(house, made, name="linus") == "linus"


def test_a_code_is_good_for_three_days(house: House) -> None:
    made = house.farm.invitations.invite(house.admin)
    house.now += timedelta(hours=72)
    assert house.farm.invitations.open(house.admin) == []
    assert refused(house, made)


def test_a_code_that_was_taken_back_is_good_for_nothing(house: House) -> None:
    made = house.farm.invitations.invite(house.admin)
    assert house.farm.invitations.open(house.admin) == [made.invitation]
    house.farm.invitations.revoke(house.admin, made.invitation.id)
    assert refused(house, made)
    with pytest.raises(NotFound):
        house.farm.invitations.revoke(house.admin, made.invitation.id)


def test_the_codes_of_who_is_no_admin_any_more_are_good_for_nothing(house: House) -> None:
    grace = house.farm.accounts.add(house.admin, "grace", Role.ADMIN)[0]
    made = [house.farm.invitations.invite(grace, Role.ADMIN) for _again in range(3)]
    house.farm.accounts.suspend(house.admin, "grace")
    assert refused(house, made[0])
    house.farm.accounts.restore(house.admin, "grace")
    house.farm.accounts.give_role(house.admin, "grace", Role.USER)
    assert refused(house, made[1])
    house.farm.accounts.remove(house.admin, "grace")
    assert refused(house, made[2])


def test_what_is_no_code_is_refused_before_a_password_is_looked_at(house: House) -> None:
    made = house.farm.invitations.invite(house.admin)
    token = house.farm.tokens.create(house.ada, "x").clear
    forged = made.clear.reveal()[:-1] + ("a" if made.clear.reveal()[-1] != "a" else "b")
    for code in ("", "bgi_", forged, token.reveal(), made.clear.reveal().replace("bgi_", "bg_")):
        with pytest.raises(NotAllowed) as error:
            house.farm.invitations.accept(code, name="x", password="short", origin="192.0.2.1")
        assert error.value.code is Code.INVITATION_REFUSED
    with pytest.raises(NotAllowed):
        house.farm.tokens.asker(made.clear.reveal())


def test_a_reset_gives_a_new_password_and_ends_all_tokens(house: House) -> None:
    house.farm.logins.change_password(house.ada, None, OTHER, origin="x")
    old = house.farm.tokens.create(house.ada, "ci").clear.reveal()
    before = house.farm.invitations.reset(house.admin, "ada")
    made = house.farm.invitations.reset(house.admin, "ada")
    assert refused(house, before), "the later one counts"
    assert house.farm.logins.login("ada", OTHER, origin="x"), "the old one is good until then"
    assert accept(house, made) == "ada"
    assert house.farm.logins.login("ada", GOOD, origin="x")
    with pytest.raises(NotAllowed):
        house.farm.logins.login("ada", OTHER, origin="x")
    with pytest.raises(NotAllowed):
        house.farm.tokens.asker(old)
    assert house.farm.accounts.user(house.admin, "ada") == replace(house.ada, ssh_keys=(KEY_A,))


def test_a_reset_is_for_a_password_alone(house: House) -> None:
    made = house.farm.invitations.reset(house.admin, "ada")
    for how in ({"password": None}, {"ssh_keys": [KEY_C]}):
        with pytest.raises(Invalid):
            accept(house, made, **how)


def test_a_reset_opens_no_account_that_is_suspended_or_closed(house: House) -> None:
    made = house.farm.invitations.reset(house.admin, "ada")
    house.farm.accounts.suspend(house.admin, "ada")
    with pytest.raises(NotAllowed) as error:
        accept(house, made)
    assert error.value.code is Code.ACCOUNT_SUSPENDED
    house.farm.accounts.remove(house.admin, "ada")
    assert refused(house, made)


def test_only_admins_invite(house: House) -> None:
    for act in (house.farm.invitations.invite, house.farm.invitations.open):
        with pytest.raises(NotAllowed):
            act(house.ada)
    with pytest.raises(NotAllowed):
        house.farm.invitations.reset(house.ada, "bob")
    with pytest.raises(Conflict):
        house.farm.invitations.invite(house.admin, name="ada")
