"""Boot kits: what a root boots with in the place of its image's kernel, as its user brings it."""

import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from boardgrid.messages import _
from boardgrid.model.errors import Code, Invalid
from boardgrid.model.image import BlobSource

FILE_BYTES = 1 << 30  # the most that one file of a kit may have
FILES_BYTES = 4 << 30  # so much is kept of one user's, those that were used last
FILES_MOST = 64  # and so many of them
APPEND_MOST = 500  # characters; what a 32-bit kernel keeps of a whole command line is twice that

RELEASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~_-]{0,100}")
_APPEND = re.compile(r"[\x20-\x7e]*")


@dataclass(frozen=True, slots=True)
class BootKit:
    """What is left out is the image's own."""

    id: UUID  # under which its files lie at its site
    kernel: BlobSource | None = None
    dtb: BlobSource | None = None
    initrd: BlobSource | None = None
    modules: BlobSource | None = None  # a tar archive of what lies in lib/modules/<release>; None: the root has them
    release: str = ""  # of the modules; with *from_root* of the kernel there, empty: the newest
    append: str = ""  # words after all others on the kernel's command line
    without_initrd: bool = False
    from_root: bool = False  # the kernel in the root's own /boot, with its initrd and its device trees
    is_once: bool = False  # what restarts after that boots what was good before

    @property
    def blobs(self) -> tuple[BlobSource, ...]:
        return tuple(one for one in (self.kernel, self.dtb, self.initrd, self.modules) if one)


def checked(kit: BootKit) -> BootKit:
    """
    Raises:
        Invalid: REQUEST_INVALID, its parts do not go together.
    """
    if kit.from_root and kit.blobs:
        raise Invalid(
            Code.REQUEST_INVALID,
            _("a kernel of the root comes with what the root has beside it"),
            hint=_("give either files or --from-root"),
        )
    if kit.initrd and kit.without_initrd:
        raise Invalid(Code.REQUEST_INVALID, _("there is either an initrd or none"))
    if kit.modules and not kit.release:
        raise Invalid(Code.REQUEST_INVALID, _("modules are of a kernel release, and none was named"))
    if kit.release and not ((kit.modules or kit.from_root) and RELEASE.fullmatch(kit.release)):
        raise Invalid(
            Code.REQUEST_INVALID,
            _("{release!r} is no kernel release, or nothing here is of one"),
            hint=_("a good one looks like this: {example}"),
            release=kit.release[:80],
            example="6.1.0-50-armmp",
        )
    if len(kit.append) > APPEND_MOST or not _APPEND.fullmatch(kit.append):
        raise Invalid(
            Code.REQUEST_INVALID,
            _("what is added to the kernel's command line is one line of at most {most} plain characters"),
            most=APPEND_MOST,
        )
    return kit


@dataclass(frozen=True, slots=True)
class KitFile:
    """A file that its user sent for kits. The farm keeps it for some days, so that it is sent but once."""

    id: str
    owner: UUID
    sha256: str  # hex
    size_bytes: int
    used_at: datetime

    @property
    def blob(self) -> BlobSource:
        return BlobSource(self.sha256, self.size_bytes)


def kit_file_id(owner: UUID, sha256: str) -> str:
    """What somebody sent is theirs alone, though another may have sent the same."""
    return f"{owner}:{sha256}"
