"""Files to and from a board, over the farm's gateway: by rsync, or by scp where that is not there."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from boardgrid.client.complaint import PROGRAM_MISSING, Complaint
from boardgrid.client.passage import Passage, attached, dialled
from boardgrid.client.reading import check_has_folder, check_there
from boardgrid.client.seat import Seat
from boardgrid.messages import _

# How rsync ends where the board's shell does not know it: by that shell's own status, or by a stream that broke off.
_MAY_LACK = {127, 12}
_SSH_FAILED = 255
_ASK_S = 60.0
_HELD_MOST = 100  # lines; who has so many to complain of was there


@dataclass(slots=True)
class _Complaints:
    """
    What rsync and its ssh say. What ssh asks for must be seen at once; of rsync nobody need hear where the board has
    none, for scp takes its place then.
    """

    held: list[bytes] = field(default_factory=list)
    holds: bool = True

    def hear(self, line: bytes) -> None:
        if not self.holds or b"rsync" not in line:
            click.echo(line, nl=False, err=True)
            return
        self.held.append(line)
        if len(self.held) > _HELD_MOST:
            self.tell()

    def tell(self, *, is_of_ssh: bool = False) -> None:
        """They count: no scp comes. Where ssh told why it failed, rsync's guesses are left out."""
        for line in self.held:
            if not (is_of_ssh and line.startswith(b"rsync")):
                click.echo(line, nl=False, err=True)
        self.held.clear()
        self.holds = False


def put(seat: Seat, way: Passage, sources: Sequence[str], dest: str) -> int:
    """
    Copy ours to the board; the exit status of what did it.

    Raises:
        Complaint: one of them is not there.
    """
    check_there(sources)
    return _copied(seat, way, [_ours(one) for one in sources], f"{way.board}:{dest}")


def get(seat: Seat, way: Passage, sources: Sequence[str], dest: str) -> int:
    """
    Copy the board's to us; the exit status of what did it.

    Raises:
        Complaint: the folder that they are to come to is not there.
    """
    check_has_folder(Path(dest))
    return _copied(seat, way, [f"{way.board}:{one}" for one in sources], _ours(dest))


def _lacks_rsync(ssh: Sequence[str]) -> bool:
    """Asked when it failed alone: a login more is not to be paid each time."""
    words = [*ssh, "command -v rsync"]
    try:
        asked = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=_ASK_S)
    except subprocess.TimeoutExpired:
        return False
    return asked.returncode in {1, 127}


def _ours(path: str) -> str:
    """A file of this machine, whatever it is called: a colon would make what is before it a machine."""
    return f"./{path}" if ":" in path and not path.startswith(("/", "./")) else path


def _copied(seat: Seat, way: Passage, sources: Sequence[str], dest: str) -> int:
    rsync, scp = shutil.which("rsync"), shutil.which("scp")
    with dialled(way) as [ssh, *options, _board]:
        if rsync is not None:
            # Owners are another machine's; modes, times and links are the files' own.
            words = [rsync, "-rlpt", "--protect-args", "-e", " ".join([ssh, *options])]
            words += ["--info=progress2"] if sys.stderr.isatty() else []
            complaints = _Complaints()
            status = attached([*words, "--", *sources, dest], complaints.hear)
            if status not in _MAY_LACK or not _lacks_rsync([ssh, *options, way.board]):
                complaints.tell(is_of_ssh=status == _SSH_FAILED)
                return status
        if scp is None:
            raise Complaint(PROGRAM_MISSING, _("neither rsync nor scp is on this machine"), hint=_("install rsync"))
        where = _("this machine") if rsync is None else way.board
        seat.tell(_("note: there is no rsync on {where}, so that all of it is copied by scp").format(where=where))
        return attached([scp, "-rp", *options, "--", *sources, dest])
