"""Which reservation is meant: by its number, by a board that it has, or because there is but one."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from boardgrid.client.answers import Reservation
from boardgrid.client.complaint import NUMBER_MISSING, Complaint
from boardgrid.client.farm import Farm
from boardgrid.messages import _

_NUMBER = re.compile(r"[0-9]{1,18}")  # what is longer is no reservation, and no board either


@dataclass(frozen=True, slots=True)
class Meant:
    reservation: Reservation
    board: str | None = None  # by which it was told, of several that it has


def meant(farm: Farm, word: str | None, is_such: Callable[[Reservation], bool] = lambda _one: True) -> Meant:
    """
    Args:
        word: a number, a board's name, or None for the only one there is.
        is_such: which of the asker's own are looked through where no number was said.

    Raises:
        Complaint: there is none, or there are several.
    """
    if word is not None and _NUMBER.fullmatch(word):
        return Meant(farm.reservation(int(word)))
    mine = [one for one in farm.reservations(running=True) if is_such(one)]
    if word is not None:
        # Who has it now, whoever that is: the farm says who may change it. Then who has it later.
        if found := _having(word, mine, farm.reservations(running=True, everyone=True)):
            return Meant(found, word if len(found.boards) > 1 else None)
        if all(one.name != word for one in farm.boards()):
            raise Complaint(
                "board.unknown",
                _("there is no board {board}").format(board=word[:80]),
                hint=_("`boardgrid board list` shows those that there are"),
                status=404,
            )
        raise Complaint(
            "reservation.unknown",
            _("you have no reservation of {board}").format(board=word[:80]),
            hint=_("`boardgrid status` lists those that you have"),
            status=404,
        )
    # What runs is meant before what is to come, and a lesson is not one's own board.
    for some in ([one for one in mine if one.is_running and one.kind != "block"], mine):
        if len(some) == 1:
            return Meant(some[0])
    if not mine:
        raise Complaint("reservation.unknown", _("you hold no board"), status=404)
    held = ", ".join(f"{one.number} ({', '.join(one.boards) or one.asked})" for one in mine)
    raise Complaint(NUMBER_MISSING, _("you hold several boards: say which, {held}").format(held=held))


def _having(board: str, mine: Iterable[Reservation], everyones: Iterable[Reservation]) -> Reservation | None:
    """What runs on it, else what the asker has on it later; never a block, which is told by its number."""
    both = [*mine, *everyones]
    having = [one for one in both if one.kind != "block" and board in {one.board, *one.boards}]
    running = [one for one in having if one.is_running]
    # Of those to come the asker's own stand first, and of each the next.
    later = [sorted((one for one in having if one in some), key=lambda one: one.start) for some in (mine, everyones)]
    return next(iter([*running, *later[0], *later[1]]), None)
