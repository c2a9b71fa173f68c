"""Images: trees to boot, never written to."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Literal
from urllib.parse import unquote, urlsplit
from uuid import UUID

from boardgrid.messages import _
from boardgrid.model.adaptation import Adapted
from boardgrid.model.errand import About
from boardgrid.model.errors import Code, Invalid
from boardgrid.model.name import checked
from boardgrid.model.recipe import Recipe

_LABELS_MOST = 50
_ALIASES_MOST = 20
_VALUE_MOST = 100  # letters
_URL_MOST = 2000


class ImageState(StrEnum):
    AWAITED = "awaited"  # named; its content has not arrived whole
    BUILDING = "building"  # the agent makes it
    UNPACKED = "unpacked"  # lies in the store, and is to be finished on a board before anybody may boot it
    FINISHING = "finishing"  # is what will become of one that is unpacked
    READY = "ready"  # may be deployed
    FAILED = "failed"  # could not be made; the reason says why
    REMOVED = "removed"  # lies in the wastebasket, from where it may be restored
    GOING = "going"  # is being removed
    GONE = "gone"  # was removed; the row stays for those that descend from it


class Visibility(StrEnum):
    """Who sees and uses an image. Its owner alone changes it."""

    PRIVATE = "private"  # its owner alone, for it may hold their files
    PROJECT = "project"  # the members of a project too
    PUBLIC = "public"  # everyone


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
    adapted: tuple[Adapted, ...] = ()  # what was changed in it for boards; of what was exported, as *about* tells
    without: tuple[str, ...] = ()  # adaptations that it is made without; they are left out of its roots, too
    init: str | None = None  # the first program that the tree would run; empty: it has none; None: nobody looked
    about: About | None = None  # what its export's manifest claims, and anybody can write one; None: it was made here


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


@dataclass(frozen=True, slots=True)
class CheckpointSource:
    """A root that a board writes to meanwhile: its tree as it is at one moment, as after a power cut."""

    root: UUID
    kind: Literal["checkpoint"] = "checkpoint"


@dataclass(frozen=True, slots=True)
class RecipeSource:
    """A recipe, for one of its architectures."""

    recipe: Recipe
    arch: str
    kind: Literal["recipe"] = "recipe"


Source = BlobSource | PathSource | UrlSource | RootSource | CheckpointSource | RecipeSource


def shown_url(url: str) -> str:
    """Without what may be a secret: signed addresses have one in their query, others a password before the name."""
    place = re.split(r"[?#]", url, maxsplit=1)[0]
    return re.sub(r"^((?:[^/\\@]*:)?[/\\]+)?[^/\\]*@", r"\1", place)


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
    is_straight = url.isascii() and url.isprintable() and " " not in url and "\\" not in url and len(url) <= _URL_MOST
    if is_one and is_plain and is_straight and ".." not in unquote(url).split("/"):
        return url
    raise Invalid(
        Code.PATH_FORBIDDEN,
        _("{url!r} is no address to import from"),
        hint=_("give one like https://images.example.org/debian.tar.zst, without user, password or .."),
        url=shown_url(url)[:200],
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
    """
    One version of an image. ``tiny`` means its newest version that is ready, ``tiny:2026112201`` that very one, and
    ``tiny:stable`` the one that its owner gave this alias to.
    """

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
    visibility: Visibility = Visibility.PRIVATE
    project: UUID | None = None  # whose members see it
    reason: str = ""  # why it failed
    hint: str = ""  # what would do, then
    making: Making = AS_USUAL
    aliases: tuple[str, ...] = ()  # sorted; no two versions of one name have the same
    labels: Mapping[str, str] = field(default_factory=dict)
    types: tuple[str, ...] = ()  # of boards that it is for, sorted; empty: all of its architecture
    removed_at: datetime | None = None  # when it came into the wastebasket
    verified_at: datetime | None = None  # when its file was last held against its checksum
    damage: str = ""  # what was found wrong then; such an image boots no more

    @property
    def ref(self) -> str:
        return f"{self.name}:{self.version}"

    @property
    def shared(self) -> bool:
        return self.visibility is Visibility.PUBLIC

    def is_meant_by(self, version: str) -> bool:
        """By what follows the name in a ref; nothing follows: any version is meant."""
        return version in {"", str(self.version), *self.aliases}

    def fits(self, board_type: str) -> bool:
        return not self.types or board_type in self.types

    def called(self, alias: str) -> "Image":
        """
        With this alias too.

        Raises:
            Invalid: NAME_INVALID; REQUEST_INVALID, it has too many.
        """
        aliases = tuple(sorted({*self.aliases, checked("alias", alias)}))
        _check_count(_("aliases"), len(aliases), _ALIASES_MOST)
        return replace(self, aliases=aliases)

    def labelled(self, labels: Mapping[str, str | None]) -> "Image":
        """
        With these labels, without those that are None; others stay.

        Raises:
            Invalid: NAME_INVALID; REQUEST_INVALID, there are too many, or a value that nobody can read.
        """
        left = {name: value for name, value in {**self.labels, **labels}.items() if value is not None}
        return replace(self, labels=checked_labels(left))


def checked_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """
    Sorted.

    Raises:
        Invalid: NAME_INVALID; REQUEST_INVALID, there are too many, or a value that nobody can read.
    """
    for name, value in labels.items():
        checked("label", name)
        if not value or not value.isprintable() or len(value) > _VALUE_MOST:
            raise Invalid(
                Code.REQUEST_INVALID,
                _("the label {name} needs a value of at most {most} characters that others can read"),
                name=name,
                most=_VALUE_MOST,
            )
    _check_count(_("labels"), len(labels), _LABELS_MOST)
    return dict(sorted(labels.items()))


def version_after(newest: int, at: datetime) -> int:
    """The version to come: of today, 2026112201; and above the newest, whatever the clock says."""
    return max(newest + 1, int(f"{at.astimezone(UTC):%Y%m%d}01"))


def _check_count(what: str, count: int, most: int) -> None:
    if count > most:
        raise Invalid(
            Code.REQUEST_INVALID,
            _("an image may have {most} {what}, and not {count}"),
            most=most,
            what=what,
            count=count,
        )
