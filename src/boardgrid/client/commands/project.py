"""``boardgrid project``: what people work on together."""

import click

from boardgrid.client.answers import Project
from boardgrid.client.command import IMAGES, PROJECTS, USERS, Noun
from boardgrid.client.complaint import REQUEST_INVALID, Complaint
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.tables import Column, Sheet
from boardgrid.messages import _


def _with(project: Project, part: str) -> str:
    return " ".join(name for name, has in (project.members or {}).items() if has == part)


SHEET: Sheet[Project] = Sheet(
    lambda project: project.name,
    (
        Column("NAME", lambda project: project.name),
        Column("MANAGERS", lambda project: _with(project, "manager"), most=30),
        Column("MEMBERS", lambda project: _with(project, "member"), most=40),
        Column("IMAGE", lambda project: project.image),
        Column("DESCRIPTION", lambda project: project.description, most=40),
    ),
)

_managers_option = click.option(
    "--manager", "managers", multiple=True, metavar="USER", shell_complete=USERS, help="In it, and lets others in."
)


@click.group(cls=Noun)
def project() -> None:
    """What people work on together: reservations count on projects."""


@project.command("add")
@click.argument("name")
@click.argument("users", nargs=-1, metavar="[USER]...", shell_complete=USERS)
@_managers_option
@click.option("--image", "-i", default="", metavar="REF", shell_complete=IMAGES, help="What its reservations boot.")
@click.option("--description", default="", help="What it is about.")
@pass_seat
def add(
    seat: Seat, *, name: str, users: tuple[str, ...], managers: tuple[str, ...], image: str, description: str
) -> None:
    """
    Make the project NAME, with these users in it (for admins).

    \b
    Example:
      boardgrid project add robots ada bob --manager grace --image debian-12
    """
    added = seat.farm().add_project(name, members=_parts(users, managers), description=description, image=image)
    SHEET.show(added, seat.output)


@project.command("list")
@pass_seat
def list_(seat: Seat) -> None:
    """List the projects that you are in; admins see all."""
    projects = seat.farm().projects()
    if not projects:
        seat.tell(_("you are in no project"))
    SHEET.show_all(projects, seat.output)


@project.command("show")
@click.argument("name", shell_complete=PROJECTS)
@pass_seat
def show(seat: Seat, name: str) -> None:
    """Show a project, and who is in it."""
    SHEET.show(seat.farm().project(name), seat.output)


@project.command("describe")
@click.argument("name", shell_complete=PROJECTS)
@click.option("--image", "-i", metavar="REF", shell_complete=IMAGES, help="What its reservations boot; '' for none.")
@click.option("--description", help="What it is about.")
@pass_seat
def describe(seat: Seat, name: str, image: str | None, description: str | None) -> None:
    """Change what is said of a project, and what it boots (its managers and admins)."""
    if image is None and description is None:
        raise Complaint(REQUEST_INVALID, _("say what to change: --image or --description"))
    SHEET.show(seat.farm().describe_project(name, description=description, image=image), seat.output)


@project.command("join")
@click.argument("name", shell_complete=PROJECTS)
@click.argument("users", nargs=-1, metavar="[USER]...", shell_complete=USERS)
@_managers_option
@pass_seat
def join(seat: Seat, name: str, users: tuple[str, ...], managers: tuple[str, ...]) -> None:
    """
    Let users in to a project (its managers and admins).

    \b
    Example:
      boardgrid project join robots ada --manager grace
    """
    if not (users or managers):
        raise Complaint(REQUEST_INVALID, _("say who is to come in"))
    SHEET.show(seat.farm().change_project(name, add=_parts(users, managers)), seat.output)


@project.command("leave")
@click.argument("name", shell_complete=PROJECTS)
@click.argument("users", nargs=-1, required=True, metavar="USER...", shell_complete=USERS)
@pass_seat
def leave(seat: Seat, name: str, users: tuple[str, ...]) -> None:
    """Take users out of a project (its managers and admins). Their reservations go on."""
    SHEET.show(seat.farm().change_project(name, remove=users), seat.output)


@project.command("remove")
@click.argument("name", shell_complete=PROJECTS)
@click.option("--yes", is_flag=True, help="Do not ask; a program must say so.")
@pass_seat
def remove(seat: Seat, name: str, yes: bool) -> None:
    """Remove a project, and its limits (for admins). No reservation that runs or waits may count on it."""
    seat.must_say(yes, _("Remove the project {name}?").format(name=name), "--yes")
    seat.farm().remove_project(name)
    seat.show_end(name, "gone", _("{name} was removed").format(name=name))


def _parts(members: tuple[str, ...], managers: tuple[str, ...]) -> dict[str, str]:
    return dict.fromkeys(members, "member") | dict.fromkeys(managers, "manager")
