"""The wastebasket: images that nobody needs any more, until they are gone for good."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from boardgrid.messages import _
from boardgrid.model.access import can
from boardgrid.model.errand import ErrandState
from boardgrid.model.errors import Code, Conflict, Invalid
from boardgrid.model.image import Image, ImageState
from boardgrid.model.reservation import LIVE
from boardgrid.model.root import Root, RootState
from boardgrid.model.user import User
from boardgrid.ports import Snapshot
from boardgrid.services.building import cancel
from boardgrid.services.desk import Desk, Work
from boardgrid.services.errands import forget_doing
from boardgrid.services.finding import image_versions
from boardgrid.services.showing import Showing
from boardgrid.services.unfolding import after_capture
from boardgrid.services.views import ImageView

log = structlog.get_logger()

UPLOAD_WITHIN = timedelta(days=1)  # a name without content is given up then
QUIET_FOR = timedelta(hours=1)  # until then the content of one may be on its way, and it is no waste
KEPT_FOR = timedelta(days=7)
_GOES = frozenset({ImageState.REMOVED, ImageState.FAILED, ImageState.AWAITED})


@dataclass(frozen=True, slots=True)
class Wastebasket:
    """
    An image that was removed can be restored for some days. Until it is gone it counts as its owner's, for it takes as
    much room as before: who needs that room at once empties the basket.
    """

    desk: Desk
    kept_for: timedelta = KEPT_FOR

    def remove(self, asker: User, ref: str) -> None:
        """
        Put an image into the wastebasket. One that is being made, or was never, has nothing to be restored: it goes.

        Raises:
            NotAllowed: it is another's.
            NotFound: IMAGE_UNKNOWN.
            Invalid: REQUEST_INVALID, there are several versions and none was named.
            Conflict: THING_IN_USE, the sentence names what needs it.
        """
        with self.desk.begin(asker, "image.remove") as work:
            there = image_versions(work.tx, asker, ref, "change")
            versions = [one for one in there if one.state not in {ImageState.REMOVED, ImageState.GOING}]
            if len(versions) > 1:
                raise Invalid(
                    Code.REQUEST_INVALID,
                    _("there are several versions of {image}, and none was named"),
                    hint=_("name one of: {refs}"),
                    image=ref,
                    refs=", ".join(one.ref for one in versions),
                )
            for image in versions:
                if image.state is ImageState.FINISHING:
                    cancel(work, image)
                _check_unused(work.tx, asker, image)
                told = _("{user} removes {image}").format(user=asker.name, image=image.ref)
                work.note_thing("image", told, image.owner)
                if image.state is ImageState.READY:
                    work.save(replace(image, state=ImageState.REMOVED, removed_at=work.now))
                else:
                    _let_go(work, image)
        log.info("image.removed", image=ref, by=asker.name)

    def restore(self, asker: User, ref: str) -> ImageView:
        """
        Take an image out of the wastebasket.

        Raises:
            NotAllowed: it is another's.
            NotFound: IMAGE_UNKNOWN.
            Invalid: REQUEST_INVALID, several versions lie there and none was named.
            Conflict: IMAGE_NOT_READY, it does not lie there.
        """
        with self.desk.begin(asker, "image.restore") as work:
            removed = [one for one in image_versions(work.tx, asker, ref, "change") if one.state is ImageState.REMOVED]
            if not removed:
                hint = _("`boardgrid image list` shows what does")
                raise Conflict(Code.IMAGE_NOT_READY, _("{image} does not lie in the wastebasket"), hint=hint, image=ref)
            if len(removed) > 1:
                raise Invalid(
                    Code.REQUEST_INVALID,
                    _("several versions of {image} lie in the wastebasket, and none was named"),
                    hint=_("name one of: {refs}"),
                    image=ref,
                    refs=", ".join(one.ref for one in removed),
                )
            restored = replace(removed[0], state=ImageState.READY, removed_at=None)
            work.save(restored)
            told = _("{user} restores {image}").format(user=asker.name, image=restored.ref)
            work.note_thing("image", told, restored.owner)
            log.info("image.restored", image=restored.ref, by=asker.name)
            return Showing(work.tx, asker, work.now).image(restored)

    def waste(self, asker: User, *, of_all: bool = False) -> list[ImageView]:
        """
        What :meth:`empty` would have go: what lies in the wastebasket, what could not be made, and what never came.

        Args:
            of_all: of everybody, as far as the asker may change it; else their own alone.
        """
        with self.desk.records.read() as records:
            showing = Showing(records, asker, self.desk.now())
            return [showing.image(one) for one in _waste(records, asker, self.desk.now(), of_all=of_all)]

    def empty(self, asker: User, *, of_all: bool = False) -> list[ImageView]:
        """Have all of it go, now and for ever; what it was."""
        with self.desk.begin(asker, "image.gc") as work:
            waste = _waste(work.tx, asker, work.now, of_all=of_all)
            showing = Showing(work.tx, asker, work.now)
            views = [showing.image(one) for one in waste]
            for one in waste:
                _let_go(work, one)
        log.info("wastebasket.emptied", images=len(views), by=asker.name)
        return views

    # --- by itself

    def carry_out(self, work: Work) -> None:
        for image in work.tx.images(states={ImageState.AWAITED, ImageState.REMOVED}):
            if self._due(image) > work.now:
                continue
            if image.state is ImageState.AWAITED:
                told = _("the content of {image} never came").format(image=image.ref)
                work.note_thing("image", told, image.owner)
                image = replace(image, reason=_("its content never came"))  # noqa: PLW2901 - the same, and why
            _let_go(work, image)

    def next_due(self, records: Snapshot) -> datetime | None:
        waiting = records.images(states={ImageState.AWAITED, ImageState.REMOVED})
        return min((self._due(one) for one in waiting), default=None)

    def _due(self, image: Image) -> datetime:
        if image.removed_at is not None:
            return image.removed_at + self.kept_for
        return image.created_at + UPLOAD_WITHIN


def _waste(records: Snapshot, asker: User, now: datetime, *, of_all: bool) -> list[Image]:
    found = records.images(states=_GOES)
    theirs = [one for one in found if can(asker, "change", one) and (of_all or one.owner == asker.id)]
    return [one for one in theirs if one.state is not ImageState.AWAITED or _is_quiet(records, one, now)]


def _is_quiet(records: Snapshot, awaited: Image, now: datetime) -> bool:
    """Nothing of its content has come for a while."""
    doing = records.doing(awaited.id)
    return (doing.at if doing else awaited.created_at) + QUIET_FOR <= now


def _let_go(work: Work, image: Image) -> None:
    """For ever. The agent hears of it, and stops making it."""
    forget_doing(work, image.id)
    # An upload that never came has left nothing with the agent, nor has what was to be finished on a board.
    is_nowhere = image.state in {ImageState.AWAITED, ImageState.FINISHING}
    work.save(replace(image, state=ImageState.GONE if is_nowhere else ImageState.GOING, source=None, aliases=()))
    after_capture(work, image, is_made=False)
    for errand in work.tx.errands(image=image.id, states={ErrandState.WAITING}):
        reason = _("{image} was removed").format(image=image.ref)
        work.save(replace(errand, state=ErrandState.FAILED, reason=reason, ended_at=work.now))


def _check_unused(records: Snapshot, asker: User, image: Image) -> None:
    if image.aliases:
        raise Conflict(
            Code.THING_IN_USE,
            _("{aliases} means {image}"),
            hint=_("give the alias to another version, or take it away: boardgrid image alias --remove"),
            aliases=", ".join(f"{image.name}:{one}" for one in image.aliases),
            image=image.ref,
        )
    for one in records.reservations(states=LIVE):
        # What runs has roots, which are looked at below; but seats of a block are still to come.
        if one.image == image.id and (one.is_waiting or one.is_block):
            raise Conflict(
                Code.THING_IN_USE,
                _("reservation {number} is to boot {image}"),
                hint=_("wait until it is over, or have it withdrawn: boardgrid release {number}"),
                number=one.number,
                image=image.ref,
            )
    _check_no_roots(asker, image, [one for one in records.roots(image=image.id) if one.state is not RootState.GONE])


def _check_no_roots(asker: User, image: Image, above: Sequence[Root]) -> None:
    if not above:
        return
    mine = [one.name for one in above if can(asker, "see", one)]
    others = len(above) - len(mine)
    named = [*mine, *([_("{count} of other users").format(count=others)] if others else [])]
    raise Conflict(
        Code.THING_IN_USE,
        _("these roots are made from {image}: {roots}"),
        hint=_("give back the boards that run them, and discard them; the image can go when they are gone"),
        image=image.ref,
        roots=", ".join(named),
    )
