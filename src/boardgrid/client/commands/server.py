"""
What is done on a farm's own machine: handed over to ``boardgridd``, the server's program.

The client never imports the server, which may not even be installed here; people need to know one name alone.
"""

import os
import shutil
import sys
from pathlib import Path

import click

from boardgrid.client.complaint import REQUEST_INVALID, Complaint
from boardgrid.messages import _

PROGRAM = "boardgridd"


def _program() -> str:
    """The one of this very installation, else the first in PATH."""
    beside = Path(sys.executable).with_name(PROGRAM)
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which(PROGRAM)
    if found is None:
        raise Complaint(
            REQUEST_INVALID,
            _("the server's program {program} is not installed on this machine").format(program=PROGRAM),
            hint=_("this is done on the farm's own machine"),
        )
    return found


def _handed_over(name: str, summary: str, *, hidden: bool = False) -> click.Command:
    def hand_over(words: tuple[str, ...]) -> None:
        program = _program()
        sys.stdout.flush()
        os.execv(program, [PROGRAM, name, *words])  # noqa: S606 - our own program, with the words as they were typed

    return click.Command(
        name,
        callback=hand_over,
        params=[click.Argument(["words"], nargs=-1, type=click.UNPROCESSED, metavar="[OPTIONS]...")],
        help=summary,
        hidden=hidden,
        add_help_option=False,  # --help is the server's to answer
        context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    )


up = _handed_over("up", _("Run a farm on this machine."))
down = _handed_over("down", _("End the farm that runs on this machine."))
admin = _handed_over("admin", _("Make admins, on the controller's machine."))
backup = _handed_over("backup", _("Write the farm's records and volumes to files, while it runs."))
restore = _handed_over("restore", _("Put a backup's records in the place of the farm's, and bring volumes back."))
agent = _handed_over("agent", _("The hands of a site, as one process."), hidden=True)
controller = _handed_over("controller", _("Records and API, as one process."), hidden=True)
gateway = _handed_over("gateway", _("The SSH door of a site, as one process."), hidden=True)
