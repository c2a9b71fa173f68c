"""Passwords are told from each other, and nobody's takes as long as somebody's."""

import time

import pytest
from pwdlib import PasswordHash

from boardgrid.adapters.passwords import _NOBODYS, ArgonPasswords
from boardgrid.ports import Passwords
from boardgrid.testing import FakePasswords


@pytest.fixture(params=[FakePasswords, pytest.param(ArgonPasswords, marks=pytest.mark.slow)], ids=["fake", "argon2"])
def passwords(request: pytest.FixtureRequest) -> Passwords:
    made: Passwords = request.param()
    return made


def test_the_right_password_is_right_and_no_other(passwords: Passwords) -> None:
    hashed = passwords.hashed("correct horse")
    assert "horse" not in hashed
    assert passwords.is_right("correct horse", hashed)
    assert not passwords.is_right("correct horse ", hashed)
    assert not passwords.is_right("", hashed)


def test_where_there_is_none_no_password_is_right(passwords: Passwords) -> None:
    assert not passwords.is_right("correct horse", None)
    assert not passwords.is_right("", None)


def test_nobodys_hash_costs_what_a_new_one_does() -> None:
    is_same, fresher = PasswordHash.recommended().verify_and_update("x", _NOBODYS)
    assert (is_same, fresher) == (False, None)
    assert _NOBODYS.rsplit("$", 2)[0] == ArgonPasswords().hashed("x").rsplit("$", 2)[0], "make it anew"


@pytest.mark.slow
def test_nobodys_password_takes_as_long_as_somebodys() -> None:
    passwords = ArgonPasswords()
    hashed = passwords.hashed("correct horse")

    def took_s(hashed: str | None) -> float:
        began_s = time.process_time()
        passwords.is_right("wrong", hashed)
        return time.process_time() - began_s

    somebodys, nobodys = (min(took_s(one) for _again in range(2)) for one in (hashed, None))
    assert 0.5 < nobodys / somebodys < 2
