"""Where recipes are prepared: a tree as a tar archive, put together from Debian's packages; nothing of it is run."""

import asyncio
import io
from dataclasses import dataclass
from pathlib import Path

from boardgrid.bootware import tarball
from boardgrid.bootware.debian import DebianSystem, put_files
from boardgrid.bootware.kernel import Kernel
from boardgrid.bootware.packages import DebianPackages
from boardgrid.bootware.tiny import tiny
from boardgrid.bootware.userland import Userland
from boardgrid.model.headroom import Allowance
from boardgrid.model.recipe import FLAVOURS, Recipe, System
from boardgrid.ports import Shell


@dataclass(frozen=True, slots=True)
class DebianKitchen:
    """Answers ``Kitchen``. What was fetched of Debian is kept below *cache*."""

    shell: Shell
    cache: Path

    async def prepare(self, recipe: Recipe, arch: str, archive: Path, allowance: Allowance) -> None:
        debian = DebianPackages(self.shell, self.cache, arch, recipe.suite)
        match recipe.system:
            case System.DEBIAN:
                await DebianSystem(self.shell, debian).write(recipe, archive, allowance)
            case System.TINY:
                userland = await Userland.fetched(debian)
                package = await debian.kernel(FLAVOURS[arch])
                kernel = Kernel.of((await debian.unpacked([package]))[package])
                await asyncio.to_thread(_write_tiny, userland, kernel, recipe, archive)


def _write_tiny(userland: Userland, kernel: Kernel, recipe: Recipe, archive: Path) -> None:
    tree = tiny(userland, kernel)
    put_files(tree, recipe)
    out = io.BytesIO()
    tarball.write(tree, out)
    archive.write_bytes(out.getvalue())
