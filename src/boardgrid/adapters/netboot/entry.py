"""What a board boots next, whatever its boot method; and what a boot method is. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from boardgrid.adapters.netboot.checks import checked_site
from boardgrid.model.board import Board, BoardType, Site
from boardgrid.model.name import checked

HOLDING = "holding"  # the folder and the label of the farm's own system
UNKNOWN = UUID(int=0)  # the deployment of a file that is not as the farm writes it: nobody's, so it is written anew

_MARK = re.compile(rf"# BoardGrid: (?P<board>[a-z0-9-]+) boots (?P<label>{HOLDING}|[0-9a-f-]{{36}})")


@dataclass(frozen=True, slots=True)
class Entry:
    """What is booted. Its files lie in a folder of the board's own TFTP folder that is called as its label."""

    board: str
    label: str  # a deployment's id, or HOLDING
    cmdline: str
    has_initrd: bool
    fdt: str = ""


@dataclass(frozen=True, slots=True)
class Method:
    """How boards are told over TFTP what to boot: where they look for it, and the language that they read."""

    folder: str  # below the board's own
    file_name: Callable[[str], str]  # what the board with this MAC asks for there
    lines: Callable[[Entry], Sequence[str]]  # in a language that takes what follows a "#" for a remark
    default: str = ""  # what is read where a board asks by another name: the holding entry
    loaders: Mapping[str, str] = field(default_factory=dict)  # what firmware fetches first, by architecture

    def text(self, entry: Entry) -> str:
        """
        Raises:
            Invalid: a word of it could be taken for more than it is.
        """
        mark = f"# BoardGrid: {checked('board', entry.board)} boots {entry.label}"
        return "\n".join((mark, *self.lines(entry))) + "\n"


def told_deployment(text: str, board: str) -> UUID | None:
    """Whose entry a file is; None for the holding entry, UNKNOWN when it is not as the farm writes it."""
    match = _MARK.fullmatch(text.partition("\n")[0])
    if match is None or match["board"] != board:
        return UNKNOWN
    if match["label"] == HOLDING:
        return None
    try:
        return UUID(match["label"])
    except ValueError:
        return UNKNOWN


def holding_cmdline(board: Board, type_: BoardType, site: Site) -> str:
    """The address is given at once: so the board's next DHCP request is always the sign of a restart."""
    words = [type_.cmdline, f"console={type_.console}" if type_.console else "", static_address(board, site)]
    return " ".join(word for word in (*words, "panic=10", "boardgrid.hold") if word)


def static_address(board: Board, site: Site) -> str:
    """The kernel's ``ip=`` word for a board: client, server, gateway, mask, host, device, no autoconfiguration."""
    server = checked_site(site)
    return f"ip={board.address}:{server.ip}:{server.ip}:{server.netmask}:{board.name}::off"
