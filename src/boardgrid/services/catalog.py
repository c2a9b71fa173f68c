"""Catalogue: images to boot."""

from dataclasses import dataclass
from uuid import UUID

from boardgrid.model.user import User
from boardgrid.services.desk import Desk
from boardgrid.services.views import ImageView


@dataclass(frozen=True, slots=True)
class Catalog:
    """
    An image's name belongs to whoever made its first version, in the whole farm: ``tiny`` means one thing to everybody.

    A *ref* is ``tiny:2``, that very version, or ``tiny``, its newest version that is ready (where none is, the newest).
    """

    desk: Desk

    def open(
        self, asker: User, name: str, *, path: str | None = None, shared: bool = False, site: str | None = None
    ) -> ImageView:
        """
        Name a new version of an image. Its content is uploaded next; with *path* the agent takes it from its machine.

        Args:
            path: a tar archive or a directory on the agent's machine, below its ``import_dirs``.
            site: where it is stored; may be left out while the farm has one site.

        Raises:
            Invalid: NAME_INVALID, PATH_FORBIDDEN.
            NotAllowed: a path is for admins.
            NotFound: SITE_UNKNOWN.
            Conflict: NAME_TAKEN by another user's image.
        """
        raise NotImplementedError

    def awaited(self, asker: User, ref: str) -> ImageView:
        """
        The image whose content may come now. ``tiny`` means the newest version that awaits its content.

        Raises:
            NotFound: IMAGE_UNKNOWN.
            Conflict: UPLOAD_BROKEN, its content is there already.
        """
        raise NotImplementedError

    def content_arrived(self, asker: User, image: UUID, sha256: str, size_bytes: int) -> ImageView:
        """
        The archive lies whole and checked in the spool: have the agent make the image.

        Raises:
            NotFound: IMAGE_UNKNOWN.
            Conflict: UPLOAD_BROKEN, its content came by another upload, or the image was removed meanwhile.
        """
        raise NotImplementedError

    def blobs(self) -> frozenset[str]:
        """SHA-256 of every upload that is still wanted: the rest of the spool may go. Ask after the upload is noted."""
        raise NotImplementedError

    def images(self, asker: User) -> list[ImageView]:
        """By name and version; those that are gone are left out."""
        raise NotImplementedError

    def image(self, asker: User, ref: str) -> ImageView:
        """
        Raises:
            NotFound: IMAGE_UNKNOWN.
        """
        raise NotImplementedError

    def remove(self, asker: User, ref: str) -> None:
        """
        Have an image go.

        Raises:
            NotAllowed: it is another's.
            NotFound: IMAGE_UNKNOWN.
            Invalid: REQUEST_INVALID, there are several versions and none was named.
            Conflict: THING_IN_USE, the sentence names the roots that are above it; or it is being made.
        """
        raise NotImplementedError
