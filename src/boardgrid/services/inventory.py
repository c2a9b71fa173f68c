"""Inventory: sites, board types and boards."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from boardgrid.messages import _
from boardgrid.model.board import BoardType, DriverSpec, Property, Site
from boardgrid.model.deployment import Phase
from boardgrid.model.errors import Code, Conflict
from boardgrid.model.facts import facts_of
from boardgrid.model.inventory import BoardDeclared, Change, described
from boardgrid.model.name import checked
from boardgrid.model.user import User
from boardgrid.ports import SiteState, Snapshot
from boardgrid.services.declaring import Declaring, check_not_held
from boardgrid.services.desk import Desk, check_admin, check_operator
from boardgrid.services.ending import drop_order
from boardgrid.services.finding import board_type, checked_reason, site_for, standing_of, where_for
from boardgrid.services.showing import Showing
from boardgrid.services.unfolding import evict, hand_on, offer
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
        with self.desk.begin(asker, "board-type.put") as work:
            if only_new and work.tx.board_type(declared.name) is not None:
                raise Conflict(Code.NAME_TAKEN, _("there is a board type {name} already"), name=declared.name)
            self._declaring(work.tx, (declared,), ()).write(work)
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
        with self.desk.begin(asker, "board-type.remove") as work:
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
        with self.desk.begin(asker, "board.put") as work:
            if only_new and work.tx.board(declared.name) is not None:
                raise Conflict(Code.NAME_TAKEN, _("there is a board {name} already"), name=declared.name)
            self._declaring(work.tx, (), (declared,)).write(work)
            offer(work, {declared.name})
            return _shown(work.tx, self.desk, asker, declared.name)

    def boards(
        self,
        asker: User,
        *,
        where: str | None = None,
        type_: str | None = None,
        site: str | None = None,
        tags: Collection[str] = (),
    ) -> list[BoardView]:
        """
        Those boards to which all applies that is given.

        Raises:
            Invalid: WHERE_INVALID.
            NotFound: TYPE_UNKNOWN, SITE_UNKNOWN.
        """
        with self.desk.records.read() as records:
            if type_ is not None:
                board_type(records, type_)
            if site is not None:
                site = site_for(records, site).site.name
            found = records.boards()
            if where is not None:
                types = {one.name: one for one in records.board_types()}
                expression = where_for(where, types.values(), [one.board for one in found])
                found = [one for one in found if expression.fits(facts_of(one.board, types[one.board.type]))]
            found = [
                one
                for one in found
                if type_ in {None, one.board.type}
                and site in {None, one.board.site}
                and one.board.tags.issuperset(tags)
            ]
            return Showing(records, asker, self.desk.now()).boards(found)

    def board(self, asker: User, name: str) -> BoardView:
        """
        Raises:
            NotFound: BOARD_UNKNOWN.
        """
        with self.desk.records.read() as records:
            return _shown(records, self.desk, asker, name)

    def describe(
        self, asker: User, name: str, properties: Mapping[str, Property | None], tags: Mapping[str, bool]
    ) -> BoardView:
        """
        Change some of what a board is chosen by, at any time: None and False take away.

        Raises:
            NotAllowed: only admins may.
            NotFound: BOARD_UNKNOWN.
            Invalid: a property or a tag that cannot be.
        """
        check_admin(asker)
        with self.desk.begin(asker) as work:
            standing = standing_of(work.tx, name)
            work.save(standing.declared(described(standing.board, properties, tags)))
            offer(work, {name})
            return _shown(work.tx, self.desk, asker, name)

    def remove_board(self, asker: User, name: str) -> None:
        """
        Have a board leave the farm: it is offered no more, and its record goes when the agent has parked it.

        Raises:
            NotAllowed: only admins may.
            NotFound: BOARD_UNKNOWN.
            Conflict: THING_IN_USE, the sentence says who holds it until when.
        """
        check_admin(asker)
        with self.desk.begin(asker, "board.remove") as work:
            standing = standing_of(work.tx, name)
            check_not_held(work.tx, name)
            if standing.order is not None:
                drop_order(work, standing.order.id, _("{board} leaves the farm").format(board=name))
            site = work.tx.site(standing.board.site)
            if standing.is_clean and site is not None and site.epoch == 0:
                work.remove(standing)  # no agent ever came to this site, so none would ever say that it is gone
            else:
                work.save(standing.leaving())
            evict(work, name, _("{board} leaves the farm").format(board=name))
            work.note_board(standing, "board", Phase.NOTED, _("{user} removes it").format(user=asker.name))
        log.info("board.removed", board=name, by=asker.name)

    def fit(self, asker: User, name: str) -> BoardView:
        """
        Return a board that was set aside to service; one that was not is left as it is.

        Raises:
            NotAllowed: only operators and admins may.
            NotFound: BOARD_UNKNOWN.
        """
        check_operator(asker)
        with self.desk.begin(asker, "board.fit") as work:
            standing = standing_of(work.tx, name)
            if not standing.board.is_fit:
                fit = standing.fit()
                work.save(fit)
                told = _("{user} says that it is fit").format(user=asker.name)
                work.note_board(standing, "board", Phase.NOTED, told)
                log.info("board.fit", board=name, by=asker.name)
                hand_on(work, name)
                offer(work, {name})
            return _shown(work.tx, self.desk, asker, name)

    def aside(self, asker: User, name: str, reason: str) -> BoardView:
        """
        Offer a board to nobody from now on: who has it keeps it, who was to have it gets another where one does.

        Raises:
            NotAllowed: only operators and admins may.
            NotFound: BOARD_UNKNOWN.
            Invalid: REQUEST_INVALID, no reason was given.
        """
        check_operator(asker)
        why = checked_reason(reason)
        with self.desk.begin(asker) as work:
            standing = standing_of(work.tx, name)
            work.save(standing.set_aside(why))
            told = _("{user} sets it aside: {why}").format(user=asker.name, why=why)
            work.note_board(standing, "board", Phase.NOTED, told)
            if standing.board.is_fit:
                evict(work, name, _("{board} is set aside ({why})").format(board=name, why=why))
            log.info("board.set_aside", board=name, by=asker.name)
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
        if dry_run:
            with self.desk.records.read() as records:
                return tuple(self._declaring(records, types, boards).changes)
        with self.desk.begin(asker, "inventory.apply") as work:
            declaring = self._declaring(work.tx, types, boards)
            declaring.write(work)
            offer(work, {one.name for one in declaring.changes if one.kind == "board"})
        if declaring.changes:
            log.info("inventory.applied", changes=len(declaring.changes), by=asker.name)
        return tuple(declaring.changes)

    def _declaring(self, records: Snapshot, types: Sequence[BoardType], boards: Sequence[BoardDeclared]) -> Declaring:
        declaring = Declaring(records, self.check_driver)
        declaring.declare(types, boards)
        return declaring


def _shown(records: Snapshot, desk: Desk, asker: User, name: str) -> BoardView:
    return Showing(records, asker, desk.now()).board(standing_of(records, name))
