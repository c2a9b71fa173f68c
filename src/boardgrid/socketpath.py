"""How long the path of a Unix socket may be."""

from pathlib import Path

from boardgrid.messages import _
from boardgrid.model.errors import Code, Invalid

LONGEST_BYTES = 100  # the kernel has 108, and libraries of other people add suffixes of their own


def check_socket_path(path: Path) -> None:
    """
    Raises:
        Invalid: the kernel would not take it.
    """
    if len(bytes(path)) > LONGEST_BYTES:
        raise Invalid(
            Code.CONFIG_INVALID,
            _("the path {path} is too long for a Unix socket: {length} bytes, at most {most} are possible"),
            hint=_("choose a state folder with a shorter path"),
            path=path,
            length=len(bytes(path)),
            most=LONGEST_BYTES,
        )
