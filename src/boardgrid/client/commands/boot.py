"""``boardgrid boot``: the same root again, with another kernel: from `make` to a prompt in seconds."""

import time

import click

from boardgrid.client.command import RESERVATIONS, Verb
from boardgrid.client.commands.reserve import SHEET, Place
from boardgrid.client.complaint import REQUEST_INVALID, Complaint
from boardgrid.client.duration import seconds, took
from boardgrid.client.farm import Farm
from boardgrid.client.kit import modules_sent, sent
from boardgrid.client.resuming import board_of, outcome, resumed
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.which import meant
from boardgrid.messages import _


@click.command(cls=Verb)
@click.argument("which", required=False, shell_complete=RESERVATIONS)
@click.option("--kernel", metavar="FILE", help="zImage, Image or bzImage, as the board's bootloader takes it.")
@click.option("--dtb", metavar="FILE", help="Its device tree; the image's if not given.")
@click.option("--initrd", metavar="FILE", help="Its initramfs; the image's if not given.")
@click.option("--no-initrd", is_flag=True, help="Boot without any, with what is built in.")
@click.option("--modules", metavar="DIR", help="What make modules_install made; it goes into the root.")
@click.option("--append", metavar="WORDS", default="", help="Words at the end of the kernel's command line.")
@click.option("--from-root", is_flag=True, help="Boot the newest kernel in the root's own /boot.")
@click.option("--kernel-release", metavar="RELEASE", default="", help="With --modules or --from-root, which kernel's.")
@click.option("--once", is_flag=True, help="What restarts after that boots what was good before.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until it answers, or does not.")
@click.option("--timeout", metavar="SPAN", help="Wait no longer than this; without end if not given.")
@pass_seat
def boot(
    seat: Seat,
    *,
    which: str | None,
    kernel: str | None,
    dtb: str | None,
    initrd: str | None,
    no_initrd: bool,
    modules: str | None,
    append: str,
    from_root: bool,
    kernel_release: str,
    once: bool,
    wait: bool,
    timeout: str | None,
) -> None:
    """
    Restart a board into the same root, with another kernel. Without any option it boots its image's own again. WHICH is
    the name of the board, or the number of a reservation with one board; it may be left out while you have one
    reservation.

    It ends when the board answers. Where the kernel panics, or does not come up in the time of the board's type, it
    says so with the last lines of the console and ends with 6; the board stays yours as it is.

    \b
    Examples:
      boardgrid boot tk1-1 --kernel arch/arm/boot/zImage --append 'ignore_loglevel'
      boardgrid boot tk1-1 --kernel zImage --modules /tmp/modules --once
      boardgrid boot tk1-1 --from-root
      boardgrid boot tk1-1
    """
    if kernel_release and not (modules or from_root):
        raise Complaint(REQUEST_INVALID, _("--kernel-release goes with --modules or --from-root"))
    timeout_s = None if timeout is None else seconds(timeout)
    farm, began = seat.farm(), time.monotonic()
    told = meant(farm, which)
    board = board_of(told)
    kit = _kit(farm, kernel=kernel, dtb=dtb, initrd=initrd, modules=modules, release=kernel_release)
    last = farm.events(reservation=told.reservation.number, tail=1)
    mine = farm.boot(
        told.reservation.number,
        told.board,
        once=once,
        **kit,
        append=append,
        without_initrd=no_initrd,
        from_root=from_root,
    )
    if not wait:
        SHEET.show(Place(mine, board, mine.deployment_on(board)), seat.output)
        return
    deployment = resumed(seat, farm, mine, board, after=last[-1].number if last else 0, timeout_s=timeout_s)
    if complaint := outcome(deployment):
        raise complaint
    seat.tell(_("{board} is yours again after {took}").format(board=board, took=took(time.monotonic() - began)))
    SHEET.show(Place(mine, board, deployment), seat.output)


def _kit(
    farm: Farm, *, kernel: str | None, dtb: str | None, initrd: str | None, modules: str | None, release: str
) -> dict[str, str]:
    """The files of it, sent."""
    kit = {name: sent(farm, file) for name, file in (("kernel", kernel), ("dtb", dtb), ("initrd", initrd)) if file}
    if modules:
        kit["modules"], release = modules_sent(farm, modules, release)
    return kit | ({"release": release} if release else {})
