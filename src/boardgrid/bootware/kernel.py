"""A kernel package of Debian: its kernel, and of its modules those that a board needs to reach its root."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault

# What a board must have to mount its root over the network; parts that are built into a kernel are passed over.
NETWORK_MODULES = ("virtio_mmio", "virtio_pci", "virtio_net", "virtio_rng", "af_packet", "nfs", "nfsv3")

_DEPENDS = re.compile(rb"\0depends=([^\0]*)\0")


@dataclass(frozen=True, slots=True)
class Kernel:
    """An unpacked ``linux-image`` package."""

    package: Path
    release: str

    @staticmethod
    def of(package: Path) -> "Kernel":
        """
        Raises:
            Fault: it is not a kernel package as Debian makes them.
        """
        releases = [path.name.removeprefix("vmlinuz-") for path in package.glob("boot/vmlinuz-*")]
        if len(releases) != 1:
            raise Fault(
                Code.NETBOOT_FAILED,
                _("{package} holds {number} kernels instead of one"),
                package=package,
                number=len(releases),
            )
        return Kernel(package, releases[0])

    @property
    def image(self) -> Path:
        return self.package / "boot" / f"vmlinuz-{self.release}"

    @property
    def dtbs(self) -> Path:
        return self.package / "usr/lib" / f"linux-image-{self.release}"

    @property
    def _modules(self) -> Path:
        # Debian moved /lib into /usr between two releases.
        places = (self.package / top / "modules" / self.release for top in ("lib", "usr/lib"))
        return next((place for place in places if place.is_dir()), self.package / "lib/modules" / self.release)

    def modules(self, names: Iterable[str]) -> Mapping[str, Path]:
        """
        The named modules and all they need, by path below ``lib/modules/<release>/``, each after what it needs.

        Raises:
            Fault: this kernel has no such module.
        """
        there = {_name(path): path for path in sorted((self._modules / "kernel").rglob("*.ko"))}
        built_in = {_name(Path(line)) for line in (self._modules / "modules.builtin").read_text().split()}
        chosen: dict[str, Path] = {}

        def choose(name: str) -> None:
            if name in built_in:
                return
            if name not in there:
                raise Fault(
                    Code.NETBOOT_FAILED,
                    _("kernel {release} has no module {name}"),
                    release=self.release,
                    name=name,
                )
            if there[name] not in chosen.values():
                for needed in dependencies(there[name]):
                    choose(needed)
                chosen[str(there[name].relative_to(self._modules))] = there[name]

        for name in names:
            choose(name)
        return chosen

    def tables(self, chosen: Mapping[str, Path]) -> Mapping[str, str]:
        """The files that modprobe looks into, for the chosen modules alone; as depmod would write them."""
        needs: dict[str, set[str]] = {}
        lines = []
        for path, file in chosen.items():  # each after what it needs, so that is known already
            direct = {name for name in dependencies(file) if name in needs}
            needs[_name(file)] = direct.union(*(needs[name] for name in direct))
            # modprobe loads the last first.
            needed = [other for other, its in chosen.items() if _name(its) in needs[_name(file)]]
            lines.append(f"{path}: {' '.join(reversed(needed))}".rstrip() + "\n")
        kept = {name: (self._modules / name).read_text() for name in ("modules.builtin", "modules.order")}
        return {"modules.dep": "".join(lines), **kept}


def dependencies(module: Path) -> tuple[str, ...]:
    """The names of the modules that one needs, as its own file tells."""
    match = _DEPENDS.search(module.read_bytes())
    return tuple(name.replace("-", "_") for name in match[1].decode().split(",") if name) if match else ()


def _name(module: Path) -> str:
    return module.name.removesuffix(".ko").replace("-", "_")
