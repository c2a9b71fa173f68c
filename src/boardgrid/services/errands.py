"""Errands: what agents do once with an image: hold it against its checksum, or pack it to be taken away."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from uuid import UUID

import structlog

from boardgrid.messages import _
from boardgrid.model.access import can
from boardgrid.model.deployment import Outcome
from boardgrid.model.errand import About, Errand, ErrandKind, ErrandState
from boardgrid.model.errors import Code, Conflict, NotFound
from boardgrid.model.image import Image, ImageState
from boardgrid.model.user import User
from boardgrid.model.wish import ErrandWish
from boardgrid.ports import EVENTS, Snapshot
from boardgrid.services.desk import Desk, Work, check_no_guest
from boardgrid.services.finding import image_of, image_to_decide_on, may_see_lineage
from boardgrid.services.giving import check_ready
from boardgrid.services.showing import Showing
from boardgrid.services.views import ErrandView

log = structlog.get_logger()

KEPT_FOR = timedelta(days=1)  # what was packed lies ready so long, and what came of an errand is told so long
_MOST = 4  # of one user, exports that wait or lie ready: each takes room of the farm's disk
_LINEAGE_MOST = 100


@dataclass(frozen=True, slots=True)
class Errands:
    desk: Desk

    def verify(self, asker: User, ref: str) -> ErrandView:
        """
        Have an image's file held against its checksum. One that is asked for already is not asked for twice.

        Raises:
            NotFound: IMAGE_UNKNOWN.
            NotAllowed: it is another's.
            Conflict: IMAGE_NOT_READY.
        """
        with self.desk.begin(asker, "image.verify") as work:
            image = image_of(work.tx, asker, ref, "change")
            check_ready(replace(image, damage=""))  # one that was damaged may have been repaired
            for one in work.tx.errands(image=image.id, states={ErrandState.WAITING}):
                if one.kind is ErrandKind.VERIFY:
                    return Showing(work.tx, asker, work.now).errand(one)
            return _begin(work, asker, ErrandKind.VERIFY, image)

    def export(self, asker: User, ref: str) -> ErrandView:
        """
        Have an image packed; whoever may use it may take it away.

        Raises:
            NotFound: IMAGE_UNKNOWN.
            NotAllowed: *asker* is a guest.
            Conflict: IMAGE_NOT_READY, IMAGE_DAMAGED; REQUESTS_TOO_MANY, too many of theirs wait or lie ready.
        """
        check_no_guest(asker)
        with self.desk.begin(asker, "image.export") as work:
            image = image_of(work.tx, asker, ref, "use")
            check_ready(image)
            theirs = work.tx.errands(owner=asker.id, states={ErrandState.WAITING, ErrandState.DONE})
            if sum(one.kind is ErrandKind.EXPORT for one in theirs) >= _MOST:
                raise Conflict(
                    Code.REQUESTS_TOO_MANY,
                    _("{count} exports of yours wait or lie ready already"),
                    hint=_("take them away, or cancel one; what nobody takes away is gone after a day"),
                    count=_MOST,
                )
            return _begin(work, asker, ErrandKind.EXPORT, image)

    def errand(self, asker: User, errand: UUID) -> ErrandView:
        """
        Raises:
            NotFound: ERRAND_UNKNOWN.
        """
        with self.desk.records.read() as records:
            return Showing(records, asker, self.desk.now()).errand(_found(records, asker, errand))

    def forget(self, asker: User, errand: UUID) -> None:
        """
        Have it stopped, or what came of it thrown away.

        Raises:
            NotFound: ERRAND_UNKNOWN.
        """
        with self.desk.begin(asker, "image.cancel") as work:
            _forget(work, _found(work.tx, asker, errand))

    def to_fetch(self, asker: User, errand: UUID) -> ErrandView:
        """
        The same of one whose content is to be taken away.

        Raises:
            NotFound: ERRAND_UNKNOWN, also where who asked for it may not use the image any more.
        """
        with self.desk.records.read() as records:
            found = _found(records, asker, errand)
            if not _may_go_on(records, found):
                raise _unknown(errand)
            return Showing(records, asker, self.desk.now()).errand(found)

    # --- the agent's

    def wished(self, site: str, errand: UUID) -> Errand:
        """
        An export of this site: what was packed may come, or has.

        Raises:
            NotFound: ERRAND_UNKNOWN, nobody wants it any more.
        """
        with self.desk.records.read() as records:
            return _wished(records, site, errand)

    def packed(self, site: str, errand: UUID, size_bytes: int) -> None:
        """
        What was packed lies whole in the spool. May be said twice.

        Raises:
            NotFound: ERRAND_UNKNOWN, nobody wants it any more.
        """
        with self.desk.begin() as work:
            found = _wished(work.tx, site, errand)
            if found.state is ErrandState.WAITING:
                _end(work, replace(found, state=ErrandState.DONE, size_bytes=size_bytes))

    # --- by itself

    def carry_out(self, work: Work) -> None:
        for one in work.tx.errands():
            if _due(work.tx, one) <= work.now:
                _forget(work, one)

    def next_due(self, records: Snapshot) -> datetime | None:
        return min((_due(records, one) for one in records.errands()), default=None)


def errand_wishes(records: Snapshot, site: str) -> tuple[ErrandWish, ...]:
    """What the agent of a site is to do, in the order in which it was asked for."""
    waiting = records.errands(site=site, states={ErrandState.WAITING})
    return tuple(_wish(records, one) for one in waiting if _may_go_on(records, one))


def errand_ended(work: Work, errand: Errand, code: Code | None, reason: str) -> None:
    """The agent told how it went."""
    if errand.state is not ErrandState.WAITING:
        return
    image = work.tx.image(errand.image)
    # One that is ready and not in the store is as damaged as can be.
    if (
        errand.kind is ErrandKind.VERIFY
        and image is not None
        and code in {None, Code.IMAGE_DAMAGED, Code.IMAGE_UNKNOWN}
    ):
        damage = reason if code else ""
        work.save(replace(image, verified_at=work.now, damage=damage))
        if damage:
            told = _("{image} is damaged in the store: {damage}").format(image=image.ref, damage=damage)
            work.note_thing("image", told, image.owner, Outcome.FAILED)
        if code is Code.IMAGE_DAMAGED:
            _mark_twins(work, image, damage)
        _end(work, replace(errand, state=ErrandState.DONE, reason=damage))
    elif code is not None:
        _end(work, replace(errand, state=ErrandState.FAILED, reason=reason))


def _mark_twins(work: Work, damaged: Image, damage: str) -> None:
    """Images of the same content have one file in a store: what is wrong with it is wrong with them all."""
    for one in work.tx.images(states={ImageState.READY, ImageState.REMOVED}):
        is_twin = damaged.manifest and one.manifest and one.manifest.checksum == damaged.manifest.checksum
        if one.id != damaged.id and one.site == damaged.site and is_twin:
            work.save(replace(one, damage=damage))
            told = _("{image} is damaged in the store: {damage}").format(image=one.ref, damage=damage)
            work.note_thing("image", told, one.owner, Outcome.FAILED)


def forget_doing(work: Work, thing: UUID) -> None:
    """It is over: how far it is concerns nobody any more."""
    if (doing := work.tx.doing(thing)) is not None:
        work.remove(doing)


def _begin(work: Work, asker: User, kind: ErrandKind, image: Image) -> ErrandView:
    errand = Errand(work.new_id(), kind, image.id, image.site, asker.id, work.now)
    work.save(errand)
    log.info("errand.begun", kind=kind, image=image.ref, by=asker.name)
    return Showing(work.tx, asker, work.now).errand(errand)


def _found(records: Snapshot, asker: User, errand: UUID) -> Errand:
    found = records.errand(errand)
    if found is None or not (found.owner == asker.id or can(asker, "administer")):
        raise _unknown(errand)
    return found


def _unknown(errand: UUID) -> NotFound:
    return NotFound(Code.ERRAND_UNKNOWN, _("there is no errand {errand}"), errand=errand)


def _may_go_on(records: Snapshot, errand: Errand) -> bool:
    """Access that was taken back meanwhile is taken back from an export, too."""
    if errand.kind is not ErrandKind.EXPORT:
        return True
    owner, image = records.user(errand.owner), records.image(errand.image)
    return owner is not None and image is not None and can(owner, "use", image_to_decide_on(records, image))


def _wished(records: Snapshot, site: str, errand: UUID) -> Errand:
    found = records.errand(errand)
    is_one = found is not None and found.site == site and found.kind is ErrandKind.EXPORT
    if found is None or not is_one or found.state is ErrandState.FAILED or not _may_go_on(records, found):
        raise NotFound(Code.ERRAND_UNKNOWN, _("nobody wants the export {errand} any more"), errand=errand)
    return found


def _end(work: Work, errand: Errand) -> None:
    work.save(replace(errand, ended_at=work.now))
    work.topics.add(EVENTS)  # who keeps the spool, and who follows it
    forget_doing(work, errand.id)


def _forget(work: Work, errand: Errand) -> None:
    forget_doing(work, errand.id)
    work.remove(errand)
    work.topics.add(EVENTS)


def _due(records: Snapshot, errand: Errand) -> datetime:
    if not _may_go_on(records, errand):
        return errand.asked_at
    return (errand.ended_at or errand.asked_at) + KEPT_FOR


def _wish(records: Snapshot, errand: Errand) -> ErrandWish:
    image, owner = records.image(errand.image), records.user(errand.owner)
    if errand.kind is ErrandKind.VERIFY or image is None or owner is None:
        return ErrandWish(errand.id, errand.kind, errand.image)
    about = About(
        image.name,
        image.version,
        image.labels,
        image.types,
        tuple(islice(_lineage(records, owner, image), _LINEAGE_MOST)),
    )
    return ErrandWish(errand.id, errand.kind, image.id, about)


def _lineage(records: Snapshot, asker: User, image: Image) -> Iterator[str]:
    """As far back as *asker* may see it, and beyond where an ancestor came from another farm."""
    for _generation in range(_LINEAGE_MOST):
        if image.manifest is not None and (before := image.manifest.about) is not None:
            yield before.ref
            if may_see_lineage(records, asker, image):
                yield from before.lineage
            return
        parent = records.image(image.parent) if image.parent else None
        if parent is None or not can(asker, "see", image_to_decide_on(records, parent)):
            return
        yield parent.ref
        image = parent
