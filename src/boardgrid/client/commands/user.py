"""``boardgrid user``: who may come in."""

import click

from boardgrid.client.answers import ExternalIdentity, Invitation, User
from boardgrid.client.command import USERS, Noun
from boardgrid.client.commands.account import public_keys, short_key
from boardgrid.client.complaint import REQUEST_INVALID, Complaint
from boardgrid.client.moment import shown
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.tables import Column, Output, Sheet, as_json
from boardgrid.messages import _

SHEET: Sheet[User] = Sheet(
    lambda user: user.name,
    (
        Column("NAME", lambda user: user.name),
        Column("ROLE", lambda user: user.role),
        Column("STATE", lambda user: "suspended" if user.suspended else "", is_state=True),
        Column("SSH KEYS", lambda user: ", ".join(short_key(key) for key in user.ssh_keys)),
    ),
)

INVITATIONS: Sheet[Invitation] = Sheet(
    lambda invitation: invitation.id,
    (
        Column("ID", lambda invitation: invitation.id),
        Column("FOR", lambda invitation: invitation.name or _("anybody")),
        Column("ROLE", lambda invitation: invitation.role),
        Column("GIVES", lambda invitation: _("a new password") if invitation.is_reset else _("an account")),
        Column("UNTIL", lambda invitation: shown(invitation.expires_at)),
    ),
)

IDENTITIES: Sheet[ExternalIdentity] = Sheet(
    lambda identity: identity.key,
    (
        Column("KEY", lambda identity: identity.key),
        Column("SINCE", lambda identity: shown(identity.linked_at)),
    ),
)

ROLES = click.Choice(["admin", "operator", "user", "guest"])


@click.group(cls=Noun)
def user() -> None:
    """Add, invite, show, change, suspend and remove users (for admins)."""


@user.command("add")
@click.argument("name")
@click.option(
    "--ssh-key",
    "key_files",
    multiple=True,
    metavar="FILE",
    help="A file of public keys that let the user in by SSH; may be given again. '-' is standard input.",
)
@click.option("--role", type=ROLES, help="What they may do; a user if not given.")
@click.option("--admin", "is_admin", is_flag=True, help="The same as --role admin: may do everything, to everything.")
@pass_seat
def add(seat: Seat, name: str, key_files: tuple[str, ...], role: str | None, is_admin: bool) -> None:
    """
    Add the user NAME, and print a token for them, this once.

    \b
    Examples:
      boardgrid user add ada --ssh-key ada.pub
      boardgrid user add grace --admin --ssh-key ~/.ssh/id_ed25519.pub
    """
    if is_admin and role not in {None, "admin"}:
        raise Complaint(REQUEST_INVALID, _("--admin and --role say different things"))
    keys = [key for file in key_files for key in public_keys(file)]
    added = seat.farm().add_user(name, role="admin" if is_admin else role or "user", ssh_keys=keys)
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


@user.command("invite")
@click.argument("name", default="")
@click.option("--role", type=ROLES, default="user", show_default=True, help="What they may do.")
@pass_seat
def invite(seat: Seat, name: str, role: str) -> None:
    """
    Print a code by which somebody makes an account of their own: NAME, or what they like to be called. It is good once,
    for three days.

    \b
    Examples:
      boardgrid user invite ada
      boardgrid user invite --role guest
    """
    _hand_out(seat, seat.farm().invite(role, name), _("Whoever has this code makes an account with it"))


@user.command("invitations")
@pass_seat
def invitations(seat: Seat) -> None:
    """List the codes that nobody has used yet."""
    INVITATIONS.show_all(seat.farm().invitations(), seat.output)


@user.command("uninvite")
@click.argument("invitation", metavar="ID")
@pass_seat
def uninvite(seat: Seat, invitation: str) -> None:
    """Take back the code with this ID."""
    seat.farm().revoke_invitation(invitation)
    seat.show_end(invitation, "gone", _("the code {id} is good for nothing any more").format(id=invitation))


@user.command("reset")
@click.argument("name", shell_complete=USERS)
@pass_seat
def reset(seat: Seat, name: str) -> None:
    """
    Print a code by which the user NAME chooses a new password: good once, for three days. The old password is good
    until then; their tokens end with it.
    """
    _hand_out(seat, seat.farm().reset(name), _("With this code {name} chooses a new password").format(name=name))


@user.command("role")
@click.argument("name", shell_complete=USERS)
@click.argument("role", metavar="ROLE", type=ROLES)
@pass_seat
def role_(seat: Seat, name: str, role: str) -> None:
    """
    Give the user NAME another ROLE.

    \b
    admin     may do everything, to everything
    operator  a user who also looks after boards, and releases them for others
    user      reserves boards and imports images
    guest     looks on
    """
    SHEET.show(seat.farm().give_role(name, role), seat.output)


@user.command("suspend")
@click.argument("name", shell_complete=USERS)
@pass_seat
def suspend(seat: Seat, name: str) -> None:
    """
    Shut the user NAME out at once: tokens, password and SSH keys open nothing, and what is open by them ends. What they
    have reserved goes on until its time is over, or somebody releases it.
    """
    SHEET.show(seat.farm().suspend(name), seat.output)


@user.command("restore")
@click.argument("name", shell_complete=USERS)
@pass_seat
def restore(seat: Seat, name: str) -> None:
    """Let the suspended user NAME in again, with all that they came in by before."""
    SHEET.show(seat.farm().restore(name), seat.output)


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
    keys = [key for file in key_files for key in public_keys(file)]
    SHEET.show(seat.farm().replace_keys(name, keys), seat.output)


@user.command("link")
@click.argument("name", shell_complete=USERS)
@click.argument("key", default="")
@click.option("--none", "is_none", is_flag=True, help="Nobody from elsewhere comes into this account any more.")
@pass_seat
def link(seat: Seat, name: str, key: str, is_none: bool) -> None:
    """
    Let somebody whom a directory or an identity provider knows come into the account NAME. KEY is what the farm told
    them when it did not let them in. Without it: list who comes into that account so.

    \b
    Examples:
      boardgrid user link ada "ldap 1b4e28ba-2fa1-11d2-883f-0016d3cca427"
      boardgrid user link ada --none
    """
    if is_none and key:
        raise Complaint(REQUEST_INVALID, _("say which one, or --none"))
    farm = seat.farm()
    linked = farm.external_identities(name)
    if is_none or key:
        linked = farm.link(name, [] if is_none else [*(one.key for one in linked), key])
    IDENTITIES.show_all(linked, seat.output)


@user.command("remove")
@click.argument("name", shell_complete=USERS)
@click.option("--yes", is_flag=True, help="Do not ask; a program must say so.")
@pass_seat
def remove(seat: Seat, name: str, yes: bool) -> None:
    """Close the account NAME. Its tokens and keys end at once; its images stay."""
    seat.must_say(yes, _("Close the account of {name}?").format(name=name), "--yes")
    seat.farm().remove_user(name)
    seat.show_end(name, "gone", _("{name} was removed").format(name=name))


def _hand_out(seat: Seat, made: Invitation, sentence: str) -> None:
    if seat.output is Output.JSON:
        click.echo(as_json(made))
        return
    until = shown(made.expires_at)
    seat.tell(_("{sentence} (`boardgrid accept URL`), once, until {until}:").format(sentence=sentence, until=until))
    click.echo(made.code)
