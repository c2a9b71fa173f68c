"""Passwords: which ones the farm takes."""

import unicodedata

from boardgrid.messages import _
from boardgrid.model.errors import Code, Invalid

SHORTEST, LONGEST = 10, 1024


def checked_password(user: str, password: str) -> str:
    """
    Return *password* as it is hashed and compared, whatever keyboard it was typed on.

    Raises:
        Invalid: PASSWORD_INVALID, it is too short or too long, or the name of its *user*.
    """
    plain = as_typed(password)
    if not SHORTEST <= len(plain) <= LONGEST:
        raise _refused(_("a password has at least {shortest} characters, and at most {longest}"))
    if plain.casefold() == user.casefold():
        raise _refused(_("a password is not the name of its user"))
    return plain


def as_typed(password: str) -> str:
    """One way to write it: an accent may come as a character of its own, or together with its letter (RFC 8265)."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "replace").decode()


def _refused(sentence: str) -> Invalid:
    return Invalid(
        Code.PASSWORD_INVALID,
        sentence,
        hint=_("four words that have nothing to do with each other make a good one"),
        shortest=SHORTEST,
        longest=LONGEST,
    )
