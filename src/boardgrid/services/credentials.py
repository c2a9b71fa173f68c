"""Credentials: strings that are handed out once, and told from their SHA-256 afterwards."""

import hashlib
import hmac
import re
import secrets

from boardgrid.model.user import Secret

TOKEN, CODE, LINK, FEED, STATE, LOGIN = (
    "bg",
    "bgi",
    "bgj",
    "bgf",
    "bgs",
    "bgl",
)  # what they begin with, so that scanners of files find those that were left lying about

_FORM = re.compile(r"(?P<kind>bg[ijfsl]?)_(?P<id>[0-9a-f]{16})_[A-Za-z0-9_-]{43}")


def made(kind: str) -> tuple[str, str, Secret]:
    """A new one: its id, its digest, and the thing itself."""
    new_id = secrets.token_hex(8)
    clear = f"{kind}_{new_id}_{secrets.token_urlsafe(32)}"
    return new_id, _digest(clear), Secret(clear)


def id_in(kind: str, given: str) -> str:
    """The id that a credential of this kind tells; empty where it is none."""
    told = _FORM.fullmatch(given)
    return told["id"] if told and told["kind"] == kind else ""


def is_same(given: str, digest: str | None) -> bool:
    # Compared also where there is nothing to compare with: how long the answer takes tells nothing.
    return hmac.compare_digest(digest or "0" * 64, _digest(given))


def _digest(clear: str) -> str:
    # The secret has 256 bits of chance: nothing slower than SHA-256 is needed to keep it.
    return hashlib.sha256(clear.encode("utf-8", "replace")).hexdigest()
