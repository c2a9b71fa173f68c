"""``boardgrid status``: what you hold, and how it is."""

from dataclasses import dataclass, fields
from datetime import UTC, datetime

import click

from boardgrid.client.answers import Board, Deployment, Health, Reservation
from boardgrid.client.command import RESERVATIONS, Verb
from boardgrid.client.commands.reserve import SHEET as PLACES
from boardgrid.client.commands.reserve import places_of
from boardgrid.client.duration import span
from boardgrid.client.farm import Farm
from boardgrid.client.health import open_text
from boardgrid.client.kernel import kernel_text
from boardgrid.client.moment import shown, told
from boardgrid.client.progress import Steps
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.tables import Column, Output, Sheet
from boardgrid.client.watching import shown_again
from boardgrid.client.which import meant
from boardgrid.messages import _


@dataclass(frozen=True, slots=True)
class Held(Reservation):
    """A reservation, and how its board is where it has one."""

    health: Health | None = None

    @classmethod
    def of(cls, reservation: Reservation, board: Board | None) -> "Held":
        same = {field.name: getattr(reservation, field.name) for field in fields(Reservation)}
        is_its = board is not None and board.reservation is not None and board.reservation.number == reservation.number
        return cls(**same, health=board.health if board and is_its else None)


def _newest(held: Held) -> Deployment | None:
    # Of a board that was given back before the others the deployment may be the newest.
    return (held.deployment_on(held.boards[0]) if held.boards else None) or held.deployment


def _deployment(held: Held, key: str) -> object:
    newest = _newest(held)
    return getattr(newest, key) if newest else None


def _runs(held: Held) -> object:
    match held.purpose:
        case "build":
            return _("builds {image}").format(image=held.subject)
        case "test":
            return _("tests {image}").format(image=held.subject)
        case _:
            return _deployment(held, "image") or held.image


def _boards(held: Held) -> str:
    """Those of one that waits for its turn may still change: what counts is what was asked for."""
    is_promised = held.boards and not (held.is_waiting and held.kind != "fixed")
    return ", ".join(held.boards) if is_promised else held.asked or held.board


def _state(held: Held) -> object:
    if not held.is_running or held.deployment is None:
        return held.state
    if len(held.boards) > 1:
        states = {one.state if (one := held.deployment_on(board)) else "waiting" for board in held.boards}
        return "open" if states == {"open"} else "preparing"
    return _deployment(held, "state")


def _from(held: Held) -> str:
    if not held.is_waiting:
        return shown(held.start)
    if held.kind == "best_effort":
        return _("when it is idle")
    if held.kind == "seat":
        return _("in turn")
    return told(held.start, datetime.now(UTC))


def _until(held: Held) -> str:
    if not held.is_running:
        return shown(held.until)
    return _("{time} ({span} left)").format(
        time=shown(held.until), span=span((held.until - datetime.now(UTC)).total_seconds())
    )


def _health(held: Held) -> str:
    if not held.is_running or len(held.boards) > 1:
        return ""
    newest = _newest(held)
    return open_text(held.health, newest if _state(held) == "open" else None)


def _why(held: Held) -> object:
    return _deployment(held, "reason") or held.ended_because


SHEET: Sheet[Held] = Sheet(
    lambda held: str(held.number),
    (
        Column("RESERVATION", lambda held: held.number),
        Column("BOARD", _boards, most=40),
        Column("ASKED FOR", lambda held: held.asked, is_detail=True),
        Column("USER", lambda held: held.user),
        Column("SHARED WITH", lambda held: ", ".join(held.members), is_detail=True),
        Column("KIND", lambda held: held.kind, is_detail=True),
        Column("BLOCK", lambda held: held.block, is_detail=True),
        Column("STATE", _state, is_state=True),
        Column("RUNS", _runs),
        Column("ROOT", lambda held: _deployment(held, "root"), is_detail=True),
        Column("KERNEL", lambda held: kernel_text(_newest(held)), is_detail=True),
        Column("FROM", _from),
        Column("UNTIL", _until),
        Column("HEALTH", _health, most=100),
        Column("HOST KEY", lambda held: _deployment(held, "host_key"), is_detail=True),
        Column("DEPLOYMENT", lambda held: _deployment(held, "id"), is_detail=True),
        Column("WHY", _why, is_detail=True),
        Column("HINT", lambda held: _deployment(held, "hint"), is_detail=True),
    ),
)


@click.command(cls=Verb)
@click.argument("which", required=False, shell_complete=RESERVATIONS)
@click.option("--all", "-a", "everything", is_flag=True, help="Also those of others, and those that have ended.")
@click.option("--watch", "-w", is_flag=True, help="Go on, and show it again when it changes.")
@pass_seat
def status(seat: Seat, which: str | None, everything: bool, watch: bool) -> None:
    """
    Show your reservations: what runs on which board, since when, until when, and how the board is; and what waits, with
    when it begins.

    With WHICH, a number or a board, show all of that one, with the steps of its deployments.

    \b
    Examples:
      boardgrid status
      boardgrid status tk1-1
      boardgrid status --watch
    """
    farm = seat.farm()
    if watch:
        shown_again(farm, lambda: _show(seat, farm, which, everything=everything))
    else:
        _show(seat, farm, which, everything=everything)


def _show(seat: Seat, farm: Farm, which: str | None, *, everything: bool) -> None:
    if which is not None:
        reservation = meant(farm, which).reservation
        board = farm.board(reservation.board) if reservation.is_running and reservation.board else None
        SHEET.show(Held.of(reservation, board), seat.output)
        if seat.output is Output.TABLE:
            if len(reservation.boards) > 1:
                PLACES.show_all(places_of(reservation), seat.output)
            with Steps(as_data=True, are_several=len(reservation.boards) > 1) as steps:
                for event in farm.events(reservation=reservation.number):
                    steps.tell(event)
        return
    listed = farm.reservations(everyone=everything, running=not everything)
    boards = {board.name: board for board in farm.boards()} if listed else {}
    if not listed:
        seat.tell(_("you hold no board; `boardgrid board list` shows which are free, `boardgrid reserve` takes one"))
    SHEET.show_all([Held.of(one, boards.get(one.board)) for one in listed], seat.output)
