"""``boardgrid project``: what people work on together."""

from collections.abc import Iterator
from dataclasses import replace as replace_

import click

from boardgrid.client.answers import Invited, Link, Project, RosterChange
from boardgrid.client.command import IMAGES, PROJECTS, USERS, Noun
from boardgrid.client.complaint import REQUEST_INVALID, Complaint
from boardgrid.client.duration import seconds
from boardgrid.client.moment import shown
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.tables import Column, Output, Sheet, as_json, plain
from boardgrid.messages import _


def _with(project: Project, part: str) -> str:
    return " ".join(name for name, has in (project.members or {}).items() if has == part)


def _teams(project: Project) -> str:
    return "; ".join(f"{team}: {' '.join(users)}" for team, users in (project.teams or {}).items())


SHEET: Sheet[Project] = Sheet(
    lambda project: project.name,
    (
        Column("NAME", lambda project: project.name),
        Column("MANAGERS", lambda project: _with(project, "manager"), most=30),
        Column("MEMBERS", lambda project: _with(project, "member"), most=40),
        Column("TEAMS", _teams, most=40),
        Column("IMAGE", lambda project: project.image),
        Column("DESCRIPTION", lambda project: project.description, most=40),
    ),
)

INVITED: Sheet[Invited] = Sheet(
    lambda invited: invited.name,
    (
        Column("NAME", lambda invited: invited.name),
        Column("TEAM", lambda invited: invited.team),
        Column("EMAIL", lambda invited: invited.email),
        Column("CODE", lambda invited: invited.code),
        Column("UNTIL", lambda invited: shown(invited.expires_at)),
    ),
)

LINKS: Sheet[Link] = Sheet(
    lambda link: link.id,
    (
        Column("ID", lambda link: link.id),
        Column("MADE BY", lambda link: link.made_by),
        Column("UNTIL", lambda link: shown(link.expires_at)),
        Column("USED", lambda link: _("{used} of {most}").format(used=link.used, most=link.most)),
        Column("TEAM", lambda link: link.team),
        Column("FOR", lambda link: _("anybody") if link.new_accounts else _("who has an account")),
        Column("GOOD", lambda link: link.is_good),
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
@click.option("--team", help="Into which they go; '' for none. Each is in one at most.")
@pass_seat
def join(seat: Seat, name: str, users: tuple[str, ...], managers: tuple[str, ...], team: str | None) -> None:
    """
    Let users in to a project (its managers and admins).

    \b
    Examples:
      boardgrid project join robots ada --manager grace
      boardgrid project join robots ada bob --team red
    """
    if not (users or managers):
        raise Complaint(REQUEST_INVALID, _("say who is to come in"))
    SHEET.show(seat.farm().change_project(name, add=_parts(users, managers), team=team), seat.output)


@project.command("leave")
@click.argument("name", shell_complete=PROJECTS)
@click.argument("users", nargs=-1, required=True, metavar="USER...", shell_complete=USERS)
@pass_seat
def leave(seat: Seat, name: str, users: tuple[str, ...]) -> None:
    """Take users out of a project (its managers and admins). Their reservations go on."""
    farm = seat.farm()
    good = sum(one.is_good for one in farm.links(name))  # whoever leaves sees them no more afterwards
    left = farm.change_project(name, remove=users)
    if good:
        sentence = _("{count} links still let people in: boardgrid project links {project}")
        seat.tell(sentence.format(count=good, project=name))
    SHEET.show(left, seat.output)


@project.command("remove")
@click.argument("name", shell_complete=PROJECTS)
@click.option("--yes", is_flag=True, help="Do not ask; a program must say so.")
@pass_seat
def remove(seat: Seat, name: str, yes: bool) -> None:
    """Remove a project, its limits and its links (for admins). No reservation that runs or waits may count on it."""
    seat.must_say(yes, _("Remove the project {name}?").format(name=name), "--yes")
    seat.farm().remove_project(name)
    seat.show_end(name, "gone", _("{name} was removed").format(name=name))


@project.command("roster")
@click.argument("name", shell_complete=PROJECTS)
@click.argument("file", default="", type=click.Path(allow_dash=True))
@click.option("--replace", is_flag=True, help="Take out who is not in FILE, but for managers.")
@pass_seat
def roster(seat: Seat, name: str, file: str, replace: bool) -> None:
    """
    Bring the people in FILE into a project, all of them or nobody (its managers and admins). '-' is standard input.
    Without FILE: print who is in it, as such a file.

    FILE is CSV, with commas, semicolons or tabs. Its first line names the columns: name, and if you like part (member
    or manager), team and email. An admin invites who has no account, and gets their codes, this once.

    \b
    Examples:
      boardgrid project roster robots class.csv
      boardgrid project roster robots > class.csv
    """
    from boardgrid.client.roster import read, written  # noqa: PLC0415 - few commands need CSV

    if not file:
        if replace:
            raise Complaint(REQUEST_INVALID, _("say what is to replace them: a FILE"))
        lines = seat.farm().roster(name)
        match seat.output:
            case Output.JSON:
                click.echo(as_json(lines))
            case Output.NAME:
                click.echo("".join(f"{plain(line.name)}\n" for line in lines), nl=False)
            case Output.TABLE:
                click.echo(written(lines), nl=False)
        return
    wanted = read(file)
    change = seat.farm().bring_in(name, wanted.rows, replace=replace)
    invited = tuple(replace_(one, email=wanted.emails.get(one.name, "")) for one in change.invited)
    for sentence in _told(change, wanted.unused):
        seat.tell(sentence)
    if seat.output is Output.JSON:
        click.echo(as_json(replace_(change, invited=invited)))
    else:
        INVITED.show_all(invited, seat.output)


def _told(change: RosterChange, unused: tuple[str, ...]) -> Iterator[str]:
    for names, sentence in (
        (change.added, _("came in: {names}")),
        (change.changed, _("have another part or team: {names}")),
        (change.removed, _("went: {names}")),
        (change.stayed, _("stay, for managers are not taken out so: {names}")),
        (change.kept, _("were invited before, and those codes are good still: {names}")),
    ):
        if names:
            yield sentence.format(names=", ".join(names))
    if unused:
        yield _("note: these columns mean nothing here: {names}").format(names=", ".join(unused))
    if change.invited:
        yield _(
            "{count} have no account yet. Each makes one with their code (`boardgrid accept URL`), shown only now:"
        ).format(count=len(change.invited))
    elif not (change.added or change.changed or change.removed):
        yield _("nothing changed")


@project.command("link")
@click.argument("name", shell_complete=PROJECTS)
@click.option("--for", "for_", metavar="SPAN", help="How long it is good; 14 days if not given.")
@click.option("--most", type=int, metavar="N", help="How many may come in by it; 100 if not given.")
@click.option("--team", default="", help="Which they are in then.")
@click.option("--new-accounts", is_flag=True, help="Also for who has no account: they make one (for admins).")
@pass_seat
def link(seat: Seat, *, name: str, for_: str | None, most: int | None, team: str, new_accounts: bool) -> None:
    """
    Print a code by which people come into a project by themselves, as members (its managers and admins). It is good
    while you may let people in.

    \b
    Examples:
      boardgrid project link robots --for 7d --most 30
      boardgrid project link robots --team red --new-accounts
    """
    for_s = None if for_ is None else seconds(for_)
    made = seat.farm().make_link(name, for_s=for_s, most=most, team=team, new_accounts=new_accounts)
    if seat.output is Output.JSON:
        click.echo(as_json(made))
        return
    way = _("`boardgrid project enter CODE`")
    if made.new_accounts:
        way = _("{way}, or `boardgrid accept URL` for who has no account").format(way=way)
    seat.tell(
        _("Who has this code comes into {name} ({way}): {most} people, until {until}. It is shown only now:").format(
            name=name, way=way, most=made.most, until=shown(made.expires_at)
        )
    )
    click.echo(made.code)


@project.command("links")
@click.argument("name", shell_complete=PROJECTS)
@pass_seat
def links(seat: Seat, name: str) -> None:
    """List the links into a project, without their codes (its managers and admins)."""
    found = seat.farm().links(name)
    if not found:
        seat.tell(_("there is no link into {name}").format(name=name))
    LINKS.show_all(found, seat.output)


@project.command("unlink")
@click.argument("name", shell_complete=PROJECTS)
@click.argument("link_id", metavar="ID")
@pass_seat
def unlink(seat: Seat, name: str, link_id: str) -> None:
    """Take back the link with this ID (its managers and admins). Who came in by it stays."""
    seat.farm().remove_link(name, link_id)
    seat.show_end(link_id, "gone", _("link {id} lets nobody in any more").format(id=link_id))


@project.command("enter")
@click.argument("code")
@pass_seat
def enter(seat: Seat, code: str) -> None:
    """Come into a project by the code of a link."""
    entered = seat.farm().enter(code)
    name = entered.project.name
    if entered.is_new:
        seat.tell(_("you are in project {name} now").format(name=name))
    else:
        seat.tell(_("you are in project {name} already, so nothing was used up").format(name=name))
    if seat.output is Output.JSON:
        click.echo(as_json(entered))
    else:
        SHEET.show(entered.project, seat.output)


def _parts(members: tuple[str, ...], managers: tuple[str, ...]) -> dict[str, str]:
    return dict.fromkeys(members, "member") | dict.fromkeys(managers, "manager")
