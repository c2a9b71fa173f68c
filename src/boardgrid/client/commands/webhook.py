"""``boardgrid webhook``: programs that are called when something happens."""

import click

from boardgrid.client.answers import Webhook
from boardgrid.client.command import Noun
from boardgrid.client.commands.notices import OCCASION
from boardgrid.client.moment import shown
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.tables import Column, Output, Sheet, as_json
from boardgrid.messages import _

SHEET: Sheet[Webhook] = Sheet(
    lambda hook: hook.id,
    (
        Column("ID", lambda hook: hook.id),
        Column("FOR", lambda hook: _("everybody") if hook.is_farms else _("you")),
        Column("MADE", lambda hook: shown(hook.created_at)),
        Column("ON", lambda hook: " ".join(hook.occasions)),
        Column("URL", lambda hook: hook.url),
    ),
)


@click.group(cls=Noun)
def webhook() -> None:
    """Have programs called when something happens to reservations."""


@webhook.command("list")
@pass_seat
def list_(seat: Seat) -> None:
    """List your webhooks; for an admin the farm's as well."""
    SHEET.show_all(seat.farm().webhooks(), seat.output)


@webhook.command("add")
@click.argument("url")
@click.option("--on", "occasions", multiple=True, type=OCCASION, help="When it is called; always if not given.")
@click.option("--farm", "is_farms", is_flag=True, help="For everybody's reservations (for admins).")
@pass_seat
def add(seat: Seat, url: str, *, occasions: tuple[str, ...], is_farms: bool) -> None:
    """
    Have URL called, with a JSON body that is signed by a secret; the secret is printed, this once.

    \b
    Examples:
      boardgrid webhook add https://chat.example.org/hooks/boards --on failed
    """
    made = seat.farm().add_webhook(url, occasions=occasions, is_farms=is_farms)
    if seat.output is Output.JSON:
        click.echo(as_json(made))
        return
    seat.tell(_("This is webhook {id}; its secret is shown only now:").format(id=made.id))
    click.echo(made.secret)


@webhook.command("remove")
@click.argument("webhook_id", metavar="ID")
@pass_seat
def remove(seat: Seat, webhook_id: str) -> None:
    """Have the webhook with this ID called no more."""
    seat.farm().remove_webhook(webhook_id)
    seat.show_end(webhook_id, "gone", _("webhook {id} is called no more").format(id=webhook_id))
