"""``boardgrid volume``: file systems of yours, beside the roots of your boards."""

import time

import click

from boardgrid.client.answers import Volume
from boardgrid.client.command import PROJECTS, VOLUMES, Noun
from boardgrid.client.complaint import VOLUME_FAILED, Complaint
from boardgrid.client.duration import seconds, took
from boardgrid.client.moment import shown
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.size import bytes_in
from boardgrid.client.tables import Column, Sheet
from boardgrid.client.waiting import until
from boardgrid.messages import _, bytes_text

LONGEST_S = 600.0  # one that is not made in that time waits for an agent that is not there

SHEET: Sheet[Volume] = Sheet(
    lambda volume: volume.name,
    (
        Column("VOLUME", lambda volume: volume.name),
        Column("STATE", lambda volume: volume.state, is_state=True),
        Column("OWNER", lambda volume: volume.user or volume.project),
        Column("MOUNTED AT", lambda volume: volume.path),
        Column("SIZE", lambda volume: bytes_text(volume.size_bytes)),
        Column("BOARDS", lambda volume: ", ".join(volume.boards)),
        Column("SITE", lambda volume: volume.site),
        Column("KEPT UNTIL", lambda volume: volume.expires_at and shown(volume.expires_at)),
        Column("MADE", lambda volume: shown(volume.created_at), is_detail=True),
        Column("REASON", lambda volume: volume.reason, is_detail=True),
    ),
)


@click.group(cls=Noun)
def volume() -> None:
    """File systems of yours that each board you hold mounts: what you write there is on the next board, too."""


@volume.command("create")
@click.argument("name", metavar="VOLUME")
@click.argument("size", metavar="SIZE")
@click.option("--project", metavar="NAME", shell_complete=PROJECTS, help="For all in this project that you manage.")
@click.option("--at", "path", metavar="PATH", help="Where boards mount it: /home/you if not given, of a project /data.")
@click.option("--site", metavar="NAME", help="Whose boards mount it; may be left out where the farm has one site.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until it is ready.")
@click.option("--timeout", metavar="SPAN", help="Wait no longer than this; ten minutes if not given.")
@pass_seat
def create(
    seat: Seat,
    *,
    name: str,
    size: str,
    project: str | None,
    path: str | None,
    site: str | None,
    wait: bool,
    timeout: str | None,
) -> None:
    """
    Make a volume that may take SIZE. Boards that you are given from then on mount it.

    \b
    Examples:
      boardgrid volume create ada-home 10GB
      boardgrid volume create robots-data 50GB --project robots
    """
    timeout_s = None if timeout is None else seconds(timeout)
    made = seat.farm().create_volume(name, bytes_in(size), project=project or "", path=path or "", site=site or "")
    SHEET.show(_ready(seat, made, timeout_s) if wait else made, seat.output)


@volume.command("list")
@pass_seat
def list_(seat: Seat) -> None:
    """List your volumes, and those of your projects."""
    volumes = seat.farm().volumes()
    if not volumes:
        seat.tell(_("you have no volume; `boardgrid volume create NAME SIZE` makes one"))
    SHEET.show_all(volumes, seat.output)


@volume.command("show")
@click.argument("name", metavar="VOLUME", shell_complete=VOLUMES)
@pass_seat
def show(seat: Seat, name: str) -> None:
    """Show one volume, and which boards have it."""
    SHEET.show(seat.farm().volume(name), seat.output)


@volume.command("resize")
@click.argument("name", metavar="VOLUME", shell_complete=VOLUMES)
@click.argument("size", metavar="SIZE")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until it is as large.")
@click.option("--timeout", metavar="SPAN", help="Wait no longer than this; ten minutes if not given.")
@pass_seat
def resize(seat: Seat, name: str, size: str, wait: bool, timeout: str | None) -> None:
    """
    Make a volume larger, while boards use it, too. None is made smaller.

    \b
    Example:
      boardgrid volume resize ada-home 20GB
    """
    timeout_s = None if timeout is None else seconds(timeout)
    asked = seat.farm().change_volume(name, size_bytes=bytes_in(size))
    SHEET.show(_ready(seat, asked, timeout_s) if wait else asked, seat.output)


@volume.command("move")
@click.argument("name", metavar="VOLUME", shell_complete=VOLUMES)
@click.argument("path", metavar="PATH")
@pass_seat
def move(seat: Seat, name: str, path: str) -> None:
    """
    Have a volume mounted elsewhere. A board that runs has it where it was until its next boot.

    \b
    Example:
      boardgrid volume move ada-home /srv/ada
    """
    SHEET.show(seat.farm().change_volume(name, path=path), seat.output)


@volume.command("remove")
@click.argument("name", metavar="VOLUME", shell_complete=VOLUMES)
@click.option("--yes", is_flag=True, help="Do not ask; a program must say so.")
@pass_seat
def remove(seat: Seat, name: str, yes: bool) -> None:
    """
    Remove a volume that no board has. Its files are kept for seven days: `boardgrid volume restore`.

    \b
    Example:
      boardgrid volume remove ada-home
    """
    seat.must_say(yes, _("Remove the volume {name}, whose files go in seven days?").format(name=name), "--yes")
    gone = seat.farm().remove_volume(name)
    seat.show_end(name, gone.state, _("the volume {name} is removed").format(name=name))


@volume.command("restore")
@click.argument("name", metavar="VOLUME", shell_complete=VOLUMES)
@pass_seat
def restore(seat: Seat, name: str) -> None:
    """
    Have back a volume that was removed. This works while its files are kept: seven days.

    \b
    Example:
      boardgrid volume restore ada-home
    """
    SHEET.show(seat.farm().restore_volume(name), seat.output)


def _ready(seat: Seat, asked: Volume, timeout_s: float | None) -> Volume:
    """
    Wait until a volume is as large as it was asked to be.

    Raises:
        Complaint: VOLUME_FAILED with the farm's reason, or WAIT_TIMEOUT.
    """
    farm, began = seat.farm(), time.monotonic()

    def look() -> Volume | None:
        seen = farm.volume(asked.name)
        return None if seen.state == "making" else seen

    seen = until(
        look,
        _("the volume {name}").format(name=asked.name),
        timeout_s=LONGEST_S if timeout_s is None else timeout_s,
        hint=_("it goes on; `boardgrid volume show {name}` tells how it ends").format(name=asked.name),
    )
    if seen.reason:
        raise Complaint(VOLUME_FAILED, _("the volume {name}: {why}").format(name=seen.name, why=seen.reason))
    seat.tell(_("the volume {name} is ready ({took})").format(name=seen.name, took=took(time.monotonic() - began)))
    return seen
