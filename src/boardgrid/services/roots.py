"""Roots that were kept aside: what becomes of them."""

from dataclasses import dataclass

from boardgrid.model.user import User
from boardgrid.services.desk import Desk
from boardgrid.services.views import ImageView, RootView


@dataclass(frozen=True, slots=True)
class Roots:
    """
    A root is told by its name among the asker's own; admins may also give its id.

    The wishes to discard a root, or to make an image of it, go out at once; the agent acts on them only when the root
    is exported to no board any more.
    """

    desk: Desk

    def roots(self, asker: User) -> list[RootView]:
        """Those that are not gone: the asker's, or everyone's for an admin."""
        raise NotImplementedError

    def root(self, asker: User, name: str) -> RootView:
        """
        Raises:
            NotFound: ROOT_UNKNOWN.
        """
        raise NotImplementedError

    def keep(self, asker: User, name: str, image: str) -> ImageView:
        """
        Make a new version of *image* from a root kept aside. The root goes when the image is ready; where that fails, it
        is aside again.

        Raises:
            NotFound: ROOT_UNKNOWN.
            Invalid: NAME_INVALID.
            Conflict: ROOT_NOT_ASIDE; NAME_TAKEN by another user's image.
        """
        raise NotImplementedError

    def discard(self, asker: User, name: str) -> RootView:
        """
        Give a root up, for ever.

        Raises:
            NotFound: ROOT_UNKNOWN.
            Conflict: ROOT_NOT_ASIDE, a deployment or a capture has it.
        """
        raise NotImplementedError
