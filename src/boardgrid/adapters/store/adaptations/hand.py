"""How adaptations change a tree: only what is not as it should be, and with an account of it."""

import stat
from collections.abc import Callable

from boardgrid.adapters.store.tree import TreeDir

CONFIG_BYTES = 256 << 10  # of a file that people write; a longer one is left as it is
_UNITS = ("etc/systemd/system", "lib/systemd/system", "usr/lib/systemd/system")
_NOWHERE = "/dev/null"


class Hand:
    """
    Works on an open tree.

    Args:
        timeless: what is written keeps the time of what was there, or gets that of the folder it lies in, and folders
            keep theirs: the digest of what is made of one archive or root must not depend on the day.
    """

    def __init__(self, tree: TreeDir, *, timeless: bool = False) -> None:
        self.tree, self._timeless = tree, timeless
        self.changed: dict[str, None] = {}  # what was changed, in order

    # --- looking

    def text(self, path: str) -> str | None:
        """A file that people write; None where there is none, or a longer one. Bytes that are no text stay such."""
        content = self.tree.read(path, CONFIG_BYTES + 1)
        if content is None or len(content) > CONFIG_BYTES:
            return None
        return content.decode("utf-8", "surrogateescape")

    def has_any(self, *paths: str) -> bool:
        return any(self.tree.is_file(path) for path in paths)

    def has_systemd(self) -> bool:
        return self.has_any("lib/systemd/systemd", "usr/lib/systemd/systemd")

    # --- changing

    def edit(self, path: str, change: Callable[[str], str]) -> None:
        """Change a file that is there."""
        before = self.text(path)
        if before is not None and (after := change(before)) != before:
            self._write(path, after, 0o644)

    def put(self, path: str, text: str, mode: int = 0o644) -> None:
        """See that this is in a file; folders above it come by themselves."""
        if self.tree.link(path) is not None or self.text(path) != text:
            self._write(path, text, mode)

    def point(self, path: str, target: str) -> None:
        """See that *path* is a link to *target*."""
        if self.tree.link(path) != target:
            self._changing(path, lambda: self.tree.make_link(path, target))

    def remove(self, path: str) -> None:
        if self.tree.is_there(path):
            self._changing(path, lambda: self.tree.remove(path), stays=False)

    def remove_full(self, path: str) -> None:
        """As above, but of a file that is empty already: it tells nothing, and an image may have it so."""
        seen = self.tree.look(path)
        if seen is None or not stat.S_ISREG(seen.st_mode) or seen.st_size or self.tree.link(path) is not None:
            self.remove(path)

    def empty(self, path: str) -> None:
        """Leave a file without content."""
        seen = self.tree.look(path)
        if seen is not None and seen.st_size:
            self._changing(path, lambda: self.tree.empty(path))

    def mask(self, *units: str) -> None:
        """Have systemd never start those of these units that the tree has."""
        for unit in units:
            if self.has_any(*(f"{folder}/{unit}" for folder in _UNITS)):
                self.point(f"etc/systemd/system/{unit}", _NOWHERE)

    def _write(self, path: str, text: str, mode: int) -> None:
        content = text.encode("utf-8", "surrogateescape")
        self._changing(path, lambda: self.tree.write(path, content, mode))

    def _changing(self, path: str, act: Callable[[], None], *, stays: bool = True) -> None:
        self.changed[path] = None
        folder = path.rpartition("/")[0]
        missing = self._missing(folder)
        above = missing[0].rpartition("/")[0] if missing else folder
        seen, before = self.tree.look(above or "."), self.tree.look(path)
        if folder:
            self.tree.make_folder(folder)
        act()
        if not self._timeless or seen is None:
            return
        if stays:
            self.tree.set_time(path, before.st_mtime_ns if before else seen.st_mtime_ns)
        for made in (*reversed(missing), above or "."):
            self.tree.set_folder_time(made, seen.st_mtime_ns)

    def _missing(self, folder: str) -> list[str]:
        """Those of the folders on the way to it that have to be made, the uppermost first."""
        parts = folder.split("/") if folder else []
        on_the_way = ["/".join(parts[: number + 1]) for number in range(len(parts))]
        return [one for one in on_the_way if not self.tree.is_folder(one)]
