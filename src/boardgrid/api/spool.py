"""The spool: what is on its way between users and agents: uploads that images are made of, and exports."""

import asyncio
import errno
import hashlib
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import BinaryIO, TypeVar
from uuid import UUID, uuid4

import structlog

from boardgrid import lasting
from boardgrid.finishing import whole
from boardgrid.messages import _, bytes_text, larger_text
from boardgrid.model.boot_file import HEAD_BYTES
from boardgrid.model.errors import Code, Conflict, Fault, Invalid
from boardgrid.model.headroom import Headroom
from boardgrid.model.image import Image
from boardgrid.model.user import User

log = structlog.get_logger(__name__)

T = TypeVar("T")

UPLOAD_BYTES = 32 << 30
HEADROOM = Headroom(least_bytes=256 << 20)  # at least what the records need, which may lie on the same disk
SILENT_S = 60.0  # how long an upload may stand still
WHOLE_S = 12 * 3600.0  # how long all of it may take
_BATCH_BYTES = 1 << 20
_PART = ".part"


@dataclass(frozen=True, slots=True)
class Arrived:
    """An upload that lies whole on the disk, under a name that nobody looks for yet."""

    part: Path
    sha256: str
    size_bytes: int


class Spool:
    """
    A folder with one file an upload, named by its SHA-256; what arrives has another name until it is whole.

    An upload that may be resumed is called as its image meanwhile, and an export as its errand.
    """

    def __init__(
        self,
        folder: Path,
        *,
        upload_bytes: int = UPLOAD_BYTES,
        headroom: Headroom = HEADROOM,
        whole_s: float = WHOLE_S,
    ) -> None:
        self.folder = folder
        self._whole_s = whole_s
        self._upload_bytes = upload_bytes
        self._headroom = headroom
        self._lock = Lock()
        self._coming: set[UUID] = set()  # images, and users, whose upload is under way
        self._sums: dict[UUID, _Sum] = {}  # of uploads that may be resumed: else all of it would be read again
        self._growing: set[UUID] = set()  # those of them that are written to: their sum is known without a look
        self._reading: dict[UUID, asyncio.Task[_Sum]] = {}  # those that are read again: by one at a time

    def path(self, sha256: str) -> Path:
        return self.folder / sha256

    def head(self, sha256: str) -> bytes | None:
        """Blocks: the first bytes of an upload; None where it is not here."""
        try:
            with self.path(sha256).open("rb") as file:
                return file.read(HEAD_BYTES)
        except OSError:
            return None

    @contextmanager
    def turn(self, image: Image) -> Iterator[None]:
        """
        Inside the block this is the upload of *image*, and there is no other: else one name could fill the disk.

        Raises:
            Conflict: THING_IN_USE.
        """
        with self._turn(image.id, _("the content of {image}").format(image=image.ref)):
            yield

    @contextmanager
    def turn_of(self, user: User) -> Iterator[None]:
        """Inside the block this is the file that *user* sends to boot with, and there is no other, as above."""
        with self._turn(user.id, _("a file of yours")):
            yield

    @contextmanager
    def _turn(self, whose: UUID, what: str) -> Iterator[None]:
        if whose in self._coming:
            raise Conflict(
                Code.THING_IN_USE,
                _("{what} is being uploaded already"),
                hint=_("wait for the end of that upload; where it broke off, the farm knows it after {seconds:g} s"),
                what=what,
                seconds=SILENT_S,
            )
        self._coming.add(whose)
        try:
            yield
        finally:
            self._coming.discard(whose)

    async def receive(
        self, chunks: AsyncIterator[bytes], declared_bytes: int | None, *, most_bytes: int | None = None
    ) -> Arrived:
        """
        Write an upload down as it comes. One that breaks off leaves nothing.

        Args:
            most_bytes: that it may have, where that is less than any upload may.

        Raises:
            Invalid: IMAGE_TOO_LARGE.
            Conflict: UPLOAD_BROKEN, it stood still, took too long, or is not as long as was said.
            Fault: STORE_FULL; UPLOAD_BROKEN, the disk refused.
        """
        most_bytes = min(most_bytes or self._upload_bytes, self._upload_bytes)
        _check_size(declared_bytes or 0, most_bytes)
        writing = await asyncio.to_thread(self._open, declared_bytes or 0)
        try:
            async with asyncio.timeout(self._whole_s):
                async for batch in _batches(chunks):
                    _check_size(writing.size_bytes + len(batch), most_bytes)
                    await asyncio.to_thread(writing.write, batch)
            if declared_bytes is not None and writing.size_bytes != declared_bytes:
                raise _unlike(writing.size_bytes, declared_bytes)
            return await asyncio.to_thread(writing.close)
        except BaseException as error:
            # Not waited for: this may be a cancellation, and a large file takes its time to go.
            asyncio.get_running_loop().run_in_executor(None, writing.drop)
            if isinstance(error, TimeoutError):
                raise self._late() from error
            raise

    async def come(self, image: UUID) -> "Come":
        """How much of an upload that may be resumed has come so far."""
        return (await self._known(image)).come

    async def append(self, image: UUID, at_bytes: int, chunks: AsyncIterator[bytes], whole_bytes: int) -> "Come":
        """
        Write down the next of an upload, from *at_bytes* on. What came stays when it breaks off.

        Raises:
            Invalid: IMAGE_TOO_LARGE.
            Conflict: UPLOAD_BROKEN, it goes on elsewhere, stood still, took too long, or is longer than was said.
            Fault: STORE_FULL; UPLOAD_BROKEN, the disk refused.
        """
        _check_size(whole_bytes, self._upload_bytes)
        known = await self._known(image)
        if known.size_bytes != at_bytes:
            raise Conflict(
                Code.UPLOAD_BROKEN,
                _("{come} bytes of this upload have come, so it goes on there and not at {at}"),
                hint=_("ask how much has come: HEAD"),
                come=known.size_bytes,
                at=at_bytes,
            )
        self._sums[image] = known
        self._growing.add(image)
        try:
            writing = await asyncio.to_thread(self._go_on, image, known, whole_bytes)
            try:
                async with asyncio.timeout(self._whole_s):
                    async for batch in _batches(chunks):
                        if writing.size_bytes + len(batch) > whole_bytes:
                            raise _unlike(writing.size_bytes + len(batch), whole_bytes)
                        await asyncio.to_thread(writing.write, batch)
                        self._sums[image] = writing.so_far()
            finally:
                self._sums[image] = come = await whole(writing.leave)
        except TimeoutError as error:
            raise self._late() from error
        finally:
            self._growing.discard(image)
        return come.come

    def arrived(self, image: UUID, come: "Come") -> Arrived:
        """An upload that was resumed and is whole now."""
        self._sums.pop(image, None)
        return Arrived(self.path(str(image)), come.sha256, come.size_bytes)

    async def keep(self, errand: UUID, chunks: AsyncIterator[bytes], declared_bytes: int | None) -> int:
        """Write an export down, whole or not at all, and return how large it is. Raises as :meth:`receive`."""
        arrived = await self.receive(chunks, declared_bytes)
        await asyncio.to_thread(self._name, arrived, str(errand))
        return arrived.size_bytes

    def throw_away(self, errand: UUID) -> None:
        """Blocks: an export that nobody wants any more."""
        self.path(str(errand)).unlink(missing_ok=True)

    def settle(self, arrived: Arrived, note: Callable[[], T]) -> T:
        """Blocks: give an upload its name and have it noted; between the two nobody sweeps."""
        with self._lock:
            self._name(arrived, arrived.sha256)
            return note()

    def _name(self, arrived: Arrived, name: str) -> None:
        try:
            arrived.part.rename(self.path(name))
            lasting.write_down(self.folder)
        except OSError as error:
            arrived.part.unlink(missing_ok=True)
            raise _refused(error) from error

    def sweep(self, wanted: Callable[[], frozenset[str]]) -> None:
        """Blocks: remove every upload that is not *wanted* any more, and that nobody sends at this moment."""
        with self._lock:
            # Looked for first: one that is begun from here on is not in what was read of the records.
            there = [file for file in self.folder.iterdir() if file.suffix != _PART]
            keep = wanted() | {str(one) for one in (self._coming | self._growing)}
            for image in [image for image in list(self._sums) if str(image) not in keep]:
                self._sums.pop(image, None)
            for file in there:
                if file.name not in keep:
                    file.unlink(missing_ok=True)
                    log.info("upload.removed", sha256=file.name)

    def prepare(self) -> None:
        """Blocks: make the folder, and remove what an earlier process had not received whole."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for part in self.folder.glob(f"*{_PART}"):
            part.unlink(missing_ok=True)

    def _late(self) -> Conflict:
        return Conflict(
            Code.UPLOAD_BROKEN,
            _("the upload was not whole after {hours:g} h"),
            hint=_("upload it over a faster line, or have an admin import it from a path on the server"),
            hours=self._whole_s / 3600,
        )

    async def _known(self, image: UUID) -> "_Sum":
        if image in self._growing:
            return self._sums[image]
        reading = self._reading.get(image)
        if reading is None:
            reading = self._reading[image] = asyncio.create_task(asyncio.to_thread(self._sum_of, image))
            reading.add_done_callback(lambda _task: self._reading.pop(image, None))
        return await asyncio.shield(reading)  # others may wait for it, too

    def _sum_of(self, image: UUID) -> "_Sum":
        file, known = self.path(str(image)), self._sums.get(image)
        try:
            size_bytes = file.stat().st_size
            if known is not None and known.size_bytes == size_bytes:
                return known
            # It was begun by an earlier process.
            with file.open("rb") as opened:
                digest = hashlib.file_digest(opened, "sha256")
                self._sums[image] = found = _Sum(opened.tell(), digest)
                return found
        except FileNotFoundError:
            return _Sum(0, hashlib.sha256())
        except OSError as error:
            raise _refused(error) from error

    def _go_on(self, image: UUID, known: "_Sum", whole_bytes: int) -> "_Writing":
        try:
            reserve_bytes = self._reserved()
            _check_room(self.folder, whole_bytes - known.size_bytes + reserve_bytes)
            file = self.path(str(image))
            return _Writing(file, file.open("ab"), reserve_bytes, known)
        except OSError as error:
            raise _refused(error) from error

    def _reserved(self) -> int:
        return self._headroom.of(shutil.disk_usage(self.folder).total)

    def _open(self, needed_bytes: int) -> "_Writing":
        part = self.folder / f"{uuid4()}{_PART}"
        try:
            reserve_bytes = self._reserved()
            _check_room(self.folder, needed_bytes + reserve_bytes)
            return _Writing(part, part.open("xb"), reserve_bytes, _Sum(0, hashlib.sha256()))
        except OSError as error:
            raise _refused(error) from error


@dataclass(frozen=True, slots=True)
class Come:
    """How much of an upload has come, and the SHA-256 of that."""

    size_bytes: int
    sha256: str  # hex


@dataclass(frozen=True, slots=True)
class _Sum:
    size_bytes: int
    sum: "hashlib._Hash"

    @property
    def come(self) -> Come:
        return Come(self.size_bytes, self.sum.hexdigest())


class _Writing:
    """The file of an upload under way. All of it blocks."""

    def __init__(self, part: Path, file: BinaryIO, reserve_bytes: int, come: _Sum) -> None:
        self.size_bytes = come.size_bytes
        self._part = part
        self._file = file
        self._reserve_bytes = reserve_bytes
        self._sum = come.sum.copy()

    def write(self, batch: bytes) -> None:
        try:
            _check_room(self._part.parent, len(batch) + self._reserve_bytes)
            self._file.write(batch)
        except OSError as error:
            raise _refused(error) from error
        self._sum.update(batch)
        self.size_bytes += len(batch)

    def close(self) -> Arrived:
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        except OSError as error:
            raise _refused(error) from error
        return Arrived(self._part, self._sum.hexdigest(), self.size_bytes)

    def so_far(self) -> _Sum:
        return _Sum(self.size_bytes, self._sum.copy())

    def leave(self) -> _Sum:
        """So that it may be resumed."""
        try:
            with self._file:
                self._file.flush()
                os.fsync(self._file.fileno())
        except OSError as error:
            raise _refused(error) from error
        return _Sum(self.size_bytes, self._sum)

    def drop(self) -> None:
        self._part.unlink(missing_ok=True)
        self._file.close()


async def _batches(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in larger pieces: each is one trip to a thread."""
    gathered = bytearray()
    while True:
        try:
            async with asyncio.timeout(SILENT_S):
                chunk = await anext(chunks, None)
        except TimeoutError as error:
            raise Conflict(
                Code.UPLOAD_BROKEN,
                _("nothing more of the upload came within {seconds:g} s"),
                hint=_("upload it again"),
                seconds=SILENT_S,
            ) from error
        if chunk is None:
            break
        gathered += chunk
        if len(gathered) >= _BATCH_BYTES:
            yield bytes(gathered)
            gathered.clear()
    if gathered:
        yield bytes(gathered)


def _check_size(size_bytes: int, most_bytes: int) -> None:
    if size_bytes > most_bytes:
        raise Invalid(
            Code.IMAGE_TOO_LARGE, _("an upload may have {most}, and this one has more"), most=bytes_text(most_bytes)
        )


def _unlike(got: int, said: int) -> Conflict:
    return Conflict(
        Code.UPLOAD_BROKEN,
        _("{got} bytes came of the {said} that were announced"),
        hint=_("upload it again"),
        got=got,
        said=said,
    )


def _check_room(folder: Path, needed_bytes: int) -> None:
    if (free := shutil.disk_usage(folder).free) < needed_bytes:
        raise Fault(
            Code.STORE_FULL,
            _("the farm's disk has no room for this upload: {free} is free, {needed} would have to be"),
            hint=_("remove images or roots, or ask an admin"),
            free=bytes_text(free),
            needed=larger_text(needed_bytes, free),
        )


def _refused(error: OSError) -> Fault:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return Fault(
            Code.STORE_FULL, _("the farm's disk is full: the upload could not be written down"), hint=_("ask an admin")
        )
    return Fault(Code.UPLOAD_BROKEN, _("the upload could not be written down: {why}"), why=error)
