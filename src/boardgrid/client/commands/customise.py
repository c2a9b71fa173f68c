"""``boardgrid customise``: an image, changed by a script or by hand on a board of its architecture, kept as another."""

import sys
from contextlib import ExitStack

import click

from boardgrid.client.answers import Group, Image, Reservation
from boardgrid.client.command import BOARDS_AND_TYPES, IMAGES, Verb
from boardgrid.client.complaint import IMAGE_FAILED, REQUEST_INVALID, Complaint
from boardgrid.client.duration import seconds
from boardgrid.client.farm import Farm
from boardgrid.client.images import SHEET, ready
from boardgrid.client.open_board import OpenBoard
from boardgrid.client.progress import Steps
from boardgrid.client.prompt import agreed
from boardgrid.client.reading import check_there, text_in
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.waiting import left_by_ctrl_c
from boardgrid.messages import _

VIRTUAL = "virtual"  # the tag of boards that are QEMU machines: they are taken before real ones


@click.command(cls=Verb)
@click.argument("ref", metavar="IMAGE", shell_complete=IMAGES)
@click.option("--as", "name", metavar="NAME", required=True, help="The image that it becomes a new version of.")
@click.option("--script", metavar="FILE", help="Run this there; '-' reads it from standard input.")
@click.option("--on", metavar="BOARD_OR_TYPE", shell_complete=BOARDS_AND_TYPES, help="Where; else a virtual board.")
@click.option("--for", "for_", metavar="SPAN", default="1h", show_default=True, help="How long at most.")
@click.option("--put", metavar="PATH", multiple=True, help="Copy a file, or what is in a folder, there first.")
@click.option("--aside", is_flag=True, help="Where it fails, keep the root for some days.")
@click.option("--identity", metavar="FILE", help="The private key to log in with.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[COMMAND...]")
@pass_seat
def customise(
    seat: Seat,
    *,
    ref: str,
    name: str,
    script: str | None,
    on: str | None,
    for_: str,
    put: tuple[str, ...],
    aside: bool,
    identity: str | None,
    command: tuple[str, ...],
) -> None:
    """
    Change a writable copy of an image, and keep it as an image of your own.

    That is done on a board of its architecture, by a script, a command or by hand. The board is a virtual one where the
    farm has one with the tag `virtual`, for no program of an image is run on the farm's own machine. Without a script
    and a command a shell opens; when it ends you are asked whether to keep what you did. Where the script or the
    command fails nothing is kept, and its exit status is that of this command.

    \b
    Examples:
      boardgrid customise debian-12 --as mine --script setup.sh
      boardgrid customise debian-12 --as mine -- apt-get install --yes gdb
      boardgrid customise mine --as mine
    """
    if script is not None and command:
        raise Complaint(REQUEST_INVALID, _("say either a script or a command"))
    if script is None and not command and not seat.has_person:
        raise Complaint(REQUEST_INVALID, _("nobody is there to type: say --script FILE, or a command"))
    lines = None if script is None else sys.stdin.read() if script == "-" else text_in(script)
    for_s = seconds(for_)
    check_there(put)
    from boardgrid.client.stay import Terms  # noqa: PLC0415 - what takes long to import is not needed for a mistake

    farm = seat.farm()
    farm.check_image_name(name)  # before a board is booted, and worked on, in vain
    image = farm.image(ref)
    steps = Steps()
    terms = Terms(fate="aside" if aside else "discard", identity=identity, listener=steps)
    stay = farm.reserve(_where(farm, image, on), image=image.ref, for_s=for_s, how=terms)
    with left_by_ctrl_c(seat, lambda: _parting(stay.reservation, aside=aside)), ExitStack() as stack:
        with steps:
            [board] = stack.enter_context(stay)
        seat.tell(_("{board} runs {image}").format(board=board.name, image=image.ref))
        for path in put:
            board.put(path)
        status = _changed(board, (lines,) if lines is not None else command)
        if status or not (lines is not None or command or _agreed(name)):
            seat.tell(_("nothing was kept of it"))
            click.get_current_context().exit(status)
        assert stay.reservation is not None  # noqa: S101 - it runs
        farm.release(stay.reservation.number, "keep", name)
    # Of one's own images of that name the newest is the one that is being made.
    made = max((one for one in farm.images() if one.name == name), key=lambda one: one.version)
    SHEET.show(ready(seat, farm, made, None), seat.output)


def _parting(mine: Reservation | None, *, aside: bool) -> str:
    if mine is None:
        return _("nothing was reserved")
    if mine.is_running or mine.is_waiting:  # Ctrl-C came again
        sentence = _(
            "`boardgrid status {number}` tells whether the board was given back, `boardgrid release {number}` does"
        )
        return sentence.format(number=mine.number)
    board = ", ".join(mine.boards) or mine.board or mine.asked
    if aside:
        return _("{board} was given back; a root that was written to is kept aside: `boardgrid root list`").format(
            board=board
        )
    return _("{board} was given back, and no image was made").format(board=board)


def _where(farm: Farm, image: Image, on: str | None) -> Group:
    """One board: the one that was named, or one of that type; else any of its architecture, a virtual one if may be."""
    boards = farm.boards()
    if on is not None:
        return Group(1, board=on) if any(one.name == on for one in boards) else Group(1, type=on)
    arch = (image.manifest or {}).get("arch")
    if not arch:
        sentence = _("nothing tells the architecture of {image}, which is {state}")
        raise Complaint(IMAGE_FAILED, sentence.format(image=image.ref, state=image.state))
    fitting = [one for one in boards if (one.facts or {}).get("arch") == arch]
    has_virtual = any(VIRTUAL in one.tags for one in fitting)
    return Group(1, where=f'arch == "{arch}"' + (f' and tag("{VIRTUAL}")' if has_virtual else ""))


def _changed(board: OpenBoard, words: tuple[str, ...]) -> int:
    return board.run(*words, capture=False).returncode if words else board.shell()


def _agreed(name: str) -> bool:
    return agreed(_("Keep it as {name}?").format(name=name))
