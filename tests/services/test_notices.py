"""What people are told: of what, where, once; and that none is lost or told of what did not happen."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from itertools import pairwise
from uuid import uuid4

import pytest

from boardgrid.model.errors import Blame, Code, Invalid, NotAllowed, NotFound
from boardgrid.model.notice import Notice, Occasion, Posting
from boardgrid.model.reservation import Group, Kind
from boardgrid.ports import Mail
from boardgrid.services.ending import end
from boardgrid.services.farm import Farm
from boardgrid.services.letters import Call
from boardgrid.services.posting import GIVEN_UP_AFTER
from boardgrid.services.telling import MOST
from boardgrid.testing import FakePasswords
from tests.services.house import HOUR, START, House, a_board, records_with

MINUTE = timedelta(minutes=1)
HOOK = "https://chat.example.org/hooks/boards"


@pytest.fixture
def house() -> Iterator[House]:
    """A farm that sends mails, and lets users have webhooks at one host; ada is told by mail."""
    with records_with(boards=1) as records:
        house = House(records)
        house.farm = _farm(house)
        house.image()
        house.farm.notices.change_contact(house.ada, email="ada@example.org")
        yield house


def _farm(house: House) -> Farm:
    return Farm.of(
        house.records,
        house.changes,
        lambda: house.now,
        passwords=FakePasswords(),
        sends_mail=True,
        webhook_hosts=["chat.example.org"],
    )


def waiting(house: House) -> list[Posting]:
    with house.records.read() as records:
        return records.postings()


def occasions(house: House) -> list[Occasion]:
    return [one.notice.occasion for one in waiting(house)]


def sent(house: House) -> list[Mail | Call]:
    """What is due now, and was taken."""
    letters = house.farm.postings.take().letters
    for letter in letters:
        house.farm.postings.sent(letter.posting)
    return [letter.what for letter in letters]


def mails(house: House) -> list[Mail]:
    return [one for one in sent(house) if isinstance(one, Mail)]


def subjects(house: House) -> list[str]:
    return [one.subject for one in mails(house)]


# --- of what


def test_who_is_told_nothing_is_posted_nothing(house: House) -> None:
    house.opened(house.bob)
    house.farm.booking.release(house.admin, 1)
    assert waiting(house) == []


def test_a_reservation_has_begun_when_its_boards_are_open(house: House) -> None:
    house.reserve()
    assert waiting(house) == []
    house.reach()
    [mail] = mails(house)
    assert mail.to == "ada@example.org"
    assert mail.subject == "[boardgrid] tk1-1 is open"
    assert "Until:  2026-03-01 13:00 UTC" in mail.text
    assert "boardgrid ssh tk1-1" in mail.text


def test_one_that_has_several_boards_has_begun_when_the_last_is_open(house: House) -> None:
    house.farm.inventory.put_board(house.admin, a_board(2))
    house.reserve(board_type="tk1", count=2)
    house.reach("tk1-1")
    assert waiting(house) == []
    house.reach("tk1-2")
    assert subjects(house) == ["[boardgrid] tk1-1, tk1-2 are open"]


def test_its_end_is_told_a_quarter_of_an_hour_before_and_once_also_by_another_controller(house: House) -> None:
    house.opened()
    sent(house)
    assert house.farm.upkeep.carry_out() == START + HOUR - 15 * MINUTE
    house.now = START + HOUR - 15 * MINUTE
    house.farm.upkeep.carry_out()
    assert subjects(house) == ["[boardgrid] tk1-1 ends at 2026-03-01 13:00 UTC"]
    house.farm = _farm(house)
    assert house.farm.upkeep.carry_out() == START + HOUR
    assert waiting(house) == []


def test_an_extension_has_its_end_told_anew(house: House) -> None:
    number = house.opened().reservation.number
    house.now = START + HOUR - 15 * MINUTE
    house.farm.upkeep.carry_out()
    sent(house)
    house.farm.booking.extend(house.ada, number, HOUR)
    assert waiting(house) == []
    house.now += HOUR
    house.farm.upkeep.carry_out()
    assert subjects(house) == ["[boardgrid] tk1-1 ends at 2026-03-01 14:00 UTC"]


def test_the_end_of_a_short_one_is_told_at_half_its_time(house: House) -> None:
    house.opened(for_=10 * MINUTE)
    assert house.farm.upkeep.carry_out() == START + 5 * MINUTE


def test_who_was_away_for_the_warning_hears_of_the_end_alone(house: House) -> None:
    house.opened()
    sent(house)
    house.now += 2 * HOUR
    house.farm.upkeep.carry_out()
    [mail] = mails(house)
    assert mail.subject == "[boardgrid] tk1-1 has ended"
    assert "its time was over" in mail.text


def test_who_ends_a_reservation_needs_no_mail_of_it_but_others_do(house: House) -> None:
    house.farm.notices.change_contact(house.bob, email="bob@example.org")
    number = house.opened().reservation.number
    house.farm.booking.share(house.ada, number, add=["bob"])
    sent(house)
    house.farm.booking.release(house.ada, number)
    assert [one.to for one in mails(house)] == ["bob@example.org"]


def test_what_an_admin_ended_is_told_with_who_did(house: House) -> None:
    house.opened()
    sent(house)
    house.farm.booking.release(house.admin, 1)
    [mail] = mails(house)
    assert "root released it" in mail.text


def test_a_deployment_that_failed_is_told_to_its_user_alone_with_what_was_wrong(house: House) -> None:
    house.farm.notices.change_contact(house.bob, email="bob@example.org")
    house.reserve()
    house.farm.booking.share(house.ada, 1, add=["bob"])
    house.fail(Blame.IMAGE, reason="it does not boot")
    told = {(one.to, one.subject): one.text for one in mails(house)}
    assert set(told) == {
        ("ada@example.org", "[boardgrid] tk1-1 could not be brought up"),
        ("ada@example.org", "[boardgrid] tk1-1 has ended"),
        ("bob@example.org", "[boardgrid] tk1-1 has ended"),
    }
    assert "it does not boot" in told["ada@example.org", "[boardgrid] tk1-1 could not be brought up"]
    assert "it does not boot" not in told["bob@example.org", "[boardgrid] tk1-1 has ended"]


def _queued(house: House) -> None:
    """bob has the board for three hours, eve for the three after that, and ada waits behind them."""
    eve = house.user("eve")
    house.opened(house.bob, for_=3 * HOUR)
    house.reserve(eve, for_=3 * HOUR, at=START + 3 * HOUR)
    house.reserve(house.ada, kind=Kind.QUEUED)


def test_a_predicted_start_that_moves_is_told_when_it_rests(house: House) -> None:
    _queued(house)
    house.now += 10 * MINUTE
    house.farm.booking.release(house.admin, 2)
    house.farm.booking.release(house.bob, 1)
    house.now += MINUTE
    # It could begin at once: what was to be told of its earlier start is told no more.
    assert sent(house) == [] and waiting(house) == []


def test_an_earlier_start_is_told_with_the_one_that_was_foretold(house: House) -> None:
    _queued(house)
    house.farm.booking.release(house.admin, 2)
    [posting] = waiting(house)
    assert (posting.notice.before, posting.notice.start) == (START + 6 * HOUR, START + 3 * HOUR)
    assert sent(house) == []
    house.now += MINUTE
    assert subjects(house) == ["[boardgrid] tk1-1 comes earlier: 2026-03-01 15:00 UTC"]


def test_a_refused_request_tells_nobody_anything(house: House) -> None:
    house.opened()
    before = waiting(house)
    with pytest.raises(Exception, match="tk1-1 is taken"):
        house.farm.booking.reserve(house.bob, groups=[Group(board="tk1-1")], image="tiny", for_=HOUR)
    assert waiting(house) == before


# --- to whom


def test_a_user_chooses_of_what_they_are_told(house: House) -> None:
    house.farm.notices.change_contact(house.ada, occasions=[Occasion.ENDED])
    house.opened()
    assert waiting(house) == []
    house.farm.booking.release(house.admin, 1)
    assert occasions(house) == [Occasion.ENDED]


def test_times_are_told_in_the_zone_of_who_reads_them(house: House) -> None:
    house.farm.notices.change_contact(house.ada, zone="Europe/Paris")
    house.opened()
    [mail] = mails(house)
    assert "Until:  2026-03-01 14:00 +0100 (Europe/Paris)" in mail.text


def test_who_wants_no_mail_any_more_or_is_suspended_gets_none_that_is_on_its_way(house: House) -> None:
    house.opened()
    house.farm.notices.change_contact(house.ada, email="")
    assert sent(house) == []
    assert waiting(house) == []


@pytest.mark.parametrize("email", ["ada", "ada@", "a b@example.org", "ada@example.org\nBcc: eve@example.org", "@x.org"])
def test_what_is_no_address_is_refused(house: House, email: str) -> None:
    with pytest.raises(Invalid) as error:
        house.farm.notices.change_contact(house.ada, email=email)
    assert error.value.code is Code.EMAIL_INVALID


@pytest.mark.parametrize("zone", ["Mars/Base", "../../etc/passwd", "Europe", "\0"])
def test_what_is_no_zone_is_refused(house: House, zone: str) -> None:
    with pytest.raises(Invalid) as error:
        house.farm.notices.change_contact(house.ada, zone=zone)
    assert error.value.code is Code.ZONE_INVALID


def test_an_admin_sets_the_address_of_a_user_and_others_do_not_know_of_it(house: House) -> None:
    house.farm.notices.change_contact(house.admin, "bob", email="bob@example.org")
    assert house.farm.notices.contact(house.bob).email == "bob@example.org"
    with pytest.raises(NotFound):
        house.farm.notices.contact(house.ada, "bob")
    with pytest.raises(NotFound):
        house.farm.notices.change_contact(house.ada, "bob", email="ada@example.org")


# --- webhooks


def test_a_webhook_is_called_with_the_facts_signed_by_its_secret(house: House) -> None:
    hook = house.farm.notices.add_webhook(house.ada, HOOK)
    house.opened()
    [call] = [one for one in sent(house) if isinstance(one, Call)]
    told = json.loads(call.body)
    assert call.url == HOOK
    assert {key: told[key] for key in ("occasion", "reservation", "user", "boards", "end")} == {
        "occasion": "began",
        "reservation": 1,
        "user": "ada",
        "boards": ["tk1-1"],
        "end": "2026-03-01T13:00:00Z",
    }
    signed = call.headers["X-BoardGrid-Timestamp"].encode() + b"." + call.body
    digest = hmac.new(hook.secret.encode(), signed, hashlib.sha256).hexdigest()
    assert call.headers["X-BoardGrid-Signature"] == f"sha256={digest}"
    assert told["id"] == call.headers["X-BoardGrid-Delivery"]


def test_a_users_webhook_is_called_for_their_own_and_the_farms_for_all(house: House) -> None:
    house.farm.notices.add_webhook(house.ada, HOOK)
    house.farm.notices.add_webhook(house.admin, "http://wall.example.org/", is_farms=True)
    house.opened(house.bob)
    assert [one.url for one in sent(house) if isinstance(one, Call)] == ["http://wall.example.org/"]


def test_webhooks_of_users_lead_only_where_the_config_says(house: House) -> None:
    for url in ("https://elsewhere.example.org/", "http://127.0.0.1/", "https://chat.example.org.evil.example/"):
        with pytest.raises(Invalid, match="may not lead to") as error:
            house.farm.notices.add_webhook(house.ada, url)
        assert error.value.code is Code.WEBHOOK_INVALID
    with pytest.raises(NotAllowed):
        house.farm.notices.add_webhook(house.ada, HOOK, is_farms=True)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "chat",
        "ftp://a.org/",
        "http://u:p@a.org/",
        "http://a.org:99999/",
        "http:///x",
        "http://a.org/\r\nX: y",
        "//a",
    ],
)
def test_what_is_no_url_is_refused(house: House, url: str) -> None:
    with pytest.raises(Invalid) as error:
        house.farm.notices.add_webhook(house.admin, url, is_farms=True)
    assert error.value.code is Code.WEBHOOK_INVALID


def test_a_webhook_that_is_removed_is_called_no_more_and_is_nobody_elses_to_remove(house: House) -> None:
    hook = house.farm.notices.add_webhook(house.ada, HOOK)
    house.opened()
    with pytest.raises(NotFound):
        house.farm.notices.remove_webhook(house.bob, hook.id)
    house.farm.notices.remove_webhook(house.ada, hook.id)
    assert [type(one) for one in sent(house)] == [Mail]
    assert house.farm.notices.webhooks(house.ada) == []


def test_the_secret_of_a_webhook_is_in_no_audit_log(house: House) -> None:
    hook = house.farm.notices.add_webhook(house.ada, HOOK)
    [entry] = house.farm.audit.after(house.admin, thing=f"webhook:{hook.id}")
    assert entry.act == "webhook.add" and hook.secret not in repr(entry) and hook.secret not in repr(hook)


# --- on the way


def test_what_was_taken_and_not_told_to_be_sent_is_taken_again_under_the_same_id(house: House) -> None:
    """As when the controller is killed between the two."""
    house.opened()
    [first] = house.farm.postings.take().letters
    assert house.farm.postings.take().letters == ()
    house.farm = _farm(house)
    house.now += MINUTE
    [again] = house.farm.postings.take().letters
    assert again == first


def test_pauses_grow_and_after_a_day_it_is_given_up(house: House) -> None:
    house.opened(for_=72 * HOUR)
    tries = []
    while waiting(house):
        if house.farm.postings.take().letters:
            tries.append(house.now)
        house.now = house.farm.postings.take().next_at or house.now
    pauses = [after - before for before, after in pairwise(tries)]
    assert pauses == sorted(pauses) and (pauses[0], pauses[-1]) == (MINUTE, HOUR)
    assert tries[-1] <= START + GIVEN_UP_AFTER <= tries[-1] + HOUR


def test_what_is_refused_for_good_is_given_up_at_once(house: House) -> None:
    house.opened()
    [letter] = house.farm.postings.take().letters
    house.farm.postings.refused(letter.posting, "no such mailbox")
    assert waiting(house) == []


def test_no_more_than_so_many_wait_for_one_address(house: House) -> None:
    house.farm.notices.change_contact(house.ada, occasions=[Occasion.ENDED])
    house.reserve()
    notice = Notice(Occasion.ENDED, START, 99, "ada", (), START, START)
    with house.records.write() as tx:
        for _number in range(MOST):
            tx.add(Posting(uuid4(), notice, START, START, user=house.ada.id))
    house.farm.booking.release(house.admin, 1)
    assert len(waiting(house)) == MOST


class Killed(BaseException):
    """The controller dies here."""


def test_a_notice_is_recorded_with_what_it_tells_of_or_not_at_all(house: House) -> None:
    house.reserve()
    with suppress(Killed), house.farm.booking.desk.begin(house.admin, "reservation.release") as work:
        reservation = work.tx.reservation(1)
        assert reservation is not None
        end(work, reservation, because="the lab burns")
        raise Killed
    assert waiting(house) == []
    assert house.farm.booking.reservation(house.ada, 1).reservation.is_running
