"""``boardgrid rule``: all limits, and who may have which boards."""

from dataclasses import replace

import click

from boardgrid.client.answers import Access, Rules
from boardgrid.client.command import GROUPS, Noun
from boardgrid.client.commands.quota import SHEET, Line, lines
from boardgrid.client.complaint import REQUEST_INVALID, Complaint
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.tables import Output, as_json
from boardgrid.messages import _


@click.group(cls=Noun)
def rule() -> None:
    """All limits, and who may have which boards (changed by admins)."""


@rule.command("list")
@pass_seat
def list_(seat: Seat) -> None:
    """List all rules. `boardgrid quota` shows those that bind you."""
    _show(seat, seat.farm().rules())


@rule.command("access")
@click.argument("expression", metavar="EXPR")
@click.option("--group", "groups", multiple=True, metavar="NAME", shell_complete=GROUPS, help="Who may have them.")
@click.option("--open", "is_open", is_flag=True, help="They are for everybody again.")
@pass_seat
def access(seat: Seat, expression: str, groups: tuple[str, ...], is_open: bool) -> None:
    """
    Keep the boards that EXPR fits for the members of groups alone. Admins are no exception. Where several such rules
    fit a board, each counts.

    \b
    Examples:
      boardgrid rule access 'tag("camera")' --group vision --group staff
      boardgrid rule access 'tag("camera")' --open
    """
    if bool(groups) == is_open:
        raise Complaint(REQUEST_INVALID, _("say who may have them, with --group NAME, or --open"))
    farm = seat.farm()
    rules = farm.rules()
    others = tuple(one for one in rules.access if one.where != expression.strip())
    changed = others if is_open else (*others, Access(expression.strip(), groups))
    if is_open and others == rules.access:
        raise Complaint(
            REQUEST_INVALID,
            _("no rule says who may have boards with {expression}").format(expression=expression),
            hint=_("boardgrid rule list shows all"),
        )
    _show(seat, farm.put_rules(replace(rules, access=changed)))


@rule.command("project")
@click.option("--needed/--not-needed", "is_needed", required=True, help="Whether each reservation counts on a project.")
@pass_seat
def project(seat: Seat, is_needed: bool) -> None:
    """Say whether each reservation has to count on a project. Who is in just one need not name it."""
    farm = seat.farm()
    _show(seat, farm.put_rules(replace(farm.rules(), needs_project=is_needed)))


def _show(seat: Seat, rules: Rules) -> None:
    if seat.output is Output.JSON:
        click.echo(as_json(rules))
        return
    told = list(lines(_("everyone"), rules.everyone))
    for kind, scope in (("group", rules.groups), ("project", rules.projects), ("user", rules.users)):
        for name, limits in (scope or {}).items():
            told += lines(f"{kind} {name}", limits)
    told += [Line(" ".join(one.groups), _("have alone"), "", one.where) for one in rules.access]
    if rules.needs_project:
        told.append(Line(_("everyone"), _("reserves for a project"), "", ""))
    SHEET.show_all(told, seat.output)
