"""The programs of a small system: busybox under all its names, dropbear and the libraries it needs."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from boardgrid.bootware.packages import DebianPackages
from boardgrid.bootware.tree import Tree
from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault

# What Debian calls its library folder, and where each program looks for its loader: the part that grows with ports.
_TRIPLETS = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu", "armhf": "arm-linux-gnueabihf"}
_LOADERS = {
    "amd64": "lib64/ld-linux-x86-64.so.2",
    "arm64": "lib/ld-linux-aarch64.so.1",
    "armhf": "lib/ld-linux-armhf.so.3",
}
# Busybox holds its names sorted, one after the other, from these on; so they are known without running it.
_APPLETS = re.compile(rb"\0(\[\0\[\[\0(?:[a-z0-9_.-]{1,32}\0){50,})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Userland:
    """Unpacked packages of one architecture, by name."""

    arch: str
    packages: Mapping[str, Path]

    @staticmethod
    async def fetched(debian: DebianPackages) -> "Userland":
        """
        Raises:
            Fault: a package could not be had, or the farm knows no programs for this architecture.
        """
        if debian.arch not in _TRIPLETS:
            raise Fault(
                Code.NETBOOT_FAILED,
                _("boot files can be put together for {known}, not for {arch}"),
                known=", ".join(sorted(_TRIPLETS)),
                arch=debian.arch,
            )
        names = ("busybox-static", "openssh-sftp-server", *await debian.with_libraries("dropbear-bin"))
        return Userland(debian.arch, await debian.unpacked(names))

    def busybox(self, tree: Tree) -> None:
        """/bin/busybox, every other name of it as a link beside it, and /sbin/init."""
        program = self._file("bin/busybox")
        tree.file("bin/busybox", program, mode=0o755)
        for name in applets(program.read_bytes()):
            tree.link(f"bin/{name}", "busybox")
        tree.link("sbin/init", "../bin/busybox")

    def dropbear(self, tree: Tree) -> None:
        """SSH server, and the tool that makes its keys."""
        self.install(tree, {"sbin/dropbear": "usr/sbin/dropbear", "bin/dropbearkey": "usr/bin/dropbearkey"})
        tree.folder("etc/dropbear", mode=0o700)

    def sftp_server(self, tree: Tree) -> None:
        """What today's scp(1) and sftp(1) speak to, where dropbear looks for it."""
        self.install(tree, {"usr/lib/sftp-server": "usr/lib/openssh/sftp-server"})

    def install(self, tree: Tree, names: Mapping[str, str]) -> None:
        """Programs, with the libraries that they need: by their place in the tree, their place in their packages."""
        programs = {path: self._file(name) for path, name in names.items()}
        for path, program in programs.items():
            tree.file(path, program, mode=0o755)
        libraries = self._libraries()
        for name in needed(programs.values(), libraries):
            tree.file(f"lib/{_TRIPLETS[self.arch]}/{name}", libraries[name], mode=0o755)
        loader = _LOADERS[self.arch]
        tree.file(loader, libraries[Path(loader).name], mode=0o755)

    def _libraries(self) -> Mapping[str, Path]:
        found: dict[str, Path] = {}
        for package in self.packages.values():
            for folder in ("lib", f"lib/{_TRIPLETS[self.arch]}", f"usr/lib/{_TRIPLETS[self.arch]}"):
                for path in sorted((package / folder).glob("*.so*")):
                    if path.is_file() and not (path.is_symlink() and path.readlink().is_absolute()):
                        found.setdefault(path.name, path.resolve())
        return found

    def _file(self, path: str) -> Path:
        for package in self.packages.values():
            for place in (package / path, package / "usr" / path):  # Debian moved /bin into /usr between two releases
                if place.is_file():
                    return place
        raise Fault(Code.NETBOOT_FAILED, _("none of the fetched packages has /{path}"), path=path)


def applets(busybox: bytes) -> Sequence[str]:
    """
    The names that a busybox program answers to, read out of it.

    Raises:
        Fault: they are not where every busybox has them.
    """
    match = _APPLETS.search(busybox)
    names = match[1].decode().strip("\0").split("\0") if match else []
    if not {"init", "mount", "sh", "switch_root", "udhcpc"} <= set(names):
        raise Fault(Code.NETBOOT_FAILED, _("the fetched busybox does not list the programs that a board boots with"))
    return [name for name in names if name != "busybox"]


def needed(programs: Iterable[Path], libraries: Mapping[str, Path]) -> Sequence[str]:
    """The libraries that programs are linked with, and those that these need: each names them in its string table."""
    wanted: dict[str, None] = {}
    files = list(programs)
    for file in files:  # grows while it is walked
        content = file.read_bytes()
        for name, library in libraries.items():
            if name not in wanted and b"\0" + name.encode() + b"\0" in content and library != file:
                wanted[name] = None
                files.append(library)
    return list(wanted)
