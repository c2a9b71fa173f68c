"""``boardgrid``: the command line. It finds the command, runs it, and tells what went wrong in a sentence."""

import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import click

from boardgrid.client import VERSION
from boardgrid.client.command import Leaf, Tree
from boardgrid.client.complaint import CLIENT_BUG, OUTPUT_FAILED, Complaint, ExitCode
from boardgrid.client.seat import Seat
from boardgrid.client.tables import Output, as_json, plain
from boardgrid.messages import _

_COMMANDS = "boardgrid.client.commands"
LEAVES = {
    "login": Leaf(f"{_COMMANDS}.account:login", "Log in to the farm at URL, and remember it."),
    "logout": Leaf(f"{_COMMANDS}.account:logout", "End this login."),
    "accept": Leaf(f"{_COMMANDS}.account:accept", "Accept an invitation to the farm at URL."),
    "whoami": Leaf(f"{_COMMANDS}.account:whoami", "Show who the farm takes you for."),
    "password": Leaf(f"{_COMMANDS}.account:password", "Change your password."),
    "key": Leaf(f"{_COMMANDS}.key:key", "List, add and remove your SSH keys."),
    "token": Leaf(f"{_COMMANDS}.token:token", "Make, list and revoke your tokens."),
    "notices": Leaf(f"{_COMMANDS}.notices:notices", "Show of what you are told, and where; or change it."),
    "webhook": Leaf(f"{_COMMANDS}.webhook:webhook", "Have programs called when something happens to reservations."),
    "feed": Leaf(f"{_COMMANDS}.feed:feed", "Make, list and revoke feeds for calendar programs."),
    "reserve": Leaf(f"{_COMMANDS}.reserve:reserve", "Reserve boards and boot an image on them."),
    "status": Leaf(f"{_COMMANDS}.status:status", "Show your reservations."),
    "extend": Leaf(f"{_COMMANDS}.extend:extend", "Give a reservation more time."),
    "share": Leaf(f"{_COMMANDS}.share:share", "Let others in to the boards of a reservation."),
    "run": Leaf(f"{_COMMANDS}.run:run", "Run COMMAND on a board, as a job of a CI does."),
    "queue": Leaf(f"{_COMMANDS}.queue:queue", "Show who waits for their turn, the next first."),
    "calendar": Leaf(f"{_COMMANDS}.calendar:calendar", "Show who has which board in the next hours."),
    "ssh": Leaf(f"{_COMMANDS}.ssh:ssh", "Log in to a board that you hold, or run a command there."),
    "put": Leaf(f"{_COMMANDS}.put:put", "Copy files and folders to a board that you hold."),
    "get": Leaf(f"{_COMMANDS}.get:get", "Copy files and folders from a board that you hold."),
    "boot": Leaf(f"{_COMMANDS}.boot:boot", "Restart a board into the same root, with another kernel."),
    "save": Leaf(f"{_COMMANDS}.save:save", "Make an image of a board's root, with all that you changed."),
    "power": Leaf(f"{_COMMANDS}.power:power", "Switch a board that you hold."),
    "diff": Leaf(f"{_COMMANDS}.diff:diff", "Show what was changed on a root since it was made from its image."),
    "release": Leaf(f"{_COMMANDS}.release:release", "Give boards back before their time."),
    "events": Leaf(f"{_COMMANDS}.events:events", "Show the history of boards."),
    "image": Leaf(f"{_COMMANDS}.image:image", "Import, build, test, show, describe, verify, export and remove images."),
    "customise": Leaf(
        f"{_COMMANDS}.customise:customise", "Change a writable copy of an image, and keep it as an image of your own."
    ),
    "root": Leaf(f"{_COMMANDS}.root:root", "Show, keep and discard the roots of your deployments."),
    "volume": Leaf(f"{_COMMANDS}.volume:volume", "File systems of yours that each board you hold mounts."),
    "board": Leaf(f"{_COMMANDS}.board:board", "Add, describe, show and remove boards."),
    "board-type": Leaf(f"{_COMMANDS}.board_type:board_type", "Add, show and remove board types."),
    "site": Leaf(f"{_COMMANDS}.site:site", "Show the places where boards stand."),
    "user": Leaf(f"{_COMMANDS}.user:user", "Add, invite, show, change, suspend and remove users."),
    "audit": Leaf(f"{_COMMANDS}.audit:audit", "Show the audit log (for admins)."),
    "group": Leaf(f"{_COMMANDS}.group:group", "Groups of users, of which rules speak (changed by admins)."),
    "project": Leaf(f"{_COMMANDS}.project:project", "What people work on together: reservations count on projects."),
    "block": Leaf(f"{_COMMANDS}.block:block", "Boards that a project holds for its lessons."),
    "quota": Leaf(f"{_COMMANDS}.quota:quota", "Show how much of the farm you may have."),
    "rule": Leaf(f"{_COMMANDS}.rule:rule", "All limits, and who may have which boards."),
    "maintenance": Leaf(
        f"{_COMMANDS}.maintenance:maintenance", "Windows in which boards are kept free (changed by admins)."
    ),
    "apply": Leaf(f"{_COMMANDS}.apply:apply", "Bring boards and board types to what FILE declares."),
    "version": Leaf(f"{_COMMANDS}.version:version", "Show the release of this program."),
    "completion": Leaf(f"{_COMMANDS}.completion:completion", "Print the script that makes SHELL complete commands."),
    "up": Leaf(f"{_COMMANDS}.server:up", "Run a farm on this machine."),
    "down": Leaf(f"{_COMMANDS}.server:down", "End the farm that runs on this machine."),
    "admin": Leaf(f"{_COMMANDS}.server:admin", "Make admins, on the controller's machine."),
    "backup": Leaf(f"{_COMMANDS}.server:backup", "Write the farm's records and volumes to files, while it runs."),
    "restore": Leaf(
        f"{_COMMANDS}.server:restore", "Put a backup's records in the place of the farm's, and bring volumes back."
    ),
    "agent": Leaf(f"{_COMMANDS}.server:agent"),
    "controller": Leaf(f"{_COMMANDS}.server:controller"),
    "gateway": Leaf(f"{_COMMANDS}.server:gateway"),
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
            if _says_json(seat.said):
                seat.output = Output.JSON
            if isinstance(error, click.exceptions.NoArgsIsHelpError) and seat.output is not Output.JSON:
                error.show()
            else:
                from boardgrid.client.misuse import misused  # noqa: PLC0415 - only where something was mistyped

                _show(misused(error), seat, color)
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
