"""
Times as people write them, in their own zone, and as they like to read them.

A *zone* of None is the asker's own, as TZ or the machine has it: Python knows that one without a table of ours.
"""

import re
from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta, tzinfo

from boardgrid.client.complaint import REQUEST_INVALID, Complaint
from boardgrid.client.duration import seconds, span
from boardgrid.messages import _

_WRITTEN = re.compile(
    r"(?:(?P<date>\d{4}-\d\d-\d\d)[T ]\s*|(?P<word>[a-z]+)\s+)?(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d))?"
    r"\s*(?P<zone>z|utc|[+-]\d\d:?\d\d|[a-z_]+/[a-z_/+-]+)?",
    re.IGNORECASE,
)
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SHORTEST = 2  # letters that tell one day from all others
_IN_A_SENTENCE = re.compile(r"\b(\d{4}-\d\d-\d\d) (\d\d:\d\d) UTC")
_TO_PASTE = re.compile(r"\b(\d{4}-\d\d-\d\d)T(\d\d:\d\d)Z")
_MINUTE = timedelta(minutes=1)


def read(text: str, now: datetime, zone: tzinfo | None = None) -> datetime:
    """
    ``2026-11-28 09:00``, ``09:00`` (the next time that it is), ``tomorrow 9:00``, ``fri 14:00``, ``+2h``; with an
    offset or a zone behind it, where that is not *zone*. The answer carries UTC.

    Raises:
        Complaint: it is no time; or by the clocks of its zone there is no such time, or there are two.
    """
    if text.strip().startswith("+"):
        return now.astimezone(UTC) + timedelta(seconds=seconds(text))
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        raise _no_time(text)
    try:
        if found["zone"]:
            zone = _zone(found["zone"])
        return _at(_clock(found, now.astimezone(zone).replace(tzinfo=None)), zone)
    except (ValueError, OverflowError):
        raise _no_time(text) from None


def _clock(found: re.Match[str], now: datetime) -> datetime:
    """What the clocks show then; *now* is what they show now."""
    hour, minute, second = int(found["hour"]), int(found["minute"]), int(found["second"] or 0)
    clock = now.replace(hour=hour, minute=minute, second=second, microsecond=0, fold=0)
    if found["date"]:
        return datetime.combine(datetime.fromisoformat(found["date"]), clock.time())
    return clock + _days_ahead(found["word"], clock, now)


def repeated(
    first: datetime, every: timedelta, times: int, skip: Collection[date] = (), zone: tzinfo | None = None
) -> list[datetime]:
    """
    The same time by the clock again and again, *times* in all, through summer and winter.

    Args:
        every: whole days.
        skip: days on which it is left out; they count.

    Raises:
        Complaint: by the clocks of the zone there is no such time on one of the days, or there are two.
    """
    clock = first.astimezone(zone).replace(tzinfo=None)
    try:
        days = [clock + number * every for number in range(times)]
    except OverflowError:
        raise Complaint(REQUEST_INVALID, _("that goes on beyond all calendars")) from None
    return [_at(one, zone) for one in days if one.date() not in skip]


def shown(at: datetime, zone: tzinfo | None = None) -> str:
    """``2026-11-28 09:00 +01:00``"""
    there = at.astimezone(zone)
    return f"{there:%Y-%m-%d %H:%M} {_offset(there)}"


def told(at: datetime, now: datetime, zone: tzinfo | None = None) -> str:
    """``2026-11-28 09:00 +01:00 (in 11 h)``"""
    return _("{time} (in {span})").format(time=shown(at, zone), span=span((at - now).total_seconds()))


def localized(sentence: str, zone: tzinfo | None = None) -> str:
    """A sentence of the farm, which speaks of times in UTC, for a reader in *zone*; what is to be pasted stays so."""

    def at(found: re.Match[str]) -> datetime:
        return datetime.fromisoformat(f"{found[1]}T{found[2]}+00:00").astimezone(zone)

    try:
        sentence = _IN_A_SENTENCE.sub(lambda found: shown(at(found), zone), sentence)
        return _TO_PASTE.sub(lambda found: at(found).isoformat(timespec="minutes"), sentence)
    except (ValueError, OverflowError):
        return sentence


def _days_ahead(word: str | None, clock: datetime, now: datetime) -> timedelta:
    if word is None:
        return timedelta(days=0 if clock > now else 1)
    word = word.lower()
    if word in {"today", "tomorrow"}:
        return timedelta(days=int(word == "tomorrow"))
    if len(word) >= _SHORTEST:
        for number, day in enumerate(_DAYS):
            if day.startswith(word):
                ahead = (number - now.weekday()) % 7
                return timedelta(days=ahead if ahead or clock > now else 7)
    raise ValueError(word)


def _at(clock: datetime, zone: tzinfo | None) -> datetime:
    """What the clocks of a zone show, as a time."""
    # Which of the two is the earlier one differs: the machine's own zone has them the other way round in a gap.
    first, second = sorted(clock.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first == second:
        return first
    if first.astimezone(zone).replace(tzinfo=None, fold=0) == clock.replace(fold=0):
        once, again = first.astimezone(zone), second.astimezone(zone)
        raise Complaint(
            REQUEST_INVALID,
            _("the clocks go back then: {time} is there twice").format(time=f"{clock:%Y-%m-%d %H:%M}"),
            hint=_("say which one: {first} or {second}").format(
                first=once.isoformat(timespec="minutes"), second=again.isoformat(timespec="minutes")
            ),
        )
    leap = first
    while leap.astimezone(zone).utcoffset() != second.astimezone(zone).utcoffset():
        leap += _MINUTE
    before, after = (leap - _MINUTE).astimezone(zone), leap.astimezone(zone)
    raise Complaint(
        REQUEST_INVALID,
        _("the clocks go forward then: there is no {time}").format(time=f"{clock:%Y-%m-%d %H:%M}"),
        hint=_("{before} is followed by {after}").format(
            before=before.isoformat(timespec="minutes"), after=after.isoformat(timespec="minutes")
        ),
    )


def _zone(text: str) -> tzinfo:
    if text.lower() in {"z", "utc"}:
        return UTC
    if text[0] in "+-":
        offset = datetime.strptime(text, "%z").tzinfo
        assert offset is not None  # noqa: S101 - the pattern has one
        return offset
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - few name a zone

    try:
        return ZoneInfo(text)
    except (KeyError, ValueError, OSError) as error:
        raise Complaint(
            REQUEST_INVALID,
            _("there is no time zone {zone}").format(zone=text[:40]),
            hint=_("it looks like Europe/Paris, +01:00 or Z"),
        ) from error


def _offset(at: datetime) -> str:
    return at.isoformat(timespec="minutes")[16:]


def _no_time(text: str) -> Complaint:
    return Complaint(
        REQUEST_INVALID,
        _("{text!r} is no time").format(text=text[:40]),
        hint=_("it looks like 14:00, tomorrow 9:00, fri 14:00, 2026-11-28 09:00, 2026-11-28T09:00+01:00 or +2h"),
    )
