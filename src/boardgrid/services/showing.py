"""How the records are put before people: names in the place of ids, and no more than the asker may see."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID

from boardgrid.model.access import can
from boardgrid.model.board import DriverSpec
from boardgrid.model.deployment import Deployment
from boardgrid.model.errand import Errand, Progress
from boardgrid.model.facts import Facts, facts_of
from boardgrid.model.image import Image, ImageState
from boardgrid.model.planning import Standing
from boardgrid.model.reservation import Reservation
from boardgrid.model.root import Root, RootState
from boardgrid.model.user import User
from boardgrid.model.volume import Volume
from boardgrid.model.wish import Deployed, Gone
from boardgrid.ports import Health, SiteState, Snapshot
from boardgrid.services.finding import image_to_decide_on, may_see_lineage, running_by_board, to_decide_on
from boardgrid.services.views import (
    BoardState,
    BoardView,
    DeploymentView,
    ErrandView,
    GatewayView,
    HealthView,
    HeldView,
    ImageView,
    MaintenanceView,
    ProgressView,
    ReservationView,
    RootView,
    SiteView,
    VolumeView,
)


@dataclass(slots=True)
class Showing:
    """One answer to *asker*; it remembers the names that it looked up."""

    records: Snapshot
    asker: User
    now: datetime
    _images: dict[UUID, str] = field(default_factory=dict)

    def site(self, state: SiteState) -> SiteView:
        gateway = GatewayView(state.gateway_host, state.gateway_port, state.gateway_key) if state.gateway_key else None
        seen_s = self._ago_s(state.seen_at) if state.seen_at else None
        return SiteView(state.site, seen_s, state.store_bytes, state.free_bytes, state.trouble, gateway)

    def boards(self, standings: Sequence[Standing]) -> list[BoardView]:
        running = running_by_board(self.records)
        health = self._health(running)
        types = {one.name: one for one in self.records.board_types()}
        shown = [
            self._board(
                one,
                facts_of(one.board, types[one.board.type]),
                running.get(one.board.name),
                health.get(one.board.name),
            )
            for one in standings
        ]
        for to_come in reversed(self.maintenances()):
            shown = [self._closed(one, to_come) if one.board.name in to_come.boards else one for one in shown]
        return shown

    def _health(self, running: Mapping[str, Reservation]) -> dict[str, Health]:
        """Of each board what was seen since it was opened: what was seen before tells nothing of this system."""
        numbers = {one.number for one in running.values()}
        live = self.records.deployments(reservations=numbers, live=True) if numbers else ()
        opened = {one.board: one.opened_at for one in live if one.opened_at}
        seen = self.records.health()
        return {name: one for name, one in seen.items() if name in opened and one.at >= opened[name]}

    def board(self, standing: Standing) -> BoardView:
        return self.boards([standing])[0]

    def _board(self, standing: Standing, facts: Facts, holder: Reservation | None, health: Health | None) -> BoardView:
        state = state_of(standing)
        if state is BoardState.FREE and holder is not None:
            # One that is nobody's seat; or its root is being made an image, and it boots that again.
            state = BoardState.HELD if holder.is_block else BoardState.PREPARING
        board = standing.board
        if not can(self.asker, "administer"):
            board = replace(board, power=tuple(DriverSpec(spec.driver) for spec in board.power))
        held = HeldView(holder.number, self.user_name(holder.user), holder.window.end) if holder else None
        seen = None
        if health and holder and state is BoardState.OPEN:
            seen = HealthView(health.power, health.voice, self._ago_s(health.at))
        return BoardView(board, facts, state, held, seen)

    def _closed(self, view: BoardView, by: MaintenanceView) -> BoardView:
        is_closed = view.state is BoardState.FREE and by.window.start <= self.now
        return replace(view, maintenance=by, state=BoardState.CLOSED if is_closed else view.state)

    def maintenances(self) -> list[MaintenanceView]:
        """Those that go on or are to come, in the order of time."""
        to_come = [one for one in self.records.maintenances() if one.window.end > self.now]
        if not to_come:
            return []
        types = {one.name: one for one in self.records.board_types()}
        boards = [(one.board, facts_of(one.board, types[one.board.type])) for one in self.records.boards()]
        return [
            MaintenanceView(
                one.number,
                one.groups,
                tuple(board.name for board, facts in boards if concerns(board, facts)),
                one.window,
                one.reason,
            )
            for one in to_come
            for concerns in (one.concerns(),)
        ]

    def image(self, image: Image) -> ImageView:
        parent = self._parent_ref(image)
        project = self.records.project(image.project) if image.project else None
        doing = self.progress(image.id) if image.state is ImageState.BUILDING else None
        tests = tuple(self.records.boot_tests(image.id))
        image = self._without_ancestors(image)
        return ImageView(image, self.user_name(image.owner), parent, project.name if project else "", doing, tests)

    def _without_ancestors(self, image: Image) -> Image:
        """What it descends from on the farm that exported it may have been its owner's alone there."""
        if image.manifest is None or image.manifest.about is None or may_see_lineage(self.records, self.asker, image):
            return image
        about = replace(image.manifest.about, lineage=())
        return replace(image, manifest=replace(image.manifest, about=about))

    def _parent_ref(self, image: Image) -> str | None:
        parent = self.records.image(image.parent) if image.parent else None
        is_seen = parent is not None and can(self.asker, "see", image_to_decide_on(self.records, parent))
        return parent.ref if parent is not None and is_seen else None

    def errand(self, errand: Errand) -> ErrandView:
        return ErrandView(errand, self.image_ref(errand.image), self.progress(errand.id))

    def progress(self, thing: UUID) -> ProgressView | None:
        doing = self.records.doing(thing)
        if doing is None:
            return None
        progress = Progress(doing.phase, doing.done_bytes, doing.total_bytes)
        took_s = (doing.at - doing.since).total_seconds()
        rate = doing.done_bytes / took_s if took_s > 0 else 0.0
        return ProgressView(progress, rate, progress.left_s(rate))

    def root(self, root: Root) -> RootView:
        live = self.records.deployments(root=root.id, live=True) if root.state is RootState.LIVE else []
        board = live[0].board if live else None
        return RootView(root, self.user_name(root.owner), self.image_ref(root.image), board)

    def volumes(self, volumes: Sequence[Volume]) -> list[VolumeView]:
        boards: dict[UUID, list[str]] = {}
        for standing in self.records.boards() if volumes else ():
            for one in standing.wish.volumes if isinstance(standing.wish, Deployed) else ():
                boards.setdefault(one.volume, []).append(standing.board.name)
        projects = {one.project: self.records.project(one.project) for one in volumes if one.project}
        return [
            VolumeView(
                one,
                self.user_name(one.user) if one.user else "",
                project.name if one.project and (project := projects[one.project]) else "",
                tuple(boards.get(one.id, ())),
            )
            for one in volumes
        ]

    def volume(self, volume: Volume) -> VolumeView:
        return self.volumes([volume])[0]

    def deployment(self, deployment: Deployment) -> DeploymentView:
        root = self.records.root(deployment.root)
        return DeploymentView(deployment, self.image_ref(deployment.image), root.name if root else "")

    def reservations(self, reservations: Sequence[Reservation]) -> list[ReservationView]:
        seen = [one.number for one in reservations if self._is_in(one)]
        found: dict[int, list[Deployment]] = {}
        for deployment in self.records.deployments(reservations=seen) if seen else ():
            found.setdefault(deployment.reservation, []).append(deployment)
        return [self._reservation(one, found.get(one.number, ())) for one in reservations]

    def reservation(self, reservation: Reservation) -> ReservationView:
        return self.reservations([reservation])[0]

    def _reservation(self, reservation: Reservation, deployments: Sequence[Deployment]) -> ReservationView:
        members = tuple(self.user_name(one) for one in reservation.members)
        is_theirs = self._is_in(reservation)
        image = self.image_ref(reservation.image) if is_theirs else None
        project = self.records.project(reservation.project) if is_theirs and reservation.project else None
        shown = tuple(self.deployment(one) for one in sorted(deployments, key=lambda one: one.is_live))
        user = self.user_name(reservation.user)
        subject = self.image_ref(reservation.subject) if is_theirs and reservation.subject else None
        named = project.name if project else None
        return ReservationView(reservation, user, members, image, shown, named, subject)

    def _is_in(self, reservation: Reservation) -> bool:
        """What it boots is seen by who changes it, and by who is let in to its boards."""
        if self.asker.id in reservation.members:
            return True
        return can(self.asker, "change", to_decide_on(self.records, reservation))

    def user_name(self, user: UUID) -> str:
        found = self.records.user(user)
        return found.name if found else ""

    def image_ref(self, image: UUID) -> str:
        if image not in self._images:
            found = self.records.image(image)
            self._images[image] = found.ref if found else ""
        return self._images[image]

    def _ago_s(self, at: datetime) -> float:
        # A clock that was set back must not make the past a future.
        return max(0.0, (self.now - at).total_seconds())


def state_of(standing: Standing) -> BoardState:
    match standing.wish:
        case Deployed(opened=opened):
            return BoardState.OPEN if opened else BoardState.PREPARING
        case Gone():
            return BoardState.GOING
        case _ if not standing.board.is_fit:
            return BoardState.SET_ASIDE
        case _:
            return BoardState.FREE if standing.is_clean else BoardState.CLEANING


def as_utc(at: datetime) -> str:
    """A time within a sentence."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
