"""What a declaration would change: found by one look at the records, whether it is then written down or only told."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from boardgrid.messages import _
from boardgrid.model.board import Board, BoardType, DriverSpec
from boardgrid.model.errors import Code, Conflict, Invalid
from boardgrid.model.inventory import BOOT_FACTS, BoardDeclared, Change, checked_board, checked_type, difference, unique
from boardgrid.model.name import checked, type_of
from boardgrid.model.planning import Standing
from boardgrid.model.wish import Gone
from boardgrid.ports import SiteState, Snapshot
from boardgrid.services.desk import Work
from boardgrid.services.finding import board_type, site_for
from boardgrid.services.showing import as_utc


@dataclass(slots=True)
class Declaring:
    """Types first, then boards, then :meth:`write`. The set of boards is judged as it will be, not on the way there."""

    records: Snapshot
    check_driver: Callable[[DriverSpec], None]
    changes: list[Change] = field(default_factory=list)
    _types: dict[str, BoardType] = field(default_factory=dict)  # that differ
    _known: set[str] = field(default_factory=set)  # types that are there, or will be
    _sites: dict[str, SiteState] = field(default_factory=dict)  # by the name that was asked for
    _were: dict[str, Standing] = field(default_factory=dict)
    _are: dict[str, Standing] = field(default_factory=dict)  # that differ

    def declare(self, types: Iterable[BoardType], boards: Sequence[BoardDeclared]) -> None:
        """
        Raises:
            NotFound, Invalid, Conflict: one of them cannot be; the sentence names it.
        """
        for type_ in types:
            self._type(type_)
        if boards:
            self._were = {one.board.name: one for one in self.records.boards()}
        for board in boards:
            self._board(board)
        _check_unique({**self._were, **self._are}.values(), self._are)

    def write(self, work: Work) -> None:
        for type_ in self._types.values():
            work.save(type_)
        for name, standing in self._are.items():
            # Two boards may swap what only one can have: none has the new before all have let the old go.
            if (were := self._were.get(name)) and not _is_same_boot(were.board, standing.board):
                work.remove(were)
        for standing in self._are.values():
            work.save(standing)

    def _type(self, declared: BoardType) -> None:
        checked_type(declared)
        recorded = self.records.board_type(declared.name)
        change = difference(declared, recorded)
        if change is None:
            return
        if recorded is not None and recorded.arch != declared.arch:
            for standing in self.records.boards(board_type=declared.name):
                check_not_held(self.records, standing.board.name)
        self._types[declared.name] = declared
        self._known.add(declared.name)
        self.changes.append(change)

    def _board(self, declared: BoardDeclared) -> None:
        checked("board", declared.name)
        kind = type_of(declared.name)
        if kind not in self._known:
            self._known.add(board_type(self.records, kind).name)
        recorded = self._were.get(declared.name)
        site = self._site(declared.site or (recorded.board.site if recorded else ""))
        board = checked_board(declared, site.site)
        for spec in board.power:
            self.check_driver(spec)
        if recorded is not None:
            board = replace(board, set_aside=recorded.board.set_aside)
        change = difference(board, recorded.board if recorded else None)
        if change is None:
            return
        if recorded is None:
            # Above every generation that a board of this name had before: the agent may remember those.
            self._are[board.name] = Standing(board, generation=site.version + 1)
        else:
            _check_may_change(self.records, recorded, board)
            self._are[board.name] = recorded.declared(board)
        self.changes.append(change)

    def _site(self, name: str) -> SiteState:
        if name not in self._sites:
            self._sites[name] = site_for(self.records, name)
        return self._sites[name]


def _check_unique(standings: Iterable[Standing], differ: Iterable[str]) -> None:
    has: dict[object, str] = {}
    differing = set(differ)
    # Those that stay as they are first: whoever comes to them is the one who cannot.
    for standing in sorted(standings, key=lambda one: one.board.name in differing):
        for fact in unique(standing.board):
            other = has.setdefault(fact, standing.board.name)
            if other != standing.board.name:
                raise Conflict(
                    Code.ADDRESS_TAKEN,
                    _("{board} cannot have {what}: {other} has it"),
                    board=standing.board.name,
                    what=fact[-1],
                    other=other,
                )


def _is_same_boot(one: Board, other: Board) -> bool:
    return all(getattr(one, fact) == getattr(other, fact) for fact in BOOT_FACTS)


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
    if _is_same_boot(board, recorded.board):
        return
    check_not_held(records, board.name)
    if not recorded.is_clean:
        # The old root is still offered to the old address: what is fenced must be what was offered.
        raise Conflict(
            Code.THING_IN_USE, _("{board} is being cleaned"), hint=_("try again in a moment"), board=board.name
        )


def check_not_held(records: Snapshot, board: str) -> None:
    holder = records.holder_of(board)
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
