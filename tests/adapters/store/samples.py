"""A small tree in every format that images come in, made by the tools that people make them with."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.adapters.store.trees import a_tree

MIB = 1 << 20
MADE = 1_700_000_000  # when all of it was
FSTAB = "PARTUUID=1234abcd-02 / ext4 defaults 0 1\nPARTUUID=1234abcd-01 /boot/firmware vfat defaults 0 2\n"


def ran(*words: str | Path, cwd: Path | None = None) -> None:
    subprocess.run([str(word) for word in words], check=True, cwd=cwd, stdout=subprocess.DEVNULL)


def a_system(at: Path) -> Path:
    """A tree that is seen to be a system, with what every format can keep."""
    tree = a_tree(at)
    (tree / "sbin").mkdir()
    (tree / "sbin" / "init").symlink_to("../bin/busybox")
    (tree / "boot" / "firmware").mkdir()
    (tree / "etc" / "fstab").write_text(FSTAB)
    (tree / "bin" / "su").write_bytes(b"#!")
    (tree / "bin" / "su").chmod(0o4755)
    (tree / "bin" / "su2").hardlink_to(tree / "bin" / "su")
    (tree / "srv").mkdir(mode=0o2775)
    os.chown(tree / "srv", 1000, 1000)
    (tree / "usr" / "noise").write_bytes(os.urandom(MIB))
    for entry in [tree, *tree.rglob("*")]:
        os.utime(entry, (MADE, MADE), follow_symlinks=False)
    return tree


def tar(tree: Path, to: Path, *words: str) -> Path:
    how = ["--create", "--format=posix", "--xattrs", "--numeric-owner", "--exclude=./lost+found", *words]
    ran("tar", *how, "--directory", tree, "--file", to, ".")
    return to


def ext4(tree: Path, to: Path, size_mib: int = 24) -> Path:
    _holes(to, size_mib)
    ran("mkfs.ext4", "-q", "-d", tree, "-L", "rootfs", to)
    # It gives the top folder the time of day.
    ran("debugfs", "-w", "-R", f"set_inode_field / mtime @{MADE}", to)
    return to


def squashfs(tree: Path, to: Path) -> Path:
    ran("mksquashfs", tree, to, "-quiet", "-no-progress", "-noappend")
    return to


def erofs(tree: Path, to: Path) -> Path:
    ran("mkfs.erofs", "--quiet", to, tree)
    return to


def btrfs(tree: Path, to: Path) -> Path:
    _holes(to, 140)
    ran("mkfs.btrfs", "--quiet", "--rootdir", tree, to)
    return to


def vfat(to: Path, files: dict[str, bytes], size_mib: int = 4) -> Path:
    _holes(to, size_mib)
    ran("mkfs.vfat", "-n", "BOOT", to)
    for name, content in files.items():
        (to.parent / name).write_bytes(content)
        ran("mcopy", "-i", to, to.parent / name, f"::{name}")
        (to.parent / name).unlink()
    return to


def disk(to: Path, table: str, parts: dict[int, Path]) -> Path:
    """A disk with that table (for sfdisk), and at these MiB these file systems."""
    _holes(to, max(at + -(-part.stat().st_size // MIB) for at, part in parts.items()) + 2)
    subprocess.run(["sfdisk", "--quiet", str(to)], input=table.encode(), check=True, stdout=subprocess.DEVNULL)
    for at, part in parts.items():
        ran("dd", f"if={part}", f"of={to}", "bs=1M", f"seek={at}", "conv=notrunc,sparse", "status=none")
    return to


def sd_card(tree: Path, to: Path) -> Path:
    """As of a Raspberry Pi: MBR, firmware first, then the system."""
    boot = vfat(
        to.with_suffix(".vfat"), {"config.txt": b"arm_64bit=1\n", "cmdline.txt": b"root=\n", "kernel.img": b"k"}
    )
    root = ext4(tree, to.with_suffix(".ext4"))
    table = "label: dos\nlabel-id: 0x1234abcd\nstart=1MiB,size=4MiB,type=c\nstart=5MiB,size=24MiB,type=83\n"
    return disk(to, table, {1: boot, 5: root})


def gpt_disk(tree: Path, to: Path) -> Path:
    table = "label: gpt\nstart=1MiB,size=4MiB,type=U\nstart=5MiB,size=24MiB,type=L\n"
    boot = vfat(to.with_suffix(".vfat"), {"kernel.img": b"k"})
    return disk(to, table, {1: boot, 5: ext4(tree, to.with_suffix(".ext4"))})


def android_sparse(raw: Path, to: Path) -> Path:
    ran("img2simg", raw, to)
    return to


def oci_layout(tree: Path, to: Path) -> Path:
    bundle = to.with_name(f"{to.name}-bundle")
    ran("umoci", "init", "--layout", to)
    ran("umoci", "new", "--image", f"{to}:it")
    ran("umoci", "unpack", "--image", f"{to}:it", bundle)
    ran("cp", "--archive", "--no-target-directory", tree, bundle / "rootfs")
    ran("umoci", "repack", "--image", f"{to}:it", bundle)
    shutil.rmtree(bundle)
    return to


def skopeo(source: str, to: str, *words: str) -> None:
    ran("skopeo", "--insecure-policy", "copy", "--quiet", *words, source, to)


def oci_archive(tree: Path, to: Path) -> Path:
    skopeo(f"oci:{oci_layout(tree, to.with_suffix('.layout'))}:it", f"oci-archive:{to}")
    return to


def zstd_layout(tree: Path, to: Path) -> Path:
    plain = oci_layout(tree, to.with_suffix(".plain"))
    skopeo(f"oci:{plain}:it", f"oci:{to}:it", "--dest-compress-format", "zstd")
    return to


def docker_archive(tree: Path, to: Path) -> Path:
    skopeo(f"oci:{oci_layout(tree, to.with_suffix('.layout'))}:it", f"docker-archive:{to}:lab/system:1")
    return to


def packed_by(program: str, file: Path) -> Path:
    ran(program, "--keep", "--quiet", file)
    return next(one for one in file.parent.glob(f"{file.name}.*") if one.suffix in {".gz", ".xz", ".zst", ".bz2"})


def _holes(to: Path, size_mib: int) -> None:
    with to.open("wb") as file:
        file.truncate(size_mib * MIB)


Maker = Callable[[Path, Path], Path]
PLAIN: dict[str, Maker] = {
    "tar": tar,
    "tar.gz": lambda tree, to: tar(tree, to, "--gzip"),
    "tar.xz": lambda tree, to: tar(tree, to, "--xz"),
    "tar.zst": lambda tree, to: tar(tree, to, "--zstd"),
    "tar.bz2": lambda tree, to: tar(tree, to, "--bzip2"),
}
WITHOUT_MACHINE: dict[str, Maker] = {
    **PLAIN,
    "OCI layout": oci_layout,
    "OCI layout with zstd layers": zstd_layout,
    "OCI archive": oci_archive,
    "docker archive": docker_archive,
}
BY_MACHINE: dict[str, Maker] = {
    "ext4": ext4,
    "squashfs": squashfs,
    "erofs": erofs,
    "btrfs": btrfs,
    "SD card": sd_card,
    "GPT disk": gpt_disk,
    "Android sparse": lambda tree, to: android_sparse(ext4(tree, to.with_suffix(".ext4")), to),
    "packed SD card": lambda tree, to: packed_by("xz", sd_card(tree, to)),
}
