"""Curating: what owners say of their images: who sees them, what they are for, and by which alias they are meant."""

from dataclasses import dataclass, replace

import structlog

from boardgrid.messages import _
from boardgrid.model.errors import Code, NotFound
from boardgrid.model.user import User
from boardgrid.services.catalog import Described
from boardgrid.services.desk import Desk
from boardgrid.services.finding import image_of, image_versions
from boardgrid.services.giving import check_ready
from boardgrid.services.showing import Showing
from boardgrid.services.views import ImageView

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Curating:
    desk: Desk

    def describe(self, asker: User, ref: str, described: Described) -> ImageView:
        """
        Say something else of one version. What is promised of it stays promised.

        Raises:
            NotFound: IMAGE_UNKNOWN, PROJECT_UNKNOWN, TYPE_UNKNOWN.
            NotAllowed: it is another's.
            Invalid: NAME_INVALID, REQUEST_INVALID.
        """
        with self.desk.begin(asker, "image.describe") as work:
            image = described.applied(work.tx, asker, image_of(work.tx, asker, ref, "change"))
            work.save(image)
            log.info("image.described", image=image.ref, by=asker.name)
            return Showing(work.tx, asker, work.now).image(image)

    def call(self, asker: User, ref: str, alias: str) -> ImageView:
        """
        Have ``name:alias`` mean this version, and no other from now on. Reservations keep the version that it meant.

        Raises:
            NotFound: IMAGE_UNKNOWN.
            NotAllowed: it is another's.
            Invalid: NAME_INVALID.
            Conflict: IMAGE_NOT_READY, IMAGE_DAMAGED.
        """
        with self.desk.begin(asker, "image.alias") as work:
            image = image_of(work.tx, asker, ref, "change")
            check_ready(image)
            called = image.called(alias)
            for other in work.tx.images(name=image.name):
                if other.id != image.id and alias in other.aliases:
                    work.save(replace(other, aliases=tuple(one for one in other.aliases if one != alias)))
            work.save(called)
            told = _("{name}:{alias} means {image}").format(name=image.name, alias=alias, image=image.ref)
            work.note_thing("image", told, image.owner)
            return Showing(work.tx, asker, work.now).image(called)

    def uncall(self, asker: User, name: str, alias: str) -> None:
        """
        Take an alias away.

        Raises:
            NotFound: IMAGE_UNKNOWN, no version has it.
            NotAllowed: it is another's.
        """
        with self.desk.begin(asker, "image.alias") as work:
            named = [one for one in image_versions(work.tx, asker, name, "change") if alias in one.aliases]
            if not named:
                raise NotFound(
                    Code.IMAGE_UNKNOWN,
                    _("no version of the image {name} has the alias {alias}"),
                    hint=_("`boardgrid image list --name {name}` shows those that there are"),
                    name=name,
                    alias=alias[:80],
                )
            for one in named:
                work.save(replace(one, aliases=tuple(other for other in one.aliases if other != alias)))
