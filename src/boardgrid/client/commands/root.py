"""``boardgrid root``: the writable copies that outlived their deployment."""

import click

from boardgrid.client import images
from boardgrid.client.answers import Root
from boardgrid.client.command import ROOTS, Noun
from boardgrid.client.duration import seconds
from boardgrid.client.moment import shown
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.tables import Column, Sheet
from boardgrid.messages import _, bytes_text

SHEET: Sheet[Root] = Sheet(
    lambda root: root.name,
    (
        Column("ROOT", lambda root: root.name),
        Column("STATE", lambda root: root.state, is_state=True),
        Column("OWNER", lambda root: root.owner),
        Column("IMAGE", lambda root: root.image),
        Column("BOARD", lambda root: root.board),
        Column("MADE", lambda root: shown(root.created_at)),
        Column("KEPT UNTIL", lambda root: root.expires_at and shown(root.expires_at)),
        Column("ROOM", lambda root: bytes_text(root.size_bytes)),
        Column("ID", lambda root: root.id, is_detail=True),
    ),
)


@click.group(cls=Noun)
def root() -> None:
    """Show, keep and discard the roots of your deployments."""


@root.command("list")
@pass_seat
def list_(seat: Seat) -> None:
    """List your roots. Those that were kept aside are shown with the day they go."""
    roots = seat.farm().roots()
    if not roots:
        seat.tell(_("you have no root; each deployment makes one, and `boardgrid release --aside` keeps it"))
    SHEET.show_all(roots, seat.output)


@root.command("show")
@click.argument("name", metavar="ROOT", shell_complete=ROOTS)
@pass_seat
def show(seat: Seat, name: str) -> None:
    """Show one root."""
    SHEET.show(seat.farm().root(name), seat.output)


@root.command("keep")
@click.argument("name", metavar="ROOT", shell_complete=ROOTS)
@click.argument("image")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until the image can be booted.")
@click.option("--timeout", metavar="SPAN", help="Wait no longer than this; an hour if not given.")
@pass_seat
def keep(seat: Seat, name: str, image: str, wait: bool, timeout: str | None) -> None:
    """
    Make an image of a root that was kept aside. It is a new version of IMAGE; the root goes when the image is ready.

    \b
    Example:
      boardgrid root keep before-the-upgrade my-image
    """
    timeout_s = None if timeout is None else seconds(timeout)
    farm = seat.farm()
    made = farm.keep_root(name, image)
    images.SHEET.show(images.ready(seat, farm, made, timeout_s) if wait else made, seat.output)


@root.command("discard")
@click.argument("name", metavar="ROOT", shell_complete=ROOTS)
@click.option("--yes", is_flag=True, help="Do not ask; a program must say so.")
@pass_seat
def discard(seat: Seat, name: str, yes: bool) -> None:
    """
    Give up a root that was kept aside. All that was written to it is gone for ever.

    \b
    Example:
      boardgrid root discard before-the-upgrade
    """
    seat.must_say(
        yes, _("Discard the root {name} and all that was written to it, for ever?").format(name=name), "--yes"
    )
    seat.farm().discard_root(name)
    seat.show_end(name, "going", _("the root {name} goes").format(name=name))
