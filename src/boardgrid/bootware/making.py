"""From packages to files that boards boot. Each is written beside and renamed: it is there whole, or not at all."""

import asyncio
import io
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import structlog

from boardgrid.bootware import disk_reader, initramfs, tarball
from boardgrid.bootware.kernel import NETWORK_MODULES, Kernel
from boardgrid.bootware.packages import DebianPackages
from boardgrid.bootware.tiny import tiny
from boardgrid.bootware.userland import Userland
from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault
from boardgrid.model.recipe import FLAVOURS

log = structlog.get_logger()

# The GRUB that UEFI firmware fetches over the network: its package, and where it lies there.
_GRUBS = {
    "amd64": ("grub-efi-amd64-signed", "usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed"),
    "arm64": ("grub-efi-arm64-signed", "usr/lib/grub/arm64-efi-signed/grubnetaa64.efi.signed"),
}


@dataclass(frozen=True, slots=True)
class Workshop:
    """Makes boot files for one architecture, with one of Debian's kernels for it."""

    debian: DebianPackages
    flavour: str = ""  # of the kernel; empty: the architecture's usual one
    drivers: Sequence[str] = ()  # modules of real network cards

    async def write_tiny(self, out: Path) -> None:
        """
        The tiny image as a tar archive; the same packages give the same bytes.

        Raises:
            Fault: Debian's packages could not be had.
        """
        userland, kernel = await self._parts()
        await asyncio.to_thread(_write_tiny, userland, kernel, self._modules, out)
        log.info("tiny.written", path=str(out), kernel=kernel.release)

    async def write_holding(self, folder: Path, agent_key: str, fdts: Sequence[str] = ()) -> None:
        """
        The holding system: ``<arch>/vmlinuz`` and ``<arch>/initrd``, named device trees in ``<arch>/dtbs/``, and for
        UEFI boards ``<arch>/grubnet*.efi``. Beside it ``<arch>/base.cpio``, of which initramfs are made for images.

        For armhf also ``disk-reader``, an initramfs with which the agent boots that kernel to read disk images.

        Raises:
            Fault: Debian's packages could not be had, or have no such device tree.
        """
        userland, kernel = await self._parts()
        into = folder / self.debian.arch
        if grub := await self._grub():
            await asyncio.to_thread(_write, into / grub.stem, grub.read_bytes())
        initrd = await asyncio.to_thread(initramfs.holding, userland, kernel, agent_key, self._modules)
        await asyncio.to_thread(_write_holding, kernel, initrd, into, fdts)
        await asyncio.to_thread(_write, into / "base.cpio", initramfs.base(userland))
        if self.debian.arch == disk_reader.ARCH:
            reader = disk_reader.disk_reader(await disk_reader.programs(self.debian), kernel)
            await asyncio.to_thread(_write, into / "disk-reader", reader)
        log.info("holding.written", path=str(into), kernel=kernel.release)

    @property
    def _modules(self) -> Sequence[str]:
        return (*self.drivers, *NETWORK_MODULES)

    async def _grub(self) -> Path | None:
        if self.debian.arch not in _GRUBS:
            return None
        package, path = _GRUBS[self.debian.arch]
        return (await self.debian.unpacked([package]))[package] / path

    async def _parts(self) -> tuple[Userland, Kernel]:
        userland = await Userland.fetched(self.debian)
        flavour = self.flavour or FLAVOURS.get(self.debian.arch, self.debian.arch)
        package = await self.debian.kernel(flavour)
        return userland, Kernel.of((await self.debian.unpacked([package]))[package])


def _write_tiny(userland: Userland, kernel: Kernel, modules: Sequence[str], out: Path) -> None:
    archive = io.BytesIO()
    tarball.write(tiny(userland, kernel, modules), archive)
    _write(out, archive.getvalue())


def _write_holding(kernel: Kernel, initrd: bytes, folder: Path, fdts: Sequence[str]) -> None:
    for fdt in fdts:
        path = PurePosixPath(fdt)
        if path.is_absolute() or ".." in path.parts or not (kernel.dtbs / path).is_file():
            raise Fault(
                Code.NETBOOT_FAILED,
                _("kernel {release} has no device tree {fdt}"),
                hint=_("a name looks like this: tegra124-jetson-tk1.dtb"),
                release=kernel.release,
                fdt=fdt,
            )
        _write(folder / "dtbs" / path, (kernel.dtbs / path).read_bytes())
    _write(folder / "initrd", initrd)
    _write(folder / "vmlinuz", kernel.image.read_bytes())


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    number, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        Path(beside).rename(path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
