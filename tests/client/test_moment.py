"""Times as people write them: in their own zone, with its days on which the clocks go forward or back."""

import time
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from boardgrid.client.complaint import Complaint
from boardgrid.client.moment import localized, read, repeated, shown, told

PARIS = ZoneInfo("Europe/Paris")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")  # half an hour
APIA = ZoneInfo("Pacific/Apia")  # there was no 30 December 2011
NOW = datetime(2026, 11, 27, 21, 0, tzinfo=UTC)  # a Friday, 22:00 in Paris


def utc(*when: int) -> datetime:
    return datetime(*when, tzinfo=UTC)  # type: ignore[misc, arg-type]  # its first three are there


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-28 09:00", utc(2026, 11, 28, 8)),
        ("2026-11-28T09:00", utc(2026, 11, 28, 8)),
        ("2026-11-28T09:00:30", utc(2026, 11, 28, 8, 0, 30)),
        ("2026-11-28T09:00+05:30", utc(2026, 11, 28, 3, 30)),
        ("2026-11-28T09:00Z", utc(2026, 11, 28, 9)),
        ("2026-11-28 09:00 UTC", utc(2026, 11, 28, 9)),
        ("2026-07-01 09:00 Europe/Paris", utc(2026, 7, 1, 7)),
        ("22:30", utc(2026, 11, 27, 21, 30)),
        ("9:00", utc(2026, 11, 28, 8)),
        ("22:00", utc(2026, 11, 28, 21)),
        ("today 23:00", utc(2026, 11, 27, 22)),
        ("Tomorrow 9:00", utc(2026, 11, 28, 8)),
        ("fri 23:00", utc(2026, 11, 27, 22)),
        ("fri 14:00", utc(2026, 12, 4, 13)),
        ("thursday 14:00", utc(2026, 12, 3, 13)),
        ("+2h", utc(2026, 11, 27, 23)),
    ],
)
def test_a_time_is_read_in_its_askers_zone_unless_it_says_another(text: str, at: datetime) -> None:
    assert read(text, NOW, PARIS) == at


def test_the_next_such_time_and_tomorrow_are_by_the_clock_of_the_zone_that_is_named() -> None:
    # In Tokyo it is Saturday already.
    assert read("tomorrow 9:00 Asia/Tokyo", NOW, PARIS) == utc(2026, 11, 29, 0)
    assert read("7:00 +09:00", NOW, PARIS) == utc(2026, 11, 27, 22)


@pytest.mark.parametrize(
    "text",
    ["", "soon", "9", "2026-11-28", "2026-13-01 09:00", "25:00", "9:60", "t 9:00", "someday 9:00",
     "9:00 Europe/Nowhere", "+", "+2", "9:00 +99:99", "2026-11-28 09:00 ../etc/passwd", "9999-12-31 23:59 -12:00"],
)  # fmt: skip
def test_what_is_no_time_is_refused_with_some_that_are(text: str) -> None:
    with pytest.raises(Complaint) as refused:
        read(text, NOW, PARIS)
    assert refused.value.hint


@pytest.mark.parametrize(
    ("text", "zone", "before", "after"),
    [
        ("2027-03-28 02:30", PARIS, "2027-03-28T01:59+01:00", "2027-03-28T03:00+02:00"),
        ("2027-03-28 02:00", PARIS, "2027-03-28T01:59+01:00", "2027-03-28T03:00+02:00"),
        ("2026-10-04 02:15", LORD_HOWE, "2026-10-04T01:59+10:30", "2026-10-04T02:30+11:00"),
        ("2011-12-30 12:00", APIA, "2011-12-29T23:59-10:00", "2011-12-31T00:00+14:00"),
    ],
)
def test_a_time_that_the_clocks_skip_is_refused_with_its_neighbours(
    text: str, zone: ZoneInfo, before: str, after: str
) -> None:
    with pytest.raises(Complaint, match="the clocks go forward") as refused:
        read(text, NOW, zone)
    assert refused.value.hint == f"{before} is followed by {after}"
    assert read(after, NOW, zone) - read(before, NOW, zone) == timedelta(minutes=1)


def test_a_time_that_is_there_twice_is_refused_with_both() -> None:
    with pytest.raises(Complaint, match="2026-10-25 02:30 is there twice") as refused:
        read("2026-10-25 02:30", NOW, PARIS)
    assert refused.value.hint == "say which one: 2026-10-25T02:30+02:00 or 2026-10-25T02:30+01:00"
    assert read("2026-10-25T02:30+01:00", NOW, PARIS) == utc(2026, 10, 25, 1, 30)


@pytest.mark.parametrize("machine", ["Europe/Paris", "America/New_York"])
def test_the_machines_own_zone_has_no_hour_that_its_clocks_skip(machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", machine)
    time.tzset()
    try:
        skipped = "2027-03-28 02:30" if machine == "Europe/Paris" else "2027-03-14 02:30"
        twice = "2026-10-25 02:30" if machine == "Europe/Paris" else "2026-11-01 01:30"
        with pytest.raises(Complaint, match="the clocks go forward then: there is no"):
            read(skipped, NOW)
        with pytest.raises(Complaint, match="is there twice"):
            read(twice, NOW)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_what_repeats_follows_the_clock_through_summer_and_winter() -> None:
    week = timedelta(days=7)
    first = read("2027-03-15 14:00", NOW, PARIS)
    found = repeated(first, week, 4, {date(2027, 3, 22)}, PARIS)
    assert found == [utc(2027, 3, 15, 13), utc(2027, 3, 29, 12), utc(2027, 4, 5, 12)]
    assert {shown(one, PARIS)[11:16] for one in found} == {"14:00"}


def test_what_repeats_into_an_hour_that_is_not_there_is_refused() -> None:
    first = read("2027-03-21 02:30", NOW, PARIS)
    with pytest.raises(Complaint, match="there is no 2027-03-28 02:30"):
        repeated(first, timedelta(days=7), 2, (), PARIS)
    with pytest.raises(Complaint, match="beyond all calendars"):
        repeated(first, timedelta(days=7), 10**6, (), PARIS)


def test_what_is_shown_is_read_as_the_same_in_every_zone_on_each_side_of_a_change() -> None:
    for zone in (PARIS, LORD_HOWE, UTC, timezone(timedelta(hours=-3, minutes=-30))):
        for hours in range(0, 365 * 24, 7):
            at = utc(2026, 1, 1) + timedelta(hours=hours)
            assert read(shown(at, zone), NOW, PARIS) == at


def test_a_time_is_told_with_its_offset_and_how_far_it_is() -> None:
    assert told(utc(2026, 11, 28, 8), NOW, PARIS) == "2026-11-28 09:00 +01:00 (in 11 h)"


def test_the_farms_sentences_are_put_into_the_readers_zone() -> None:
    hint = "the earliest is 2026-11-28 08:00 UTC: reserve it with --at 2026-11-28T08:00Z, or queue for it"
    assert localized(hint, PARIS) == (
        "the earliest is 2026-11-28 09:00 +01:00: reserve it with --at 2026-11-28T09:00+01:00, or queue for it"
    )
    assert localized("0000-00-00 99:99 UTC") == "0000-00-00 99:99 UTC"
