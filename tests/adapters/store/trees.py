"""Trees and archives for the tests: honest ones and others."""

import io
import os
import stat
import subprocess
import tarfile
from pathlib import Path
from typing import Any

ARM_ELF = (
    b"\x7fELF\x01\x01\x01"
    + bytes(9)
    + b"\x02\x00\x28\x00\x01\x00\x00\x00"
    + bytes(12)
    + b"\x00\x04\x00\x05"
    + bytes(24)
)
RELEASE = "6.1.0-50-armmp"
CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")
ACL = "u:1234:rx"


def a_tree(at: Path) -> Path:
    """A small root file system with a kernel; nothing in it needs root to be made."""
    for folder in (
        "bin",
        "etc/ssh",
        "root",
        "boot",
        "usr/lib",
        f"lib/modules/{RELEASE}",
        f"usr/lib/linux-image-{RELEASE}",
    ):
        (at / folder).mkdir(parents=True, exist_ok=True)
    (at / "bin" / "busybox").write_bytes(ARM_ELF)
    (at / "bin" / "sh").symlink_to("busybox")
    (at / "etc" / "os-release").write_text('NAME=Tiny\nPRETTY_NAME="Tiny 1"\n')
    (at / "etc" / "hostname").write_text("tiny\n")
    (at / "boot" / f"vmlinuz-{RELEASE}").write_bytes(b"kernel")
    (at / "boot" / f"initrd.img-{RELEASE}").write_bytes(b"initrd")
    (at / f"usr/lib/linux-image-{RELEASE}" / "tegra124-jetson-tk1.dtb").write_bytes(b"dtb")
    return at


def a_root_file_system(at: Path) -> Path:
    """All that a real root file system has and that archives lose easily; root alone can make it."""
    tree = a_tree(at)
    (tree / "bin" / "su").write_bytes(b"#!")
    (tree / "bin" / "su").chmod(0o4755)
    (tree / "bin" / "ping").write_bytes(b"#!")
    os.setxattr(tree / "bin" / "ping", "security.capability", CAPABILITY)
    os.setxattr(tree / "bin" / "ping", "trusted.overlay.opaque", b"y")
    (tree / "bin" / "ping4").hardlink_to(tree / "bin" / "ping")
    (tree / "dev").mkdir()
    os.mknod(tree / "dev" / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(tree / "dev" / "sda", stat.S_IFBLK | 0o660, os.makedev(8, 0))
    os.mkfifo(tree / "dev" / "initctl")
    (tree / "srv").mkdir(mode=0o2775)
    os.chown(tree / "srv", 100_000, 70_000)
    os.setxattr(tree / "srv", "user.note", b"value")
    (tree / "mtab").symlink_to("/proc/mounts")
    (tree / "up").symlink_to("../../outside")
    with (tree / "sparse").open("wb") as file:
        file.truncate(3 << 20)
        file.write(b"begin")
    (tree / "näme \n\udcff").write_text("odd")
    os.utime(tree / "bin" / "su", ns=(0, 1_234_567_890_123_456_789))
    subprocess.run(["setfacl", "--modify", ACL, str(tree / "srv")], check=True)
    subprocess.run(["setfacl", "--default", "--modify", ACL, str(tree / "srv")], check=True)
    return tree


def a_nasty_tree(at: Path) -> Path:
    """The same, and what no sane system has and a tree may hold all the same."""
    tree = a_root_file_system(at)
    odd = tree / "odd"
    odd.mkdir(mode=0o1777)
    for name in ("-rf", "a b", "back\\slash", 'quo"te', "tab\t", "n" * 254, "\x01\x7f", ".hidden", "=", "*"):
        (odd / name).write_text(name)
    os.mkfifo(odd / "pipe", 0o600)
    os.mknod(odd / "large", stat.S_IFCHR | 0o600, os.makedev(4095, 1_048_575))
    (odd / "dangling").symlink_to("x" * 200)
    os.link(odd / "dangling", odd / "dangling too", follow_symlinks=False)
    os.chown(odd / "dangling", 4_000_000_000, 4_000_000_001, follow_symlinks=False)
    (odd / "deep" / "er" / "and" / "deeper").mkdir(parents=True)
    (odd / "suid").write_bytes(b"#!")
    os.chown(odd / "suid", 65_536, 65_537)
    (odd / "suid").chmod(0o6711)
    os.setxattr(odd / "suid", "security.capability", CAPABILITY)
    os.setxattr(odd / "suid", "user.empty", b"")
    os.setxattr(odd / "suid", "user.large", bytes(range(256)) * 8)
    (odd / "nothing").touch(0o000)
    with (odd / "holes").open("wb") as file:
        for at_ in (0, 5 << 20, 9 << 20):
            file.seek(at_)
            file.write(b"island")
        file.truncate(12 << 20)
    for nanosecond, name in enumerate(("-rf", "a b", "suid", "pipe", "deep"), 1):
        os.utime(odd / name, ns=(0, 946_684_800_000_000_000 + nanosecond))
    os.utime(odd / "dangling", ns=(0, 1_999_999_999_999_999_999), follow_symlinks=False)
    os.utime(odd / "nothing", ns=(0, 0))
    os.utime(odd, ns=(0, 1_234_567_890_000_000_007))
    return tree


def a_deep_folder(at: Path, depth: int) -> None:
    """Deeper than any path can name."""
    at.mkdir()
    here = os.open(at, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


def packed(tree: Path, archive: Path, mode: str = "w") -> Path:
    with tarfile.open(archive, mode) as tar:  # type: ignore[call-overload] # the mode is a test's word
        tar.add(tree, ".")
    return archive


class Archive:
    """An archive, member by member, however wrong."""

    def __init__(self) -> None:
        self._buffer = io.BytesIO()
        self._tar = tarfile.open(fileobj=self._buffer, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115
        self.folder(".")

    def file(self, name: str, content: bytes = b"", **changes: Any) -> "Archive":
        return self._add(name, content, **{"mode": 0o644, **changes})

    def folder(self, name: str, **changes: Any) -> "Archive":
        return self._add(name, type=tarfile.DIRTYPE, **{"mode": 0o755, **changes})

    def link(self, name: str, target: str) -> "Archive":
        return self._add(name, type=tarfile.SYMTYPE, linkname=target, mode=0o777)

    def hard_link(self, name: str, target: str) -> "Archive":
        return self._add(name, type=tarfile.LNKTYPE, linkname=target)

    def device(self, name: str, major: int, minor: int, kind: bytes = tarfile.CHRTYPE) -> "Archive":
        return self._add(name, type=kind, devmajor=major, devminor=minor, mode=0o600)

    def special(self, name: str, kind: bytes) -> "Archive":
        return self._add(name, type=kind, mode=0o644)

    def sparse(self, name: str, real: str, holes: str, content: bytes, tells: int) -> "Archive":
        """GNU's form 1.0: the map of its holes comes first in what is stored."""
        padded = holes.encode().ljust(512, b"\0")
        told = {"major": "1", "minor": "0", "name": real, "realsize": str(tells)}
        headers = {f"GNU.sparse.{key}": value for key, value in told.items()}
        return self._add(name, padded + content, pax_headers=headers, mode=0o644)

    def _add(self, name: str, content: bytes = b"", **changes: Any) -> "Archive":
        member = tarfile.TarInfo(name)
        member.size, member.mtime = len(content), 1_700_000_000
        for field, value in changes.items():
            setattr(member, field, value)
        self._tar.addfile(member, io.BytesIO(content))
        return self

    def bytes(self) -> bytes:
        self._tar.close()
        return self._buffer.getvalue()


def listing(folder: Path) -> dict[str, tuple[int, int, str]]:
    """What lies in a folder that must not change: kind and mode, size, and content, of everything."""
    found: dict[str, tuple[int, int, str]] = {}
    for entry in sorted(folder.rglob("*")):
        seen = entry.lstat()
        content = entry.read_bytes().hex() if stat.S_ISREG(seen.st_mode) else ""
        target = os.readlink(entry) if stat.S_ISLNK(seen.st_mode) else ""  # noqa: PTH115
        found[str(entry)] = (seen.st_mode, seen.st_size, content + target)
    return found
