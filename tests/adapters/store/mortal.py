"""
An agent that is killed: a program for the tests, which cannot kill themselves.

    python -m tests.adapters.store.mortal STORE IMPORTS LOCK WORK DIE_AT WORDS...

WORK is clone ROOT IMAGE, personalise ROOT, build IMAGE PATH [BOOT_PARTS], keep IMAGE ROOT, verify IMAGE ERRAND, export
IMAGE ERRAND, or remove ROOT. It ends itself by SIGKILL before (``3-``) or after (``3+``) its third program; with ``0``
it lives. Its programs inherit a lock on the file LOCK.
"""

import asyncio
import fcntl
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from boardgrid.adapters.shell import SubprocessShell
from boardgrid.model.errand import About
from boardgrid.model.image import PathSource, RootSource
from tests.adapters.store.bench import MIB, Bench, a_persona


@dataclass
class MortalShell:
    """Runs programs, up to a point."""

    inner: SubprocessShell
    die_at: str
    ran: int = 0

    async def run(self, *argv: str, timeout_s: float = 30, stdin: bytes = b"") -> str:
        self.ran += 1
        if self.die_at == f"{self.ran}-":
            os.kill(os.getpid(), signal.SIGKILL)
        said = await self.inner.run(*argv, timeout_s=timeout_s, stdin=stdin)
        if self.die_at == f"{self.ran}+":
            os.kill(os.getpid(), signal.SIGKILL)
        return said


async def work(bench: Bench, what: str, words: list[str]) -> None:
    match what:
        case "clone":
            await bench.roots.clone(UUID(words[0]), UUID(words[1]), 64 * MIB)
        case "personalise":
            await bench.roots.personalise(UUID(words[0]), a_persona())
        case "build":
            await bench.images.build(UUID(words[0]), PathSource(words[1]))
        case "keep":
            await bench.images.build(UUID(words[0]), RootSource(UUID(words[1])))
        case "verify":
            await bench.images.verify(UUID(words[0]), UUID(words[1]))
        case "export":
            await bench.images.export(UUID(words[0]), UUID(words[1]), About("tiny", 1, {}, (), ()))
        case _:
            await bench.roots.remove(UUID(words[0]))


def main() -> None:
    store, imports, lock, what, die_at, *words = sys.argv[1:]
    held = os.open(lock, os.O_RDWR | os.O_CREAT)
    fcntl.flock(held, fcntl.LOCK_EX)
    shell = MortalShell(SubprocessShell(inherit=(held,)), die_at)
    parts = Path(words[2]) if len(words) > 2 else None
    asyncio.run(work(Bench(Path(store), Path(imports), shell, boot_parts=parts), what, words))


if __name__ == "__main__":
    main()
