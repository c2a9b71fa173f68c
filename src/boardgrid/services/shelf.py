"""The shelf: which boards would do for what somebody asks for, and who may have them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from boardgrid.messages import _
from boardgrid.model.board import Board, BoardType, Boot
from boardgrid.model.errors import Code, Invalid, NotAllowed, NotFound
from boardgrid.model.facts import Facts, facts_of
from boardgrid.model.image import Image, ImageState
from boardgrid.model.planning import Standing, kernel_for
from boardgrid.model.project import UserGroup
from boardgrid.model.reservation import Group
from boardgrid.model.rules import Limits, Rules
from boardgrid.model.where import Where
from boardgrid.ports import Snapshot
from boardgrid.services.finding import where_for

_KNOWN_MOST = 2000  # things that were asked for; most people ask for the same


@dataclass(frozen=True, slots=True)
class Shelf:
    """
    What planning needs to know of the boards and of who may have them; it remembers which would do for what was asked.
    """

    boards: Mapping[str, Board]  # in the order of the shelf; their ``set_aside`` is not kept up to date here
    types: Mapping[str, BoardType]
    rules: Rules = field(default_factory=Rules)
    groups: Mapping[UUID, UserGroup] = field(default_factory=dict)  # those that are not removed
    # By board: of each of these sets of groups its user must be in one. Those that are everybody's are left out.
    keepers: Mapping[str, tuple[frozenset[UUID], ...]] = field(default_factory=dict)
    _known: dict[tuple[Group, UUID | None, frozenset[UUID]], Mapping[str, int]] = field(default_factory=dict)
    _images: dict[UUID, Image] = field(default_factory=dict)

    @classmethod
    def of(cls, records: Snapshot, standings: Sequence[Standing]) -> "Shelf":
        shelf = cls(
            {one.board.name: one.board for one in standings},
            {one.name: one for one in records.board_types()},
            records.rules(),
            {one.id: one for one in records.user_groups()},
        )
        tests = [(Where.parsed(one.where), one.groups) for one in shelf.rules.access]
        found = {
            name: tuple(groups for where, groups in tests if where.fits(shelf.facts(name)))
            for name in (shelf.boards if tests else ())
        }
        return replace(shelf, keepers={name: keepers for name, keepers in found.items() if keepers})

    def facts(self, name: str) -> Facts:
        board = self.boards[name]
        return facts_of(board, self.types[board.type])

    def groups_of(self, user: UUID) -> frozenset[UUID]:
        return frozenset(one.id for one in self.groups.values() if user in one.members)

    def limits_of(self, user: UUID) -> Limits:
        return self.rules.for_person(user, self.groups_of(user))

    def image(self, records: Snapshot, image_id: UUID) -> Image | None:
        if image_id not in self._images:
            found = records.image(image_id)
            if found is None or found.manifest is None:
                return found
            self._images[image_id] = found  # what is in it never changes again
        return self._images[image_id]

    def among(self, group: Group, image: Image | None, user: UUID) -> Mapping[str, int]:
        """The boards that *user* may have for one of *group*, with this image; each with its place on the shelf."""
        circles = frozenset[UUID]()
        if self.keepers:  # few groups keep boards, so that most users are alike here
            circles = self.groups_of(user) & frozenset(one for access in self.rules.access for one in access.groups)
        key = replace(group, count=1), image.id if image else None, circles
        if key not in self._known:
            if len(self._known) >= _KNOWN_MOST:
                self._known.clear()  # whoever asks with an expression of their own each time shall not fill the memory
            self._known[key] = self._looked_up(group, image, circles)
        return self._known[key]

    def _looked_up(self, group: Group, image: Image | None, circles: frozenset[UUID]) -> Mapping[str, int]:
        named = self._open_to(circles, self.named(group))
        if image is None or image.manifest is None:
            return named
        fitting, refusal = {}, None
        for name, place in named.items():
            try:
                self.check_fits(name, image)
            except Invalid as error:
                refusal = refusal or error
            else:
                fitting[name] = place
        if not fitting and refusal is not None:
            raise refusal
        return fitting

    def _open_to(self, circles: frozenset[UUID], named: Mapping[str, int]) -> Mapping[str, int]:
        if not self.keepers:
            return named
        found = {n: place for n, place in named.items() if all(one & circles for one in self.keepers.get(n, ()))}
        if found:
            return found
        board = next(iter(named))
        barring = next(one for one in self.keepers[board] if not one & circles)
        names = sorted(self.groups[one].name for one in barring if one in self.groups)
        raise NotAllowed(
            Code.BOARD_FORBIDDEN,
            _("{board} is for the members of {groups} alone")
            if len(named) == 1
            else _("all of these boards are for members of groups alone, {board} for those of {groups}"),
            hint=_("ask for another board, or ask an admin of the farm to let you in to the group"),
            board=board,
            groups=", ".join(names) or "-",
        )

    def named(self, group: Group) -> Mapping[str, int]:
        """
        All boards that one of *group* may be, whoever may have them.

        Raises:
            NotFound: BOARD_UNKNOWN, TYPE_UNKNOWN.
            Invalid: WHERE_INVALID.
        """
        if group.board and group.board not in self.boards:
            raise NotFound(
                Code.BOARD_UNKNOWN,
                _("there is no board {board}"),
                hint=_("boardgrid board list shows them"),
                board=group.board,
            )
        if group.board:
            return {group.board: 0}
        if group.type and group.type not in self.types:
            raise NotFound(
                Code.TYPE_UNKNOWN,
                _("there is no board type {type}"),
                hint=_("boardgrid board-type list shows them"),
                type=group.type,
            )
        where = where_for(group.where, self.types.values(), self.boards.values()) if group.where else None
        names = {
            name: place
            for place, (name, board) in enumerate(self.boards.items())
            if group.type in {"", board.type} and (where is None or where.fits(self.facts(name)))
        }
        if names:
            return names
        raise NotFound(
            Code.BOARD_UNKNOWN,
            _("there is no board of type {type}") if not group.where else _("no board is as asked for: {group}"),
            hint=_("boardgrid board list shows those that are there"),
            type=group.type,
            group=group,
        )

    def check_fits(self, name: str, image: Image) -> None:
        """
        Raises:
            Invalid: IMAGE_MISFIT, KERNEL_MISSING; this image never runs on this board.
        """
        board = self.boards[name]
        check_same_site(board, image)
        check_meant_for(board, image)
        if image.state is ImageState.UNPACKED and board.boot is Boot.FLASHED:
            raise Invalid(
                Code.IMAGE_MISFIT,
                _("{image} is to be finished, and {board} always boots as it was flashed"),
                image=image.ref,
                board=name,
            )
        if image.manifest is not None:
            kernel_for(board, self.types[board.type], image.ref, image.manifest)


def check_meant_for(board: Board, image: Image) -> None:
    """
    Raises:
        Invalid: IMAGE_MISFIT.
    """
    if not image.fits(board.type):
        raise Invalid(
            Code.IMAGE_MISFIT,
            _("{image} is for boards of type {types}, and {board} is none"),
            hint=_("choose another board; its owner may say that it fits: boardgrid image set {image} --fits {type}"),
            image=image.ref,
            types=", ".join(image.types),
            board=board.name,
            type=board.type,
        )


def check_same_site(board: Board, image: Image) -> None:
    """
    Raises:
        Invalid: IMAGE_MISFIT.
    """
    if board.site != image.site:
        raise Invalid(
            Code.IMAGE_MISFIT,
            _("{image} is stored at site {there}, and {board} is at site {here}"),
            hint=_("import the image at site {here}, or choose a board at site {there}"),
            image=image.ref,
            there=image.site,
            board=board.name,
            here=board.site,
        )
