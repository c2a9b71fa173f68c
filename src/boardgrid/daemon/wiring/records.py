"""The controller's records and services, and what is done to them on its own machine."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime

from boardgrid.adapters.changes import InProcessChanges
from boardgrid.adapters.records.sql import SqlRecords
from boardgrid.daemon.config import Config
from boardgrid.daemon.layout import Layout
from boardgrid.model.user import Audience, Secret
from boardgrid.services.farm import Farm


def now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def services(config: Config, *, upgrade: bool) -> Iterator[Farm]:
    """
    Raises:
        Conflict: SCHEMA_FOREIGN, where it may not *upgrade* or cannot.
    """
    with closing(SqlRecords.open(Layout(config.state).database, upgrade=upgrade, now=now)) as records:
        yield Farm.of(records, InProcessChanges(), now)


def prepare(config: Config) -> dict[str, str]:
    """
    Bring the records to this release, know the site, and give its agent and gateway new tokens.

    New ones at every start: the old ones end, and a state folder that lost one is whole again.
    """
    with services(config, upgrade=True) as farm:
        farm.inventory.put_site(config.site)
        return {
            audience: farm.accounts.site_token(config.site.name, audience).clear.reveal()
            for audience in (Audience.AGENT, Audience.GATEWAY)
        }


def create_admin(config: Config, name: str, *, again: bool) -> Secret:
    with services(config, upgrade=False) as farm:
        return farm.accounts.create_admin(name, again=again).clear
