"""How a feed reads to a calendar program: RFC 5545."""

from datetime import timedelta

from icalendar import Calendar, Event, vDuration

from boardgrid.messages import _
from boardgrid.model.reservation import Kind, ReservationState
from boardgrid.services.feeds import Agenda, Appointment

_STATUS_GUESSED = {Kind.QUEUED, Kind.BEST_EFFORT, Kind.SEAT}
_OFTEN = timedelta(minutes=15)


def written(agenda: Agenda, host: str) -> bytes:
    """
    The same bytes while nothing differs, so that they tell whether anything does.

    Args:
        host: of the farm; names of its appointments are unique by it.
    """
    calendar = Calendar()
    calendar.add("prodid", "-//BoardGrid//BoardGrid//EN")
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", _("Boards of {name}").format(name=agenda.name))
    calendar.add("refresh-interval", vDuration(_OFTEN), parameters={"VALUE": "DURATION"})
    for one in agenda.appointments:
        calendar.add_component(_event(one, host))
    made: bytes = calendar.to_ical()
    return made


def _event(one: Appointment, host: str) -> Event:
    reservation = one.reservation
    # Which boards a block has is nothing to its members: they have one of them.
    boards = (not reservation.is_block and ", ".join(reservation.boards)) or " + ".join(
        str(group) for group in reservation.groups
    )
    event = Event()
    event.add("uid", f"reservation-{reservation.number}@{host}")
    event.add("sequence", one.revision)
    event.add("dtstamp", reservation.created_at)
    start = reservation.block.begins_at if reservation.block else reservation.window.start
    event.add("dtstart", start.replace(microsecond=0))
    event.add("dtend", reservation.window.end.replace(microsecond=0))
    event.add("summary", f"{boards} ({one.user})")
    event.add("description", _told(one))
    event.add("status", _status(one))
    event.add("transp", "TRANSPARENT")  # who has a board is free for other people
    return event


def _status(one: Appointment) -> str:
    reservation = one.reservation
    if reservation.state is ReservationState.CANCELLED:
        return "CANCELLED"
    is_guessed = reservation.is_waiting and reservation.kind in _STATUS_GUESSED
    return "TENTATIVE" if is_guessed else "CONFIRMED"


def _told(one: Appointment) -> str:
    reservation = one.reservation
    words = [_("Reservation {number} of {user}").format(number=reservation.number, user=one.user)]
    if reservation.is_waiting and reservation.kind is Kind.QUEUED:
        words.append(_("It begins then at the latest, and earlier when its turn comes."))
    if reservation.is_waiting and reservation.kind is Kind.BEST_EFFORT:
        words.append(_("It begins when nobody else needs the boards; the time is a guess."))
    if reservation.is_waiting and reservation.is_seat:
        words.append(_("A board of block {block}, in turn.").format(block=reservation.within))
    if reservation.is_block:
        words.append(
            _("Boards for a lesson; boardgrid block show {number} tells who sits where.").format(
                number=reservation.number
            )
        )
    if reservation.ended_because:
        words.append(reservation.ended_because)
    return "\n".join(words)
