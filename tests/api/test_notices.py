"""What one is told and where, over HTTP; and calendars that anybody may fetch who knows their address."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from icalendar import Calendar

from boardgrid.model.project import Part
from boardgrid.model.reservation import Group, Kind
from tests.api.door import Door
from tests.services.house import HOUR, START


@pytest.fixture
def home(lived_in: Door) -> Door:
    """Where ada, who holds tk1-1, has a token."""
    house = lived_in.house
    lived_in.tokens["ada"] = house.farm.tokens.renew(house.admin, "ada")[1].clear.reveal()
    return lived_in


async def _feed(door: Door, who: str = "user", **body: Any) -> dict[str, Any]:
    answer = await door.ask(who, "POST", "/api/v1/feeds", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def _events(door: Door, feed: dict[str, Any]) -> dict[str, Any]:
    answer = await door.ask("nobody", "GET", feed["path"])
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    calendar = Calendar.from_ical(answer.content)
    return {str(one["UID"]): one for one in calendar.walk("VEVENT")}


# --- notices


async def test_what_is_left_out_of_ones_notices_stays(door: Door) -> None:
    path = "/api/v1/me/notices"
    first = (
        await door.ask("user", "PUT", path, json={"email": "ada@example.org", "occasions": ["failed", "began"]})
    ).json()
    assert first == {"email": "ada@example.org", "zone": "", "occasions": ["began", "failed"]}
    second = (await door.ask("user", "PUT", path, json={"zone": "Europe/Paris"})).json()
    assert second == first | {"zone": "Europe/Paris"}
    assert (await door.ask("user", "GET", path)).json() == second


async def test_the_secret_of_a_webhook_is_shown_once(door: Door) -> None:
    body = {"url": "https://chat.example.org/x", "is_farms": True, "occasions": ["failed"]}
    made = (await door.ask("admin", "POST", "/api/v1/webhooks", json=body)).json()
    [listed] = (await door.ask("admin", "GET", "/api/v1/webhooks")).json()
    assert len(made.pop("secret")) > 40 and listed == made
    assert (await door.ask("admin", "DELETE", f"/api/v1/webhooks/{made['id']}")).status_code == 204
    assert (await door.ask("admin", "GET", "/api/v1/webhooks")).json() == []


# --- feeds


async def test_a_feed_shows_what_its_owner_has_and_shares_and_what_waits(home: Door) -> None:
    house = home.house
    house.farm.booking.share(house.admin, 4, add=["ada"])
    house.farm.booking.reserve(house.ada, groups=[Group(type="tk1")], image="tiny", for_=HOUR, at=house.now + 5 * HOUR)
    events = await _events(home, await _feed(home, "ada"))
    ada = {uid.partition("@")[0]: one for uid, one in events.items()}
    assert {"reservation-2", "reservation-4", "reservation-6"} <= set(ada)
    mine = ada["reservation-2"]
    assert str(mine["SUMMARY"]) == "tk1-1 (ada)" and str(mine["STATUS"]) == "CONFIRMED"
    running = house.farm.booking.reservation(house.ada, 2).reservation
    assert mine.start == running.window.start.replace(microsecond=0)


async def test_a_board_s_feed_shows_who_has_it_and_nothing_else(home: Door) -> None:
    events = await _events(home, await _feed(home, "ada", board="tk1-2"))
    assert {str(one["SUMMARY"]) for one in events.values()} == {"tk1-2 (root)"}
    answer = await home.ask("ada", "POST", "/api/v1/feeds", json={"board": "tk1-99"})
    assert (answer.status_code, answer.json()["code"]) == (404, "board.unknown")


async def test_what_changes_keeps_its_name_and_has_a_higher_number(home: Door) -> None:
    house, feed = home.house, await _feed(home, "ada")
    before = await _events(home, feed)
    house.farm.booking.extend(house.ada, 2, HOUR)
    after = await _events(home, feed)
    assert set(before) == set(after)
    [uid] = [one for one in before if one.startswith("reservation-2@")]
    assert after[uid]["SEQUENCE"] > before[uid]["SEQUENCE"] and after[uid].end - before[uid].end == HOUR


async def test_a_guess_is_tentative_and_what_was_withdrawn_is_cancelled(home: Door) -> None:
    house, feed = home.house, await _feed(home, "ada")
    house.farm.booking.reserve(house.ada, groups=[Group(board="tk1-2")], image="tiny", for_=HOUR, kind=Kind.QUEUED)
    [waiting] = [one for uid, one in (await _events(home, feed)).items() if uid.startswith("reservation-6@")]
    assert str(waiting["STATUS"]) == "TENTATIVE"
    house.farm.booking.release(house.ada, 6)
    [withdrawn] = [one for uid, one in (await _events(home, feed)).items() if uid.startswith("reservation-6@")]
    assert str(withdrawn["STATUS"]) == "CANCELLED"


async def test_a_member_sees_when_the_lessons_are_and_a_seat_that_waits_is_tentative(home: Door) -> None:
    house, feed = home.house, await _feed(home, "ada")
    house.farm.projects.change(house.admin, "others", add={"ada": Part.MEMBER})
    lesson = await _events(home, feed)
    [block] = [one for uid, one in lesson.items() if uid.startswith("reservation-5@")]
    assert (str(block["SUMMARY"]), block.start) == ("tk1 (root)", START + timedelta(days=2))
    house.farm.blocks.take_seat(house.ada, 5)
    [seat] = [one for uid, one in (await _events(home, feed)).items() if uid.startswith("reservation-6@")]
    assert str(seat["STATUS"]) == "TENTATIVE" and "in turn" in str(seat["DESCRIPTION"])


async def test_what_ended_long_ago_is_shown_no_more(home: Door) -> None:
    house, feed = home.house, await _feed(home, "ada")
    house.farm.booking.release(house.ada, 2)
    house.now += timedelta(days=29)
    assert await _events(home, feed)
    house.now += timedelta(days=2)
    assert not await _events(home, feed)


async def test_lines_are_short_and_end_as_the_standard_says(home: Door) -> None:
    answer = await home.ask("nobody", "GET", (await _feed(home, "ada"))["path"])
    lines = answer.content.split(b"\r\n")
    assert lines[0] == b"BEGIN:VCALENDAR" and lines[-1] == b""
    assert all(len(line) <= 75 and b"\n" not in line for line in lines)
    stamps = re.findall(rb"^DTSTART:(.*)\r$", answer.content, re.MULTILINE)
    assert stamps and all(datetime.strptime(one.decode(), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) for one in stamps)


async def test_nothing_is_sent_again_that_has_not_changed(home: Door) -> None:
    feed = await _feed(home, "ada")
    first = await home.ask("nobody", "GET", feed["path"])
    again = await home.ask("nobody", "GET", feed["path"], headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_a_feed_that_is_revoked_or_whose_owner_is_suspended_shows_nothing(home: Door) -> None:
    revoked, orphan = await _feed(home, "ada"), await _feed(home, "user")
    other = await home.ask("user", "DELETE", f"/api/v1/feeds/{revoked['id']}")
    assert other.status_code == 404
    assert (await home.ask("ada", "DELETE", f"/api/v1/feeds/{revoked['id']}")).status_code == 204
    home.house.farm.accounts.suspend(home.house.admin, "some-user")
    for feed in (revoked, orphan):
        answer = await home.ask("nobody", "GET", feed["path"])
        assert (answer.status_code, answer.json()["code"]) == (404, "feed.unknown")


async def test_an_address_that_differs_in_a_letter_shows_nothing(home: Door) -> None:
    path = (await _feed(home, "ada"))["path"]
    wrong = path.replace(path[-6], "a" if path[-6] != "a" else "b")
    assert (await home.ask("nobody", "GET", wrong)).status_code == 404


async def test_who_fetches_too_often_is_asked_to_wait(home: Door) -> None:
    path = (await _feed(home, "ada"))["path"]
    codes = [(await home.ask("nobody", "GET", path)).status_code for _again in range(45)]
    assert codes[0] == 200 and 429 in codes


async def test_the_address_is_in_no_list_and_no_audit_log(home: Door) -> None:
    feed = await _feed(home, "ada")
    secret = feed["path"].removesuffix(".ics").split("_", 2)[2]  # it may hold a _ of its own
    listed = await home.ask("ada", "GET", "/api/v1/feeds")
    audited = await home.ask("admin", "GET", f"/api/v1/audit?thing=feed:{feed['id']}")
    assert [one["id"] for one in listed.json()] == [feed["id"]] and len(audited.json()) == 1
    assert secret not in listed.text + audited.text
