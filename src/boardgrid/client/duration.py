"""Spans of time as people write them, and as they like to read them."""

import re

from boardgrid.client.complaint import REQUEST_INVALID, Complaint
from boardgrid.messages import _

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_WRITTEN = re.compile(r"(?:(?P<d>\d{1,5})d)?(?:(?P<h>\d{1,6})h)?(?:(?P<m>\d{1,7})m(?:in)?)?(?:(?P<s>\d{1,9})s)?")


def seconds(text: str) -> int:
    """
    ``2h``, ``90m`` or ``1d12h`` in seconds.

    Raises:
        Complaint: it is no span of time; a bare number is none, for nobody could tell what it counts.
    """
    found = _WRITTEN.fullmatch(text.strip().lower().removeprefix("+"))
    total = sum(int(found[unit] or 0) * each_s for unit, each_s in _UNITS.items()) if found else 0
    if not total:
        raise Complaint(
            REQUEST_INVALID,
            _("{text!r} is no span of time").format(text=text[:40]),
            hint=_("it looks like 30m, 2h, 1h30m or 1d"),
        )
    return total


def span(seconds_: float) -> str:
    """Two units at most: ``1 h 58 min``, ``12 min``, ``4 s``."""
    whole = max(0, round(seconds_))
    days, rest = divmod(whole, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, left = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (left, "s")]
    first = next((at for at, (amount, _unit) in enumerate(parts) if amount), len(parts) - 1)
    shown = parts[first : first + 2] if first < 2 else parts[first : first + 1]
    return " ".join(f"{amount} {unit}" for amount, unit in shown if amount or len(shown) == 1)


def took(seconds_: float) -> str:
    """How long a step took: short ones to the hundredth, and below an hour to the second."""
    if seconds_ < 100:
        return f"{seconds_:.2f} s" if seconds_ < 10 else f"{seconds_:.1f} s"
    minutes, rest = divmod(round(seconds_), 60)
    return span(seconds_) if minutes >= 60 else f"{minutes} min {rest} s"
