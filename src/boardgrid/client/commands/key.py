"""``boardgrid key``: by which SSH keys you come to your boards."""

import click

from boardgrid.client.answers import Key
from boardgrid.client.command import Noun
from boardgrid.client.commands.account import public_keys
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.tables import Column, Sheet
from boardgrid.messages import _

SHEET: Sheet[Key] = Sheet(
    lambda key: key.fingerprint,
    (
        Column("KIND", lambda key: key.ssh_key.partition(" ")[0]),
        Column("FINGERPRINT", lambda key: key.fingerprint),
    ),
)


@click.group(cls=Noun)
def key() -> None:
    """List, add and remove your SSH keys."""


@key.command("list")
@pass_seat
def list_(seat: Seat) -> None:
    """List your SSH keys, by their fingerprints as `ssh-keygen -l` shows them."""
    keys = seat.farm().keys()
    if not keys:
        seat.tell(_("you have no SSH key, so you cannot log in to a board; `boardgrid key add FILE` adds one"))
    SHEET.show_all(keys, seat.output)


@key.command("add")
@click.argument("file", metavar="FILE")
@pass_seat
def add(seat: Seat, file: str) -> None:
    """
    Add the public keys in FILE to yours; "-" is standard input. A board that is open already has the keys that it was
    given; new reservations get the new ones.

    \b
    Examples:
      boardgrid key add ~/.ssh/id_ed25519.pub
    """
    keys: tuple[Key, ...] = ()
    for line in public_keys(file):
        keys = seat.farm().add_key(line)
    SHEET.show_all(keys, seat.output)


@key.command("remove")
@click.argument("fingerprint")
@pass_seat
def remove(seat: Seat, fingerprint: str) -> None:
    """Remove the key with this FINGERPRINT. Nobody comes in by it any more, and what is open by it ends."""
    seat.farm().remove_key(fingerprint)
    seat.show_end(fingerprint, "gone", _("{key} opens nothing any more").format(key=fingerprint))
