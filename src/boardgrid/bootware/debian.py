"""
Debian systems of any architecture, unpacked without running a program of theirs.

mmdebstrap puts the files where they belong, from packages that apt fetched before and checked. What dpkg would have
recorded of each package is written beside them, as "unpacked". So what is left for a board (``scripts/finish``) writes
little, where unpacking them there would write all of it over the network.
"""

import asyncio
import hashlib
import os
import shlex
import shutil
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from boardgrid.bootware import tarball
from boardgrid.bootware.dpkg import Package, check_apart, in_order, record
from boardgrid.bootware.packages import DebianPackages, check_size
from boardgrid.bootware.tree import Tree
from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault
from boardgrid.model.headroom import Allowance
from boardgrid.model.recipe import Recipe
from boardgrid.ports import Shell

log = structlog.get_logger()

# What every system of Debian's has that boots on a board of the farm: one logs in to it, and it finds its network up.
_ALWAYS = ("?essential", "apt", "usr-is-merged", "systemd-sysv", "udev", "iproute2", "netbase", "openssh-server")
_MERGED = "/usr/share/mmdebstrap/hooks/merged-usr/setup00.sh"  # /bin and the like are links into /usr
_HOME = "usr/lib/boardgrid"  # what is needed to finish it: it goes when that is done
_UNPACK_S = 1800.0


@dataclass(frozen=True, slots=True)
class DebianSystem:
    """Answers for recipes that begin with Debian. *debian* has their suite and architecture."""

    shell: Shell
    debian: DebianPackages

    async def write(self, recipe: Recipe, archive: Path, allowance: Allowance) -> None:
        """
        Write a recipe's system, unpacked, as a tar archive.

        Raises:
            Invalid: RECIPE_INVALID, Debian has no such package, or two of them do not go together here;
                IMAGE_TOO_LARGE.
            Fault: the packages could not be had, or not be unpacked; STORE_FULL.
        """
        arch = self.debian.arch
        flavour = recipe.flavour(arch)
        wanted = [*_ALWAYS, *([f"linux-image-{flavour}"] if flavour else ()), *recipe.packages]
        acts = await self.debian.acts(wanted)
        debs = await self.debian.archives([one.package for one in acts if not one.sets_up], allowance)
        packages = [await Package.of(self.shell, path) for path in debs.values()]
        check_apart(packages)
        check_size(sum(one.installed_bytes for one in packages), allowance)
        dated = await asyncio.to_thread(self.debian.dated)
        with tempfile.TemporaryDirectory(dir=archive.parent, prefix="debs-") as folder:
            await asyncio.to_thread(_lay_out, debs, Path(folder))
            await self._unpack(wanted, Path(folder), archive, dated)
        order = in_order(acts, {one.name: one for one in packages})
        await asyncio.to_thread(_complete, archive, packages, order, recipe, dated)
        log.info("system.unpacked", recipe=recipe.name, arch=arch, packages=len(packages))

    async def _unpack(self, wanted: Sequence[str], debs: Path, archive: Path, dated: int) -> None:
        # All that it needs is at hand, so it gets no network: what is unpacked is what was checked. And mounts of its
        # own, so that whoever clears away after it was killed finds none.
        hooks = (
            _MERGED,
            'mkdir -p "$1/var/cache/apt/archives"',
            f"sync-in {shlex.quote(str(self.debian.lists))} /var/lib/apt/lists",
            f"sync-in {shlex.quote(str(debs))} /var/cache/apt/archives",
        )
        await self.shell.run(
            *("env", f"TMPDIR={archive.parent}", f"SOURCE_DATE_EPOCH={dated}"),
            *("unshare", "--net", "--mount", "--propagation", "private"),
            *("mmdebstrap", "--quiet", "--mode=root", "--variant=extract", "--format=tar"),
            f"--architectures={self.debian.arch}",
            "--skip=update",
            *(f"--include={package}" for package in wanted),
            *(f"--setup-hook={hook}" for hook in hooks),
            *(await self.debian.release(), str(archive), await self.debian.source()),
            timeout_s=_UNPACK_S,
        )


def _lay_out(debs: Mapping[str, Path], folder: Path) -> None:
    """Under the names by which apt looks for them."""
    for name, path in debs.items():
        try:
            os.link(path, folder / name)
        except OSError:  # the cache is on another disk
            shutil.copyfile(path, folder / name)


def _complete(archive: Path, packages: Sequence[Package], order: str, recipe: Recipe, dated: int) -> None:
    tree = Tree()
    record(tree, packages, _sums(archive, {path for one in packages for path in one.conffiles}))
    tree.file("etc/hostname", f"{recipe.name}\n")  # mmdebstrap has both from this machine
    tree.file("etc/resolv.conf", "")
    tree.script(f"{_HOME}/finish", "finish")
    tree.file(f"{_HOME}/order", order)
    tree.file(f"{_HOME}/dated", f"{dated}\n")
    tree.file(f"{_HOME}/name", f"{recipe.name}\n")
    for number, script in enumerate(recipe.scripts):
        tree.file(f"{_HOME}/scripts/{number:02}-{script.name}", script.run, mode=0o755)
    put_files(tree, recipe)
    tarball.append(tree, archive)


def put_files(tree: Tree, recipe: Recipe) -> None:
    for one in recipe.files:
        tree.file(one.path.lstrip("/"), one.content, mode=one.mode, owner=(one.uid, one.gid))


def _sums(archive: Path, paths: set[str]) -> Mapping[str, str]:
    """MD5, which dpkg tells changed configuration by, of those of the *paths* that are files in the archive."""
    found = {}
    with tarfile.open(archive) as opened:
        for member in opened:
            path = member.name.removeprefix("./")
            if path in paths and member.isfile() and (file := opened.extractfile(member)):
                found[path] = hashlib.md5(file.read(), usedforsecurity=False).hexdigest()
    if missing := paths - set(found):
        log.info("system.conffiles_missing", paths=sorted(missing)[:5], number=len(missing))
    if not found and paths:
        raise Fault(Code.PROGRAM_FAILED, _("mmdebstrap wrote no files of Debian's packages"))
    return found
