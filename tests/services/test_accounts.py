"""Who may come in, as what, with which key."""

import base64
import hashlib
import re
import struct
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boardgrid.model.errors import Code, Conflict, FarmError, Invalid, NotAllowed, NotFound
from boardgrid.model.ssh_key import checked_key, fingerprint_of
from boardgrid.model.user import Audience, Role
from boardgrid.model.wish import Deployed
from boardgrid.services.booking import Fate
from tests.services.house import HOUR, KEY_A, KEY_B, House

KEY_C = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGNjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2Nj"


def test_a_token_is_handed_out_once_and_only_its_sha_256_is_kept(house: House) -> None:
    user, token = house.farm.accounts.add(house.admin, "eve", Role.USER)
    clear = token.clear.reveal()
    assert re.fullmatch(r"bg_[0-9a-f]{16}_[A-Za-z0-9_-]{43}", clear)
    assert house.farm.tokens.asker(clear).id == user.id
    with house.records.read() as records:
        stored = records.token(token.token.id)
    assert stored is not None and len(stored.digest) == 64
    assert clear not in repr(token) and clear[20:] not in repr(stored)


@pytest.mark.parametrize("token", ["", "bg_", "bg_0123456789abcdef_" + "a" * 43, "x" * 10_000, "bg_\ud800_" + "a" * 43])
def test_what_is_no_token_opens_no_door(house: House, token: str) -> None:
    with pytest.raises(NotAllowed) as error:
        house.farm.tokens.asker(token)
    assert error.value.code is Code.TOKEN_REFUSED


def test_a_token_with_another_secret_opens_no_door(house: House) -> None:
    clear = house.farm.accounts.create_admin("root", again=True).clear.reveal()
    with pytest.raises(NotAllowed):
        house.farm.tokens.asker(clear[:-1] + ("a" if clear[-1] != "a" else "b"))


def test_each_token_opens_its_own_door_alone(house: House) -> None:
    agent = house.farm.accounts.site_token("lab", Audience.AGENT).clear.reveal()
    person = house.farm.accounts.create_admin("root", again=True).clear.reveal()
    assert house.farm.accounts.site_of(agent, Audience.AGENT) == "lab"
    for token, audience in ((agent, Audience.GATEWAY), (person, Audience.AGENT), (person, Audience.PERSON)):
        with pytest.raises(NotAllowed):
            house.farm.accounts.site_of(token, audience)
    with pytest.raises(NotAllowed):
        house.farm.tokens.asker(agent)


def test_a_new_token_of_a_site_ends_the_one_before_and_not_that_of_the_other_door(house: House) -> None:
    first = house.farm.accounts.site_token("lab", Audience.AGENT).clear.reveal()
    gateway = house.farm.accounts.site_token("lab", Audience.GATEWAY).clear.reveal()
    second = house.farm.accounts.site_token("lab", Audience.AGENT).clear.reveal()
    with pytest.raises(NotAllowed):
        house.farm.accounts.site_of(first, Audience.AGENT)
    assert house.farm.accounts.site_of(second, Audience.AGENT) == "lab"
    assert house.farm.accounts.site_of(gateway, Audience.GATEWAY) == "lab"
    with pytest.raises(NotFound):
        house.farm.accounts.site_token("moon", Audience.AGENT)


def test_an_admin_is_made_once_unless_another_token_is_wanted(bare: House) -> None:
    first = bare.farm.accounts.create_admin("root", again=True).clear.reveal()
    assert bare.farm.tokens.asker(first).role is Role.ADMIN
    with pytest.raises(Conflict) as error:
        bare.farm.accounts.create_admin("root")
    assert error.value.code is Code.NAME_TAKEN
    bare.farm.accounts.add(bare.admin, "ada", Role.USER)
    with pytest.raises(Conflict):
        bare.farm.accounts.create_admin("ada", again=True)


def test_only_admins_add_and_remove_users(house: House) -> None:
    with pytest.raises(NotAllowed, match="ada is no admin"):
        house.farm.accounts.add(house.ada, "eve", Role.ADMIN)
    with pytest.raises(NotAllowed):
        house.farm.accounts.remove(house.ada, "bob")


def test_a_user_sees_themselves_and_an_admin_everyone(house: House) -> None:
    assert [one.name for one in house.farm.accounts.users(house.ada)] == ["ada"]
    assert [one.name for one in house.farm.accounts.users(house.admin)] == ["ada", "bob", "root"]
    with pytest.raises(NotFound):
        house.farm.accounts.user(house.ada, "bob")
    assert house.farm.accounts.user(house.ada, "ada").ssh_keys == (KEY_A,)


def test_a_name_and_a_key_are_one_users(house: House) -> None:
    with pytest.raises(Conflict) as name:
        house.user("ada")
    assert name.value.code is Code.NAME_TAKEN
    with pytest.raises(Conflict) as key:
        house.user("eve", KEY_A)
    assert key.value.code is Code.KEY_TAKEN
    with pytest.raises(NotFound):
        house.farm.accounts.user(house.admin, "eve")


def test_a_removed_user_comes_in_no_more_and_their_name_and_key_are_free(house: House) -> None:
    user, token = house.farm.accounts.add(house.admin, "eve", Role.USER)
    house.farm.accounts.remove(house.admin, "eve")
    with pytest.raises(NotAllowed):
        house.farm.tokens.asker(token.clear.reveal())
    with pytest.raises(NotAllowed, match="this account was closed"):
        house.farm.catalog.open(user, "mine")
    house.farm.accounts.remove(house.admin, "ada")
    with pytest.raises(NotFound):
        house.farm.doors.user_of_key(KEY_A)
    again = house.user("ada", KEY_A)
    assert again.id != house.ada.id


def test_a_user_who_holds_a_board_is_not_removed_and_the_sentence_names_it(house: House) -> None:
    house.image()
    number = house.opened().reservation.number
    with pytest.raises(Conflict, match="ada still holds tk1-1") as error:
        house.farm.accounts.remove(house.admin, "ada")
    assert error.value.code is Code.THING_IN_USE
    house.farm.booking.release(house.ada, number, Fate.ASIDE, "mine")
    house.farm.accounts.remove(house.admin, "ada")
    [root] = house.farm.roots.roots(house.admin)
    assert (root.root.name, root.owner) == ("mine", "ada")


def test_the_files_of_a_removed_user_are_not_given_to_who_gets_their_name(house: House) -> None:
    house.image()
    number = house.opened().reservation.number
    house.farm.booking.release(house.ada, number, Fate.ASIDE, "mine")
    house.farm.accounts.remove(house.admin, "ada")
    again = house.user("ada")
    assert house.farm.roots.roots(again) == []
    with pytest.raises(NotFound):
        house.reserve(again, root="mine", for_=HOUR)


def test_the_last_admin_stays(house: House) -> None:
    with pytest.raises(Conflict) as error:
        house.farm.accounts.remove(house.admin, "root")
    assert error.value.code is Code.LAST_ADMIN
    house.farm.accounts.add(house.admin, "eve", Role.ADMIN)
    house.farm.accounts.remove(house.admin, "root")


@pytest.mark.parametrize("name", ["", "Ada", "../etc", "a" * 40, "ada\n", "1ada"])
def test_a_bad_name_is_refused_with_a_good_example(house: House, name: str) -> None:
    with pytest.raises(Invalid) as error:
        house.user(name)
    assert error.value.code is Code.NAME_INVALID and "ada" in error.value.hint


# --- keys


def _rsa(bits: int) -> str:
    number = (1 << (bits - 1)) | 1
    fields = (b"ssh-rsa", b"\x01\x00\x01", b"\x00" + number.to_bytes(bits // 8, "big"))
    blob = b"".join(struct.pack(">I", len(one)) + one for one in fields)
    return f"ssh-rsa {base64.b64encode(blob).decode()}"


def test_a_key_is_taken_without_its_comment() -> None:
    assert checked_key(f"  {KEY_A} ada@laptop with words\n") == KEY_A


def test_an_rsa_key_is_taken_from_2048_bits() -> None:
    assert checked_key(_rsa(2048)) == _rsa(2048)
    with pytest.raises(Invalid, match="fewer than 2048 bits"):
        checked_key(_rsa(1024))


@pytest.mark.parametrize(
    "line",
    [
        "",
        "hello",
        "ssh-ed25519 AAAA",
        "ssh-ed25519 !!!!",
        KEY_A[:-4],
        f'command="rm -rf /" {KEY_A}',
        f"restrict {KEY_A}",
        f"{KEY_A}\n{KEY_B}",
        "ssh-dss AAAAB3NzaC1kc3MAAACBAJ",
        KEY_A.replace("ssh-ed25519", "ssh-rsa", 1),
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA",
        "ssh-ed25519 " + "A" * 20000,
    ],
)
def test_what_is_no_good_key_is_refused(line: str) -> None:
    with pytest.raises(Invalid) as error:
        checked_key(line)
    assert error.value.code is Code.KEY_INVALID and error.value.hint


@given(st.text())
def test_whatever_is_given_as_a_key_is_taken_or_refused(line: str) -> None:
    try:
        assert len(checked_key(line).split()) == 2
    except FarmError as error:
        assert error.code is Code.KEY_INVALID


def test_a_new_token_ends_the_old_ones_and_keeps_what_is_the_users(house: House) -> None:
    house.image("mine", house.ada)
    _ada, lost = house.farm.tokens.renew(house.admin, "ada")
    ada, found = house.farm.tokens.renew(house.admin, "ada")
    assert ada.id == house.farm.tokens.asker(found.clear.reveal()).id == house.ada.id
    with pytest.raises(NotAllowed):
        house.farm.tokens.asker(lost.clear.reveal())
    assert [one.image.name for one in house.farm.catalog.images(ada)] == ["mine"]
    with pytest.raises(NotAllowed, match="ada is no admin"):
        house.farm.tokens.renew(ada, "ada")
    with pytest.raises(NotFound):
        house.farm.tokens.renew(house.admin, "eve")


def test_an_admin_whose_token_is_made_again_comes_in_by_the_old_one_no_more(house: House) -> None:
    lost = house.farm.accounts.create_admin("root", again=True).clear.reveal()
    house.farm.accounts.create_admin("root", again=True)
    with pytest.raises(NotAllowed):
        house.farm.tokens.asker(lost)


def test_nobody_comes_in_by_a_key_that_was_replaced(house: House) -> None:
    new = f"{KEY_C} ada@new"
    assert house.farm.accounts.replace_keys(house.admin, "ada", [new]).ssh_keys == (KEY_C,)
    assert house.farm.doors.user_of_key(KEY_C) == "ada"
    with pytest.raises(NotFound):
        house.farm.doors.user_of_key(KEY_A)
    with pytest.raises(Conflict) as taken:
        house.farm.accounts.replace_keys(house.admin, "ada", [KEY_C, KEY_B])
    assert taken.value.code is Code.KEY_TAKEN
    assert house.farm.accounts.replace_keys(house.admin, "ada", [KEY_C, KEY_A]).ssh_keys == (KEY_C, KEY_A)
    with pytest.raises(NotAllowed):
        house.farm.accounts.replace_keys(house.ada, "ada", [])
    house.image()
    house.farm.accounts.replace_keys(house.admin, "ada", [KEY_C])
    house.reserve()
    wish = house.wish().wish
    assert isinstance(wish, Deployed) and wish.keys == (KEY_C,)


def test_a_token_is_good_however_late_it_is(house: House) -> None:
    clear = house.farm.accounts.create_admin("root", again=True).clear.reveal()
    house.now += timedelta(days=400)
    assert house.farm.tokens.asker(clear).id == house.admin.id


def test_one_adds_and_removes_ones_own_keys(house: House) -> None:
    assert house.farm.accounts.add_key(house.ada, f"{KEY_C} new laptop").ssh_keys == (KEY_A, KEY_C)
    assert house.farm.accounts.add_key(house.ada, KEY_C).ssh_keys == (KEY_A, KEY_C)
    with pytest.raises(Conflict):
        house.farm.accounts.add_key(house.ada, KEY_B)
    version = house.farm.doors.holdings("lab").version
    assert house.farm.accounts.remove_key(house.ada, fingerprint_of(KEY_A)).ssh_keys == (KEY_C,)
    assert house.farm.doors.holdings("lab").version > version
    with pytest.raises(NotFound) as error:
        house.farm.accounts.remove_key(house.ada, fingerprint_of(KEY_A))
    assert error.value.code is Code.KEY_UNKNOWN


def test_a_fingerprint_is_as_ssh_keygen_shows_it() -> None:
    assert (
        fingerprint_of(KEY_A)
        == "SHA256:" + base64.b64encode(hashlib.sha256(base64.b64decode(KEY_A[12:])).digest())[:-1].decode()
    )


def test_a_suspended_user_is_out_at_once_and_is_told_why_and_comes_back_as_they_were(house: House) -> None:
    house.image()
    clear = house.farm.tokens.create(house.ada, "x").clear.reveal()
    before = house.farm.accounts.user(house.admin, "ada")
    house.farm.accounts.suspend(house.admin, "ada")
    with pytest.raises(NotAllowed, match="the account of ada is suspended") as error:
        house.farm.tokens.asker(clear)
    assert error.value.code is Code.ACCOUNT_SUSPENDED
    with pytest.raises(NotAllowed):
        house.reserve(house.ada)
    assert house.farm.accounts.restore(house.admin, "ada") == before
    assert house.farm.tokens.asker(clear).id == house.ada.id


def test_what_a_suspended_user_reserved_goes_on_and_an_operator_may_release_it(house: House) -> None:
    house.image()
    house.opened()
    house.farm.accounts.suspend(house.admin, "ada")
    assert house.farm.booking.reservation(house.admin, 1).reservation.is_running
    operator = house.farm.accounts.add(house.admin, "opal", Role.OPERATOR)[0]
    house.farm.booking.release(operator, 1)
    house.farm.accounts.remove(house.admin, "ada")


def test_the_last_admin_who_may_come_in_is_neither_suspended_nor_demoted(house: House) -> None:
    house.farm.accounts.add(house.admin, "grace", Role.ADMIN)
    house.farm.accounts.suspend(house.admin, "grace")
    for act in (
        lambda: house.farm.accounts.suspend(house.admin, "root"),
        lambda: house.farm.accounts.give_role(house.admin, "root", Role.OPERATOR),
        lambda: house.farm.accounts.remove(house.admin, "root"),
    ):
        with pytest.raises(Conflict) as error:
            act()
        assert error.value.code is Code.LAST_ADMIN
    house.farm.accounts.restore(house.admin, "grace")
    assert house.farm.accounts.give_role(house.admin, "root", Role.USER).role is Role.USER


def test_who_has_the_machine_gets_a_shut_out_admin_in_again(house: House) -> None:
    house.farm.accounts.add(house.admin, "grace", Role.ADMIN)
    house.farm.accounts.suspend(house.admin, "grace")
    house.farm.accounts.create_admin_with("correct horse battery", "grace", again=True)
    assert house.farm.logins.login("grace", "correct horse battery", origin="unix")[0].role is Role.ADMIN
    with pytest.raises(Invalid):
        house.farm.accounts.create_admin_with("short", "hopper")
