"""A tree of files that exists only in words until it is written as an archive, so that making it needs no root."""

import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path, PurePosixPath

# One time for every file, so that the same packages always give the same bytes; and no board without a clock of its
# own finds itself before the files it boots from were made.
MTIME = 1_704_067_200  # 2024-01-01


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, folder, link or device. All belong to root where nothing else is said."""

    path: str  # without a slash in front
    mode: int  # type and permissions, as st_mode has them
    content: bytes | Path = b""  # of a file; a path is read when it is written out
    target: str = ""  # of a symbolic link
    device: tuple[int, int] = (0, 0)  # major and minor
    owner: tuple[int, int] = (0, 0)  # user and group

    def read(self) -> bytes:
        return self.content.read_bytes() if isinstance(self.content, Path) else self.content


@dataclass(slots=True)
class Tree:
    """What is put into it last wins. Folders above a thing come by themselves."""

    _entries: dict[str, Entry] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Entry]:
        """In an order in which each folder comes before what it holds."""
        return iter(sorted(self._entries.values(), key=lambda entry: PurePosixPath(entry.path).parts))

    def __contains__(self, path: str) -> bool:
        return path in self._entries

    def folder(self, path: str, mode: int = 0o755) -> None:
        self._put(Entry(path, stat.S_IFDIR | mode))

    def file(self, path: str, content: bytes | str | Path, mode: int = 0o644, owner: tuple[int, int] = (0, 0)) -> None:
        text = content.encode() if isinstance(content, str) else content
        self._put(Entry(path, stat.S_IFREG | mode, text, owner=owner))

    def link(self, path: str, target: str) -> None:
        self._put(Entry(path, stat.S_IFLNK | 0o777, target=target))

    def character_device(self, path: str, major: int, minor: int, mode: int = 0o600) -> None:
        self._put(Entry(path, stat.S_IFCHR | mode, device=(major, minor)))

    def script(self, path: str, name: str) -> None:
        """One of this package's own scripts."""
        self.file(path, (files(__package__) / "scripts" / name).read_text("utf-8"), mode=0o755)

    def _put(self, entry: Entry) -> None:
        for parent in PurePosixPath(entry.path).parents:
            if str(parent) != "." and str(parent) not in self._entries:
                self._entries[str(parent)] = Entry(str(parent), stat.S_IFDIR | 0o755)
        self._entries[entry.path] = entry
