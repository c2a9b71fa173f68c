"""
An agent that is killed: a program for the tests, which cannot kill themselves.

    python -m tests.adapters.store.mortal STORE IMPORTS LOCK WORK DIE_AT WORDS...

WORK is clone ROOT IMAGE, personalise ROOT, build IMAGE PATH [BOOT_PARTS], keep IMAGE ROOT, checkpoint IMAGE ROOT,
verify IMAGE ERRAND, export IMAGE ERRAND, discard IMAGE, volume VOLUME BYTES, or remove ROOT. It ends itself by SIGKILL
before (``3-``) or after (``3+``) its third program, before the third change that it makes to the store by itself
(``agent@3``), or with one of the store's programs, which ends before its third change (``making@3``). With ``0`` it
lives. Its programs inherit a lock on the file LOCK.
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
from boardgrid.model.errors import Fault
from boardgrid.model.image import CheckpointSource, PathSource, RootSource
from tests.adapters.store.bench import MIB, Bench, a_persona
from tests.adapters.store.doomed import ENDED, doom


@dataclass
class MortalShell:
    """Runs programs, up to a point."""

    inner: SubprocessShell
    die_at: str
    store: str
    ran: int = 0

    async def run(self, *argv: str, timeout_s: float = 30, stdin: bytes = b"") -> str:
        self.ran += 1
        if self.die_at == f"{self.ran}-":
            os.kill(os.getpid(), signal.SIGKILL)
        program, _at, number = self.die_at.partition("@")
        if number and argv[-1].endswith(f".store.{program}"):
            argv = (*argv[:-3], "-m", "tests.adapters.store.doomed", number, self.store, argv[-1])
        try:
            said = await self.inner.run(*argv, timeout_s=timeout_s, stdin=stdin)
        except Fault as error:
            if f"status {ENDED}" in str(error):
                os.kill(os.getpid(), signal.SIGKILL)
            raise
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
        case "checkpoint":
            await bench.images.build(UUID(words[0]), CheckpointSource(UUID(words[1])))
        case "verify":
            await bench.images.verify(UUID(words[0]), UUID(words[1]))
        case "export":
            await bench.images.export(UUID(words[0]), UUID(words[1]), About("tiny", 1, {}, (), ()))
        case "discard":
            await bench.images.remove(UUID(words[0]))
        case "volume":
            await bench.volumes.make(UUID(words[0]), int(words[1]))
        case _:
            await bench.roots.remove(UUID(words[0]))


def live(store: str, imports: str, lock: str, what: str, die_at: str, *words: str) -> None:
    held = os.open(lock, os.O_RDWR | os.O_CREAT)
    fcntl.flock(held, fcntl.LOCK_EX)
    shell = MortalShell(SubprocessShell(inherit=(held,)), die_at, store)
    parts = Path(words[2]) if len(words) > 2 else None
    bench = Bench(Path(store), Path(imports), shell, boot_parts=parts)
    if die_at.startswith("agent@"):
        doom(int(die_at.removeprefix("agent@")), store, any_thread=True)
    asyncio.run(work(bench, what, list(words)))


if __name__ == "__main__":
    live(*sys.argv[1:])
