"""``boardgrid site``: the places where boards stand."""

import click

from boardgrid.client.answers import Site
from boardgrid.client.command import Noun
from boardgrid.client.duration import span
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.tables import Column, Sheet
from boardgrid.messages import _, bytes_text


def _agent(site: Site) -> str:
    if site.agent_seen_s is None:
        return _("never heard of")
    return _("heard {span} ago").format(span=span(site.agent_seen_s))


def _gateway(site: Site) -> str:
    return f"{site.gateway.host}:{site.gateway.port}" if site.gateway else ""


SHEET: Sheet[Site] = Sheet(
    lambda site: site.name,
    (
        Column("NAME", lambda site: site.name),
        Column("DOMAIN", lambda site: site.domain),
        Column("SERVER", lambda site: site.server),
        Column("INTERFACE", lambda site: site.interface),
        Column("DHCP", lambda site: site.dhcp),
        Column("GATEWAY", _gateway),
        Column("AGENT", _agent),
        Column("FREE", lambda site: bytes_text(site.free_bytes)),
        Column("STORE", lambda site: bytes_text(site.store_bytes)),
        Column("TROUBLE", lambda site: site.trouble),
    ),
)


@click.group(cls=Noun)
def site() -> None:
    """Show the places where boards stand."""


@site.command("list")
@pass_seat
def list_(seat: Seat) -> None:
    """List the sites: their network, the room of their store, and why deployments pause if they do."""
    SHEET.show_all(seat.farm().sites(), seat.output)
