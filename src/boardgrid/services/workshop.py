"""
Images that are made in two steps: unpacked by the agent, then finished on a board by their own programs.

The image that was asked for is *finishing* meanwhile. Its parent is the one that is unpacked, which nobody else boots,
and which goes when it is not needed any more.
"""

from dataclasses import replace

import structlog

from boardgrid.messages import _
from boardgrid.model.deployment import Outcome
from boardgrid.model.image import Image, ImageState, RecipeSource, RootSource
from boardgrid.model.reservation import Reservation
from boardgrid.model.root import Root, RootState
from boardgrid.ports import Snapshot
from boardgrid.services.desk import Work

log = structlog.get_logger()


def is_unfinished(image: Image) -> bool:
    """Whether it is one of the first step."""
    is_recipes = isinstance(image.source, RecipeSource) and image.source.recipe.is_finished_on_a_board
    return image.state is ImageState.UNPACKED or (image.state is ImageState.BUILDING and is_recipes)


def is_of_the_farm(records: Snapshot, root: Root) -> bool:
    """Whether it is a root that was to be finished: its user wrote nothing to it."""
    below = records.image(root.image)
    return below is not None and is_unfinished(below)


def wanted_of(records: Snapshot, unfinished: Image) -> Image | None:
    """The image that is to become of it; None: nobody waits for that any more."""
    finishing = records.images(name=unfinished.name, states={ImageState.FINISHING})
    return next((one for one in finishing if one.parent == unfinished.id), None)


def hold(work: Work, build: Reservation, root: Root) -> None:
    """The system on its board is finished: have the image made of it."""
    image = work.tx.image(build.subject) if build.subject else None
    assert image is not None  # noqa: S101 - a build is an image's
    work.save(replace(image, state=ImageState.BUILDING, source=RootSource(root.id)))
    work.save(replace(root, state=RootState.CAPTURED, expires_at=None))
    work.note_thing("image", _("{image} is finished, and is being kept").format(image=image.ref), image.owner)


def give_up(work: Work, build: Reservation, why: str) -> None:
    """A build that ended before its system was finished: nothing becomes of its image."""
    image = work.tx.image(build.subject) if build.subject else None
    if image is not None and image.state is ImageState.FINISHING:
        fail(work, image, why)


def fail(work: Work, finishing: Image, why: str, *, hint: str = "") -> None:
    failed = replace(finishing, state=ImageState.FAILED, reason=why, hint=hint, source=None)
    work.save(failed)
    told = _("{image} could not be made: {reason}").format(image=failed.ref, reason=why)
    work.note_thing("image", told, failed.owner, Outcome.FAILED)
    let_go(work, failed)
    log.info("build.failed", image=failed.ref, why=why)


def let_go(work: Work, image: Image) -> None:
    """What is left of the first step goes, once no root needs it."""
    unfinished = work.tx.image(image.parent) if image.parent else None
    if unfinished is None or not is_unfinished(unfinished):
        return
    if any(root.state is not RootState.GONE for root in work.tx.roots(image=unfinished.id)):
        return  # told again when that is gone
    work.save(replace(unfinished, state=ImageState.GOING, source=None))


def root_is_gone(work: Work, root: Root) -> None:
    unfinished = work.tx.image(root.image)
    if unfinished is None or unfinished.state is not ImageState.UNPACKED:
        return
    for image in work.tx.images(name=unfinished.name):
        if image.parent == unfinished.id and image.state is not ImageState.FINISHING:
            let_go(work, image)
