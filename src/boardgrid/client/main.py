"""``boardgrid``: the command line. It finds the command, runs it, and tells what went wrong in a sentence."""

import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import click

from boardgrid.client import VERSION
from boardgrid.client.command import Tree
from boardgrid.client.complaint import CLIENT_BUG, OUTPUT_FAILED, REQUEST_INVALID, Complaint, ExitCode
from boardgrid.client.seat import Seat
from boardgrid.client.tables import Output, as_json, plain
from boardgrid.messages import _

_COMMANDS = "boardgrid.client.commands"
LEAVES = {
    "login": f"{_COMMANDS}.account:login",
    "logout": f"{_COMMANDS}.account:logout",
    "accept": f"{_COMMANDS}.account:accept",
    "whoami": f"{_COMMANDS}.account:whoami",
    "password": f"{_COMMANDS}.account:password",
    "key": f"{_COMMANDS}.key:key",
    "token": f"{_COMMANDS}.token:token",
    "notices": f"{_COMMANDS}.notices:notices",
    "webhook": f"{_COMMANDS}.webhook:webhook",
    "feed": f"{_COMMANDS}.feed:feed",
    "reserve": f"{_COMMANDS}.reserve:reserve",
    "status": f"{_COMMANDS}.status:status",
    "extend": f"{_COMMANDS}.extend:extend",
    "share": f"{_COMMANDS}.share:share",
    "run": f"{_COMMANDS}.run:run",
    "queue": f"{_COMMANDS}.queue:queue",
    "calendar": f"{_COMMANDS}.calendar:calendar",
    "ssh": f"{_COMMANDS}.ssh:ssh",
    "power": f"{_COMMANDS}.power:power",
    "release": f"{_COMMANDS}.release:release",
    "events": f"{_COMMANDS}.events:events",
    "image": f"{_COMMANDS}.image:image",
    "root": f"{_COMMANDS}.root:root",
    "board": f"{_COMMANDS}.board:board",
    "board-type": f"{_COMMANDS}.board_type:board_type",
    "site": f"{_COMMANDS}.site:site",
    "user": f"{_COMMANDS}.user:user",
    "audit": f"{_COMMANDS}.audit:audit",
    "group": f"{_COMMANDS}.group:group",
    "project": f"{_COMMANDS}.project:project",
    "block": f"{_COMMANDS}.block:block",
    "quota": f"{_COMMANDS}.quota:quota",
    "rule": f"{_COMMANDS}.rule:rule",
    "maintenance": f"{_COMMANDS}.maintenance:maintenance",
    "apply": f"{_COMMANDS}.apply:apply",
    "version": f"{_COMMANDS}.version:version",
    "completion": f"{_COMMANDS}.completion:completion",
    "up": f"{_COMMANDS}.server:up",
    "down": f"{_COMMANDS}.server:down",
    "admin": f"{_COMMANDS}.server:admin",
    "backup": f"{_COMMANDS}.server:backup",
    "restore": f"{_COMMANDS}.server:restore",
    "agent": f"{_COMMANDS}.server:agent",
    "controller": f"{_COMMANDS}.server:controller",
    "gateway": f"{_COMMANDS}.server:gateway",
}
_HINTS = {
    "token.refused": "`boardgrid login URL` logs in again, with --token by one that an admin of the farm gives you",
}


class _Program(Tree):
    """The whole program: what is raised below becomes one sentence and an exit code."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = "boardgrid",
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        color = extra.setdefault("color", False if os.environ.get("NO_COLOR") else None)
        seat = extra.setdefault("obj", Seat())
        seat.said = tuple(sys.argv[1:] if args is None else args)
        try:
            code = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except click.exceptions.ClickException as error:
            # The words may be wrong before the one that says how to print was read.
            if seat.output is Output.JSON or _says_json(seat.said):
                _show(_misused(error), Seat(Output.JSON), color)
            else:
                error.show()
            code = error.exit_code
        except click.exceptions.Abort as error:
            if not isinstance(error.__cause__, KeyboardInterrupt):
                click.echo(_("nothing more was done"), err=True)
            code = ExitCode.INTERRUPTED
        except Complaint as error:
            _show(error, seat, color)
            code = error.exit_code
        except Exception as error:
            complaint = _unforeseen(error)
            if complaint.code == CLIENT_BUG and os.environ.get("BOARDGRID_DEBUG"):
                raise
            _show(complaint, seat, color)
            code = complaint.exit_code
        sys.exit(code if isinstance(code, int) else ExitCode.OK)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            answer = super().invoke(ctx)
            sys.stdout.flush()
        except Complaint as error:
            # While the farm may still be asked.
            raise _explained(error, ctx.ensure_object(Seat)) from error
        except BrokenPipeError:
            # Whoever read us went away (`| head`).
            _write_no_more()
            raise click.exceptions.Exit(ExitCode.PIPE_CLOSED) from None
        return answer


def _explained(error: Complaint, seat: Seat) -> Complaint:
    if not error.code.endswith(".unknown"):
        return error
    from boardgrid.client.similar import is_about_a_name, with_similar  # noqa: PLC0415 - it loads what asks the farm

    return with_similar(error, seat.farm(), seat.said) if is_about_a_name(error) else error


def _write_no_more() -> None:
    """What is left in the buffer of standard output goes nowhere, where the interpreter would try once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _unforeseen(error: Exception) -> Complaint:
    # Files have names, and why the farm does not answer is told by who asked it: this is standard output.
    if isinstance(error, OSError) and error.filename is None:
        _write_no_more()
        return Complaint(OUTPUT_FAILED, _("what was asked for cannot be written out: {why}").format(why=error.strerror))
    return Complaint(
        CLIENT_BUG,
        _("this is a bug of boardgrid: {kind}: {error}").format(kind=type(error).__name__, error=error),
        hint=_("BOARDGRID_DEBUG=1 shows where it happened"),
    )


def _misused(error: click.exceptions.ClickException) -> Complaint:
    command = error.ctx.command_path if isinstance(error, click.exceptions.UsageError) and error.ctx else "boardgrid"
    return Complaint(
        REQUEST_INVALID,
        error.format_message(),
        hint=_("`{command} --help` shows how it is called").format(command=command),
    )


def _says_json(args: Sequence[str]) -> bool:
    return any(
        word in {"-ojson", "--output=json"} or (word in {"-o", "--output"} and value == "json")
        for word, value in pairwise([*args, ""])
    )


def _show(complaint: Complaint, seat: Seat, color: bool | None) -> None:
    from boardgrid.client.moment import localized  # noqa: PLC0415 - only where there is something to tell

    hint = complaint.hint or _(_HINTS.get(complaint.code, ""))
    if seat.output is Output.JSON:
        told: dict[str, object] = {
            "type": "about:blank",
            "code": complaint.code,
            "detail": complaint.detail,
            "hint": hint,
        }
        if complaint.status:
            told["status"] = complaint.status
        click.echo(as_json(told, on_one_line=True), err=True)
        return
    error = click.style(_("error:"), fg="red", bold=True)
    click.echo(f"{error} {plain(localized(complaint.detail))} ({plain(complaint.code)})", err=True, color=color)
    for line in hint.split("\n") if hint else ():  # of an expression with a mistake, a caret stands under the place
        click.echo(f"  {plain(localized(line))}", err=True)


def _print_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(f"boardgrid {VERSION}")
        ctx.exit()


cli = _Program(
    "boardgrid",
    leaves=LEAVES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    help="""
    Reserve an embedded board, boot your image on it over NFS, and work on it by SSH.

    \b
      boardgrid login http://farm:8470
      boardgrid reserve --type tk1 --image tiny --for 2h
      boardgrid ssh tk1-1
      boardgrid release --keep my-image
    """,
    epilog="""
    \b
    Exit codes: 0 ok, 2 usage, 3 not found, 4 denied, 5 conflict, 6 deployment or
    image failed, 7 timeout, 8 farm fault or unreachable.
    """,
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_print_version,
            help="Show the release of this program and exit.",
        )
    ],
)


def main() -> None:
    cli.main()
