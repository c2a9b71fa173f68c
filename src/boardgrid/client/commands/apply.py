"""``boardgrid apply``: boards and types as a file declares them."""

import json
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from boardgrid.client.answers import Change
from boardgrid.client.command import Verb
from boardgrid.client.complaint import REQUEST_INVALID, Complaint
from boardgrid.client.reading import unreadable
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.tables import Output, as_json, plain
from boardgrid.messages import _

_TABLES = ("board_types", "boards")


@click.command(cls=Verb)
@click.argument("file", metavar="FILE")
@click.option("--yes", is_flag=True, help="Do not ask; a program must say so.")
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@pass_seat
def apply(seat: Seat, file: str, yes: bool, dry_run: bool) -> None:
    """
    Bring boards and board types to what FILE declares (for admins). What it does not name stays as it is.

    What would change is shown first.

    \b
    Example of a file:
      [board_types.tk1]
      arch = "armhf"
      console = "ttyS0,115200n8"
      properties = { ram_mb = 2048 }
    \b
      [boards.tk1-1]
      mac = "02:00:00:00:00:01"
      address = "10.20.0.11"
      power = [{ driver = "ssh" }, { driver = "wol" }]
      tags = ["camera"]
    """
    inventory = _read(file)
    farm = seat.farm()
    changes = farm.apply(inventory, dry_run=True)
    if changes and not dry_run:
        agreed = _agreed(seat, changes, yes, lambda: farm.apply(inventory, dry_run=True))
        changes = farm.apply(inventory) if agreed else ()
        if changes != agreed:
            _show(seat, changes)  # another changed the farm in this very moment
        if changes:
            seat.tell(_("{count} changes were applied").format(count=len(changes)))
    if not changes:
        seat.tell(_("the farm is as {file} declares it").format(file=file))
    match seat.output:
        case Output.JSON:
            click.echo(as_json({"changes": changes}))
        case Output.NAME:
            for change in changes:
                click.echo(plain(change.name))
        case Output.TABLE if dry_run:
            for change in changes:
                for line in _lines(change):
                    click.echo(plain(line))
        case Output.TABLE:
            pass


def _agreed(
    seat: Seat, changes: tuple[Change, ...], yes: bool, look: Callable[[], tuple[Change, ...]]
) -> tuple[Change, ...]:
    """
    What the asker agreed to. While a person thinks, another may change the farm: then it is shown and asked anew.

    Raises:
        Complaint: nobody is there to be asked.
        click.Abort: the person would rather not.
    """
    while changes:
        _show(seat, changes)
        seat.must_say(yes, _("Apply {count} changes?").format(count=len(changes)), "--yes")
        if yes or (now := look()) == changes:
            break
        seat.tell(_("the farm was changed meanwhile; what would change now:"))
        changes = now
    return changes


def _show(seat: Seat, changes: tuple[Change, ...]) -> None:
    for change in changes:
        for line in _lines(change):
            seat.tell(line)


def _lines(change: Change) -> list[str]:
    sign = "+" if change.act == "add" else "~"
    lines = [f"{sign} {change.kind} {change.name}"]
    for name, told in change.fields.items():
        was, will = (*told, None, None)[:2]
        if change.act == "add":
            if will not in (None, "", [], (), {}):
                lines.append(f"    {name}: {_value(will)}")
        else:
            lines.append(f"    {name}: {_value(was)} -> {_value(will)}")
    return lines


def _value(value: Any) -> str:
    return as_json(value, on_one_line=True)


def _read(file: str) -> dict[str, Any]:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")
        # By way of JSON, which has no dates and no endless numbers: the farm would refuse them less clearly.
        told = json.dumps(tomllib.loads(text), default=str)
        inventory: dict[str, Any] = json.loads(told, parse_constant=_endless)
    except OSError as error:
        raise unreadable(file, error) from error
    except ValueError as error:
        raise _refused(file, str(error)) from error
    if unknown := [key for key in inventory if key not in _TABLES]:
        raise _refused(file, _("it has a table {name}").format(name=unknown[0]), _("there are board_types and boards"))
    for key in _TABLES:
        table = inventory.setdefault(key, {})
        if not isinstance(table, dict) or not all(isinstance(one, dict) for one in table.values()):
            raise _refused(file, _("{name} holds something that is no table").format(name=key))
    return inventory


def _endless(word: str) -> None:
    raise ValueError(_("it has {word} where a number should be").format(word=word))


def _refused(file: str, why: str, hint: str = "") -> Complaint:
    return Complaint(REQUEST_INVALID, _("{file} is no inventory: {why}").format(file=file, why=why), hint=hint)
