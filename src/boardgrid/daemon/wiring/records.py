"""The controller's records and services, and what is done to them on its own machine."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from boardgrid.adapters.changes.in_process import InProcessChanges
from boardgrid.adapters.changes.postgresql import PostgresChanges
from boardgrid.adapters.clock import BootClock
from boardgrid.adapters.driverbook import DriverBook
from boardgrid.adapters.passwords import ArgonPasswords
from boardgrid.adapters.records.backup import back_up, restore
from boardgrid.adapters.records.database import Database
from boardgrid.adapters.records.postgresql import PostgresDatabase
from boardgrid.adapters.records.revisions import Revisions
from boardgrid.adapters.records.sql import SqlRecords
from boardgrid.adapters.records.sqlite import SqliteFile
from boardgrid.adapters.shell import SubprocessShell
from boardgrid.adapters.turn.alone import AlwaysOurs
from boardgrid.adapters.turn.postgresql import PostgresTurn
from boardgrid.daemon.config import Config
from boardgrid.daemon.layout import Layout
from boardgrid.daemon.wiring import federation
from boardgrid.messages import _
from boardgrid.model.board import Board, DriverSpec
from boardgrid.model.user import Audience, Secret
from boardgrid.ports import Changes, Records, Turn
from boardgrid.postgresql import Postgres
from boardgrid.services.farm import Farm
from boardgrid.services.idling import Idling


def now() -> datetime:
    return datetime.now(UTC)


def database_of(config: Config) -> Database:
    url, layout = config.controller.database, Layout(config.state)
    return SqliteFile(layout.database) if url is None else PostgresDatabase(Postgres(url), layout.controller)


@contextmanager
def services(config: Config, *, upgrade: bool) -> Iterator[Farm]:
    """
    For what is done at once: nobody waits for changes here.

    Raises:
        Conflict: SCHEMA_FOREIGN, where it may not *upgrade* or cannot.
    """
    with closing(SqlRecords.open(database_of(config), upgrade=upgrade, now=now)) as records:
        yield _farm(config, records, InProcessChanges())


@contextmanager
def serving_services(config: Config) -> Iterator[tuple[Farm, Turn]]:
    """
    For a controller, which with SQLite is the only one, and with PostgreSQL one of several.

    Raises:
        Conflict: SCHEMA_FOREIGN; STATE_LOCKED, another controller has the file.
        Invalid: the config names secrets that cannot be read, or are read by others.
    """
    elsewhere = federation.Elsewhere.of(config)
    url = config.controller.database
    if url is None:
        file = SqliteFile(Layout(config.state).database)
        with closing(SqlRecords.open(file, upgrade=False, now=now)) as records, file.alone():
            yield _farm(config, records, InProcessChanges(), elsewhere), AlwaysOurs()
        return
    postgres = Postgres(url)
    changes = PostgresChanges(postgres)
    database = PostgresDatabase(postgres, Layout(config.state).controller)
    with closing(SqlRecords.open(database, upgrade=False, now=now)) as records, changes.listening():
        yield _farm(config, records, changes, elsewhere), PostgresTurn(postgres)


def _farm(
    config: Config, records: Records, changes: Changes, elsewhere: federation.Elsewhere = federation.NOWHERE
) -> Farm:
    return Farm.of(
        records,
        changes,
        now,
        passwords=ArgonPasswords(),
        directory=elsewhere.directory,
        provider=elsewhere.provider,
        login_for=timedelta(days=config.controller.login_days),
        waste_kept_for=timedelta(days=config.controller.wastebasket_days),
        root_bytes=config.controller.root_mib << 20,
        soon=timedelta(minutes=config.notices.soon_min),
        idling=_idling(config),
        sends_mail=config.notices.smtp is not None,
        webhook_hosts=config.notices.webhook_hosts,
        check_driver=_driver_check(config),
    )


def _idling(config: Config) -> Idling:
    after = config.booking.idle_after_min
    grace = timedelta(minutes=config.booking.idle_grace_min)
    return Idling(None if after is None else timedelta(minutes=after), grace)


def _driver_check(config: Config) -> Callable[[DriverSpec], None]:
    """Who declares a board is told at once what no driver that is installed here can be."""
    book = DriverBook(config.site, SubprocessShell(), BootClock(), config.state / "key", config.state / "lab.sock")
    server = config.site.server
    assert server is not None  # noqa: S101 - the config is not read without it
    nobody = Board(_("this board"), "", config.site.name, "52:54:00:00:00:00", server.ip)

    def check(spec: DriverSpec) -> None:
        book.of(replace(nobody, power=(spec,)))

    return check


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


def create_admin(config: Config, name: str, *, again: bool, password: Secret | None) -> Secret | None:
    """Their token; None where they have a *password*."""
    with services(config, upgrade=False) as farm:
        if password is not None:
            farm.accounts.create_admin_with(password.reveal(), name, again=again)
            return None
        return farm.accounts.create_admin(name, again=again).clear


def back_up_to(config: Config, file: Path) -> None:
    database = database_of(config)
    database.prepare(make=False)
    with Revisions.ours() as revisions:
        back_up(database, file, revisions)


def restore_from(config: Config, file: Path, *, called: str, replace: bool) -> Path | None:
    with Revisions.ours() as revisions:
        return restore(
            SqliteFile(file, called=called), database_of(config), revisions=revisions, replace=replace, at=now()
        )
