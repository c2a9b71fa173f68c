"""``boardgrid image``: what boards boot."""

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

import click

from boardgrid.client.answers import Image
from boardgrid.client.archive import Archive, archive_of
from boardgrid.client.command import IMAGES, Noun
from boardgrid.client.complaint import IMAGE_FAILED, REQUEST_INVALID, Complaint, ExitCode
from boardgrid.client.duration import seconds, took
from boardgrid.client.farm import Farm
from boardgrid.client.moment import shown
from boardgrid.client.progress import counted, running
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.tables import Column, Sheet, bytes_text
from boardgrid.client.waiting import until
from boardgrid.messages import _

LONGEST_S = 3600.0  # an image that is not made in an hour waits for an agent that is not there
_ENDING = (signal.SIGTERM, signal.SIGHUP)


def _fact(image: Image, key: str) -> object:
    return (image.manifest or {}).get(key)


def _kernels(image: Image) -> str:
    kernels = _fact(image, "kernels")
    return ", ".join(str(one.get("release")) for one in kernels) if isinstance(kernels, list | tuple) else ""


def _size(image: Image) -> str:
    size = _fact(image, "size_bytes")
    return bytes_text(size) if isinstance(size, int | float) else ""


SHEET: Sheet[Image] = Sheet(
    lambda image: image.ref,
    (
        Column("IMAGE", lambda image: image.ref),
        Column("STATE", lambda image: image.state, is_state=True),
        Column("OWNER", lambda image: image.owner),
        Column("SHARED", lambda image: image.shared),
        Column("ARCH", lambda image: _fact(image, "arch")),
        Column("SIZE", _size),
        Column("MADE", lambda image: shown(image.created_at)),
        Column("SYSTEM", lambda image: _fact(image, "system")),
        Column("KERNELS", _kernels, is_detail=True),
        Column("FILES", lambda image: _fact(image, "files"), is_detail=True),
        Column("PARENT", lambda image: image.parent, is_detail=True),
        Column("SITE", lambda image: image.site, is_detail=True),
        Column("DIGEST", lambda image: _fact(image, "digest"), is_detail=True),
        Column("REASON", lambda image: image.reason, is_detail=True),
    ),
)


@click.group(cls=Noun)
def image() -> None:
    """Import, show and remove images."""


@image.command("import")
@click.argument("name")
@click.argument("source", metavar="FILE_OR_DIR", required=False)
@click.option(
    "--on-server", metavar="PATH", help="Take a tar archive or a folder of the farm's own server (for admins)."
)
@click.option("--shared", is_flag=True, help="Everyone may see and boot it. Without this, you alone.")
@click.option("--site", metavar="NAME", help="Where it is stored; may be left out where the farm has one site.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until it can be booted.")
@click.option("--timeout", metavar="SPAN", help="Wait no longer than this; an hour if not given.")
@pass_seat
def import_(
    seat: Seat,
    *,
    name: str,
    source: str | None,
    on_server: str | None,
    shared: bool,
    site: str | None,
    wait: bool,
    timeout: str | None,
) -> None:
    """
    Make a new version of the image NAME.

    A tar archive is sent as it is, compressed or not; '-' reads it from standard input. A directory is packed by GNU
    tar with everything it holds on its own file system: owners, devices, ACLs, extended attributes, sparse files. A
    whole system is read by root alone, so pack it with sudo.

    \b
    Examples:
      boardgrid image import tiny tiny.tar
      sudo mmdebstrap --arch=armhf bookworm - | boardgrid image import debian-12 -
      sudo boardgrid image import mine /srv/rootfs
    """
    if (source is None) == (on_server is None):
        raise Complaint(REQUEST_INVALID, _("say what to import: FILE_OR_DIR, or --on-server PATH"))
    timeout_s = None if timeout is None else seconds(timeout)
    farm = seat.farm()
    if source is None:
        made = farm.add_image(name, path=on_server, shared=shared, site=site)
    else:
        # Opened first: an archive that is not there leaves no image behind that waits for it.
        with _signals_as_ctrl_c(), archive_of(source) as archive:
            made = farm.add_image(name, shared=shared, site=site)
            with _given_up(seat, farm, made):
                _send(seat, farm, made, archive)
    made = ready(seat, farm, made, timeout_s) if wait else farm.image(made.ref)
    SHEET.show(made, seat.output)


@image.command("list")
@pass_seat
def list_(seat: Seat) -> None:
    """List the images that are yours or shared."""
    images = seat.farm().images()
    if not images:
        seat.tell(_("there is no image yet; `boardgrid image import NAME FILE` makes one"))
    SHEET.show_all(images, seat.output)


@image.command("show")
@click.argument("ref", shell_complete=IMAGES)
@pass_seat
def show(seat: Seat, ref: str) -> None:
    """Show one image. REF is tiny:2, or tiny for its newest version that is ready."""
    SHEET.show(seat.farm().image(ref), seat.output)


@image.command("remove")
@click.argument("ref", shell_complete=IMAGES)
@click.option("--yes", is_flag=True, help="Do not ask; a program must say so.")
@pass_seat
def remove(seat: Seat, ref: str, yes: bool) -> None:
    """Remove one version of an image for ever."""
    seat.must_say(yes, _("Remove the image {ref} for ever?").format(ref=ref), "--yes")
    seat.farm().remove_image(ref)
    seat.show_end(ref, "going", _("the image {ref} goes").format(ref=ref))


def versions(farm: Farm, name: str | None) -> tuple[Image, ...]:
    """All versions of an image, the newest last."""
    return tuple(sorted((image for image in farm.images() if image.name == name), key=lambda image: image.version))


def ready(seat: Seat, farm: Farm, awaited: Image, timeout_s: float | None) -> Image:
    """
    Wait until an image can be booted.

    Raises:
        Complaint: IMAGE_FAILED with the farm's reason, or WAIT_TIMEOUT.
    """

    def look() -> Image | None:
        seen = farm.image(awaited.ref)
        return seen if seen.state in {"ready", "failed", "going", "gone"} else None

    began = time.monotonic()
    what = _("the image {ref} is being made").format(ref=awaited.ref)
    try:
        with running(what):
            seen = until(
                look,
                _("the image {ref}").format(ref=awaited.ref),
                timeout_s=LONGEST_S if timeout_s is None else timeout_s,
                hint=_("it goes on; `boardgrid image show {ref}` tells how it ends").format(ref=awaited.ref),
            )
    except KeyboardInterrupt:
        seat.tell(_("{what}, and that goes on; `boardgrid image show {ref}`").format(what=what, ref=awaited.ref))
        raise click.exceptions.Exit(ExitCode.INTERRUPTED) from None
    if seen.state != "ready":
        sentence = _("the image {ref} could not be made: {reason}")
        raise Complaint(IMAGE_FAILED, sentence.format(ref=seen.ref, reason=seen.reason or seen.state))
    seat.tell(_("the image {ref} is ready ({took})").format(ref=seen.ref, took=took(time.monotonic() - began)))
    return seen


def _send(seat: Seat, farm: Farm, made: Image, archive: Archive) -> None:
    began = time.monotonic()
    sent = 0

    def weighed() -> Iterator[bytes]:
        nonlocal sent
        for chunk in archive.chunks:
            sent += len(chunk)
            yield chunk

    with counted(weighed(), archive.what, archive.size_bytes) as chunks:
        farm.upload(made.ref, chunks, size_bytes=archive.size_bytes)
    seat.tell(
        _("sent {what}: {size} in {took}").format(
            what=archive.what, size=bytes_text(sent), took=took(time.monotonic() - began)
        )
    )


@contextlib.contextmanager
def _signals_as_ctrl_c() -> Iterator[None]:
    """A closed terminal and a plain `kill` end what is under way as Ctrl-C does: what it began is taken back."""
    before: dict[signal.Signals, Any] = {}

    def end(_number: int, _frame: FrameType | None) -> None:
        for number in before:
            signal.signal(number, signal.SIG_IGN)  # a terminal that closes says so twice
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():  # no other can be told
        heeded = [number for number in _ENDING if signal.getsignal(number) is not signal.SIG_IGN]  # nohup ignores one
        before.update({number: signal.signal(number, end) for number in heeded})
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _given_up(seat: Seat, farm: Farm, made: Image) -> Iterator[None]:
    """Whatever ends an upload half way, by Ctrl-C too, leaves no image behind that waits for its content."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(Complaint):
            # Its content may have arrived although the answer did not; then it is kept.
            if farm.image(made.ref).state == "awaited":
                farm.remove_image(made.ref)
                seat.tell(_("nothing is left of {ref}").format(ref=made.ref))
        raise
