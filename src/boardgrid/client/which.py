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
        # Whoever else has it: the farm says who may change it.
        found = _having(word, mine) or _having(word, farm.reservations(running=True, everyone=True))
        if found:
            return Meant(found[0], word if len(found[0].boards) > 1 else None)
        raise Complaint(
            "reservation.unknown",
            _("you have no reservation of {board}").format(board=word[:80]),
            hint=_("`boardgrid status` lists those that you have"),
            status=404,
        )
    if len(mine) == 1:
        return Meant(mine[0])
    if not mine:
        raise Complaint("reservation.unknown", _("you hold no board"), status=404)
    held = ", ".join(f"{one.number} ({', '.join(one.boards) or one.asked})" for one in mine)
    raise Complaint(NUMBER_MISSING, _("you hold several boards: say which, {held}").format(held=held))


def _having(board: str, reservations: Iterable[Reservation]) -> list[Reservation]:
    """Who has it now before who has it later."""
    return sorted((one for one in reservations if board in {one.board, *one.boards}), key=lambda one: one.start)
