"""What is there for good, also where the power fails at the next moment. These calls block: they belong in a thread."""

import os
from pathlib import Path


def write_down(path: Path) -> None:
    """Have the disk take a file's content, or which names a folder holds."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def append(file: Path, text: str) -> None:
    """Add to a file, be it there or not."""
    with file.open("a") as opened:
        if not opened.tell():  # its name lasts before anything is in it
            write_down(file.parent)
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())


def write_down_all(folder: Path) -> None:
    for entry in (folder, *folder.rglob("*")):
        write_down(entry)


def remove(file: Path) -> None:
    """Be it there or not."""
    file.unlink(missing_ok=True)
    write_down(file.parent)


def rename(folder: Path, to: Path) -> None:
    """At once: under either name it is whole, or not there. What gets a name in the store is written down before."""
    folder.rename(to)
    write_down(to.parent)
