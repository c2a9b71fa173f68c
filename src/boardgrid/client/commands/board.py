"""``boardgrid board``: what stands on the shelf."""

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

from boardgrid.client.answers import Board, Closed
from boardgrid.client.command import BOARDS, TYPES, Noun
from boardgrid.client.complaint import NAME_TAKEN, REQUEST_INVALID, Complaint
from boardgrid.client.health import health_text
from boardgrid.client.labels import properties, properties_text
from boardgrid.client.moment import shown
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.tables import Column, Sheet
from boardgrid.messages import _


def _power(board: Board) -> str:
    return ", ".join(_driver(spec) for spec in board.power)


def _driver(spec: Mapping[str, Any]) -> str:
    options = " ".join(f"{key}={value}" for key, value in spec.items() if key != "driver")
    return f"{spec.get('driver', '?')} ({options})" if options else str(spec.get("driver", "?"))


def closed_text(closed: Closed) -> str:
    return _("from {start} to {end}: {reason}").format(
        start=shown(closed.start), end=shown(closed.end), reason=closed.reason
    )


SHEET: Sheet[Board] = Sheet(
    lambda board: board.name,
    (
        Column("NAME", lambda board: board.name),
        Column("TYPE", lambda board: board.type, is_detail=True),
        Column("SITE", lambda board: board.site),
        Column("STATE", lambda board: board.state, is_state=True),
        Column("HELD BY", lambda board: board.reservation and board.reservation.user),
        Column("UNTIL", lambda board: board.reservation and shown(board.reservation.until)),
        Column("RESERVATION", lambda board: board.reservation and board.reservation.number, is_detail=True),
        Column("ADDRESS", lambda board: board.address),
        Column("MAC", lambda board: board.mac, is_detail=True),
        Column("BOOT", lambda board: board.boot),
        Column("NFS PATH", lambda board: board.nfs_path, is_detail=True),
        Column("KERNEL", lambda board: board.kernel, is_detail=True),
        Column("POWER", _power, is_detail=True),
        Column("HEALTH", lambda board: health_text(board.health), is_detail=True),
        Column("TAGS", lambda board: " ".join(board.tags), most=24),
        Column("PROPERTIES", lambda board: properties_text(board.facts), is_detail=True),
        Column("SET ASIDE", lambda board: board.set_aside),
        Column("MAINTENANCE", lambda board: board.maintenance and closed_text(board.maintenance), is_detail=True),
    ),
)


property_option = click.option(
    "--property",
    "property_",
    multiple=True,
    metavar="NAME=VALUE",
    help="What boards can be chosen by: ram_mb=2048, usb3=true, panel=hdmi; may be given again.",
)


@click.group(cls=Noun)
def board() -> None:
    """Add, describe, show and remove boards, and return them to service."""


@board.command("add")
@click.argument("name")
@click.option("--mac", required=True, help="The board's hardware address: 02:00:00:00:00:01.")
@click.option("--address", required=True, help="The IPv4 address that the board gets.")
@click.option("--site", help="Where it stands; may be left out where the farm has one site.")
@click.option(
    "--boot",
    type=click.Choice(["pxelinux", "grub", "flashed"]),
    help="How it comes to its kernel: by DHCP and TFTP, with U-Boot's pxelinux files (the default) or UEFI's GRUB, "
    "or as its bootloader was flashed once.",
)
@click.option("--nfs-path", help="The path that a flashed board always mounts.")
@click.option("--kernel", help="The kernel release that a flashed board always boots: 3.10.40-gdacac96.")
@click.option(
    "--power",
    multiple=True,
    metavar="DRIVER",
    help="A way to act on its power, politest first; may be given again. A driver's name, or its TOML: "
    "'driver = \"wol\"' with the driver's own keys.",
)
@property_option
@click.option("--tag", multiple=True, help="Another thing to choose it by, a mere word: camera; may be given again.")
@click.option("--replace", is_flag=True, help="Change one that is there to just what is given here.")
@pass_seat
def add(
    seat: Seat,
    *,
    name: str,
    mac: str,
    address: str,
    site: str | None,
    boot: str | None,
    nfs_path: str | None,
    kernel: str | None,
    power: tuple[str, ...],
    property_: tuple[str, ...],
    tag: tuple[str, ...],
    replace: bool,
) -> None:
    """
    Add the board NAME, which is called <type>-<number> (for admins).

    \b
    Examples:
      boardgrid board add tk1-1 --mac 02:00:00:00:00:01 --address 10.20.0.11 --power ssh --power wol \\
          --property panel=hdmi --tag camera
      boardgrid board add tk1-2 --mac 02:00:00:00:00:02 --address 10.20.0.12 --boot flashed \\
          --nfs-path /NFSRoot1 --power '{driver = "command", on = ["outlet", "on", "2"]}'
    """
    given = {
        "mac": mac,
        "address": address,
        "site": site,
        "boot": boot,
        "nfs_path": nfs_path,
        "kernel": kernel,
        "power": [driver_spec(text) for text in power] or None,
        "properties": properties(property_) or None,
        "tags": tag or None,
    }
    facts = {key: value for key, value in given.items() if value is not None}
    with taken_names_explained():
        added = seat.farm().put_board(name, facts, only_new=not replace)
    SHEET.show(added, seat.output)


@board.command("describe")
@click.argument("name", shell_complete=BOARDS)
@property_option
@click.option("--tag", multiple=True, help="Give it this tag; may be given again.")
@click.option("--no-property", multiple=True, metavar="NAME", help="Take this property away; may be given again.")
@click.option("--no-tag", multiple=True, metavar="TAG", help="Take this tag away; may be given again.")
@pass_seat
def describe(
    seat: Seat,
    *,
    name: str,
    property_: tuple[str, ...],
    tag: tuple[str, ...],
    no_property: tuple[str, ...],
    no_tag: tuple[str, ...],
) -> None:
    """
    Change what a board is chosen by (for admins). Whoever has it keeps it.

    \b
    Example:
      boardgrid board describe tk1-1 --property panel=hdmi --tag camera --no-tag broken
    """
    wanted = dict.fromkeys(no_property) | properties(property_)
    tags = dict.fromkeys(no_tag, False) | dict.fromkeys(tag, True)
    if not (wanted or tags):
        raise Complaint(REQUEST_INVALID, _("say what to change: --property, --tag, --no-property or --no-tag"))
    SHEET.show(seat.farm().describe_board(name, wanted, tags), seat.output)


@board.command("list")
@click.option("--where", metavar="EXPR", help="Those that fit an expression: 'ram_mb >= 2048 and tag(\"camera\")'.")
@click.option("--type", "-t", "type_", metavar="TYPE", shell_complete=TYPES, help="Those of this type.")
@click.option("--tag", multiple=True, help="Those with this tag; given again, with all of them.")
@click.option("--site", help="Those at this site.")
@pass_seat
def list_(seat: Seat, *, where: str | None, type_: str | None, tag: tuple[str, ...], site: str | None) -> None:
    """
    List the boards: which are free, and who has the others until when.

    \b
    Examples:
      boardgrid board list --type tk1 --tag camera
      boardgrid board list --where 'ram_mb >= 2048 and panel in ("hdmi", "dp")'
    """
    boards = seat.farm().boards(where=where, type_=type_, site=site, tags=tag)
    if not boards and any((where, type_, tag, site)):
        seat.tell(_("there is no such board"))
    elif not boards:
        seat.tell(
            _("there is no board yet; an admin adds one with `boardgrid board add`, or many with `boardgrid apply`")
        )
    SHEET.show_all(boards, seat.output)


@board.command("show")
@click.argument("name", shell_complete=BOARDS)
@pass_seat
def show(seat: Seat, name: str) -> None:
    """Show all that is known of one board."""
    SHEET.show(seat.farm().board(name), seat.output)


@board.command("remove")
@click.argument("name", shell_complete=BOARDS)
@click.option("--yes", is_flag=True, help="Do not ask; a program must say so.")
@pass_seat
def remove(seat: Seat, name: str, yes: bool) -> None:
    """Have a board leave the farm (for admins). It is stopped, then its boot files go."""
    seat.must_say(yes, _("Remove the board {name}?").format(name=name), "--yes")
    seat.farm().remove_board(name)
    seat.show_end(name, "going", _("{name} leaves the farm").format(name=name))


@board.command("aside")
@click.argument("name", shell_complete=BOARDS)
@click.option("--reason", required=True, help="Why, for everybody: 'new power supply'.")
@pass_seat
def aside(seat: Seat, name: str, reason: str) -> None:
    """
    Offer a board to nobody from now on (for admins). Who has it keeps it; who was to have it gets another where one
    does. `board fit` returns it.

    \b
    Example:
      boardgrid board aside tk1-3 --reason 'its fan is loud'
    """
    SHEET.show(seat.farm().set_aside(name, reason), seat.output)


@board.command("fit")
@click.argument("name", shell_complete=BOARDS)
@pass_seat
def fit(seat: Seat, name: str) -> None:
    """Return a board that was set aside to service (for admins)."""
    fit = seat.farm().fit(name)
    seat.tell(_("{name} is fit again").format(name=name))
    SHEET.show(fit, seat.output)


@contextmanager
def taken_names_explained() -> Iterator[None]:
    """``add`` never changes what is there by accident; who means it is told how to say so."""
    try:
        yield
    except Complaint as error:
        if error.code == NAME_TAKEN:
            error.hint = _("--replace changes it to just what is given here")
        raise


def driver_spec(text: str) -> dict[str, object]:
    """
    A power driver as one writes it: its bare name, or the TOML table of an inventory.

    Raises:
        Complaint: it is neither.
    """
    table = text if "=" in text else f'driver = "{text}"'
    try:
        spec = tomllib.loads(f"power = {table}" if table.lstrip().startswith("{") else f"power = {{ {table} }}")[
            "power"
        ]
        if isinstance(spec.get("driver"), str) and spec["driver"]:
            return dict(spec)
    except tomllib.TOMLDecodeError:
        pass
    raise Complaint(
        REQUEST_INVALID,
        _("{text!r} is no power driver").format(text=text),
        hint=_("""it looks like wol, or {example}""").format(
            example="""'{driver = "command", on = ["outlet", "on", "7"]}'"""
        ),
    )
