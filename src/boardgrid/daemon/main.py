"""``boardgridd``: the server's program. People type ``boardgrid up`` and so on; the client hands those over to it."""

import asyncio
import contextlib
import json
import logging
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click
import structlog

from boardgrid import logs
from boardgrid.daemon import backups, detached, holder, local, preparing, volume_backups
from boardgrid.daemon import config as configs
from boardgrid.daemon.complaint import complain, exit_code_of
from boardgrid.daemon.config import Config
from boardgrid.daemon.ending import run_until_asked
from boardgrid.daemon.processes import Farm
from boardgrid.daemon.state import StateFolder
from boardgrid.daemon.up import Up, check_is_root
from boardgrid.messages import _
from boardgrid.model.errors import FarmError
from boardgrid.model.user import Secret

DEFAULT_CONFIG = Path("/etc/boardgrid/boardgrid.toml")
_NOT_RUNNING = 3  # as init scripts have it

config_option = click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path),
    default=DEFAULT_CONFIG,
    show_default=True,
    help=_("What this machine was told."),
)


class _Group(click.Group):
    """What the farm complains about becomes a sentence."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except FarmError as error:
            complain(str(error), error.hint, error.code)
            ctx.exit(exit_code_of(error))


@click.group(cls=_Group, help=_("The server side of a BoardGrid farm."), context_settings={"max_content_width": 100})
def main() -> None:
    # What is secret is made so by name; the rest is read by the farm's other users, whatever root's own files are like.
    os.umask(0o022)


@main.command(help=_("Run a whole farm on this machine, until it is ended."))
@config_option
@click.option("--detach", is_flag=True, help=_("Return when it is ready; it goes on."))
@click.option("--notify-fd", type=int, hidden=True)
def up(file: Path, detach: bool, notify_fd: int | None) -> None:
    config = configs.read(file)
    check_is_root(config)
    if detach:
        sys.exit(detached.start(config, click.echo))
    told = detached.Told(notify_fd)
    try:
        asyncio.run(Up(config, told.tell, told.ready).run())
    except FarmError as error:
        told.failed(error)
        sys.exit(exit_code_of(error))


@main.command(
    help=_(
        "End the farm that runs here: its processes, and virtual boards. With the kernel's NFS server exports and"
        " mounted roots stay, and real boards run on."
    )
)
@config_option
def down(file: Path) -> None:
    config = configs.read(file)
    ended = StateFolder(config.state).end(timeout_s=60)
    click.echo((_("ended") if ended else _("no farm runs on {folder}")).format(folder=config.state))


@main.command(help=_("What of the farm runs."))
@config_option
@click.option("--json", "as_json", is_flag=True, help=_("For programs."))
def status(file: Path, as_json: bool) -> None:
    config = configs.read(file)
    seen = StateFolder(config.state).status()
    if seen is None:
        click.echo("null" if as_json else _("no farm runs on {folder}").format(folder=config.state))
        sys.exit(_NOT_RUNNING)
    if as_json:
        click.echo(json.dumps(asdict(seen)))
        return
    click.echo(_("API on http://{api}, SSH on {ssh}").format(api=seen.api, ssh=seen.ssh))
    click.echo(f"{'':<12}{_('state'):<10}{_('pid'):>8}{_('restarts'):>10}")
    for name, one in seen.processes.items():
        click.echo(f"{name:<12}{one.state:<10}{one.pid or '-':>8}{one.restarts:>10}")


@main.group(help=_("For the controller's own machine, where nobody asks who you are."))
def admin() -> None: ...


@admin.command(help=_("Make an admin, and print their token: once, it is stored nowhere."))
@click.argument("name")
@click.option("--again", is_flag=True, help=_("A new token for an admin who is there; their old ones end."))
@click.option(
    "--password-stdin", is_flag=True, help=_("Read a password for them from standard input, in the place of a token.")
)
@config_option
def create(name: str, again: bool, password_stdin: bool, file: Path) -> None:
    from boardgrid.daemon.wiring import records  # noqa: PLC0415 - as below

    config = configs.read(file)
    local.become_controller(config, sys.argv[1:])
    logs.log_to_stderr(logging.WARNING)  # what is printed is for a person, or a pipe
    password = Secret(sys.stdin.readline().rstrip("\r\n")) if password_stdin else None
    token = records.create_admin(config, name, again=again, password=password)
    if token is not None:
        click.echo(token.reveal())
    login = f"boardgrid login http://{local.api_of(config)}{' --token' if token else ''}"
    click.echo(_("log in with it: {login}").format(login=login), err=True)


@main.command(
    help=_(
        "Write the farm's records to a new file, and the volumes of this machine's store to a folder beside it, while"
        " the farm runs. Images and roots are not in it."
    )
)
@click.argument("to", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--only-volumes", is_flag=True, help=_("On the machine of an agent that has no records."))
@config_option
def backup(to: Path, only_volumes: bool, file: Path) -> None:
    config = configs.read(file)
    with volume_backups.packed_beside(config, to.absolute()) as volumes:
        if not only_volumes:
            backups.back_up(config, to.absolute())
    if not only_volumes:
        click.echo(_("the farm's records are in {file}; its images and roots are not").format(file=to), err=True)
    if volumes or only_volumes:
        folder = volume_backups.folder_of(to)
        click.echo(_("volumes in {folder}: {count}").format(folder=folder, count=volumes), err=True)


@main.command(
    help=_(
        "Put the records of a backup in the place of the farm's, while no controller runs. It may have been made of a"
        " farm on the other engine (SQLite, PostgreSQL), or by an earlier release. The volumes beside it come back, but"
        " for those that are there."
    )
)
@click.argument("from_", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help=_("A farm that is there is backed up, and goes."))
@click.option("--only-volumes", is_flag=True, help=_("On the machine of an agent that has no records."))
@config_option
def restore(from_: Path, force: bool, only_volumes: bool, file: Path) -> None:
    config = configs.read(file)
    if os.geteuid() == 0:
        # It may be the first that happens on a new machine.
        StateFolder(config.state).make()
        farm = Farm.of(config)
        farm.layout.make(farm.controller, farm.gateway)
    if not only_volumes:
        backups.restore(config, from_.absolute(), force=force)
    restored, left = volume_backups.restore(config, from_.absolute()) if os.geteuid() == 0 else (0, [])
    if restored or only_volumes:
        click.echo(_("volumes brought back: {count}").format(count=restored), err=True)
    for volume in left:
        click.echo(_("volume {volume} is there, and left as it is").format(volume=volume), err=True)
    click.echo(_("restored; start the farm: boardgrid up --config {file}").format(file=config.file), err=True)


@main.command("backup-out", hidden=True, help=_("What `backup` has the controller's user do."))
@config_option
def backup_out(file: Path) -> None:
    from boardgrid.daemon.wiring import records  # noqa: PLC0415 - as above

    config = configs.read(file)
    logs.log_to_stderr(logging.WARNING)
    with backups.through_a_file(config) as made:
        records.back_up_to(config, made)
        backups.send(made)


@main.command("restore-in", hidden=True, help=_("What `restore` has the controller's user do."))
@click.option("--called", required=True)
@click.option("--force", is_flag=True)
@config_option
def restore_in(file: Path, called: str, force: bool) -> None:
    from boardgrid.daemon.wiring import records  # noqa: PLC0415 - as above

    config = configs.read(file)
    logs.log_to_stderr(logging.WARNING)
    with backups.through_a_file(config) as found:
        backups.receive(found)
        put_aside = records.restore_from(config, found, called=called, replace=force)
    if put_aside is not None:
        click.echo(_("the farm that was there is in {file}").format(file=put_aside), err=True)


@main.command(help=_("Records, API and calendar, as one process."))
@config_option
def controller(file: Path) -> None:
    # Each process loads the adapters that it uses and no others.
    from boardgrid.daemon.wiring.controller import serve  # noqa: PLC0415

    with _serving(file, "controller") as config:
        run_until_asked(serve(config))


@main.command(help=_("The hands of a site, as one process."))
@config_option
def agent(file: Path) -> None:
    from boardgrid.daemon.wiring.agent import run  # noqa: PLC0415

    with _serving(file, "agent") as config:
        run_until_asked(run(config))


@main.command(help=_("The SSH door of a site, as one process."))
@config_option
def gateway(file: Path) -> None:
    from boardgrid.daemon.wiring.gateway import serve  # noqa: PLC0415

    with _serving(file, "gateway") as config:
        run_until_asked(serve(config))


@main.command(help=_("What `up` does first: records to this release, tokens for agent and gateway."))
@config_option
def prepare(file: Path) -> None:
    # The same command twice: root has it done by the controller's user, who tells the tokens.
    if os.geteuid() == 0:
        with _serving(file, "prepare") as config, StateFolder(config.state).locked():
            asyncio.run(preparing.prepare(Farm.of(config)))
        return
    from boardgrid.daemon.wiring import records  # noqa: PLC0415

    with _serving(file, "prepare") as config:
        try:
            told = records.prepare(config)
        except FarmError as error:
            told = {"error": str(error), "hint": error.hint, "code": error.code}
        click.echo(json.dumps(told))


@main.command(hidden=True, help=_("Become dnsmasq."))
@config_option
def dnsmasq(file: Path) -> None:
    with _serving(file, "dnsmasq") as config:
        server = Farm.of(config).dnsmasq
        server.prepare()
        # As the agent sees it in its /proc: dnsmasq would write the number that it has in its own process namespace.
        server.pid_file.write_text(Path("/proc/self").readlink().name)
        words = server.argv()
        os.execvp(words[0], words)  # noqa: S606 - the one who watches this process watches dnsmasq itself


@main.command(hidden=True, help=_("Hold the namespaces that servers live in."))
@click.option("--own-run", is_flag=True)
@config_option
def box(file: Path, own_run: bool) -> None:
    with _serving(file, "box"):
        asyncio.run(holder.hold(own_run))


@contextlib.contextmanager
def _serving(file: Path, name: str) -> Iterator[Config]:
    """What a process logs goes to standard error, where whoever started it keeps it."""
    logs.log_to_stderr()
    structlog.contextvars.bind_contextvars(process=name)
    yield configs.read(file)


if __name__ == "__main__":
    main()
