"""What another farm exported: a tar archive of ``manifest.json`` and ``tree.tar.zst``, see ``packing``."""

import contextlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from tarfile import TarError, TarInfo
from typing import Any

from boardgrid.adapters.store.cage import run_bounded
from boardgrid.messages import _
from boardgrid.model.adaptation import Adapted, adaptations, may_be_left_out
from boardgrid.model.errand import About
from boardgrid.model.errors import Code, Invalid
from boardgrid.model.image import Manifest, checked_labels

MANIFEST, TREE = "manifest.json", "tree.tar.zst"
FORMAT = "boardgrid-image-1"

_BLOCK = 512
# The same for what is told here and what is taken from others.
_MANIFEST_MOST = 64 << 10
_WORDS_MOST, _LINE_MOST = 20, 300
_VERSIONS = 1 << 63
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Told:
    """
    What the manifest tells. Anybody can write one: its digest is held against the tree, and nothing that keeps the farm
    or others safe hangs on the rest.
    """

    digest: str
    about: About
    adapted: tuple[Adapted, ...] | None  # as far as this farm knows them; None: it does not tell
    without: tuple[str, ...]  # as far as this farm knows them, and they may be left out


@dataclass(frozen=True, slots=True)
class Exported:
    """The tree in an export, as a tar stream, and what is told of it."""

    fd: int
    name: str
    told: Told
    offset: int
    size_bytes: int
    words: tuple[str, ...] = ("--zstd",)

    @contextlib.contextmanager
    def opened(self) -> Iterator[int]:
        # What lies behind the tree is no part of it, and zstd would take it for damage.
        dd = ["dd", f"if=/proc/self/fd/{self.fd}", "bs=1M", "iflag=skip_bytes,count_bytes,fullblock", "status=none"]
        run = run_bounded([*dd, f"skip={self.offset}", f"count={self.size_bytes}"], (), keep=(self.fd,))
        try:
            yield run.out.fileno()
        finally:
            run.ended()


def manifest_of(about: About, manifest: Manifest) -> dict[str, Any]:
    """What is told of an image that is exported, no more of it than an import takes."""
    about = replace(about, types=about.types[:_WORDS_MOST], lineage=about.lineage[:_WORDS_MOST])
    told = replace(
        manifest,
        about=None,
        kernels=manifest.kernels[:_WORDS_MOST],
        modules=manifest.modules[:_WORDS_MOST],
        adapted=tuple(replace(one, detail=one.detail[:_LINE_MOST]) for one in manifest.adapted),
    )
    return {"format": FORMAT, **asdict(about), "manifest": asdict(told)}


def exported_in(fd: int, name: str) -> Exported | None:
    """
    What was exported, if that is what a file is.

    Raises:
        Invalid: ARCHIVE_REFUSED, it is cut off, or another release's.
    """
    if (first := _member(fd, 0)) is None or first.name != MANIFEST or not 0 <= first.size <= _MANIFEST_MOST:
        return None
    second_at = _BLOCK + first.size + -first.size % _BLOCK
    second = _member(fd, second_at)
    if second is None or second.name != TREE:
        if _is_ours(os.pread(fd, first.size, _BLOCK)):
            raise Invalid(
                Code.ARCHIVE_REFUSED,
                _("{name} is an export without its {tree}, and so there is nothing to import"),
                hint=_("export or copy it anew"),
                name=name,
                tree=TREE,
            )
        return None
    told = _told(os.pread(fd, first.size, _BLOCK), name)
    begins = second_at + _BLOCK
    if not 0 <= second.size <= os.fstat(fd).st_size - begins:  # base-256 numbers may be below zero
        raise Invalid(
            Code.ARCHIVE_REFUSED, _("{name} is an export that is cut off"), hint=_("export or copy it anew"), name=name
        )
    return Exported(fd, name, told, begins, second.size)


def _member(fd: int, at: int) -> TarInfo | None:
    try:
        return TarInfo.frombuf(os.pread(fd, _BLOCK, at), "utf-8", "surrogateescape")
    except TarError:
        return None


def _is_ours(manifest: bytes) -> bool:
    """What docker saves begins with a file of that name too."""
    try:
        said: Any = json.loads(manifest)
    except (ValueError, RecursionError):
        return False
    return isinstance(said, dict) and said.get("format") == FORMAT


def _told(manifest: bytes, name: str) -> Told:
    try:
        said: Any = json.loads(manifest)
        if said["format"] != FORMAT:
            raise ValueError(said["format"])
        facts = said["manifest"]
        return Told(
            _digest(facts["digest"]),
            About(
                _line(said.get("name", "?")),
                _version(said.get("version", 0)),
                checked_labels(dict(said.get("labels", {}))),
                _once(said.get("types", ())),
                tuple(map(_line, _few(said.get("lineage", ())))),
            ),
            None if facts.get("adapted") is None else _adapted(_few(facts["adapted"])),
            tuple(one for one in _once(facts.get("without", ())) if one in may_be_left_out()),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError, Invalid) as error:
        raise Invalid(
            Code.ARCHIVE_REFUSED,
            _("{name} is an export whose manifest cannot be read: it is damaged, or of a farm of another release"),
            hint=_("export or copy it anew; or unpack it by hand, and import its {tree}"),
            name=name,
            tree=TREE,
        ) from error


def _digest(said: Any) -> str:
    if not _DIGEST.fullmatch(said):
        raise ValueError("no digest")
    return str(said)


def _version(said: Any) -> int:
    if not isinstance(said, int) or not 0 <= said < _VERSIONS:
        raise ValueError("no version")
    return said


def _adapted(said: list[Any]) -> tuple[Adapted, ...]:
    _once([one["name"] for one in said])
    known = {one.name for one in adaptations()}
    return tuple(Adapted(one["name"], _line(one["detail"])) for one in said if one["name"] in known)


def _once(said: Any) -> tuple[str, ...]:
    names = tuple(map(_line, _few(said)))
    if len(set(names)) < len(names):
        raise ValueError("a name stands there twice")
    return names


def _few(said: Any) -> list[Any]:
    if not isinstance(said, list | tuple) or len(said) > _WORDS_MOST:
        raise ValueError("no list, or one that is too long")
    return list(said)


def _line(said: Any) -> str:
    if not isinstance(said, str) or not said.isprintable() or len(said) > _LINE_MOST:
        raise ValueError("no line of text")
    return said
