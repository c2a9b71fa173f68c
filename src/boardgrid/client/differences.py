"""What changed, asked of the farm and put before people."""

from collections.abc import Iterator

import click

from boardgrid.client.answers import Diff, Difference, PackageChange, PathChange
from boardgrid.client.complaint import Complaint
from boardgrid.client.farm import Farm
from boardgrid.client.progress import running
from boardgrid.client.seat import Seat
from boardgrid.client.tables import Output, as_json, plain
from boardgrid.client.waiting import until
from boardgrid.messages import _, bytes_text

LONGEST_S = 300.0  # trees of millions of files take so long; twenty thousand take a second
SHOWN = 40  # files, and packages, that a person is shown
_HELD_S = 20.0
_SIGNS = {"added": ("+", "green"), "changed": ("~", "yellow"), "removed": ("-", "red")}


def difference(
    farm: Farm, what: str, timeout_s: float | None = None, *, without_farms: bool = False, **of: str | None
) -> Difference:
    """
    Ask what changed, and wait for the answer.

    Args:
        what: that which is looked at, for a person who waits.
        without_farms, of: as :meth:`Farm.ask_diff`.

    Raises:
        Complaint: the farm refused, its agent could not look, or WAIT_TIMEOUT.
    """
    most_s = LONGEST_S if timeout_s is None else timeout_s
    asked = farm.ask_diff(without_farms=without_farms, **of)

    def look() -> Diff | None:
        seen = asked if asked.state != "asked" else farm.diff(asked.id, min(most_s, _HELD_S))
        return seen if seen.state != "asked" else None

    silent = _("`boardgrid site list` shows whether the site's agent is heard of")
    with running(_("looking at {what}").format(what=plain(what))):
        told = until(look, _("an answer about {what}").format(what=what), timeout_s=most_s, hint=silent)
    if told.difference is None:
        raise Complaint(told.code or "farm.bug", told.reason, hint=told.hint)
    return told.difference


def show(seat: Seat, found: Difference, most: int = SHOWN) -> None:
    """All of it to a program; to a person the counts, then the largest files and the first packages."""
    match seat.output:
        case Output.JSON:
            click.echo(as_json(found))
        case Output.NAME:
            for one in found.paths:
                click.echo(plain(one.path))
        case Output.TABLE:
            for line in lines(found, most):
                click.echo(line)


def summary(found: Difference) -> str:
    """``added: 3 (4.1 MB), changed: 2 (1.2 kB), removed: 0 (0 B); packages changed: 5 (dpkg)``."""
    counts = (
        (_("added: {count} ({size})"), found.added),
        (_("changed: {count} ({size})"), found.changed),
        (_("removed: {count} ({size})"), found.removed),
    )
    told = ", ".join(text.format(count=one.entries, size=bytes_text(one.size_bytes)) for text, one in counts)
    if found.packages_by:
        told += "; " + _("packages changed: {count} ({by})").format(count=found.packages_changed, by=found.packages_by)
    return told


def lines(found: Difference, most: int) -> Iterator[str]:
    all_paths = sum(one.entries for one in (found.added, found.changed, found.removed))
    yield summary(found)
    yield from map(_path_line, found.paths[:most])
    yield from _left(all_paths - len(found.paths[:most]))
    if found.left_out:
        yield _("  as the farm wrote them: {count} (--all shows them)").format(count=found.left_out)
    if found.times_only and not all_paths:  # beside a change, the time of its folder tells nothing
        yield _("  the same files, other times: {count}").format(count=found.times_only)
    if found.packages:
        yield _("packages:")
        yield from map(_package_line, found.packages[:most])
        yield from _left(found.packages_changed - len(found.packages[:most]))


def _left(count: int) -> Iterator[str]:
    if count > 0:
        yield _("  ... and {count} more").format(count=count)


def _path_line(one: PathChange) -> str:
    sign, colour = _SIGNS.get(one.change, ("?", "white"))
    how = f"  ({', '.join(one.what)})" if one.what else ""
    return click.style(plain(f"  {sign} {bytes_text(one.size_bytes):>9}  {one.path}{how}"), fg=colour)


def _package_line(one: PackageChange) -> str:
    change = "changed" if one.was and one.now else "added" if one.now else "removed"
    sign, colour = _SIGNS[change]
    versions = " -> ".join(filter(None, (one.was, one.now)))
    return click.style(plain(f"  {sign} {one.name} {versions}"), fg=colour)
