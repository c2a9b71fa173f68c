"""``boardgrid group``: groups of users, of which rules speak."""

import click

from boardgrid.client.answers import UserGroup
from boardgrid.client.command import GROUPS, USERS, Noun
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.tables import Column, Sheet
from boardgrid.messages import _

SHEET: Sheet[UserGroup] = Sheet(
    lambda group: group.name,
    (
        Column("NAME", lambda group: group.name),
        Column("MEMBERS", lambda group: " ".join(group.members), most=60),
    ),
)


@click.group(cls=Noun)
def group() -> None:
    """Groups of users, of which rules speak (changed by admins)."""


@group.command("add")
@click.argument("name")
@click.argument("users", nargs=-1, metavar="[USER]...", shell_complete=USERS)
@pass_seat
def add(seat: Seat, name: str, users: tuple[str, ...]) -> None:
    """
    Make the group NAME, with these users in it.

    \b
    Example:
      boardgrid group add vision ada grace
    """
    SHEET.show(seat.farm().add_group(name, users), seat.output)


@group.command("list")
@pass_seat
def list_(seat: Seat) -> None:
    """List the groups that you are in; admins see all."""
    groups = seat.farm().groups()
    if not groups:
        seat.tell(_("you are in no group"))
    SHEET.show_all(groups, seat.output)


@group.command("show")
@click.argument("name", shell_complete=GROUPS)
@pass_seat
def show(seat: Seat, name: str) -> None:
    """Show who is in a group."""
    SHEET.show(seat.farm().group(name), seat.output)


@group.command("join")
@click.argument("name", shell_complete=GROUPS)
@click.argument("users", nargs=-1, required=True, metavar="USER...", shell_complete=USERS)
@pass_seat
def join(seat: Seat, name: str, users: tuple[str, ...]) -> None:
    """Let users in to a group."""
    SHEET.show(seat.farm().change_group(name, add=users), seat.output)


@group.command("leave")
@click.argument("name", shell_complete=GROUPS)
@click.argument("users", nargs=-1, required=True, metavar="USER...", shell_complete=USERS)
@pass_seat
def leave(seat: Seat, name: str, users: tuple[str, ...]) -> None:
    """Take users out of a group. What was promised to them they keep."""
    SHEET.show(seat.farm().change_group(name, remove=users), seat.output)


@group.command("remove")
@click.argument("name", shell_complete=GROUPS)
@click.option("--yes", is_flag=True, help="Do not ask; a program must say so.")
@pass_seat
def remove(seat: Seat, name: str, yes: bool) -> None:
    """Remove a group, and its limits."""
    seat.must_say(yes, _("Remove the group {name}?").format(name=name), "--yes")
    seat.farm().remove_group(name)
    seat.show_end(name, "gone", _("{name} was removed").format(name=name))
