"""``boardgrid status``: what you hold, and how it is."""

from dataclasses import dataclass, fields
from datetime import UTC, datetime

import click

from boardgrid.client.answers import Board, Health, Reservation
from boardgrid.client.command import RESERVATIONS, Verb
from boardgrid.client.commands.board import health_text
from boardgrid.client.duration import moment, span
from boardgrid.client.progress import Steps
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.tables import Column, Output, Sheet
from boardgrid.messages import _


@dataclass(frozen=True, slots=True)
class Held(Reservation):
    """A reservation, and how its board is."""

    health: Health | None = None

    @classmethod
    def of(cls, reservation: Reservation, board: Board | None) -> "Held":
        told = {field.name: getattr(reservation, field.name) for field in fields(Reservation)}
        is_its = board is not None and board.reservation is not None and board.reservation.number == reservation.number
        return cls(**told, health=board.health if board and is_its else None)


def _deployment(held: Held, key: str) -> object:
    return getattr(held.deployment, key) if held.deployment else None


def _state(held: Held) -> object:
    return _deployment(held, "state") if held.state == "running" and held.deployment else held.state


def _until(held: Held) -> str:
    if held.state != "running":
        return moment(held.end)
    return _("{time} ({span} left)").format(
        time=moment(held.end), span=span((held.end - datetime.now(UTC)).total_seconds())
    )


def _health(held: Held) -> str:
    return health_text(held.health.power, held.health.voice, held.health.ago_s) if held.health else ""


def _why(held: Held) -> object:
    return _deployment(held, "reason") or held.ended_because


SHEET: Sheet[Held] = Sheet(
    lambda held: str(held.number),
    (
        Column("RESERVATION", lambda held: held.number),
        Column("BOARD", lambda held: held.board),
        Column("USER", lambda held: held.user),
        Column("STATE", _state, is_state=True),
        Column("RUNS", lambda held: _deployment(held, "image")),
        Column("ROOT", lambda held: _deployment(held, "root"), is_detail=True),
        Column("SINCE", lambda held: moment(held.start)),
        Column("UNTIL", _until),
        Column("HEALTH", _health),
        Column("HOST KEY", lambda held: _deployment(held, "host_key"), is_detail=True),
        Column("DEPLOYMENT", lambda held: _deployment(held, "id"), is_detail=True),
        Column("WHY", _why, is_detail=True),
        Column("HINT", lambda held: _deployment(held, "hint"), is_detail=True),
    ),
)


@click.command(cls=Verb)
@click.argument("number", type=int, required=False, shell_complete=RESERVATIONS)
@click.option("--all", "-a", "everything", is_flag=True, help="Also those of others, and those that have ended.")
@pass_seat
def status(seat: Seat, number: int | None, everything: bool) -> None:
    """
    Show your reservations: what runs on which board, since when, until when, and how the board is.

    With NUMBER, show all of that one, with the steps of its deployment.
    """
    farm = seat.farm()
    if number is not None:
        reservation = farm.reservation(number)
        board = farm.board(reservation.board) if reservation.state == "running" else None
        SHEET.show(Held.of(reservation, board), seat.output)
        if seat.output is Output.TABLE:
            with Steps(as_data=True) as steps:
                for event in farm.events(reservation=number):
                    steps.tell(event)
        return
    shown = farm.reservations(everyone=everything, running=not everything)
    boards = {board.name: board for board in farm.boards()} if shown else {}
    if not shown:
        seat.tell(_("you hold no board; `boardgrid board list` shows which are free, `boardgrid reserve` takes one"))
    SHEET.show_all([Held.of(one, boards.get(one.board)) for one in shown], seat.output)
