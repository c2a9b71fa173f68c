"""``boardgrid run``: one command on one board, from a reservation to its end: what a job of a CI does."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import click

from boardgrid.client.answers import Group, Reservation
from boardgrid.client.command import BOARDS, IMAGES, PROJECTS, TYPES, Verb
from boardgrid.client.complaint import (
    BOARD_UNREACHABLE,
    CONNECTION_LOST,
    JOB_OVERTIME,
    NAME_TAKEN,
    REQUEST_INVALID,
    Complaint,
    ExitCode,
)
from boardgrid.client.duration import seconds, span
from boardgrid.client.farm import Farm
from boardgrid.client.moment import shown
from boardgrid.client.progress import Steps
from boardgrid.client.reading import check_there
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.tables import plain
from boardgrid.messages import _

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_CODES = {
    ExitCode.FAILED: ExitCode.JOB_UNDEPLOYED,
    ExitCode.FAULT: ExitCode.JOB_FAULT,
    ExitCode.CONFLICT: ExitCode.JOB_LATE,
    ExitCode.TIMEOUT: ExitCode.JOB_LATE,
}
_BY_CODE = {
    CONNECTION_LOST: ExitCode.JOB_LOST,
    BOARD_UNREACHABLE: ExitCode.JOB_LOST,
    JOB_OVERTIME: ExitCode.JOB_OVERTIME,
    NAME_TAKEN: ExitCode.JOB_REFUSED,  # of the image to keep
}
_OWN = frozenset(code for code in ExitCode if code.name.startswith("JOB_"))


class _Told(BaseException):
    """A signal that says to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class _Job(Verb):
    """All that keeps the command from being run has a code of its own: 2 is the command's to end with."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        try:
            return super().make_context(*args, **kwargs)
        except click.exceptions.UsageError as error:
            error.exit_code = ExitCode.JOB_REFUSED  # type: ignore[misc]  # Click has it as one of the class
            raise

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Complaint as error:
            if error.exit_code in _OWN:
                raise
            raise _judged(error, None, 0) from error


@click.command(cls=_Job, context_settings={"allow_interspersed_args": False})
@click.option("--board", metavar="NAME", shell_complete=BOARDS, help="This board.")
@click.option("--type", "-t", "type_", metavar="TYPE", shell_complete=TYPES, help="Any board of this type.")
@click.option("--where", metavar="EXPR", help="Any board that fits: 'ram_mb >= 2048 and tag(\"camera\")'.")
@click.option("--image", "-i", metavar="REF", shell_complete=IMAGES, help="What it boots.")
@click.option(
    "--project",
    metavar="NAME",
    shell_complete=PROJECTS,
    help="What it counts on, and whose image boots where none is named.",
)
@click.option("--for", "for_", metavar="SPAN", default="1h", show_default=True, help="How long at most.")
@click.option("--queue-timeout", metavar="SPAN", help="Wait no longer than this for the board's turn.")
@click.option("--put", metavar="PATH", multiple=True, help="Copy a file, or what is in a folder, to the board first.")
@click.option("--get", metavar="GLOB", multiple=True, help="Fetch what fits this afterwards, however it ended.")
@click.option("--into", metavar="DIR", default=".", show_default=True, help="Where what is fetched goes.")
@click.option("--console", metavar="FILE", help="Where the log goes; else boardgrid-console-<board>.log.")
@click.option("--keep", metavar="IMAGE", help="Make a new version of this image of what was changed.")
@click.option("--aside", is_flag=True, help="Keep the root for some days.")
@click.option("--discard", is_flag=True, help="Throw away what was changed; that is so without this, too.")
@click.option("--login", "-l", metavar="USER", default="root", show_default=True, help="Who to be on the board.")
@click.option("--identity", metavar="FILE", help="The private key to log in with.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND...")
@pass_seat
def run(
    seat: Seat,
    *,
    board: str | None,
    type_: str | None,
    where: str | None,
    image: str | None,
    project: str | None,
    for_: str,
    queue_timeout: str | None,
    put: tuple[str, ...],
    get: tuple[str, ...],
    into: str,
    console: str | None,
    keep: str | None,
    aside: bool,
    discard: bool,
    login: str,
    identity: str | None,
    command: tuple[str, ...],
) -> None:
    """
    Run COMMAND on a board, as a job of a CI does: wait for a board, boot an image on it, copy files there, run the
    command, fetch files and the log, and give the board back, however it ends.

    One word is a line for the board's shell, several are the words of a program. It runs in the folder `work` of who
    logs in, where --put copies to and --get fetches from.

    The exit status is that of the command. Faults of the farm have codes of their own: 200 the board could not be made
    ready, 201 the farm does not work, 202 no board in time, 203 the board was lost; these are worth another try. 204
    is a request that can never work, 205 a command that took longer than --for.

    \b
    Examples:
      boardgrid run --type tk1 --image tiny --for 20m -- uname -a
      boardgrid run --type tk1 --project robots -- uname -a
      boardgrid run -t tk1 -i debian-12 --put build/ --get 'results/*.xml' -- './test.sh > results/log'
    """
    group = _group(board, type_, where)
    if image is None and project is None:
        raise Complaint(REQUEST_INVALID, _("say what it boots: --image REF, or --project NAME for its image"))
    if sum((keep is not None, aside, discard)) > 1:
        raise Complaint(REQUEST_INVALID, _("--keep, --aside and --discard exclude each other"))
    for_s = seconds(for_)
    timeout_s = None if queue_timeout is None else seconds(queue_timeout)
    check_there(put)
    from boardgrid.client.stay import Terms  # noqa: PLC0415 - not needed for a mistake, and takes long

    fate = "keep" if keep is not None else "aside" if aside else "discard"
    farm = seat.farm()
    steps = Steps()
    terms = Terms(queue_timeout_s=timeout_s, fate=fate, name=keep, login=login, identity=identity, listener=steps)
    stay = farm.reserve(group, image=image, for_s=for_s, project=project, how=terms)
    with _told_to_end() as signals:
        try:
            with ExitStack() as stack:
                with steps:
                    [there] = stack.enter_context(stay)
                seat.tell(_("{board} is open").format(board=there.name))
                for path in put:
                    there.put(path)
                status = there.run(*command, capture=False).returncode
                if get:
                    files = there.get(*get, into=into)
                    seat.tell(_("{count} files were fetched").format(count=len(files)))
                signals.append(0)  # what is left is to give it back
        except Complaint as error:
            raise _judged(error, stay.reservation, for_s) from error
        except _Told as told:
            seat.tell(_("it was told to end, and gave its board back"))
            raise click.exceptions.Exit(128 + told.number) from None
        finally:
            if stay.reservation is not None:
                _write_console(seat, farm, stay.reservation, console)
    click.get_current_context().exit(status)


def _group(board: str | None, type_: str | None, where: str | None) -> Group:
    if (board is None) == ((type_, where) == (None, None)):
        raise Complaint(
            REQUEST_INVALID,
            _("say which board: --board NAME, or any with --type TYPE, --where EXPR or both"),
            hint=_("a job has one board; reserve several with boardgrid reserve"),
        )
    return Group(1, board or "", type_ or "", where or "")


@contextmanager
def _told_to_end() -> Iterator[list[int]]:
    """
    The first signal ends what is done; what ends it then is not disturbed by another. Nor is anything, once there is
    something in the list that is given.
    """
    signals: list[int] = []

    def told(number: int, _frame: FrameType | None) -> None:
        signals.append(number)
        if len(signals) == 1:
            raise _Told(number)

    before = {number: signal.signal(number, told) for number in _ENDING}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _judged(error: Complaint, mine: Reservation | None, for_s: float) -> Complaint:
    """Whose fault it is, as a code that is not one of the command's; and why a board was lost, where the farm knows."""
    if error.code == CONNECTION_LOST and mine is not None and mine.ended_because:
        if (mine.end - mine.start).total_seconds() >= for_s - 1:
            sentence = _("the command was not done after {span}, when the reservation was over")
            hint = _("give it more time with --for")
            error = Complaint(JOB_OVERTIME, sentence.format(span=span(for_s)), hint=hint)
        else:
            error = Complaint(error.code, f"{error.detail}: {mine.ended_because}", hint=error.hint)
    code = _BY_CODE.get(error.code) or _CODES.get(error.exit_code, ExitCode.JOB_REFUSED)
    return Complaint(error.code, error.detail, hint=error.hint, status=error.status, exit_code=code)


def _write_console(seat: Seat, farm: Farm, mine: Reservation, path: str | None) -> None:
    """What the boards said, as far as the farm has it. That it cannot be had does not change how a job ended."""
    path = path or (f"boardgrid-console-{mine.board}.log" if mine.board else "boardgrid-console.log")
    try:
        events = farm.events(reservation=mine.number)
        lines = []
        for event in events:
            told = " ".join(
                word for word in (event.board, event.step, event.outcome or event.phase, event.detail) if word
            )
            lines += [f"== {shown(event.at)} {plain(told)}", *(plain(line) for line in event.console)]
        Path(path).write_text("".join(f"{line}\n" for line in lines), "utf-8")
        seat.tell(_("the log of its board is in {path}").format(path=path))
    except (Complaint, OSError) as error:
        seat.tell(_("the log of its board cannot be written to {path}: {error}").format(path=path, error=error))
