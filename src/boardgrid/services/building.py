"""Building: images made from recipes, in the farm."""

from dataclasses import dataclass, replace
from datetime import timedelta

import structlog

from boardgrid.messages import _
from boardgrid.model.errors import Code, Conflict, FarmError, Invalid
from boardgrid.model.image import Image, ImageState, RecipeSource, Visibility, version_after
from boardgrid.model.name import checked
from boardgrid.model.recipe import Recipe
from boardgrid.model.reservation import LIVE, Group, Purpose
from boardgrid.model.user import User
from boardgrid.services.desk import Desk, Work, check_no_guest
from boardgrid.services.ending import end
from boardgrid.services.finding import check_image_name, site_for
from boardgrid.services.giving import FINISH_S
from boardgrid.services.limiting import check_kept
from boardgrid.services.placing import accept, for_the_farm
from boardgrid.services.showing import Showing
from boardgrid.services.unfolding import offer
from boardgrid.services.views import ImageView
from boardgrid.services.workshop import fail, let_go, wanted_of

log = structlog.get_logger()

BUILD_FOR = timedelta(seconds=1.5 * FINISH_S)  # a board is held no longer; it is given back as soon as it is done
_ROOT_BYTES = 4 << 30  # what packages write when they are set up


@dataclass(frozen=True, slots=True)
class Building:
    """
    A system that needs nothing run is made by the agent alone. Any other is unpacked by it and finished on a board of
    its architecture: a reservation of whoever asked, which waits its turn like all others.
    """

    desk: Desk

    def build(
        self,
        asker: User,
        recipe: Recipe,
        arch: str = "",
        *,
        name: str = "",
        shared: bool = False,
        site: str | None = None,
    ) -> ImageView:
        """
        Begin to build an image.

        Args:
            arch: may be left out where the recipe has one.
            name: what it is called; the recipe's own name where it is left out.

        Raises:
            Invalid: RECIPE_INVALID, REQUEST_INVALID, NAME_INVALID.
            NotAllowed: guests build nothing.
            NotFound: SITE_UNKNOWN.
            Conflict: NAME_TAKEN by another user's image; QUOTA_EXCEEDED; REQUESTS_TOO_MANY;
                BOARDS_TOO_FEW, no board could finish it.
        """
        recipe = recipe.checked()
        arch = _arch_of(recipe, arch)
        name = checked("image", name or recipe.name)
        check_no_guest(asker)
        with self.desk.begin(asker, "image.build") as work:
            check_image_name(work.tx, asker.id, name)
            check_kept(work.tx, asker.id, is_new=True)
            where = site_for(work.tx, site or "").site.name
            image = Image(
                id=work.new_id(),
                name=name,
                version=version_after(work.tx.newest_version(name), work.now),
                owner=asker.id,
                site=where,
                state=ImageState.BUILDING,
                created_at=work.now,
                source=RecipeSource(recipe, arch),
                types=tuple(sorted(recipe.board_types)),
            ).labelled(recipe.labels)
            visibility = Visibility.PUBLIC if shared else Visibility.PRIVATE
            if recipe.is_finished_on_a_board:
                _check_board(work, recipe, arch, where)
                work.save(image)
                image = replace(
                    image,
                    id=work.new_id(),
                    version=version_after(image.version, work.now),
                    state=ImageState.FINISHING,
                    source=None,
                    parent=image.id,
                )
            image = replace(image, visibility=visibility)
            work.save(image)
            told = _("{image} is being built from {recipe} for {arch}")
            work.note_thing("image", told.format(image=image.ref, recipe=recipe.name, arch=arch), image.owner)
            log.info("build.begun", image=image.ref, recipe=recipe.name, arch=arch, by=asker.name)
            return Showing(work.tx, asker, work.now).image(image)


def unpacked(work: Work, unfinished: Image, source: RecipeSource) -> None:
    """The agent is done with the first step: reserve a board for the second, or say why there is none."""
    image, owner = wanted_of(work.tx, unfinished), work.tx.user(unfinished.owner)
    if image is None or owner is None:
        work.save(replace(unfinished, state=ImageState.GOING, source=None))
        return
    work.note_thing("image", _("{image} is unpacked").format(image=image.ref), image.owner)
    try:
        wanted = for_the_farm(
            work,
            owner,
            Purpose.BUILD,
            image,
            boots=unfinished,
            on=_group(source.recipe, source.arch, unfinished.site),
            for_=BUILD_FOR,
            root_bytes=_ROOT_BYTES,
        )
        made = accept(work, wanted)
    except FarmError as error:
        fail(work, image, _("no board can finish it: {why}").format(why=error))
        return
    log.info("build.reserved", image=image.ref, reservation=made.number)


def _arch_of(recipe: Recipe, arch: str) -> str:
    if not arch and len(recipe.architectures) == 1:
        return recipe.architectures[0]
    if arch in recipe.architectures:
        return arch
    raise Invalid(
        Code.REQUEST_INVALID,
        _("{recipe} is not built for {arch}") if arch else _("{recipe} is built for several architectures"),
        hint=_("name one of: {known}"),
        recipe=recipe.name,
        arch=arch[:40],
        known=", ".join(recipe.architectures),
    )


def _group(recipe: Recipe, arch: str, site: str) -> Group:
    types = f" and type in ({', '.join(map(repr, recipe.board_types))},)" if recipe.board_types else ""
    return Group(where=f"arch == {arch!r} and site == {site!r}{types}")


def _check_board(work: Work, recipe: Recipe, arch: str, site: str) -> None:
    """Before an hour is spent on the first step."""
    try:
        work.plan.shelf.named(_group(recipe, arch, site))
    except FarmError as error:
        raise Conflict(
            Code.BOARDS_TOO_FEW,
            _("site {site} has no board that could finish an image for {arch}, whose own programs must run for that"),
            hint=_("add a board of that architecture, be it a virtual one"),
            site=site,
            arch=arch,
        ) from error


def cancel(work: Work, finishing: Image) -> None:
    """Nobody wants it any more: its board is given back, and nothing of it is kept."""
    for build in work.tx.reservations(user=finishing.owner, states=LIVE):
        if build.subject == finishing.id and build.purpose is Purpose.BUILD:
            offer(work, end(work, build, because=_("{image} was removed").format(image=finishing.ref)).boards)
    let_go(work, finishing)
