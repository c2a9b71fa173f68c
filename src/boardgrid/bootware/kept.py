"""What was fetched of Debian is kept while there is room for it: what was not used for longest goes first."""

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import structlog

log = structlog.get_logger()

# Archives, their trees, what apt knows of a suite and architecture; and what a process left that was killed.
_THINGS = ("debs/*", "unpacked/*", "apt-*", "fetch-*", "gone-*")
_IN_USE_S = 2 * 3600.0  # so long whoever asked for a thing may still read it: longer than any system takes to be made


def used(*things: Path) -> None:
    """Note the time of use of those that are there."""
    for thing in things:
        with contextlib.suppress(FileNotFoundError):
            os.utime(thing)


def prune(cache: Path, most_bytes: int) -> None:
    """Leave no more than *most_bytes* below *cache*, but all that may be in use. Any number may do it at once."""
    now, things = time.time(), list[tuple[float, int, Path]]()
    for path in (path for pattern in _THINGS for path in cache.glob(pattern)):
        with contextlib.suppress(FileNotFoundError):  # another was quicker
            things.append((path.stat().st_mtime, _size(path), path))
    total, freed = sum(size for _used, size, _path in things), 0
    for when, size, path in sorted(things):
        if total - freed <= most_bytes or now - when < _IN_USE_S:
            break
        _remove(cache, path)
        freed += size
    if freed:
        log.info("packages.pruned", freed_bytes=freed, kept_bytes=total - freed)


def _size(thing: Path) -> int:
    return sum(path.lstat().st_blocks * 512 for path in _all(thing))


def _all(thing: Path) -> Iterator[Path]:
    yield thing
    for folder, folders, files in os.walk(thing):
        yield from (Path(folder) / name for name in (*folders, *files))


def _remove(cache: Path, thing: Path) -> None:
    """Whole at once, as others see it."""
    with tempfile.TemporaryDirectory(dir=cache, prefix="gone-") as folder, contextlib.suppress(FileNotFoundError):
        thing.rename(Path(folder) / thing.name)
