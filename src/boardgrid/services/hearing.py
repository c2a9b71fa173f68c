"""
How a report is heard: what it changes, or that it comes too late to change anything.

Each returns whether the report was taken. One that is not is of a generation that has passed, or of something that is
not there; it never raises, so that it does not spoil the batch it came in.
"""

import re
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from boardgrid.messages import _
from boardgrid.model.deployment import Deployment, DeploymentState, Event, Outcome, Phase
from boardgrid.model.difference import Difference, PackageChange
from boardgrid.model.errand import About, ErrandState
from boardgrid.model.errors import Blame, Code, Conflict, FarmError, Invalid
from boardgrid.model.image import Image, ImageState, Manifest, RecipeSource, UrlSource, shown_url
from boardgrid.model.planning import Standing
from boardgrid.model.report import (
    AnswerReport,
    BoardReport,
    ErrandReport,
    HealthReport,
    ImageReport,
    OrderReport,
    ProgressReport,
    Reached,
    Report,
    RootReport,
    SiteReport,
    StepReport,
    VolumeReport,
)
from boardgrid.model.reservation import Purpose, Reservation
from boardgrid.model.root import RootState
from boardgrid.model.volume import VolumeState
from boardgrid.model.wish import Deployed, Gone, Parked
from boardgrid.ports import EVENTS, Activity, Doing, Health
from boardgrid.services.building import unpacked
from boardgrid.services.desk import Work
from boardgrid.services.ending import Fate, end
from boardgrid.services.errands import errand_ended, forget_doing
from boardgrid.services.giving import boot_again, go_on, kits_behind, last_good, saving_on
from boardgrid.services.limiting import check_kept
from boardgrid.services.seating import seat_again
from boardgrid.services.trying import tried
from boardgrid.services.unfolding import after_capture, evict, hand_on, offer
from boardgrid.services.volumes import note_volume
from boardgrid.services.workshop import fail, is_unfinished, root_is_gone, wanted_of

# A board or an image may make the agent tell anything: what is recorded of it is bounded.
_WORDS_MOST = 2000
_STEP_MOST = 40
_LINES_MOST = 40
_LINE_MOST = 400
_PATHS_MOST = 2000
_SECONDS_MOST = 30 * 86400.0
_BYTES_MOST = 1 << 62

_HOST_KEY = re.compile(r"[a-z0-9@.-]+ [A-Za-z0-9+/]+=*")


def heard(work: Work, site: str, report: Report) -> bool:
    match report:
        case StepReport():
            return _step(work, site, report)
        case BoardReport():
            return _board(work, site, report)
        case HealthReport():
            return _health(work, site, report)
        case RootReport():
            return _root(work, site, report)
        case ImageReport():
            return _image(work, site, report)
        case VolumeReport():
            return _volume(work, site, report)
        case ErrandReport():
            return _errand(work, site, report)
        case ProgressReport():
            return _progress(work, site, report)
        case OrderReport():
            return _order(work, site, report)
        case AnswerReport():
            return _answer(work, site, report)
        case SiteReport():
            return _site(work, site, report)


# --- boards


def _step(work: Work, site: str, report: StepReport) -> bool:
    standing = _standing(work, site, report.board)
    if standing is None or not 0 <= report.generation <= standing.generation:
        return False
    deployment = work.tx.deployment(report.deployment) if report.deployment else None
    if deployment is not None and deployment.board != report.board:
        deployment = None
    whose = _whose(work, standing, report, deployment)
    event = Event(
        number=0,
        at=work.now - timedelta(seconds=_seconds(report.ago_s) or 0.0),
        board=report.board,
        generation=report.generation,
        step=report.step[:_STEP_MOST],
        phase=report.phase,
        deployment=deployment.id if deployment else None,
        outcome=report.outcome,
        took_s=_seconds(report.took_s),
        detail=report.detail[:_WORDS_MOST],
        console=tuple(line[:_LINE_MOST] for line in report.console[-_LINES_MOST:]),
        reservation=whose.number if whose else None,
    )
    work.note(event, owner=whose.user if whose else None)
    return True


def _whose(work: Work, standing: Standing, report: StepReport, deployment: Deployment | None) -> Reservation | None:
    """Whose the words of a step are: a board that is taken back still speaks of the one who had it."""
    if deployment is None and report.generation == standing.generation and standing.tenant is not None:
        deployment = work.tx.deployment(standing.tenant)
    return work.tx.reservation(deployment.reservation) if deployment else None


def _board(work: Work, site: str, report: BoardReport) -> bool:
    standing = _standing(work, site, report.board)
    if standing is None or report.generation != standing.generation:
        return False
    match report.reached, standing.wish:
        case Reached.OPEN, Deployed(deployment=wished) if report.deployment in {None, wished}:
            _opened(work, standing, report)
        case Reached.PARKED, Parked():
            _parked(work, standing)
        case Reached.GONE, Gone():
            work.remove(standing)
            work.note_board(standing, "board", Phase.ENDED, _("it has left the farm"), outcome=Outcome.OK)
        case Reached.FAILED, Deployed(deployment=wished) if report.deployment in {None, wished}:
            _failed(work, standing, report)
        case Reached.FAILED, Parked() | Gone():
            _not_parked(work, standing, report)
        case _:
            return False
    return True


def _opened(work: Work, standing: Standing, report: BoardReport) -> None:
    deployment = work.tx.deployment(standing.tenant) if standing.tenant else None
    if deployment is None or deployment.state is not DeploymentState.PREPARING:
        work.save(standing.reached().opened())
        return  # told once more
    host_key = report.host_key.strip()
    is_key = bool(_HOST_KEY.fullmatch(host_key))  # it goes into files that ssh reads line by line
    opened = replace(
        deployment,
        state=DeploymentState.OPEN,
        opened_at=work.now,
        host_key=host_key if is_key else "",
        reason=report.reason[:_WORDS_MOST],
        code=report.code,
        hint=report.hint[:_WORDS_MOST],
    )
    work.save(opened)
    work.save(standing.reached().opened(kits_behind(work.tx, opened)))
    if opened.reason:
        # Why has been told by the step that failed.
        _note_owned(work, standing, opened, _("it does not answer, and stays its user's as it is"), Outcome.FAILED)
    else:
        _note_owned(work, standing, opened, _("it is open"), Outcome.OK)
    reservation = work.tx.reservation(opened.reservation)
    if reservation is not None and reservation.purpose is not Purpose.USE:
        _served(work, reservation, opened)


def _served(work: Work, reservation: Reservation, opened: Deployment) -> None:
    """What the farm itself wanted of a board is reached: it is given back at once."""
    if reservation.purpose is Purpose.TEST:
        tried(work, reservation, opened)
        end(work, reservation, because=_("it came up, and that was all"))
    else:
        end(work, reservation, because=_("the image is finished"), fate=Fate.KEEP)
    offer(work, reservation.boards)


def _parked(work: Work, standing: Standing) -> None:
    if standing.is_reached:
        return
    clean = standing.reached()
    work.save(clean)
    work.note_board(clean, "board", Phase.ENDED, _("it is parked"), outcome=Outcome.OK)
    hand_on(work, standing.board.name)


def _failed(work: Work, standing: Standing, report: BoardReport) -> None:
    """The deployment was given up. Whose fault it was decides what else comes of it."""
    deployment = work.tx.deployment(standing.tenant) if standing.tenant else None
    reservation = work.tx.holder_of(standing.board.name)
    reason = report.reason[:_WORDS_MOST] or _("it failed, and nobody knows why")
    was_open = deployment is not None and deployment.state is not DeploymentState.PREPARING
    if deployment is None or reservation is None or was_open or report.blame in {None, Blame.SITE}:
        # An open board is its user's, whatever becomes of it; and a site in trouble pauses, and blames nobody.
        _note_owned(work, standing, deployment, reason, Outcome.FAILED)
        return
    failed = replace(
        deployment,
        state=DeploymentState.FAILED,
        reason=reason,
        code=report.code,
        hint=report.hint[:_WORDS_MOST],
    )
    _note_owned(work, standing, failed, reason, Outcome.FAILED)
    if _gone_on(work, reservation, standing, failed, report.still):
        return
    if _fallen_back(work, reservation, standing, failed):
        return
    if reservation.purpose is Purpose.TEST:
        tried(work, reservation, failed, reason)
    board = standing.board.name
    if report.blame is Blame.BOARD:
        standing = standing.set_aside(reason)
        work.save(standing)
    # Everybody reads why a reservation ended; what exactly failed is in its deployment, for its user and admins.
    end(work, reservation, boards={board}, because=_("its deployment failed"), failure=failed)
    if report.blame is Blame.BOARD:
        evict(work, board)
        if reservation.is_seat:
            seat_again(work, reservation)
    offer(work, {board})


def _gone_on(work: Work, reservation: Reservation, standing: Standing, failed: Deployment, still: UUID | None) -> bool:
    """What its user brought could not be had, and nothing was done to the board before: it goes on as it was."""
    former = work.tx.deployment(still) if still else None
    if former is None or former.opened_at is None or former.id == failed.id:
        return False
    if (former.reservation, former.board, former.root) != (failed.reservation, failed.board, failed.root):
        return False
    try:
        go_on(work, reservation, standing, failed, former)
    except FarmError:
        return False  # its board has become another meanwhile
    _note_owned(work, standing, former, _("it goes on as it was: nothing was done to it"), Outcome.OK)
    return True


def _fallen_back(work: Work, reservation: Reservation, standing: Standing, failed: Deployment) -> bool:
    """What its user brought could not be laid out: their root boots again with what it booted before."""
    good = last_good(work.tx, failed)
    if failed.kit is None or (good is not None and good.id == failed.kit.id):
        return False
    try:
        boot_again(work, reservation, standing, replace(failed, ended_at=work.now), good)
    except FarmError:
        return False  # nor can that: its board has become another meanwhile
    return True


def _not_parked(work: Work, standing: Standing, report: BoardReport) -> None:
    """It was taken back and does not come to rest: nobody gets it until an admin has looked."""
    reason = report.reason[:_WORDS_MOST] or _("it could not be parked, and nobody knows why")
    if report.blame is not Blame.SITE:
        work.save(standing.set_aside(reason))
    work.note_board(standing, "board", Phase.NOTED, reason, outcome=Outcome.FAILED)
    if report.blame is not Blame.SITE:
        _end_saving(work, standing, report, reason)
        evict(work, standing.board.name)


def _end_saving(work: Work, standing: Standing, report: BoardReport, reason: str) -> None:
    """Its holder only waits for an image of their root to be made: that goes on, and the root is kept for them."""
    board = standing.board.name
    reservation = work.tx.holder_of(board)
    saved = saving_on(work.tx, reservation, board) if reservation else None
    if reservation is not None and saved is not None:
        failed = replace(saved, state=DeploymentState.FAILED, reason=reason, code=report.code)
        end(work, reservation, boards={board}, because=_("the board could not be stopped"), failure=failed)


def _health(work: Work, site: str, report: HealthReport) -> bool:
    standing = _standing(work, site, report.board)
    if standing is None or report.generation != standing.generation or not isinstance(standing.wish, Deployed):
        return False
    work.save(Health(report.board, report.power, report.voice, work.now))
    if (quiet_s := _seconds(report.console_s)) is not None:
        # Who sits at the serial console comes through no gateway.
        said_at, known = work.now - timedelta(seconds=quiet_s), work.tx.activity().get(report.board)
        if known is None or known.active_at < said_at:
            work.save(Activity(report.board, known.sessions if known else 0, said_at))
            work.topics.add(EVENTS)  # who was warned may be left in peace
    return True


def _order(work: Work, site: str, report: OrderReport) -> bool:
    """Not measured by its generation: an order is told by its id, and was carried out whatever came after."""
    record = work.tx.order(report.order)
    if record is None or record.board != report.board:
        return False
    standing = _standing(work, site, report.board)
    if standing is None and work.tx.board(report.board) is not None:
        return False  # another site's
    if standing is not None and standing.order is not None and standing.order.id == report.order:
        work.save(replace(standing, order=None))
    if record.is_done:
        return True  # it was replaced or dropped while the agent was at it
    reason = report.reason[:_WORDS_MOST]
    work.save(replace(record, is_done=True, reason=reason))
    if standing is not None:
        told = reason or _("power {act} was carried out").format(act=record.order.act)
        holder = work.tx.holder_of(report.board)
        work.note_board(
            standing,
            "power",
            Phase.ENDED,
            told,
            outcome=Outcome.FAILED if reason else Outcome.OK,
            reservation=holder.number if holder else None,
            owner=holder.user if holder else None,
        )
    return True


# --- the store


def _root(work: Work, site: str, report: RootReport) -> bool:
    root = work.tx.root(report.root)
    if root is None or root.site != site or root.state not in {RootState.GOING, RootState.GONE}:
        return False
    if root.state is RootState.GOING:
        work.save(replace(root, state=RootState.GONE))
        work.note_thing("root", _("root {root} is gone").format(root=root.name), root.owner)
        root_is_gone(work, root)
    return True


def _image(work: Work, site: str, report: ImageReport) -> bool:
    image = work.tx.image(report.image)
    if image is None or image.site != site:
        return False
    is_gone = report.manifest is None and report.code is None and not report.reason
    why, hint = _plain(image, report.reason) or _("nobody knows why"), _plain(image, report.hint)
    forget_doing(work, image.id)
    match image.state:
        case ImageState.BUILDING if report.manifest is not None and is_unfinished(image):
            source = image.source
            assert isinstance(source, RecipeSource)  # noqa: S101 - it is unfinished
            work.save(replace(image, state=ImageState.UNPACKED, manifest=report.manifest, source=None))
            unpacked(work, image, source)
        case ImageState.BUILDING if not is_gone and is_unfinished(image):
            # It goes without a trace: who asked for an image is told of that one.
            work.save(replace(image, state=ImageState.GONE, source=None))
            if wanted := wanted_of(work.tx, image):
                fail(work, wanted, why, hint=hint)
        case ImageState.BUILDING if report.manifest is not None:
            _made(work, image, report.manifest)
        case ImageState.BUILDING if not is_gone:
            _not_made(work, image, why, hint)
        case ImageState.FAILED if is_gone and image.manifest is not None:
            work.save(replace(image, manifest=None))
        case ImageState.GOING if is_gone:
            work.save(replace(image, state=ImageState.GONE))
            work.note_thing("image", _("{image} is gone").format(image=image.ref), image.owner)
        case ImageState.AWAITED | ImageState.BUILDING:
            return False
        case _:
            pass  # told once more, or made while it was being removed
    return True


def _made(work: Work, image: Image, manifest: Manifest) -> None:
    try:
        check_kept(work.tx, image.owner, more_bytes=manifest.stored_bytes, but=image.id)
    except Conflict as over:
        # How large it is only shows now. Its manifest stays until the agent has removed it.
        _not_made(work, replace(image, manifest=manifest), str(over), over.hint)
        return
    work.save(replace(_described(work, image, manifest.about), state=ImageState.READY, manifest=manifest, source=None))
    work.note_thing("image", _("{image} is ready").format(image=image.ref), image.owner)
    after_capture(work, image, is_made=True)


def _described(work: Work, image: Image, about: About | None) -> Image:
    """With what the farm that exported it told of it, where who imports it said nothing else."""
    if about is None:
        return image
    known = {one.name for one in work.tx.board_types()}
    image = replace(image, types=image.types or tuple(sorted(known.intersection(about.types))))
    try:
        return image.labelled({**about.labels, **image.labels})
    except Invalid:
        return image  # together they are too many


def _not_made(work: Work, image: Image, reason: str, hint: str) -> None:
    work.save(replace(image, state=ImageState.FAILED, reason=reason, hint=hint, source=None))
    told = _("{image} could not be made: {reason}").format(image=image.ref, reason=reason)
    work.note_thing("image", told, image.owner, Outcome.FAILED)
    after_capture(work, image, is_made=False)


def _plain(image: Image, words: str) -> str:
    """Others read it, who are not to see what may be secret in an address."""
    if isinstance(image.source, UrlSource):
        words = words.replace(image.source.url, shown_url(image.source.url))
    return words[:_WORDS_MOST]


def _errand(work: Work, site: str, report: ErrandReport) -> bool:
    errand = work.tx.errand(report.errand)
    if errand is None or errand.site != site:
        return False
    errand_ended(work, errand, report.code, report.reason[:_WORDS_MOST])
    return True


def _progress(work: Work, site: str, report: ProgressReport) -> bool:
    errand = work.tx.errand(report.thing)
    image = work.tx.image(errand.image if errand else report.thing)
    is_under_way = (
        errand.state is ErrandState.WAITING if errand else image is not None and image.state is ImageState.BUILDING
    )
    if image is None or image.site != site or not is_under_way:
        return False
    phase = report.phase[:_STEP_MOST]
    before = work.tx.doing(report.thing)
    is_new = before is None or before.phase != phase
    done, total = (min(max(one, 0), _BYTES_MOST) for one in (report.done_bytes, report.total_bytes))
    work.save(Doing(report.thing, phase, done, total, work.now if before is None or is_new else before.since, work.now))
    if is_new and errand is None:
        # One event a phase: how far it is between them is asked of the image.
        told = _("{image}: {phase}").format(image=image.ref, phase=phase)
        work.note(Event(0, work.now, "", 0, "image", Phase.NOTED, detail=told), owner=image.owner)
    return True


def _answer(work: Work, site: str, report: AnswerReport) -> bool:
    question = work.tx.question(report.question)
    if question is None or question.site != site:
        return False  # forgotten meanwhile
    if not question.is_open:
        return True  # told once more
    if report.answer is not None:
        work.save(replace(question, answer=_bounded(report.answer)))
    else:
        code, reason = report.code or Code.BUG, report.reason[:_WORDS_MOST] or _("nobody knows why")
        work.save(replace(question, code=code, reason=reason, hint=report.hint[:_WORDS_MOST]))
    return True


def _bounded(told: Difference) -> Difference:
    paths = tuple(replace(one, path=one.path[:_LINE_MOST]) for one in told.paths[:_PATHS_MOST])
    packages = tuple(
        PackageChange(one.name[:_LINE_MOST], one.was[:_LINE_MOST], one.now[:_LINE_MOST])
        for one in told.packages[:_PATHS_MOST]
    )
    return replace(told, paths=paths, packages=packages, packages_by=told.packages_by[:_STEP_MOST])


def _volume(work: Work, site: str, report: VolumeReport) -> bool:
    volume = work.tx.volume(report.volume)
    if volume is None or volume.site != site:
        return False
    is_gone, is_made = report.size_bytes is None, report.code is None and not report.reason
    told, outcome = "", Outcome.OK
    match volume.state:
        case VolumeState.GOING if is_gone:
            volume, told = replace(volume, state=VolumeState.GONE), _("volume {volume} is gone")
        case VolumeState.MAKING | VolumeState.ASIDE if is_made and not is_gone:
            volume = replace(volume, made_bytes=report.size_bytes or 0, reason="")
            if volume.state is VolumeState.MAKING and volume.made_bytes == volume.size_bytes:
                volume, told = replace(volume, state=VolumeState.READY), _("volume {volume} is ready")
        case VolumeState.MAKING if report.size_bytes == volume.size_bytes:
            reason = report.reason[:_WORDS_MOST] or _("nobody knows why")
            is_there = volume.made_bytes > 0
            volume = replace(
                volume,
                state=VolumeState.READY if is_there else VolumeState.FAILED,
                size_bytes=volume.made_bytes if is_there else volume.size_bytes,
                reason=reason,
            )
            told = _("volume {volume} could not be made larger: {reason}")
            if not is_there:
                told = _("volume {volume} could not be made: {reason}")
            outcome = Outcome.FAILED
        case _:
            return True  # told once more, or of a size that is not asked for any more
    work.save(volume)
    if told:
        note_volume(work, volume, told.format(volume=volume.name, reason=volume.reason), outcome)
    return True


# --- the site


def _site(work: Work, site: str, report: SiteReport) -> bool:
    state = work.tx.site(site)
    if state is None or report.site.name != site:
        return False
    trouble = report.trouble[:_WORDS_MOST]
    work.save(
        replace(
            state,
            site=report.site,
            store_bytes=min(max(report.store_bytes, 0), _BYTES_MOST),
            free_bytes=min(max(report.free_bytes, 0), _BYTES_MOST),
            trouble=trouble,
            imports=report.imports and report.imports.bounded(),
        )
    )
    if trouble != state.trouble:
        told = trouble or _("site {site} works again").format(site=site)
        work.note_thing("site", told, None, Outcome.FAILED if trouble else Outcome.OK)
    return True


# --- how


def _standing(work: Work, site: str, board: str) -> Standing | None:
    """The board, if it is one of this site: an agent tells of its own boards alone."""
    standing = work.tx.board(board)
    return standing if standing is not None and standing.board.site == site else None


def _note_owned(work: Work, standing: Standing, deployment: Deployment | None, told: str, outcome: Outcome) -> None:
    whose = work.tx.reservation(deployment.reservation) if deployment else None
    work.note_board(
        standing,
        "board",
        Phase.ENDED,
        told,
        outcome=outcome,
        reservation=whose.number if whose else None,
        owner=whose.user if whose else None,
    )


def _seconds(told: float | None) -> float | None:
    return told if told is not None and 0 <= told <= _SECONDS_MOST else None
