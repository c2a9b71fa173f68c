"""Sizes as people write them: ``500MB``, ``20GB``; in powers of ten, as disks are sold."""

import re

from boardgrid.client.complaint import REQUEST_INVALID, Complaint
from boardgrid.messages import _

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([KMGT]?B|)")


def bytes_or_none(text: str) -> int | None:
    """None where it is no size."""
    found = _SIZE.fullmatch(text.upper())
    return round(float(found[1]) * _UNITS[found[2]]) if found else None


def bytes_in(text: str) -> int:
    """
    Raises:
        Complaint: REQUEST_INVALID.
    """
    size = bytes_or_none(text)
    if not size:
        raise Complaint(
            REQUEST_INVALID,
            _("{text!r} is no size that anything can have").format(text=text[:40]),
            hint=_("give it as 500MB or 20GB"),
        )
    return size
