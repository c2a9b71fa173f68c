"""Fleet: the agents' door. What each site should be, and what its agent tells of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from boardgrid.messages import _
from boardgrid.model.errors import Code, Conflict, NotFound
from boardgrid.model.image import BlobSource, ImageState
from boardgrid.model.planning import image_wish, question_wish, root_wish, volume_wish
from boardgrid.model.report import Report
from boardgrid.model.root import RootState
from boardgrid.model.volume import VolumeState
from boardgrid.model.wish import Deployed, Lease, SiteWishes
from boardgrid.ports import SiteState, Snapshot, wishes_of
from boardgrid.services.desk import Desk
from boardgrid.services.errands import errand_wishes
from boardgrid.services.finding import site_for
from boardgrid.services.hearing import heard

log = structlog.get_logger()

PROTOCOLS = frozenset({1})  # of agents of this release and the one before it

LEASE_FOR = timedelta(seconds=60)
# A renewal is written down only this often: wishes are asked for at each change of a busy site.
_RENEWED_EVERY = timedelta(seconds=5)
# The site is given to another agent only this long after a renewal was written: later than the one before can think.
_HELD_FOR = LEASE_FOR + 3 * _RENEWED_EVERY


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a batch of reports, by id. A report that came twice is *taken* twice and counts once."""

    taken: tuple[UUID, ...]
    dropped: tuple[UUID, ...]  # of a wish that has moved on, or of something that is not there


@dataclass(frozen=True, slots=True)
class Fleet:
    desk: Desk

    def lease(self, site: str, instance: UUID, protocol: int) -> Lease:
        """
        Give the site to the agent that asks; every call begins a new epoch and ends the one before.

        *instance* is the id of the agent's store, not of its process: the lock on the store sees to it that one process
        has it, so that an agent which was killed and comes back need not wait for its own lease to run out.

        Raises:
            NotFound: SITE_UNKNOWN.
            Conflict: EPOCH_STALE, another instance has the lease (the hint says for how long); PROTOCOL_UNSPOKEN.
        """
        if protocol not in PROTOCOLS:
            raise Conflict(
                Code.PROTOCOL_UNSPOKEN,
                _("this controller does not speak protocol {protocol} with agents"),
                hint=_("it speaks {spoken}: bring agent and controller to neighbouring releases"),
                protocol=protocol,
                spoken=", ".join(str(one) for one in sorted(PROTOCOLS)),
            )
        refused_s = 0.0
        with self.desk.begin() as work:
            state = site_for(work.tx, site)
            # From now on where the clock was set back: else nobody would get the site until it has caught up.
            seen_at = min(state.seen_at, work.now) if state.seen_at else None
            if state.instance not in {None, instance} and seen_at and seen_at + _HELD_FOR > work.now:
                refused_s = (seen_at + _HELD_FOR - work.now).total_seconds()
                given = replace(state, seen_at=seen_at)
            else:
                given = replace(state, epoch=state.epoch + 1, instance=instance, seen_at=work.now)
                work.topics.add(wishes_of(site))  # who waits with the old epoch hears of it now
            work.save(given)
        if refused_s:
            raise Conflict(
                Code.EPOCH_STALE,
                _("another agent has the lease of site {site}"),
                hint=_("stop it; its lease ends within {seconds:.0f} s after that"),
                site=site,
                seconds=refused_s,
            )
        log.info("lease.given", site=site, epoch=given.epoch, instance=str(instance))
        return Lease(given.epoch, LEASE_FOR.total_seconds())

    def wishes(self, site: str, epoch: int) -> SiteWishes:
        """
        All wishes of the site, as they are now; renews the lease. The door waits on the topic :func:`wishes_of`.

        Raises:
            Conflict: EPOCH_STALE.
        """
        with self.desk.records.read() as records:
            state = _held(records, site, epoch)
            wishes = _wishes(records, state)
        if _is_renewal_due(state, self.desk.now()):
            with self.desk.begin() as work:
                work.save(replace(_held(work.tx, site, epoch), seen_at=work.now))
        return wishes

    def report(self, site: str, epoch: int, reports: Sequence[Report]) -> Taken:
        """
        Take a batch in, all in one transaction. A report of a generation that has passed changes nothing and spoils
        nothing: it is answered as dropped. The step that it tells of is history all the same.

        Raises:
            Conflict: EPOCH_STALE.
        """
        taken: list[UUID] = []
        dropped: list[UUID] = []
        with self.desk.begin() as work:
            _held(work.tx, site, epoch)
            for report in reports:
                if not work.tx.is_new(report.id, work.now) or heard(work, site, report):
                    taken.append(report.id)
                else:
                    dropped.append(report.id)
                    log.warning("report.dropped", site=site, kind=report.kind, report=str(report.id))
        return Taken(tuple(taken), tuple(dropped))

    def blob(self, site: str, sha256: str) -> BlobSource:
        """
        An upload that an image of this site is to be made of, or a file that a board of it is to boot with.

        Raises:
            NotFound: FILE_UNKNOWN, there is none.
        """
        with self.desk.records.read() as records:
            for image in records.images(site=site, states={ImageState.BUILDING}):
                if isinstance(image.source, BlobSource) and image.source.sha256 == sha256:
                    return image.source
            for standing in records.boards(site=site):
                for kit in standing.wish.kits if isinstance(standing.wish, Deployed) else ():
                    for blob in kit.blobs:
                        if blob.sha256 == sha256:
                            return blob
        raise NotFound(
            Code.FILE_UNKNOWN, _("nothing of this site is to be made of {sha256}, or to boot it"), sha256=sha256[:80]
        )


def _held(records: Snapshot, site: str, epoch: int) -> SiteState:
    state = site_for(records, site)
    if state.epoch != epoch:
        raise Conflict(
            Code.EPOCH_STALE,
            _("the lease of epoch {epoch} on site {site} is over: another agent has it"),
            hint=_("one agent a site; ask for the lease anew"),
            epoch=epoch,
            site=site,
        )
    return state


def _is_renewal_due(state: SiteState, now: datetime) -> bool:
    return state.seen_at is None or abs(now - state.seen_at) >= _RENEWED_EVERY


def _wishes(records: Snapshot, state: SiteState) -> SiteWishes:
    site = state.site.name
    types = {one.name: one.plain for one in records.board_types()}
    going = records.roots(site=site, states={RootState.GOING})
    images = records.images(site=site, states={ImageState.BUILDING, ImageState.GOING, ImageState.FAILED})
    volumes = records.volumes(site=site, states={VolumeState.MAKING, VolumeState.GOING})
    return SiteWishes(
        state.version,
        tuple(one.as_wish(types[one.board.type]) for one in records.boards(site=site)),
        tuple(wish for wish in map(root_wish, going) if wish),
        tuple(wish for wish in map(image_wish, images) if wish),
        errand_wishes(records, site),
        tuple(wish for wish in map(question_wish, records.questions(site=site)) if wish),
        tuple(wish for wish in map(volume_wish, volumes) if wish),
    )
