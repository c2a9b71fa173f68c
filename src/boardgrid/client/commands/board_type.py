"""``boardgrid board-type``: what boards of one kind share."""

import click

from boardgrid.client.answers import BoardType
from boardgrid.client.command import TYPES, Noun
from boardgrid.client.commands.board import property_option, taken_names_explained
from boardgrid.client.labels import properties, properties_text
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.tables import Column, Sheet
from boardgrid.messages import _

SHEET: Sheet[BoardType] = Sheet(
    lambda kind: kind.name,
    (
        Column("NAME", lambda kind: kind.name),
        Column("ARCH", lambda kind: kind.arch),
        Column("CONSOLE", lambda kind: kind.console),
        Column("CMDLINE", lambda kind: kind.cmdline),
        Column("FDT", lambda kind: kind.fdt),
        Column("BOOT S", lambda kind: f"{kind.boot_s:g}"),
        Column("PROPERTIES", lambda kind: properties_text(kind.properties), most=40),
        Column("NETWORK", lambda kind: kind.network, is_detail=True),
    ),
)


@click.group(cls=Noun)
def board_type() -> None:
    """Add, show and remove board types."""


@board_type.command("add")
@click.argument("name")
@click.option("--arch", required=True, help="Debian's word for the processor: armhf, arm64, amd64.")
@click.option("--console", help="The kernel's console: ttyS0,115200n8.")
@click.option("--cmdline", help="Further words for the kernel command line.")
@click.option("--fdt", help="Device tree file, relative to the image's folder of them.")
@click.option("--boot-s", type=float, help="A board that is not up after so many seconds is restarted harder.")
@click.option("--network", metavar="MODULE", help="The kernel module of its network interface, if that is a rare one.")
@property_option
@click.option("--replace", is_flag=True, help="Change one that is there to just what is given here.")
@pass_seat
def add(
    seat: Seat,
    *,
    name: str,
    arch: str,
    console: str | None,
    cmdline: str | None,
    fdt: str | None,
    boot_s: float | None,
    network: str | None,
    property_: tuple[str, ...],
    replace: bool,
) -> None:
    """
    Add the board type NAME (for admins). It has no dash: a board is called <type>-<number>.

    \b
    Example:
      boardgrid board-type add tk1 --arch armhf --console ttyS0,115200n8 --property ram_mb=2048
    """
    given = {
        "arch": arch,
        "console": console,
        "cmdline": cmdline,
        "fdt": fdt,
        "boot_s": boot_s,
        "network": network,
        "properties": properties(property_) or None,
    }
    facts = {key: value for key, value in given.items() if value is not None}
    with taken_names_explained():
        added = seat.farm().put_board_type(name, facts, only_new=not replace)
    SHEET.show(added, seat.output)


@board_type.command("list")
@pass_seat
def list_(seat: Seat) -> None:
    """List the board types."""
    SHEET.show_all(seat.farm().board_types(), seat.output)


@board_type.command("show")
@click.argument("name", shell_complete=TYPES)
@pass_seat
def show(seat: Seat, name: str) -> None:
    """Show one board type."""
    SHEET.show(seat.farm().board_type(name), seat.output)


@board_type.command("remove")
@click.argument("name", shell_complete=TYPES)
@click.option("--yes", is_flag=True, help="Do not ask; a program must say so.")
@pass_seat
def remove(seat: Seat, name: str, yes: bool) -> None:
    """Remove a board type that no board has (for admins)."""
    seat.must_say(yes, _("Remove the board type {name}?").format(name=name), "--yes")
    seat.farm().remove_board_type(name)
    seat.show_end(name, "gone", _("the board type {name} was removed").format(name=name))
