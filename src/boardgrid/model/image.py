"""Images: trees to boot, never written to."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal
from urllib.parse import unquote, urlsplit
from uuid import UUID

from boardgrid.messages import _
from boardgrid.model.errors import Code, Invalid

_URL_LETTERS = 2000


class ImageState(StrEnum):
    AWAITED = "awaited"  # named; its content has not arrived whole
    BUILDING = "building"  # the agent makes it
    READY = "ready"  # may be deployed
    FAILED = "failed"  # could not be made; the reason says why
    GOING = "going"  # is being removed
    GONE = "gone"  # was removed; the row stays for those that descend from it


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel inside an image. Paths are seen from the image's root."""

    release: str  # "6.1.0-50-armmp"
    image: str  # "boot/vmlinuz-6.1.0-50-armmp"
    initrd: str = ""  # "boot/initrd.img-6.1.0-50-armmp"; empty: none
    dtbs: str = ""  # folder with device trees; empty: none


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an image holds, found out once when it is made."""

    digest: str  # "sha256:<hex>" over the canonical listing of the tree; see the reference
    checksum: str  # "sha256:<hex>" of the stored EROFS file
    size_bytes: int  # of the files in the tree
    stored_bytes: int  # of the EROFS file, and of the copies of what boots a board
    files: int  # entries of any type
    arch: str  # Debian's word; empty: no program in it could tell
    kernels: tuple[Kernel, ...] = ()  # newest first
    modules: tuple[str, ...] = ()  # kernel releases that the tree has modules for
    system: str = ""  # PRETTY_NAME of its os-release


# Where an image's content comes from.


@dataclass(frozen=True, slots=True)
class BlobSource:
    """An archive that was uploaded to the controller."""

    sha256: str  # hex
    size_bytes: int
    kind: Literal["blob"] = "blob"


@dataclass(frozen=True, slots=True)
class UrlSource:
    """What lies at an address that the agent's ``import_urls`` allow; see :func:`checked_url`."""

    url: str
    sha256: str = ""  # hex; empty: whatever is there
    kind: Literal["url"] = "url"


@dataclass(frozen=True, slots=True)
class PathSource:
    """A file or a directory on the agent's machine, below its ``import_dirs``."""

    path: str
    kind: Literal["path"] = "path"


@dataclass(frozen=True, slots=True)
class RootSource:
    """A fenced root that is kept: its merged tree becomes the image."""

    root: UUID
    kind: Literal["root"] = "root"


Source = BlobSource | PathSource | UrlSource | RootSource


def checked_url(url: str) -> str:
    """
    An address that an image may be named by; whether a site imports from there is its own to say.

    Raises:
        Invalid: PATH_FORBIDDEN, it is no address, or has in it what is nobody else's to see or leads elsewhere.
    """
    try:
        parts = urlsplit(url)
        is_one = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        is_plain = not parts.username and not parts.password and not parts.fragment
    except ValueError:
        is_one = is_plain = False
    is_straight = (
        url.isascii() and url.isprintable() and " " not in url and "\\" not in url and len(url) <= _URL_LETTERS
    )
    if is_one and is_plain and is_straight and ".." not in unquote(url).split("/"):
        return url
    raise Invalid(
        Code.PATH_FORBIDDEN,
        _("{url!r} is no address to import from"),
        hint=_("give one like https://images.example.org/debian.tar.zst, without user, password or .."),
        url=url[:200],
    )


@dataclass(frozen=True, slots=True)
class Making:
    """How an image is made of its source, as far as its owner wants that otherwise than it is usually done."""

    partition: int | None = None  # the one of a disk image that holds the system, from 1; None: it is found
    without: tuple[str, ...] = ()  # names of adaptations that are left out
    bsp: str = ""  # a folder on the agent's machine, whose apply_binaries.sh is run on the tree; empty: none


AS_USUAL = Making()


@dataclass(frozen=True, slots=True)
class Image:
    """One version of an image. ``tiny`` means its newest version that is ready, ``tiny:2`` that very one."""

    id: UUID
    name: str
    version: int
    owner: UUID
    site: str
    state: ImageState
    created_at: datetime
    source: Source | None = None  # None while the upload is awaited, and once it is made
    manifest: Manifest | None = None
    parent: UUID | None = None  # the image whose changed root this was
    shared: bool = False  # seen and used by everyone; else by its owner alone, for it may hold their files
    reason: str = ""  # why it failed
    making: Making = AS_USUAL

    @property
    def ref(self) -> str:
        return f"{self.name}:{self.version}"
