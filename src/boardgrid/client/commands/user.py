"""``boardgrid user``: who may come in."""

import sys
from pathlib import Path

import click

from boardgrid.client.answers import User
from boardgrid.client.command import USERS, Noun
from boardgrid.client.commands.account import short_key
from boardgrid.client.complaint import REQUEST_INVALID, Complaint
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.tables import Column, Output, Sheet, as_json
from boardgrid.messages import _

SHEET: Sheet[User] = Sheet(
    lambda user: user.name,
    (
        Column("NAME", lambda user: user.name),
        Column("ROLE", lambda user: user.role),
        Column("SSH KEYS", lambda user: ", ".join(short_key(key) for key in user.ssh_keys)),
    ),
)


@click.group(cls=Noun)
def user() -> None:
    """Add, show, change and remove users (for admins)."""


@user.command("add")
@click.argument("name")
@click.option(
    "--ssh-key",
    "key_files",
    multiple=True,
    metavar="FILE",
    help="A file of public keys that let the user in by SSH; may be given again. '-' is standard input.",
)
@click.option("--admin", "is_admin", is_flag=True, help="May do everything, to everything.")
@pass_seat
def add(seat: Seat, name: str, key_files: tuple[str, ...], is_admin: bool) -> None:
    """
    Add the user NAME, and print a token for them, this once.

    \b
    Examples:
      boardgrid user add ada --ssh-key ada.pub
      boardgrid user add grace --admin --ssh-key ~/.ssh/id_ed25519.pub
    """
    keys = [key for file in key_files for key in _public_keys(file)]
    added = seat.farm().add_user(name, role="admin" if is_admin else "user", ssh_keys=keys)
    if seat.output is Output.JSON:
        click.echo(as_json(added))
        return
    seat.tell(
        _("{name} ({role}) may come in. This is their token; it is shown only now:").format(
            name=added.user.name, role=added.user.role
        )
    )
    click.echo(added.token)
    if not added.user.ssh_keys:
        seat.tell(_("note: without an SSH key {name} cannot log in to a board").format(name=added.user.name))


@user.command("list")
@pass_seat
def list_(seat: Seat) -> None:
    """List the users whom you may see."""
    SHEET.show_all(seat.farm().users(), seat.output)


@user.command("show")
@click.argument("name", shell_complete=USERS)
@pass_seat
def show(seat: Seat, name: str) -> None:
    """Show one user."""
    SHEET.show(seat.farm().user(name), seat.output)


@user.command("token")
@click.argument("name", shell_complete=USERS)
@pass_seat
def token(seat: Seat, name: str) -> None:
    """Print a new token for the user NAME, this once. Their old ones end at once: one was lost, or stolen."""
    renewed = seat.farm().new_token(name)
    if seat.output is Output.JSON:
        click.echo(as_json(renewed))
        return
    seat.tell(
        _("This is the new token of {name}; it is shown only now, and the old ones have ended:").format(name=name)
    )
    click.echo(renewed.token)


@user.command("keys")
@click.argument("name", shell_complete=USERS)
@click.option(
    "--ssh-key", "key_files", multiple=True, metavar="FILE", help="A file of public keys; may be given again."
)
@click.option("--none", "is_none", is_flag=True, help="No key at all: nobody comes in as NAME by SSH.")
@pass_seat
def keys_(seat: Seat, name: str, key_files: tuple[str, ...], is_none: bool) -> None:
    """
    Give the user NAME these SSH keys in the place of those they had. A board that is open already has the keys that it
    was given; new reservations get the new ones.

    \b
    Examples:
      boardgrid user keys ada --ssh-key ada-new.pub
    """
    if is_none == bool(key_files):
        raise Complaint(REQUEST_INVALID, _("say which keys, with --ssh-key FILE, or --none"))
    keys = [key for file in key_files for key in _public_keys(file)]
    SHEET.show(seat.farm().replace_keys(name, keys), seat.output)


@user.command("remove")
@click.argument("name", shell_complete=USERS)
@click.option("--yes", is_flag=True, help="Do not ask; a program must say so.")
@pass_seat
def remove(seat: Seat, name: str, yes: bool) -> None:
    """Close the account NAME. Its tokens and keys end at once; its images stay."""
    seat.must_say(yes, _("Close the account of {name}?").format(name=name), "--yes")
    seat.farm().remove_user(name)
    seat.show_end(name, "gone", _("{name} was removed").format(name=name))


def _public_keys(file: str) -> list[str]:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).expanduser().read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else _("it is not text")
        raise Complaint(REQUEST_INVALID, _("{file} cannot be read: {why}").format(file=file, why=why)) from error
    if "PRIVATE KEY" in text:
        raise Complaint(
            REQUEST_INVALID,
            _("{file} holds a private key, which never leaves its owner").format(file=file),
            hint=_("the public one beside it is {file}.pub").format(file=file),
        )
    keys = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not keys:
        raise Complaint(REQUEST_INVALID, _("there is no public key in {file}").format(file=file))
    return keys
