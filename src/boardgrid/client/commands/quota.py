"""``boardgrid quota``: how much of the farm one may have, and how much of it is used."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import click

from boardgrid.client.answers import Limits, Rules, Usage
from boardgrid.client.command import GROUPS, PROJECTS, USERS, Noun
from boardgrid.client.complaint import REQUEST_INVALID, Complaint
from boardgrid.client.duration import seconds, span
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.size import bytes_or_none
from boardgrid.client.tables import Column, Output, Sheet, as_json
from boardgrid.messages import _, bytes_text

T = TypeVar("T")

NONE = "none"


@dataclass(frozen=True, slots=True)
class Line:
    """One limit: whose, of what, how much of it is used."""

    whose: str
    what: str
    used: str
    most: str


SHEET: Sheet[Line] = Sheet(
    lambda line: line.what,
    (
        Column("WHOSE", lambda line: line.whose),
        Column("WHAT", lambda line: line.what),
        Column("USED", lambda line: line.used),
        Column("LIMIT", lambda line: line.most),
    ),
)


def lines(whose: str, limits: Limits, usage: Usage | None = None) -> Iterator[Line]:
    """Those that are limited; with *usage* also those that could be, and what is used of them."""

    def line(what: str, most: object, used: object = "") -> Iterator[Line]:
        if most is not None or (usage is not None and used != ""):
            yield Line(whose, what, str(used if usage is not None else ""), "-" if most is None else str(most))

    yield from line(_("boards at once"), limits.boards, usage and usage.boards)
    hours = usage and f"{usage.board_hours:.1f}"
    yield from line(_("board hours in 7 days"), _number(limits.board_hours), hours)
    yield from line(_("reservations that wait"), limits.waiting, usage and usage.waiting)
    if usage is None or not usage.project:
        awaited = usage and usage.awaited_images
        yield from line(_("images without content"), limits.awaited_images, awaited)
        used_bytes = usage and bytes_text(usage.image_bytes)
        yield from line(_("bytes of images"), _text(limits.image_bytes, bytes_text), used_bytes)
    of_volumes = usage and bytes_text(usage.volume_bytes)
    yield from line(_("bytes of volumes"), _text(limits.volume_bytes, bytes_text), of_volumes)
    yield from line(_("longest reservation"), _text(limits.longest_s, span))
    for type_, longest_s in sorted((limits.longest_of_s or {}).items()):
        yield from line(_("longest with {type}").format(type=type_), span(longest_s))
    yield from line(_("ahead"), _text(limits.ahead_s, span))


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:g}"


def _text(value: T | None, shown: Callable[[T], str]) -> str | None:
    return None if value is None else shown(value)


@click.group(cls=Noun, invoke_without_command=True)
@pass_seat
@click.pass_context
def quota(ctx: click.Context, seat: Seat) -> None:
    """
    Show how much of the farm you may have, and how much of it you use; admins change it.

    What runs on boards that nobody needs does not count.
    """
    if ctx.invoked_subcommand is not None:
        return
    usages = seat.farm().usage()
    if seat.output is Output.JSON:
        click.echo(as_json(usages))
        return
    told = [line for one in usages for line in lines(one.project or _("you"), one.limits, one)]
    SHEET.show_all(told, seat.output)


def _number_or_none(text: str) -> float | None:
    try:
        return None if text == NONE else float(text)
    except ValueError:
        raise _no_limit(text, _("a number, or none")) from None


def _count(text: str) -> int | None:
    number = _number_or_none(text)
    if number is not None and not number.is_integer():
        raise _no_limit(text, _("a whole number, or none"))
    return None if number is None else int(number)


def _span_or_none(text: str) -> float | None:
    return None if text == NONE else float(seconds(text))


def _bytes(text: str) -> int | None:
    if text == NONE:
        return None
    size = bytes_or_none(text)
    if size is None:
        raise _no_limit(text, _("a size like 500MB or 20GB, or none"))
    return size


def _no_limit(text: str, wanted: str) -> Complaint:
    return Complaint(
        REQUEST_INVALID,
        _("{text!r} is no limit").format(text=text[:40]),
        hint=_("it is {wanted}").format(wanted=wanted),
    )


def _by_type(given: tuple[str, ...]) -> dict[str, float | None]:
    found = {}
    for text in given:
        type_, equals, longest = text.partition("=")
        if not (type_ and equals):
            raise _no_limit(text, _("a type and a span of time: tk1=4h"))
        found[type_] = _span_or_none(longest)
    return found


@quota.command("set")
@click.option("--user", metavar="NAME", shell_complete=USERS, help="The limits of one user.")
@click.option("--group", metavar="NAME", shell_complete=GROUPS, help="The limits of each who is in this group.")
@click.option("--project", metavar="NAME", shell_complete=PROJECTS, help="The limits of all in a project together.")
@click.option("--everyone", is_flag=True, help="The limits of all for whom nothing else is said.")
@click.option("--boards", metavar="N", help="Boards at once.")
@click.option("--hours", metavar="N", help="Board hours in any seven days, those to come counted too.")
@click.option("--waiting", metavar="N", help="Reservations that have not begun.")
@click.option("--longest", metavar="SPAN", help="The longest time of one reservation, extensions included.")
@click.option("--longest-of", multiple=True, metavar="TYPE=SPAN", help="The same, of boards of one type.")
@click.option("--ahead", metavar="SPAN", help="How long before it begins one may reserve: 30d.")
@click.option("--awaited", metavar="N", help="Images that have a name and no content yet.")
@click.option("--images", metavar="SIZE", help="What all images that one keeps may take: 20GB.")
@click.option("--volumes", metavar="SIZE", help="What all volumes that one has may take: 50GB.")
@click.option("--clear", is_flag=True, help="First forget all that was said for them.")
@pass_seat
def set_(
    seat: Seat,
    *,
    user: str | None,
    group: str | None,
    project: str | None,
    everyone: bool,
    boards: str | None,
    hours: str | None,
    waiting: str | None,
    longest: str | None,
    longest_of: tuple[str, ...],
    ahead: str | None,
    awaited: str | None,
    images: str | None,
    volumes: str | None,
    clear: bool,
) -> None:
    """
    Change the limits of a user, a group, a project or everyone (for admins). What is not named stays as it is; `none`
    takes a limit away. They count for what is asked from then on.

    \b
    Examples:
      boardgrid quota set --everyone --boards 4 --longest 12h --ahead 30d
      boardgrid quota set --group staff --boards 20 --hours none
      boardgrid quota set --project course --boards 12 --longest-of tk1=4h
    """
    parses: dict[str, tuple[str | None, Callable[[str], float | int | None]]] = {
        "boards": (boards, _count),
        "board_hours": (hours, _number_or_none),
        "waiting": (waiting, _count),
        "longest_s": (longest, _span_or_none),
        "ahead_s": (ahead, _span_or_none),
        "awaited_images": (awaited, _count),
        "image_bytes": (images, _bytes),
        "volume_bytes": (volumes, _bytes),
    }
    given = {name: parse(text) for name, (text, parse) in parses.items() if text is not None}
    types = _by_type(longest_of)
    if not (given or types or clear):
        raise Complaint(REQUEST_INVALID, _("say which limit: --boards, --hours, --longest ..."))
    scope, name = _scope(user, group, project, everyone)
    farm = seat.farm()
    rules = farm.rules()
    before = Limits() if clear else _limits(rules, scope, name)
    kept = {type_: value for type_, value in {**(before.longest_of_s or {}), **types}.items() if value is not None}
    changed = replace(before, **given, longest_of_s=kept)  # type: ignore[arg-type]  # each is parsed as its field
    told = farm.put_rules(_with_limits(rules, scope, name, changed))
    shown = _limits(told, scope, name)
    if seat.output is Output.JSON:
        click.echo(as_json(shown))
    else:
        SHEET.show_all(list(lines(name or _("everyone"), shown)), seat.output)


def _scope(user: str | None, group: str | None, project: str | None, everyone: bool) -> tuple[str, str]:
    """The field of the rules that is meant, and the name in it."""
    named = [(field, name) for field, name in (("users", user), ("groups", group), ("projects", project)) if name]
    if len(named) + everyone != 1:
        raise Complaint(REQUEST_INVALID, _("say whose limits: --user, --group or --project with a name, or --everyone"))
    return named[0] if named else ("everyone", "")


def _limits(rules: Rules, scope: str, name: str) -> Limits:
    if scope == "everyone":
        return rules.everyone
    found: Limits = (getattr(rules, scope) or {}).get(name, Limits())
    return found


def _with_limits(rules: Rules, scope: str, name: str, limits: Limits) -> Rules:
    if scope == "everyone":
        return replace(rules, everyone=limits)
    named = {**(getattr(rules, scope) or {}), name: limits}
    if not limits.longest_of_s and replace(limits, longest_of_s=None) == Limits():
        del named[name]  # nothing is said of them any more
    changed: dict[str, dict[str, Limits]] = {scope: named}
    return replace(rules, **changed)  # type: ignore[arg-type]  # the scope is a field with limits by name
