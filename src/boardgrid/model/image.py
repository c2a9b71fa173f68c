"""Images: trees to boot, never written to."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal
from uuid import UUID

from boardgrid.model.adaptation import Adapted


class ImageState(StrEnum):
    AWAITED = "awaited"  # named; its content has not arrived whole
    BUILDING = "building"  # the agent makes it
    READY = "ready"  # may be deployed
    FAILED = "failed"  # could not be made; the reason says why
    GOING = "going"  # is being removed
    GONE = "gone"  # was removed; the row stays for those that descend from it


class NfsBoot(StrEnum):
    """How a kernel comes to a root on NFS."""

    BUILTIN = "builtin"  # it mounts it by itself
    OWN = "own"  # by the initramfs that the image has for it
    FARM = "farm"  # by an initramfs that the farm made of the image's own modules
    NO = "no"
    UNKNOWN = "unknown"  # nobody could look: it may or may not


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel inside an image. Paths are seen from the image's root."""

    release: str  # "6.1.0-50-armmp"
    image: str  # "boot/vmlinuz-6.1.0-50-armmp"
    initrd: str = ""  # "boot/initrd.img-6.1.0-50-armmp"; empty: none
    dtbs: str = ""  # folder with device trees; empty: none
    nfs: NfsBoot = NfsBoot.UNKNOWN
    why: str = ""  # why it is so, in a sentence


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
    distribution: str = ""  # ID of its os-release: "debian"
    release: str = ""  # VERSION_ID of its os-release: "12"
    adapted: tuple[Adapted, ...] = ()  # what was changed in it for boards
    without: tuple[str, ...] = ()  # adaptations that it is made without; they are left out of its roots, too


# Where an image's content comes from.


@dataclass(frozen=True, slots=True)
class BlobSource:
    """An archive that was uploaded to the controller."""

    sha256: str  # hex
    size_bytes: int
    kind: Literal["blob"] = "blob"


@dataclass(frozen=True, slots=True)
class PathSource:
    """A tar archive or a directory on the agent's machine, below its ``import_dirs``."""

    path: str
    kind: Literal["path"] = "path"


@dataclass(frozen=True, slots=True)
class RootSource:
    """A fenced root that is kept: its merged tree becomes the image."""

    root: UUID
    kind: Literal["root"] = "root"


@dataclass(frozen=True, slots=True)
class CheckpointSource:
    """A root that a board writes to meanwhile: its tree as it is at one moment, as after a power cut."""

    root: UUID
    kind: Literal["checkpoint"] = "checkpoint"


Source = BlobSource | PathSource | RootSource | CheckpointSource


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
