"""Letters: what a notice looks like, for people as a mail, for programs as the call of a webhook."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from boardgrid.messages import _
from boardgrid.model.notice import Contact, Notice, Occasion, Posting, Webhook
from boardgrid.ports import Mail

_NAMED = 3  # of more boards than these only the number is in a subject


@dataclass(frozen=True, slots=True)
class Call:
    """The call of a webhook."""

    url: str
    headers: Mapping[str, str]
    body: bytes


def mail(posting: Posting, contact: Contact) -> Mail:
    notice = posting.notice
    told = _Told(notice, ZoneInfo(contact.zone) if contact.zone else None)
    footer = _(
        "You are told of this by the farm you reserve boards from; `boardgrid notices` shows and changes of what."
    )
    text = "\n".join([*told.lines(), "", "-- ", footer, ""])
    return Mail(str(posting.id), contact.email, f"[boardgrid] {told.subject()}", text)


def call(posting: Posting, hook: Webhook, now: datetime) -> Call:
    """
    Signed: X-BoardGrid-Signature is ``sha256=`` and the HMAC, by the webhook's secret, of the timestamp, a dot and the
    body.
    """
    notice = posting.notice
    facts = {
        "id": str(posting.id),
        "occasion": notice.occasion,
        "at": _rfc(notice.at),
        "reservation": notice.reservation,
        "user": notice.user,
        "boards": list(notice.boards),
        "start": _rfc(notice.start),
        "end": _rfc(notice.end),
        "detail": notice.detail,
    }
    match notice.occasion, notice.before:
        case Occasion.MOVED, datetime() as before:
            facts["foretold_start"] = _rfc(before)
        case Occasion.IDLE, datetime() as until:
            facts["released_at"] = _rfc(until)
        case _:
            pass
    body = json.dumps(facts, ensure_ascii=False).encode()
    timestamp = str(int(now.timestamp()))
    signature = hmac.new(hook.secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "X-BoardGrid-Delivery": str(posting.id),
        "X-BoardGrid-Occasion": str(notice.occasion),
        "X-BoardGrid-Timestamp": timestamp,
        "X-BoardGrid-Signature": f"sha256={signature}",
    }
    return Call(hook.url, headers, body)


def _rfc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class _Told:
    notice: Notice
    zone: ZoneInfo | None

    @property
    def boards(self) -> str:
        names = self.notice.boards
        if not names:
            return _("reservation {number}").format(number=self.notice.reservation)
        more = len(names) - _NAMED
        return ", ".join(names[:_NAMED]) + (_(" and {more} more").format(more=more) if more > 0 else "")

    def at(self, at: datetime | None) -> str:
        """A time in the reader's zone, with its offset."""
        if at is None:
            return "-"
        here = at.astimezone(self.zone or UTC)
        return f"{here:%Y-%m-%d %H:%M} {here:%z} ({self.zone})" if self.zone else f"{here:%Y-%m-%d %H:%M} UTC"

    def subject(self) -> str:
        notice = self.notice
        match notice.occasion:
            case Occasion.BEGAN:
                said = _("{boards} is open") if len(notice.boards) == 1 else _("{boards} are open")
            case Occasion.MOVED if notice.before is not None and notice.start < notice.before:
                said = _("{boards} comes earlier: {start}")
            case Occasion.MOVED:
                said = _("{boards} comes later: {start}")
            case Occasion.ENDING:
                said = _("{boards} ends at {end}")
            case Occasion.IDLE:
                said = _("{boards} is released at {before} unless somebody uses it")
            case Occasion.ENDED:
                said = _("{boards} has ended")
            case Occasion.FAILED:
                said = _("{boards} could not be brought up")
        return said.format(
            boards=self.boards, start=self.at(notice.start), end=self.at(notice.end), before=self.at(notice.before)
        )

    def lines(self) -> list[str]:
        notice = self.notice
        number = notice.reservation
        lines = [
            _("Reservation {number} of {user}").format(number=number, user=notice.user or "-"),
            _("Boards: {boards}").format(boards=", ".join(notice.boards) or "-"),
            _("From:   {start}").format(start=self.at(notice.start)),
            _("Until:  {end}").format(end=self.at(notice.end)),
        ]
        if notice.detail:
            lines += ["", notice.detail]
        match notice.occasion:
            case Occasion.BEGAN:
                first = notice.boards[0] if notice.boards else ""
                hint = _("Log in: boardgrid ssh {board}").format(board=first)
            case Occasion.MOVED:
                hint = _("It was to begin at {before}.").format(before=self.at(notice.before))
            case Occasion.ENDING:
                hint = _("More time, while nobody follows: boardgrid extend {number} +1h").format(number=number)
            case Occasion.IDLE:
                hint = _(
                    "Nobody is logged in, and somebody waits for it. Log in to keep it; else its root is kept aside."
                )
            case Occasion.ENDED:
                hint = _("What became of its roots: boardgrid root list")
            case Occasion.FAILED:
                hint = _("What was seen on the way: boardgrid events --reservation {number}").format(number=number)
        return [*lines, "", hint]
