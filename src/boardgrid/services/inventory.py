"""Inventory: sites, board types and boards."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog

from boardgrid.messages import _
from boardgrid.model.board import Board, BoardType, DriverSpec, Site
from boardgrid.model.deployment import Phase
from boardgrid.model.errors import Code, Conflict, Invalid
from boardgrid.model.inventory import BOOT_FACTS, BoardDeclared, Change, checked_board, checked_type, clash, difference
from boardgrid.model.name import checked, type_of
from boardgrid.model.planning import Standing
from boardgrid.model.user import User
from boardgrid.model.wish import Gone
from boardgrid.ports import SiteState, Snapshot
from boardgrid.services.desk import Desk, Work, check_admin
from boardgrid.services.finding import board_type, site_for, standing_of
from boardgrid.services.showing import Showing, as_utc
from boardgrid.services.views import BoardView, SiteView

log = structlog.get_logger()


def _any_driver(_spec: DriverSpec) -> None:
    """Where the drivers are not installed, only the shape of a declaration is checked; the agent finds the rest."""


@dataclass(frozen=True, slots=True)
class Inventory:
    desk: Desk
    check_driver: Callable[[DriverSpec], None] = _any_driver  # raises Invalid DRIVER_INVALID

    # --- sites

    def put_site(self, site: Site) -> None:
        """Make a site, or change its facts. For the controller's own machine: nobody asks, so nobody is checked."""
        checked("site", site.name)
        with self.desk.begin() as work:
            work.save(replace(work.tx.site(site.name) or SiteState(site), site=site))

    def sites(self, asker: User) -> list[SiteView]:
        with self.desk.records.read() as records:
            showing = Showing(records, asker, self.desk.now())
            return [showing.site(one) for one in records.sites()]

    # --- board types

    def put_type(self, asker: User, declared: BoardType, *, only_new: bool = False) -> BoardType:
        """
        Make a board type, or change it. Boards take a change up with their next deployment.

        Args:
            only_new: refuse to change one that is there.

        Raises:
            NotAllowed: only admins may.
            Invalid: a name or a field that cannot be.
            Conflict: THING_IN_USE, its architecture would change under a reservation; NAME_TAKEN.
        """
        check_admin(asker)
        with self.desk.begin(asker) as work:
            if only_new and work.tx.board_type(declared.name) is not None:
                raise Conflict(Code.NAME_TAKEN, _("there is a board type {name} already"), name=declared.name)
            _put_type(work, declared)
        return declared

    def types(self, asker: User) -> list[BoardType]:
        with self.desk.records.read() as records:
            return records.board_types()

    def type_named(self, asker: User, name: str) -> BoardType:
        """
        Raises:
            NotFound: TYPE_UNKNOWN.
        """
        with self.desk.records.read() as records:
            return board_type(records, name)

    def remove_type(self, asker: User, name: str) -> None:
        """
        Raises:
            NotAllowed: only admins may.
            NotFound: TYPE_UNKNOWN.
            Conflict: THING_IN_USE, the sentence names the boards.
        """
        check_admin(asker)
        with self.desk.begin(asker) as work:
            found = board_type(work.tx, name)
            if boards := work.tx.boards(board_type=name):
                raise Conflict(
                    Code.THING_IN_USE,
                    _("these boards are of type {type}: {boards}"),
                    hint=_("remove them first; one that is going takes until its agent has parked it"),
                    type=name,
                    boards=", ".join(one.board.name for one in boards),
                )
            work.remove(found)
        log.info("board_type.removed", type=name, by=asker.name)

    # --- boards

    def put_board(self, asker: User, declared: BoardDeclared, *, only_new: bool = False) -> BoardView:
        """
        Make a board, or change it. What its boot hangs on (MAC, address, boot, path) changes only while nobody has it.

        Args:
            only_new: refuse to change one that is there.

        Raises:
            NotAllowed: only admins may.
            NotFound: TYPE_UNKNOWN, SITE_UNKNOWN.
            Invalid: a name, address, path or driver that cannot be.
            Conflict: ADDRESS_TAKEN, another board has the MAC, address or path; THING_IN_USE, someone holds it;
                NAME_TAKEN.
        """
        check_admin(asker)
        with self.desk.begin(asker) as work:
            if only_new and work.tx.board(declared.name) is not None:
                raise Conflict(Code.NAME_TAKEN, _("there is a board {name} already"), name=declared.name)
            self._put_board(work, declared)
            return _shown(work.tx, self.desk, asker, declared.name)

    def boards(self, asker: User) -> list[BoardView]:
        with self.desk.records.read() as records:
            return Showing(records, asker, self.desk.now()).boards(records.boards())

    def board(self, asker: User, name: str) -> BoardView:
        """
        Raises:
            NotFound: BOARD_UNKNOWN.
        """
        with self.desk.records.read() as records:
            return _shown(records, self.desk, asker, name)

    def remove_board(self, asker: User, name: str) -> None:
        """
        Have a board leave the farm: it is offered no more, and its record goes when the agent has parked it.

        Raises:
            NotAllowed: only admins may.
            NotFound: BOARD_UNKNOWN.
            Conflict: THING_IN_USE, the sentence says who holds it until when.
        """
        check_admin(asker)
        with self.desk.begin(asker) as work:
            standing = standing_of(work.tx, name)
            _check_not_held(work.tx, name)
            site = work.tx.site(standing.board.site)
            if standing.is_clean and site is not None and site.epoch == 0:
                work.remove(standing)  # no agent ever came to this site, so none would ever say that it is gone
            else:
                work.save(standing.leaving())
            work.note_board(standing, "board", Phase.NOTED, _("{user} removes it").format(user=asker.name))
        log.info("board.removed", board=name, by=asker.name)

    def fit(self, asker: User, name: str) -> BoardView:
        """
        Return a board that was set aside to service; one that was not is left as it is.

        Raises:
            NotAllowed: only admins may.
            NotFound: BOARD_UNKNOWN.
        """
        check_admin(asker)
        with self.desk.begin(asker) as work:
            standing = standing_of(work.tx, name)
            if not standing.board.is_fit:
                # Its wish stays: the agent tries by itself, and a report that it is parked may be under way.
                work.save(standing.set_aside(""))
                told = _("{user} says that it is fit").format(user=asker.name)
                work.note_board(standing, "board", Phase.NOTED, told)
                log.info("board.fit", board=name, by=asker.name)
            return _shown(work.tx, self.desk, asker, name)

    # --- both at once

    def apply(
        self, asker: User, types: Sequence[BoardType], boards: Sequence[BoardDeclared], *, dry_run: bool
    ) -> tuple[Change, ...]:
        """
        Bring the records to what is declared, all or nothing, and tell what differed. Nothing is ever removed.

        Raises:
            NotAllowed: only admins may.
            NotFound, Invalid, Conflict: as for one type or board; the sentence names it.
        """
        check_admin(asker)
        changes: list[Change | None] = []
        with self.desk.begin(asker, rehearse=dry_run) as work:
            changes += [_put_type(work, one) for one in types]
            changes += [self._put_board(work, one) for one in boards]
        told = tuple(one for one in changes if one is not None)
        if told and not dry_run:
            log.info("inventory.applied", changes=len(told), by=asker.name)
        return told

    def _put_board(self, work: Work, declared: BoardDeclared) -> Change | None:
        checked("board", declared.name)
        board_type(work.tx, type_of(declared.name))
        recorded = work.tx.board(declared.name)
        site = site_for(work.tx, declared.site or (recorded.board.site if recorded else ""))
        board = checked_board(declared, site.site)
        for spec in board.power:
            self.check_driver(spec)
        if recorded is not None:
            board = replace(board, set_aside=recorded.board.set_aside)
        change = difference(board, recorded.board if recorded else None)
        if change is None:
            return None
        if found := clash(board, (one.board for one in work.tx.boards())):
            other, what = found
            raise Conflict(
                Code.ADDRESS_TAKEN,
                _("{board} cannot have {what}: {other} has it"),
                board=board.name,
                what=what,
                other=other.name,
            )
        if recorded is None:
            # Above every generation that a board of this name had before: the agent may remember those.
            work.save(Standing(board, generation=site.version + 1))
        else:
            _check_may_change(work.tx, recorded, board)
            work.save(recorded.declared(board))
        return change


def _put_type(work: Work, declared: BoardType) -> Change | None:
    checked_type(declared)
    recorded = work.tx.board_type(declared.name)
    change = difference(declared, recorded)
    if change is None:
        return None
    if recorded is not None and recorded.arch != declared.arch:
        for standing in work.tx.boards(board_type=declared.name):
            _check_not_held(work.tx, standing.board.name)
    work.save(declared)
    return change


def _check_may_change(records: Snapshot, recorded: Standing, board: Board) -> None:
    if isinstance(recorded.wish, Gone):
        raise Conflict(
            Code.THING_IN_USE,
            _("{board} is leaving the farm"),
            hint=_("add it again when it is gone"),
            board=board.name,
        )
    if board.site != recorded.board.site:
        raise Invalid(
            Code.INVENTORY_INVALID,
            _("{board} is at site {site} and cannot move to {other}"),
            hint=_("remove it there, then add it here"),
            board=board.name,
            site=recorded.board.site,
            other=board.site,
        )
    if all(getattr(board, one) == getattr(recorded.board, one) for one in BOOT_FACTS):
        return
    _check_not_held(records, board.name)
    if not recorded.is_clean:
        # The old root is still offered to the old address: what is fenced must be what was offered.
        raise Conflict(
            Code.THING_IN_USE, _("{board} is being cleaned"), hint=_("try again in a moment"), board=board.name
        )


def _check_not_held(records: Snapshot, board: str) -> None:
    holder = records.running_on(board)
    if holder is None:
        return
    user = records.user(holder.user)
    raise Conflict(
        Code.THING_IN_USE,
        _("{user} holds {board} until {until}"),
        hint=_("wait, or release reservation {number} first"),
        user=user.name if user else "-",
        board=board,
        until=as_utc(holder.window.end),
        number=holder.number,
    )


def _shown(records: Snapshot, desk: Desk, asker: User, name: str) -> BoardView:
    return Showing(records, asker, desk.now()).board(standing_of(records, name))
