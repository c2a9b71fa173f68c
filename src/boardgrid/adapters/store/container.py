"""
Container images as root file systems: OCI archives and layouts, and what ``docker save`` writes.

skopeo brings each to an OCI layout with layers that umoci can read; umoci joins these to a tree. Both run in a cage.
How a container would be started (environment, entry point) means nothing to a board.
"""

import contextlib
import json
import os
import re
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from boardgrid.adapters.store.archive import LIST_WORDS, parsed
from boardgrid.adapters.store.cage import Cage
from boardgrid.adapters.store.damage import damaged, is_damage
from boardgrid.adapters.store.limits import Limits, Tally
from boardgrid.adapters.store.source import Archive, Folder
from boardgrid.adapters.store.tree import TreeDir, TreePath, walked
from boardgrid.adapters.store.unpack import POWERS, listed
from boardgrid.adapters.store.workroom import Disk, Workroom
from boardgrid.messages import _, bytes_text
from boardgrid.model.errors import Code, Invalid

# All that lies at the top of such an archive, whoever wrote it.
_TOP = re.compile(
    rb"(\./)?(|\.|blobs(/.*)?|oci-layout|index\.json|manifest\.json|repositories|[0-9a-f]{64}(\.json|\.tar|/.*)?)"
)
_TELLING = frozenset({b"oci-layout", b"index.json", b"manifest.json"})
_MEMBERS_MOST = 10_000  # an image has some for each of its layers, and those are at most 127 where it comes from docker
_LINE_BYTES = 4096  # of a listing
_TEXT_BYTES = 4 << 20  # of an index or a manifest
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_GROWTH = 4  # a layer that comes packed by zstd is packed anew by gzip, and the archive is unpacked before
_SLACK_BYTES = 64 << 20
_READ = ("dac_read_search",)


def is_layout(folder: Folder) -> bool:
    with contextlib.suppress(OSError):
        seen = [os.lstat(name, dir_fd=folder.fd) for name in ("oci-layout", "index.json")]
        return all(stat.S_ISREG(one.st_mode) for one in seen)
    return False


def kind_of(archive: Archive, limits: Limits, cage: Cage) -> str:
    """
    What skopeo calls it; empty: it is a tree like others. A tree shows that in its first names.

    What is far more than an image is called a tree too: where its members are judged, they are refused by name.
    """
    seen, tally = set[bytes](), Tally(replace(limits, entries=_MEMBERS_MOST))
    with archive.opened() as fd:
        run = cage.run(["tar", *LIST_WORDS, *archive.words, "--file=-"], (), fd)
        try:
            for line in iter(lambda: run.out.readline(_LINE_BYTES), b""):
                _kind, size_bytes, member, _target = parsed(line)
                tally.count(member, size_bytes)
                name = member.rstrip(b"/")
                if not _TOP.fullmatch(name):
                    return ""
                seen |= {name.removeprefix(b"./")} & _TELLING
        except Invalid:
            return ""
        finally:
            run.end()
    if {b"oci-layout", b"index.json"} <= seen:
        return "oci-archive"
    return "docker-archive" if b"manifest.json" in seen else ""


def unpacked(given: Archive | Folder, kind: str, limits: Limits, disk: Disk, folder: Path) -> TreePath:
    """
    The tree that the layers make together, in a file system in *folder*.

    Raises:
        Invalid: ARCHIVE_REFUSED, it is broken, holds several images, or has a layer with what no archive may have;
            IMAGE_TOO_LARGE.
        Fault: STORE_FULL.
    """
    layout = Workroom(folder / "layout.ext4", folder / "layout")
    cage = Cage(folder / "converting", layout.mount, given=given.fd)
    layout.build(_GROWTH * _size(given.fd) + _SLACK_BYTES, 4096, disk)
    cage.build()
    with TreeDir(layout.tree) as made:
        _convert(given, kind, cage)
        sizes = _Sizes(limits, cage)
        for digest in _layers(made, given.name):
            with made.file(f"layout/blobs/sha256/{digest}") as fd:
                sizes.add(Archive(fd, given.name, ("--gzip",)))
    room = Workroom(folder / "unpacked.ext4", folder / "unpacked")
    room.build(sizes.room_bytes, sizes.entries + 128, disk)
    with _opened(layout.mount) as fd:
        joining = Cage(folder / "joining", room.mount, given=fd)
        joining.build()
        _run(
            joining,
            given.name,
            ["umoci", "unpack", "--image", "/given/layout:it", "/work/bundle"],
            POWERS,
            limits.size_bytes,
        )
    tree = TreePath(f"{room.mount}/bundle/rootfs")
    with TreeDir(tree) as opened:
        for name in sizes.implied:
            # Made up at this very second: the digest of one image must not depend on the day.
            if opened.is_folder(os.fsdecode(name)):
                opened.set_folder_time(os.fsdecode(name), 0)
    return tree


@dataclass(slots=True)
class _Sizes:
    """What the layers take, one on another: at most as much as they take together."""

    limits: Limits
    cage: Cage
    room_bytes: int = 0
    entries: int = 0
    size_bytes: int = 0
    declared: set[bytes] = field(default_factory=set)
    parents: set[bytes] = field(default_factory=set)

    def add(self, layer: Archive) -> None:
        listing = listed(layer, self.limits, self.cage)
        self.entries += listing.tally.entries + len(listing.implied)
        self.size_bytes += listing.tally.size_bytes
        # umoci writes down what it unpacked, a line for each file.
        self.room_bytes += listing.room_bytes + 512 * listing.tally.entries
        self.declared |= listing.folders
        self.parents |= listing.parents
        if self.entries > self.limits.entries or self.size_bytes > self.limits.size_bytes:
            raise Invalid(
                Code.IMAGE_TOO_LARGE,
                _("the layers of {name} are together over the site's limit of {limit} or {entries} files"),
                hint=_("leave out what the board does not need, or ask an admin for a higher limit"),
                name=layer.name,
                limit=bytes_text(self.limits.size_bytes),
                entries=self.limits.entries,
            )

    @property
    def implied(self) -> list[bytes]:
        return sorted((self.parents | {b""}) - self.declared)


@dataclass(frozen=True, slots=True)
class _Platform:
    os: str
    arch: str
    variant: str

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os, self.arch, self.variant)))


def _convert(given: Archive | Folder, kind: str, cage: Cage) -> None:
    """Bring what was given to the layout ``/work/layout``, with one image called *it*."""
    words = ["skopeo", "--insecure-policy", "--tmpdir", "/work"]
    if kind == "docker-archive":
        images = _parsed(_text(given, "manifest.json", cage), given.name)
        if not isinstance(images, list) or not images:
            raise _broken(given.name, _("its manifest.json names no image"))
        if len(images) != 1:
            raise _several(given.name, len(images), "")
    elif platform := _only_platform(given, cage):
        words += ["--override-os", platform.os, "--override-arch", platform.arch]
        words += ["--override-variant", platform.variant] if platform.variant else []
    words += ["copy", "--quiet", "--dest-compress-format", "gzip", f"{kind}:/given", "oci:/work/layout:it"]
    _run(cage, given.name, words, _READ)


def _only_platform(given: Archive | Folder, cage: Cage) -> _Platform | None:
    """Of the one image that is in there; None where nothing is said of its platform."""
    images = _images(given, "index.json", cage)
    if len(images) == 1 and "index" in str(images[0].get("mediaType", "")):
        images = _images(given, f"blobs/sha256/{_hex(images[0], given.name)}", cage)
    # What was written down of how an image was made is listed beside it, for no platform.
    platforms = [_platform(one) for one in images]
    real = [one for one in platforms if one is None or one.os != "unknown"]
    if len(real) != 1:
        raise _several(given.name, len(real), ", ".join(str(one) for one in real if one))
    return real[0]


def _images(given: Archive | Folder, name: str, cage: Cage) -> list[dict[str, Any]]:
    return _objects(_parsed(_text(given, name, cage), given.name), "manifests", given.name)


def _platform(image: dict[str, Any]) -> _Platform | None:
    said = image.get("platform")
    if not isinstance(said, dict):
        return None
    return _Platform(
        *(re.sub(r"[^A-Za-z0-9_.-]", "", str(said.get(key, ""))) for key in ("os", "architecture", "variant"))
    )


def _text(given: Archive | Folder, name: str, cage: Cage) -> bytes:
    if isinstance(given, Folder):
        run = cage.run(["cat", f"/given/{name}"], _READ, subprocess.DEVNULL)
        text = run.out.read(_TEXT_BYTES)
        run.ended()
        return text
    with given.opened() as fd:
        words = ["tar", "--extract", "--to-stdout", *given.words, "--file=-", name, f"./{name}"]
        run = cage.run(words, (), fd)
        text = run.out.read(_TEXT_BYTES)
        run.ended()  # its status tells that one of the two spellings is not there
    return text


def _layers(made: TreeDir, name: str) -> Iterator[str]:
    """The digests of the layers in what was converted, from below."""
    images = _objects(_parsed(made.read("layout/index.json", _TEXT_BYTES), name), "manifests", name)
    for image in images:
        manifest = _parsed(made.read(f"layout/blobs/sha256/{_hex(image, name)}", _TEXT_BYTES), name)
        for layer in _objects(manifest, "layers", name):
            yield _hex(layer, name)


def _parsed(text: bytes | None, name: str) -> Any:
    try:
        return json.loads(text or b"")
    except (ValueError, RecursionError) as error:
        raise _broken(name, _("an index in it cannot be read")) from error


def _objects(said: Any, key: str, name: str) -> list[dict[str, Any]]:
    listed = said.get(key) if isinstance(said, dict) else None
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise _broken(name, _("an index in it says nothing of its {key}").format(key=key))
    return listed


def _hex(said: dict[str, Any], name: str) -> str:
    match = _DIGEST.fullmatch(str(said.get("digest", "")))
    if match is None:
        raise _broken(name, _("an index in it has something else than a digest"))
    return match[1]


def _run(cage: Cage, name: str, words: list[str], powers: tuple[str, ...], most: int | None = None) -> None:
    run = cage.run(words, powers, subprocess.DEVNULL, most)
    while run.out.read(_TEXT_BYTES):
        pass
    if run.ended():
        said = run.complaints.first()
        if "no space left" in said:
            raise Invalid(
                Code.IMAGE_TOO_LARGE,
                _("the layers of {name} are far larger, unpacked, than they look"),
                hint=_("import the joined tree as a tar archive"),
                name=name,
            )
        raise damaged(name) if is_damage(1, said) else _broken(name, said)


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int]:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def _size(fd: int) -> int:
    """Of a file, or of all files in a layout."""
    if not stat.S_ISDIR(os.fstat(fd).st_mode):
        return os.fstat(fd).st_size
    return sum(seen.st_size for _folders, _at, seen in walked(fd) if not stat.S_ISDIR(seen.st_mode))


def _several(name: str, count: int, platforms: str) -> Invalid:
    return Invalid(
        Code.ARCHIVE_REFUSED,
        _("{name} holds {count} images instead of one{platforms}"),
        hint=_("take one out: skopeo copy --override-arch arm docker://NAME oci-archive:FILE"),
        name=name,
        count=count,
        platforms=f" ({platforms})" if platforms else "",
    )


def _broken(name: str, said: str) -> Invalid:
    return Invalid(
        Code.ARCHIVE_REFUSED,
        _("the container image {name} could not be unpacked: {said}"),
        hint=_("see that it arrived whole, and that skopeo can copy it"),
        name=name,
        said=said or _("it is damaged"),
    )
