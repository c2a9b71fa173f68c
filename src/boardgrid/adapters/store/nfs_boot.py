"""How each kernel of an image comes to a root on NFS; where it has no way of its own, the farm gives it one."""

import contextlib
import os
from collections.abc import Collection, Set
from dataclasses import dataclass, replace
from pathlib import Path

from boardgrid.adapters.store import initramfs
from boardgrid.adapters.store.kernel_config import config_of
from boardgrid.adapters.store.limits import shown
from boardgrid.adapters.store.modules import Modules, plain
from boardgrid.adapters.store.packed import UnreadableError
from boardgrid.adapters.store.tree import TreeDir
from boardgrid.messages import _
from boardgrid.model.image import Kernel, NfsBoot

BASE = "base.cpio"  # in a folder of the architecture: an initramfs but for its modules


@dataclass(frozen=True, slots=True)
class Judge:
    """
    Args:
        parts: a folder with ``<arch>/base.cpio``; None: the farm makes no initramfs.
        drivers: modules of network interfaces, beside those that the farm knows.
    """

    tree: TreeDir
    arch: str
    parts: Path | None = None
    drivers: Collection[str] = ()

    def judged(self, kernel: Kernel) -> tuple[Kernel, bytes | None]:
        """The kernel with its answer, and the initramfs that the farm made for it, if it had to."""
        modules = Modules.of(self.tree, kernel.release)
        drivers = tuple(map(plain, self.drivers))
        config = config_of(self.tree, kernel.release, kernel.image)
        is_built_in, why_not_built_in = self._built_in(config, modules, drivers)
        can_own, told = self._own(kernel, modules, drivers)
        if can_own:
            return replace(kernel, nfs=NfsBoot.OWN, why=told), None
        if is_built_in and can_own is not None:
            # An initramfs that knows no NFS would get in its way: it looks for a disk.
            return replace(kernel, nfs=NfsBoot.BUILTIN, why=_("NFS root is built into it")), None
        reasons = [why_not_built_in, told]
        if can_own is not None:
            made = self._made(modules, drivers)
            if isinstance(made, bytes):
                why = _("the farm made an initramfs of the image's own modules")
                return replace(kernel, nfs=NfsBoot.FARM, why=why), made
            reasons.append(made)
        is_sure = is_built_in is not None and can_own is not None
        nfs = NfsBoot.NO if is_sure else NfsBoot.UNKNOWN
        return replace(kernel, nfs=nfs, why="; ".join(reason for reason in reasons if reason)), None

    def for_brought(self, release: str, config: Set[str] | None) -> bytes | None:
        """
        An initramfs for a kernel that lies elsewhere and whose modules are in the tree.

        None: NFS root is built into it, or there can be none.

        Args:
            config: what is built into it; None: nothing tells.
        """
        modules, drivers = Modules.of(self.tree, release), tuple(map(plain, self.drivers))
        is_built_in, _why = self._built_in(config, modules, drivers)
        made = None if is_built_in else self._made(modules, drivers)
        return made if isinstance(made, bytes) else None

    def _built_in(self, config: Set[str] | None, modules: Modules, drivers: tuple[str, ...]) -> tuple[bool | None, str]:
        if config is None:
            is_module = "nfs" in modules.there or (modules.built_in is not None and not modules.has_built_in("nfs"))
            if is_module:
                return False, _("NFS root is not built into it")
            return None, _("nothing tells what is built into it")
        if not {"ROOT_NFS", "IP_PNP"} <= config:
            return False, _("NFS root is not built into it")
        if modules.built_in is not None and not modules.has_interface_built_in(drivers):
            return False, _("no network driver is built into it")
        return True, ""

    def _own(self, kernel: Kernel, modules: Modules, drivers: tuple[str, ...]) -> tuple[bool | None, str]:
        if not kernel.initrd:
            return False, _("it has no initramfs")
        name = shown(os.fsencode(kernel.initrd))
        try:
            with self.tree.file(kernel.initrd) as fd:
                seen = initramfs.content_of(fd)
        except (UnreadableError, OSError):
            return None, _("its initramfs {name} cannot be read").format(name=name)
        if not seen.maker and seen.has_nfs:
            return None, _("its initramfs {name} may mount NFS roots, in a way that the farm does not know").format(
                name=name
            )
        if not seen.maker:
            return False, _("its initramfs {name} mounts no NFS root").format(name=name)
        if not seen.has_nfs and modules.built_in is not None and not modules.has_built_in("nfs"):
            return False, _("its initramfs {name} has no NFS module").format(name=name)
        is_there = seen.has_interface or modules.built_in is None or modules.has_interface_built_in(drivers)
        if not is_there:
            return False, _("its initramfs {name} has no network driver").format(name=name)
        return True, _("its initramfs {name} mounts NFS roots ({maker})").format(name=name, maker=seen.maker)

    def _made(self, modules: Modules, drivers: tuple[str, ...]) -> bytes | str:
        """An initramfs, or why there can be none."""
        if not modules.there and modules.built_in is None:
            return _("the image has no modules for it")
        if "nfs" not in modules.there and not modules.has_built_in("nfs"):
            return _("the image has no NFS module for it")
        if not modules.has_interface(drivers) and not modules.has_interface_built_in(drivers):
            return _("the image has no network driver for it that the farm knows: a board type may name one")
        base = None
        if self.parts is not None and self.arch.isalnum():
            with contextlib.suppress(OSError):
                base = (self.parts / self.arch / BASE).read_bytes()
        if base is None:
            return _("the site has no boot parts for {arch}").format(arch=self.arch or "?")
        try:
            return initramfs.made(base, modules.for_nfs(self.tree, drivers))
        except (UnreadableError, OSError):
            return _("a module of the image cannot be read")
