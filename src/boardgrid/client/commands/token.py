"""``boardgrid token``: what your programs come in with."""

import click

from boardgrid.client.answers import Token
from boardgrid.client.command import USERS, Noun
from boardgrid.client.duration import seconds
from boardgrid.client.moment import shown
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.tables import Column, Output, Sheet, as_json
from boardgrid.messages import _

SHEET: Sheet[Token] = Sheet(
    lambda token: token.id,
    (
        Column("ID", lambda token: token.id),
        Column("SCOPE", lambda token: token.scope),
        Column("MADE", lambda token: token.created_at and shown(token.created_at)),
        Column("FROM", lambda token: token.origin),
        Column("UNTIL", lambda token: shown(token.expires_at) if token.expires_at else _("until revoked")),
        Column("LAST USED", lambda token: token.last_used_at and shown(token.last_used_at)),
        Column("LABEL", lambda token: token.label),
    ),
)


@click.group(cls=Noun)
def token() -> None:
    """Make, list and revoke your tokens."""


@token.command("list")
@click.option("--user", metavar="NAME", shell_complete=USERS, help="Those of another user (for admins).")
@pass_seat
def list_(seat: Seat, user: str | None) -> None:
    """List your tokens, oldest first: for what, from where, until when, and when each was last used."""
    SHEET.show_all(seat.farm().tokens(user), seat.output)


@token.command("create")
@click.argument("label", default="")
@click.option(
    "--scope",
    type=click.Choice(["read", "use", "all"]),
    help="read: look on. use: also reserve, use and give back. all: whatever you may. If not given, that of yours.",
)
@click.option("--for", "for_", metavar="SPAN", help="How long it is good; 90 days if not given, a year at most.")
@pass_seat
def create(seat: Seat, label: str, scope: str | None, for_: str | None) -> None:
    """
    Make a token for a program, and print it, this once. LABEL says what it is for.

    It is good for no more than what you are logged in with; one that is made with another such token, for no longer
    either.

    \b
    Examples:
      boardgrid token create "nightly tests" --scope use --for 30d
    """
    made = seat.farm().create_token(label, scope=scope, for_s=None if for_ is None else seconds(for_))
    if seat.output is Output.JSON:
        click.echo(as_json(made))
        return
    until = shown(made.expires_at) if made.expires_at else _("it is revoked")
    seat.tell(
        _("This is token {id} ({scope}), good until {until}; it is shown only now:").format(
            id=made.id, scope=made.scope, until=until
        )
    )
    click.echo(made.token)


@token.command("revoke")
@click.argument("token_id", metavar="ID")
@pass_seat
def revoke(seat: Seat, token_id: str) -> None:
    """End the token with this ID, at once: one of yours; an admin may end anybody's."""
    seat.farm().revoke_token(token_id)
    seat.show_end(token_id, "gone", _("token {id} is good for nothing any more").format(id=token_id))
