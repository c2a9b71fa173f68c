"""An image's content on its way to the farm; a connection that breaks is taken up again where it broke."""

import contextlib
import hashlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import IO, Any

from boardgrid.client.answers import Image
from boardgrid.client.archive import Archive, chunks_of
from boardgrid.client.complaint import REQUEST_INVALID, THING_IN_USE, Complaint
from boardgrid.client.duration import took
from boardgrid.client.farm import Farm
from boardgrid.client.progress import counted
from boardgrid.client.seat import Seat
from boardgrid.messages import _, bytes_text

_PATIENCE_S = 900.0  # a farm of which nothing is heard for so long is given up
_PAUSE_S, _PAUSE_MOST_S = 1.0, 60.0
_ENDING = (signal.SIGTERM, signal.SIGHUP)
_CHUNK = 1 << 20


def send(seat: Seat, farm: Farm, made: Image, archive: Archive) -> None:
    """
    Bring an archive. One that can be read once alone is sent in one go.

    Raises:
        Complaint: the farm refused, or was not heard of for too long.
    """
    began = time.monotonic()
    if archive.file is not None:
        size = send_file(farm, made.ref, archive.file, archive.what)
    else:
        size = _send_once(farm, made.ref, archive)
    told = _("sent {what}: {size} in {took}")
    seat.tell(told.format(what=archive.what, size=bytes_text(size), took=took(time.monotonic() - began)))


def send_file(farm: Farm, ref: str, file: IO[bytes], what: str, *, is_resumed: bool = False) -> int:
    """
    Bring a file, and return its size. *is_resumed*: some of it may have come already.

    Raises:
        Complaint: as :func:`send`; REQUEST_INVALID, what has come is of another file.
    """
    size = os.fstat(file.fileno()).st_size
    tries = _Tries()
    is_first = not is_resumed
    while True:
        try:
            if not is_first and farm.image(ref).state != "awaited":
                if tries.are_any:
                    return size  # all of it had come, and only the answer was lost
                raise Complaint(
                    REQUEST_INVALID,
                    _("{ref} does not wait for its content").format(ref=ref),
                    hint=_("without --resume a new version begins"),
                )
            at = 0 if is_first else _come(farm, ref, file, size)
            is_first = False
            file.seek(at)
            if at < size:
                farm.announce_upload(ref, at, size_bytes=size)
            with counted(chunks_of(file, what), what, size, done_bytes=at) as chunks:
                farm.upload_piece(ref, at, chunks, size_bytes=size)
            return size
        except Complaint as error:
            # The farm may need a while to see that the connection is gone, and keeps the upload's place until then.
            is_ours = error.code == THING_IN_USE and tries.are_any
            if not (error.is_passing or is_ours):
                raise
            tries.pause(error)


def _come(farm: Farm, ref: str, file: IO[bytes], size: int) -> int:
    """How much of the file has come, proved by its SHA-256."""
    come = farm.upload_state(ref)
    file.seek(0)
    digest, left = hashlib.sha256(), come.size_bytes
    while left and (chunk := file.read(min(left, _CHUNK))):
        digest.update(chunk)
        left -= len(chunk)
    if left or digest.hexdigest() != come.sha256 or come.size_bytes > size:
        raise Complaint(
            REQUEST_INVALID,
            _("what has come of {ref} is not the beginning of this file").format(ref=ref),
            hint=_("give the same file, or remove {ref} and begin anew").format(ref=ref),
        )
    return come.size_bytes


class _Tries:
    """How often it was tried again, with pauses that grow, and an end."""

    def __init__(self) -> None:
        self.are_any = False
        self._pause_s = _PAUSE_S
        self._heard_s = time.monotonic()

    def pause(self, error: Complaint) -> None:
        if time.monotonic() - self._heard_s > _PATIENCE_S:
            raise error
        self.are_any = True
        time.sleep(self._pause_s)
        self._pause_s = min(self._pause_s * 2, _PAUSE_MOST_S)


def _send_once(farm: Farm, ref: str, archive: Archive) -> int:
    sent = 0

    def weighed() -> Iterator[bytes]:
        nonlocal sent
        for chunk in archive.chunks:
            sent += len(chunk)
            yield chunk

    with counted(weighed(), archive.what, archive.size_bytes) as chunks:
        farm.upload(ref, chunks, size_bytes=archive.size_bytes)
    return sent


def fetch(farm: Farm, errand: str, to: Path, size: int) -> None:
    """
    Bring an export to a file that is not there yet.

    Raises:
        Complaint: the farm refused, or was not heard of for too long; the file cannot be written.
    """
    part, tries = to.with_name(f"{to.name}.part"), _Tries()
    part.unlink(missing_ok=True)
    try:
        while (come := part.stat().st_size if part.exists() else 0) < size:
            try:
                with (
                    farm.download(errand, come) as pieces,
                    counted(pieces, str(to), size, done_bytes=come) as chunks,
                    part.open("ab") as file,
                ):
                    file.writelines(chunks)
            except Complaint as error:
                if not error.is_passing:
                    raise
                tries.pause(error)
        part.rename(to)
    except OSError as error:
        sentence = _("{path} cannot be written: {why}")
        raise Complaint(REQUEST_INVALID, sentence.format(path=to, why=error.strerror or error)) from error
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def signals_as_ctrl_c() -> Iterator[None]:
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
def given_up(seat: Seat, farm: Farm, made: Image) -> Iterator[None]:
    """Whatever ends an upload half way, by Ctrl-C too, leaves no image behind that waits for its content."""
    try:
        yield
    except BaseException:
        try:
            # Its content may have arrived although the answer did not; then it is kept.
            if farm.image(made.ref).state == "awaited":
                farm.remove_image(made.ref)
                seat.tell(_("nothing is left of {ref}").format(ref=made.ref))
        except Complaint as error:
            if error.is_passing:
                told = _("what has come of {ref} stays for a day: `boardgrid image import --resume {ref} FILE` goes on")
                seat.tell(told.format(ref=made.ref))
        raise
