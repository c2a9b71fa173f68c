"""Restarting: a root boots once more in the reservation that has it, after it was saved or with another kernel."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

import structlog

from boardgrid.messages import _
from boardgrid.model.board import Board, Boot
from boardgrid.model.boot_file import check_device_tree, check_initrd, check_kernel
from boardgrid.model.cmdline import checked_append
from boardgrid.model.deployment import DeploymentState, Phase
from boardgrid.model.errors import Code, Invalid, NotFound
from boardgrid.model.image import BlobSource
from boardgrid.model.kit import FILES_BYTES, FILES_MOST, BootKit, KitFile, checked, kit_file_id
from boardgrid.model.reservation import ReservationState
from boardgrid.model.user import User
from boardgrid.ports import EVENTS, Snapshot
from boardgrid.services.desk import Desk, Work, check_no_guest
from boardgrid.services.ending import Fate, capture, drop_order, end
from boardgrid.services.finding import board_type, standing_of
from boardgrid.services.giving import boot_again, following, kits_behind, last_good
from boardgrid.services.idling import used
from boardgrid.services.running import not_open, open_on, running_on
from boardgrid.services.showing import Showing
from boardgrid.services.unfolding import offer
from boardgrid.services.views import ReservationView

log = structlog.get_logger()

FILES_FOR = timedelta(days=7)  # so long a file is kept that nobody boots with


class After(StrEnum):
    """What becomes of a board whose root was saved."""

    BOOT = "boot"  # it boots the same root again
    RELEASE = "release"  # it is given back


@dataclass(frozen=True, slots=True)
class WantedKit:
    """A kit as it is asked for: files by their SHA-256, of those that the asker sent before."""

    kernel: str | None = None
    dtb: str | None = None
    initrd: str | None = None
    modules: str | None = None
    release: str = ""
    append: str = ""
    without_initrd: bool = False
    from_root: bool = False

    @property
    def is_plain(self) -> bool:
        """Nothing is asked for but the image's own kernel."""
        return self == WantedKit()


@dataclass(frozen=True, slots=True)
class Restarting:
    desk: Desk

    def save(
        self, asker: User, number: int, image: str, board: str | None = None, after: After = After.BOOT
    ) -> ReservationView:
        """
        Make a new version of *image* of the root of a board that runs. The board is stopped for it; then it boots the
        same root again in a deployment of its own, also where the image could not be made.

        Args:
            board: may be left out where the reservation has one.

        Raises:
            NotFound: RESERVATION_UNKNOWN; BOARD_UNKNOWN, it has no such board.
            NotAllowed: it is another's.
            Invalid: NAME_INVALID; REQUEST_INVALID, it has several boards and none was named.
            Conflict: RESERVATION_OVER, RESERVATION_WAITING; BOARD_NOT_OPEN; THING_IN_USE, its root is being made an
                image already; NAME_TAKEN by another user's image; QUOTA_EXCEEDED.
        """
        with self.desk.begin(asker, "reservation.save") as work:
            mine, running = open_on(work.tx, asker, number, board)
            if after is After.RELEASE:
                ended = end(work, mine, boards={running.board}, fate=Fate.KEEP, name=image)
                offer(work, {running.board, *ended.boards})
                return Showing(work.tx, asker, work.now).reservation(ended)
            standing, root = standing_of(work.tx, running.board), work.tx.root(running.root)
            if root is None:
                raise ValueError(f"the root of deployment {running.id} is not there")
            made = capture(work, root, image)
            work.save(replace(running, state=DeploymentState.ENDED, ended_at=work.now))
            saved = following(work, running, DeploymentState.SAVING, last_good(work.tx, running))
            work.add(saved)
            if standing.order is not None:
                drop_order(work, standing.order.id, _("its root was saved first"))
            work.save(standing.parked(keeps=kits_behind(work.tx, saved)))
            told = _("{user} saves its root as {image}; it boots that again afterwards").format(
                user=asker.name, image=made.ref
            )
            work.note_board(standing, "board", Phase.NOTED, told, reservation=number, owner=mine.user)
            used(work, [running.board])
            log.info("root.saved", reservation=number, board=running.board, image=made.ref, by=asker.name)
            return Showing(work.tx, asker, work.now).reservation(mine)

    def boot(
        self,
        asker: User,
        number: int,
        wanted: WantedKit,
        board: str | None = None,
        *,
        head: Callable[[str], bytes | None],
        is_once: bool = False,
    ) -> ReservationView:
        """
        Restart a board into the same root, with another kernel, or with its image's own where nothing else is wanted.

        Args:
            board: may be left out where the reservation has one.
            head: the first bytes of a file by its SHA-256; None where it is not here.
            is_once: the next restart after that boots what brought the root up before.

        Raises:
            NotFound: RESERVATION_UNKNOWN; BOARD_UNKNOWN, it has no such board; FILE_UNKNOWN, it was not sent.
            NotAllowed: it is another's.
            Invalid: REQUEST_INVALID, its parts do not go together, the board's boot method cannot hand its words on, or
                the reservation has several boards and none was named; KERNEL_FLASHED; FILE_UNFIT.
            Conflict: RESERVATION_OVER, RESERVATION_WAITING; BOARD_NOT_OPEN, it was not open yet; THING_IN_USE, its root
                is being made an image.
        """
        heads = {sha256: head(sha256) for sha256 in (wanted.kernel, wanted.dtb, wanted.initrd) if sha256}
        with self.desk.begin(asker, "reservation.boot") as work:
            mine, running = running_on(work.tx, asker, number, board)
            standing = standing_of(work.tx, running.board)
            made = work.tx.deployments(reservations=[number])
            if not any(one.root == running.root and one.is_good for one in made):
                raise not_open(running)
            if not wanted.is_plain and standing.board.boot is Boot.FLASHED:
                raise Invalid(
                    Code.KERNEL_FLASHED,
                    _("{board} boots the kernel that was flashed to it, whatever the farm offers"),
                    hint=_("flash the kernel, or have an admin move the board to boot by the network: see the how-to"),
                    board=running.board,
                )
            if is_once and wanted.is_plain:
                raise Invalid(
                    Code.REQUEST_INVALID,
                    _("what is booted once is another kernel than the image's own"),
                    hint=_("name a kernel, or leave out that it is for once"),
                )
            kit = None if wanted.is_plain else replace(self._kit(work, asker, wanted), is_once=is_once)
            if kit is not None:
                kind = board_type(work.tx, standing.board.type)
                checked_append(kit.append, standing.board, kind)
                _check_files(wanted, heads, standing.board, kind.arch)
            over = replace(running, state=DeploymentState.ENDED, ended_at=work.now)
            boot_again(work, mine, standing, over, kit)
            told = _("{user} boots its root again").format(user=asker.name)
            work.note_board(standing, "board", Phase.NOTED, told, reservation=number, owner=mine.user)
            used(work, [running.board])
            return Showing(work.tx, asker, work.now).reservation(mine)

    def _kit(self, work: Work, asker: User, wanted: WantedKit) -> BootKit:
        def blob(sha256: str | None) -> BlobSource | None:
            if sha256 is None:
                return None
            found = _file(work.tx, asker, sha256)
            work.save(replace(found, used_at=work.now))
            return found.blob

        return checked(
            BootKit(
                id=work.new_id(),
                kernel=blob(wanted.kernel),
                dtb=blob(wanted.dtb),
                initrd=blob(wanted.initrd),
                modules=blob(wanted.modules),
                release=wanted.release,
                append=wanted.append.strip(),
                without_initrd=wanted.without_initrd,
                from_root=wanted.from_root,
            )
        )

    # --- files that are sent for kits

    def file(self, asker: User, sha256: str) -> KitFile:
        """
        One that the asker sent before.

        Raises:
            NotFound: FILE_UNKNOWN.
        """
        with self.desk.records.read() as records:
            return _file(records, asker, sha256)

    def check_may_send(self, asker: User) -> None:
        """
        Raises:
            NotAllowed: guests send nothing.
        """
        check_no_guest(asker)

    def file_arrived(self, asker: User, sha256: str, size_bytes: int) -> KitFile:
        """
        It lies whole and checked in the spool. Of all that its user sent, what was used longest ago makes way for it.

        Raises:
            NotAllowed: guests send nothing.
        """
        check_no_guest(asker)
        with self.desk.begin(asker) as work:
            arrived = KitFile(kit_file_id(asker.id, sha256), asker.id, sha256, size_bytes, work.now)
            others = [one for one in work.tx.kit_files(asker.id) if one.id != arrived.id]
            taken = size_bytes + sum(one.size_bytes for one in others)
            for number, oldest in enumerate(others):
                if taken <= FILES_BYTES and len(others) - number < FILES_MOST:
                    break
                work.remove(oldest)
                work.topics.add(EVENTS)  # who keeps the spool
                taken -= oldest.size_bytes
            work.save(arrived)
            return arrived

    def blobs(self) -> frozenset[str]:
        """SHA-256 of every file that is still wanted. Ask after it is noted."""
        with self.desk.records.read() as records:
            kept = {one.sha256 for one in records.kit_files()}
            return frozenset(kept | {blob.sha256 for kit in _kits(records) for blob in kit.blobs})


def _check_files(wanted: WantedKit, heads: Mapping[str, bytes | None], board: Board, arch: str) -> None:
    """
    Raises:
        Invalid: FILE_UNFIT.
    """
    if (kernel := heads.get(wanted.kernel or "")) is not None:
        check_kernel(kernel, board, arch)
    if (dtb := heads.get(wanted.dtb or "")) is not None:
        check_device_tree(dtb)
    if (initrd := heads.get(wanted.initrd or "")) is not None:
        check_initrd(initrd)


def forget_files(work: Work) -> None:
    """Those that nobody booted with for some days."""
    for one in work.tx.kit_files():
        if one.used_at + FILES_FOR <= work.now:
            work.remove(one)


def next_file_due(records: Snapshot) -> datetime | None:
    files = records.kit_files()
    return files[0].used_at + FILES_FOR if files else None


def _kits(records: Snapshot) -> Iterator[BootKit]:
    """Of all that runs: one that booted before may have to boot again."""
    running = [one.number for one in records.reservations(states={ReservationState.RUNNING})]
    for deployment in records.deployments(reservations=running) if running else ():
        if deployment.kit is not None:
            yield deployment.kit


def _file(records: Snapshot, asker: User, sha256: str) -> KitFile:
    found = records.kit_file(kit_file_id(asker.id, sha256))
    if found is None:
        raise NotFound(
            Code.FILE_UNKNOWN,
            _("you sent no file with the SHA-256 {sha256}, or it was kept long enough"),
            hint=_("send it first: boardgrid boot does"),
            sha256=sha256[:80],
        )
    return found
