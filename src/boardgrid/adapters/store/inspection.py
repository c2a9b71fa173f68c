"""What a tree holds, as far as the farm must know: its architecture, kernels, modules and name."""

import os
import re
from dataclasses import dataclass

from boardgrid.adapters.store.limits import shown
from boardgrid.adapters.store.tree import TreeDir
from boardgrid.messages import _
from boardgrid.model.errors import Code, Invalid
from boardgrid.model.image import Kernel

_FOLDERS_OF_PROGRAMS = ("usr/bin", "bin", "usr/sbin", "sbin")
_PROGRAMS = ("sbin/init", "bin/busybox", "bin/sh", "bin/bash", "usr/bin/env", "lib/systemd/systemd")
_INITS = (
    "sbin/init",
    "usr/sbin/init",
    "etc/init",
    "bin/init",
    "init",
    "lib/systemd/systemd",
    "usr/lib/systemd/systemd",
)
_PROGRAMS_LOOKED_AT = 40  # of each folder: one program may be a stray, the majority is not
# By (ELF machine, class, byte order).
_ARM = (40, 1, 1)
_ARCHES = {
    (62, 2, 1): "amd64",
    (3, 1, 1): "i386",
    (183, 2, 1): "arm64",
    (243, 2, 1): "riscv64",
    (21, 2, 1): "ppc64el",
    (22, 2, 2): "s390x",
    (8, 2, 1): "mips64el",
    (8, 1, 1): "mipsel",
    (258, 2, 1): "loong64",
}
_SOFT_FLOAT, _HARD_FLOAT = 0x200, 0x400  # in the flags of an ARM program

_RELEASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~_-]{0,100}")
_KERNEL = re.compile(rf"(?P<kind>vmlinuz|zImage|Image|uImage)(?:-(?P<release>{_RELEASE.pattern}))?")
_INITRDS = ("initrd.img-{}", "initrd-{}", "initrd-{}.img", "initramfs-{}.img", "initramfs-{}")
_PLAIN_INITRDS = ("initrd.img", "initrd", "initramfs.img", "initrd.gz")
_DTBS = (
    "boot/dtbs/{}",
    "boot/dtbs-{}",
    "boot/dtb-{}",
    "usr/lib/linux-image-{}",
    "lib/linux-image-{}",
    "boot/dtbs",
    "boot/dtb",
    "boot",
)
_KERNELS_TAKEN = 8
_MODULES_TAKEN = 64


@dataclass(frozen=True, slots=True)
class Findings:
    arch: str
    kernels: tuple[Kernel, ...]
    modules: tuple[str, ...]
    system: str
    distribution: str = ""
    release: str = ""
    init: str = ""


def check_tree(tree: TreeDir, name: str) -> None:
    """
    Refuse what is surely not meant as a tree to boot.

    Raises:
        Invalid: ARCHIVE_REFUSED, it is empty, or lies one folder too deep.
    """
    names = [one for one in tree.names("") if one != "lost+found"]
    if not names:
        raise Invalid(
            Code.ARCHIVE_REFUSED,
            _("there is nothing in {name}"),
            hint=_("give the tree of a whole system, with /etc and /sbin/init in it"),
            name=name,
        )
    below = shown(os.fsencode(names[0]))
    if len(names) == 1 and _init(tree, f"{names[0]}/") and tree.is_folder(f"{names[0]}/etc"):
        raise Invalid(
            Code.ARCHIVE_REFUSED,
            _("the system in {name} lies one folder too deep: all of it is below {below}"),
            hint=_("give the tree itself: the folder {below}, or an archive made by tar -C {below} -c ."),
            name=name,
            below=below,
        )


def inspected(tree: TreeDir) -> Findings:
    """
    Raises:
        Invalid: it holds more than can be told.
    """
    modules, told = _modules(tree), _about_system(tree)
    name, distribution, release = (told.get(key, "") for key in ("PRETTY_NAME", "ID", "VERSION_ID"))
    return Findings(_arch(tree), _kernels(tree, modules), modules, name, distribution, release, _init(tree))


def _init(tree: TreeDir, folder: str = "") -> str:
    """The first program that a kernel would start; where a link to it leads is the board's own affair."""
    return next((one for one in _INITS if tree.is_there(f"{folder}{one}")), "")


def _newest_first(releases: list[str]) -> list[str]:
    """6.10 is newer than 6.9."""

    def key(release: str) -> list[tuple[int, int, str]]:
        return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in re.findall(r"\d+|\D+", release)]

    return sorted(releases, key=key, reverse=True)


# --- programs


def _arch(tree: TreeDir) -> str:
    votes: dict[str, int] = {}
    programs = list(_PROGRAMS)
    for folder in _FOLDERS_OF_PROGRAMS:
        programs += [f"{folder}/{name}" for name in tree.names(folder)[:_PROGRAMS_LOOKED_AT]]
    for program in programs:
        if arch := _arch_of(tree, program):
            votes[arch] = votes.get(arch, 0) + 1
    return max(votes, key=lambda arch: (votes[arch], arch), default="")


def _arch_of(tree: TreeDir, program: str) -> str:
    try:
        head = tree.read(program, 64) or b""
    except OSError:
        return ""  # a device, or a link that leads nowhere: it tells nothing
    if len(head) < 52 or not head.startswith(b"\x7fELF"):
        return ""
    machine = int.from_bytes(head[18:20], "little" if head[5] == 1 else "big")
    if (machine, head[4], head[5]) == _ARM:
        flags = int.from_bytes(head[36:40], "little")
        if flags & _SOFT_FLOAT:
            return "armel"
        has_loader = any(tree.is_file(f"lib/{name}") for name in ("ld-linux-armhf.so.3", "ld-musl-armhf.so.1"))
        return "armhf" if flags & _HARD_FLOAT or has_loader else "armel"
    return _ARCHES.get((machine, head[4], head[5]), "")


# --- kernels


def _modules(tree: TreeDir) -> tuple[str, ...]:
    found = set()
    for folder in ("lib/modules", "usr/lib/modules"):
        found |= {
            name for name in tree.names(folder) if _RELEASE.fullmatch(name) and tree.is_folder(f"{folder}/{name}")
        }
    if len(found) > _MODULES_TAKEN:
        raise Invalid(
            Code.ARCHIVE_REFUSED,
            _("the tree has modules for {count} kernels, and {most} is the most"),
            hint=_("remove those that no board needs from lib/modules"),
            count=len(found),
            most=_MODULES_TAKEN,
        )
    return tuple(_newest_first(list(found)))


def _kernels(tree: TreeDir, modules: tuple[str, ...]) -> tuple[Kernel, ...]:
    by_release: dict[str, tuple[str, tuple[str, ...]]] = {}  # the file's name, and what its initrd may be called
    unnamed = []
    for name in tree.names("boot"):
        match = _KERNEL.fullmatch(name)
        if match is None or not tree.is_file(f"boot/{name}"):
            continue
        if match["release"]:
            by_release.setdefault(match["release"], (name, _INITRDS))
        elif not _KERNEL.fullmatch((tree.link(f"boot/{name}") or "").rpartition("/")[2]):
            unnamed.append(name)  # a link to one with a release is that one
    for name in unnamed:
        # A kernel that does not tell its release is the one that the modules are for, where there is one kind of them.
        release = modules[0] if len(modules) == 1 and modules[0] not in by_release else name
        by_release.setdefault(release, (name, (*_INITRDS, *_PLAIN_INITRDS)))
    newest = _newest_first(list(by_release))[:_KERNELS_TAKEN]
    return tuple(_kernel(tree, release, *by_release[release]) for release in newest)


def _kernel(tree: TreeDir, release: str, name: str, initrds: tuple[str, ...]) -> Kernel:
    likely = [f"boot/{pattern.format(release)}" for pattern in initrds]
    initrd = next((path for path in likely if tree.is_file(path)), "")
    folders = [pattern.format(release) for pattern in _DTBS]
    return Kernel(release, f"boot/{name}", initrd, next((path for path in folders if _has_dtbs(tree, path)), ""))


def _has_dtbs(tree: TreeDir, folder: str) -> bool:
    """Device trees lie in it, or one folder deeper, by vendor."""
    names = tree.names(folder)
    if any(name.endswith(".dtb") for name in names):
        return True
    if folder == "boot":
        return False
    return any(name.endswith(".dtb") for vendor in names for name in tree.names(f"{folder}/{vendor}"))


# --- its name


def _about_system(tree: TreeDir) -> dict[str, str]:
    """What os-release(5) tells."""
    told: dict[str, str] = {}
    for path in ("etc/os-release", "usr/lib/os-release"):
        text = (tree.read(path, 65536) or b"").decode("utf-8", "replace")
        for line in text.splitlines():
            key, _equals, value = line.partition("=")
            if key in {"ID", "VERSION_ID", "PRETTY_NAME"}:
                plain = "".join(letter for letter in value.strip().strip("\"'") if letter.isprintable())
                told.setdefault(key, plain[:100])
    return told
