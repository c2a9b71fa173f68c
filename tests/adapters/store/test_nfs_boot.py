"""Whether a kernel boots over NFS, and the initramfs that the farm makes where it has no other way."""

import gzip
import os
from pathlib import Path

import pytest

from boardgrid.adapters.shell import SubprocessShell
from boardgrid.adapters.store.initramfs import content_of
from boardgrid.adapters.store.inspection import inspected
from boardgrid.adapters.store.kernel_config import config_of
from boardgrid.adapters.store.modules import Modules
from boardgrid.adapters.store.nfs_boot import Judge
from boardgrid.adapters.store.packed import UnreadableError
from boardgrid.adapters.store.tree import TreeDir, TreePath
from boardgrid.bootware.initramfs import base
from boardgrid.bootware.packages import DebianPackages
from boardgrid.bootware.userland import Userland
from boardgrid.model.image import Kernel, NfsBoot
from tests.adapters.store.boot_parts import (
    FOR_DISKS,
    INITRAMFS_TOOLS,
    PACKERS,
    a_config,
    a_module,
    an_archive,
    put,
    with_config,
)
from tests.adapters.store.trees import ARM_ELF

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "boardgrid/debian"
RELEASE = "6.1.0-1-armmp"
MODULES = f"lib/modules/{RELEASE}"
INITRD = f"boot/initrd.img-{RELEASE}"
NET = "kernel/drivers/net/ethernet/realtek/r8169.ko\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Of a board, with a kernel of which nothing is known."""
    at = tmp_path / "tree"
    put(at, "bin/busybox", ARM_ELF)
    put(at, f"boot/vmlinuz-{RELEASE}", b"kernel")
    return at


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    put(tmp_path, "parts/armhf/base.cpio", an_archive(["init", "etc/dhcp-answer"]))
    return tmp_path / "parts"


def with_modules(tree: Path) -> None:
    """As Debian builds them."""
    put(tree, f"{MODULES}/modules.builtin", "kernel/fs/ext4/ext4.ko\n")
    put(tree, f"{MODULES}/kernel/fs/nfs/nfs.ko", a_module("sunrpc", "lockd"))
    put(tree, f"{MODULES}/kernel/fs/nfs/nfsv3.ko", a_module("nfs"))
    put(tree, f"{MODULES}/kernel/fs/lockd/lockd.ko.xz", PACKERS["xz"](a_module("sunrpc")))
    put(tree, f"{MODULES}/kernel/net/sunrpc/sunrpc.ko.gz", PACKERS["gzip"](a_module()))
    put(
        tree,
        f"{MODULES}/kernel/drivers/net/ethernet/realtek/r8169.ko.zst",
        PACKERS["zstd"](a_module("mdio-bus", before="realtek")),
    )
    put(tree, f"{MODULES}/kernel/drivers/net/mdio/mdio-bus.ko", a_module())
    put(tree, f"{MODULES}/kernel/drivers/net/phy/realtek.ko", a_module())


def judged(tree: Path, parts: Path | None = None, *drivers: str) -> tuple[Kernel, bytes | None]:
    with TreeDir(TreePath(str(tree))) as opened:
        found = inspected(opened)
        [kernel] = found.kernels
        return Judge(opened, found.arch, parts, drivers).judged(kernel)


# --- the configuration


def config(tree: Path) -> frozenset[str] | None:
    with TreeDir(TreePath(str(tree))) as opened:
        return config_of(opened, RELEASE, f"boot/vmlinuz-{RELEASE}")


@pytest.mark.parametrize("place", [f"boot/config-{RELEASE}", f"{MODULES}/config", f"usr/lib/modules/{RELEASE}/config"])
def test_it_is_read_where_it_lies(tree: Path, place: str) -> None:
    put(tree, place, a_config("ROOT_NFS", "IP_PNP"))
    assert config(tree) == frozenset({"ROOT_NFS", "IP_PNP"})


@pytest.mark.parametrize("packer", ["plain", *PACKERS])
def test_it_is_read_out_of_the_kernel_however_that_is_packed(tree: Path, packer: str) -> None:
    inside = with_config("ROOT_NFS", "IP_PNP")
    head = b"\x00MZ\x1f\x8b\x08 is no gzip\x5d\x00\x00 nor this lzma" * 3
    image = inside if packer == "plain" else head + PACKERS[packer](inside * 3) + b"device tree" * 50
    put(tree, f"boot/vmlinuz-{RELEASE}", image)
    assert config(tree) == frozenset({"ROOT_NFS", "IP_PNP"})


@pytest.mark.parametrize(
    "image",
    [
        b"",
        b"kernel",
        b"IKCFG_ST" + b"?" * 100,
        b"IKCFG_ST" + b"?" * 100 + b"IKCFG_ED",
        b"\x1f\x8b\x08" * 1000,
        PACKERS["gzip"](b"x" * 1000)[:-10],
        PACKERS["gzip"](b"\0" * (32 << 20)),
    ],
)
def test_a_kernel_that_tells_nothing_is_no_fault(tree: Path, image: bytes) -> None:
    put(tree, f"boot/vmlinuz-{RELEASE}", image)
    assert config(tree) in {None, frozenset()}


# --- the answer


def test_a_kernel_that_mounts_its_root_by_itself_needs_nothing(tree: Path) -> None:
    put(tree, f"boot/config-{RELEASE}", a_config("ROOT_NFS", "IP_PNP"))
    put(tree, f"{MODULES}/modules.builtin", NET)
    kernel, farms = judged(tree)
    assert (kernel.nfs, kernel.why, farms) == (NfsBoot.BUILTIN, "NFS root is built into it", None)


def test_an_initramfs_for_disks_is_not_in_its_way(tree: Path) -> None:
    put(tree, f"boot/config-{RELEASE}", a_config("ROOT_NFS", "IP_PNP"))
    put(tree, INITRD, an_archive(FOR_DISKS))
    assert judged(tree)[0].nfs is NfsBoot.BUILTIN


def test_an_initramfs_that_mounts_nfs_roots_is_used(tree: Path, parts: Path) -> None:
    with_modules(tree)
    put(tree, INITRD, PACKERS["gzip"](an_archive(INITRAMFS_TOOLS)))
    kernel, farms = judged(tree, parts)
    assert (kernel.nfs, farms) == (NfsBoot.OWN, None)
    assert kernel.why == f"its initramfs {INITRD} mounts NFS roots (initramfs-tools)"


@pytest.mark.parametrize("has", ["none", "for disks", "without NFS", "without a network driver"])
def test_where_there_is_no_other_way_the_farm_makes_an_initramfs(tree: Path, parts: Path, has: str) -> None:
    with_modules(tree)
    names = {
        "for disks": FOR_DISKS,
        "without NFS": [name for name in INITRAMFS_TOOLS if "nfs.ko" not in name],
        "without a network driver": [name for name in INITRAMFS_TOOLS if "virtio" not in name],
    }
    if has in names:
        put(tree, INITRD, an_archive(names[has]))
    kernel, farms = judged(tree, parts)
    assert (kernel.nfs, kernel.why) == (NfsBoot.FARM, "the farm made an initramfs of the image's own modules")
    assert kernel.initrd == (INITRD if has in names else ""), "the tree is told as it is"
    assert farms is not None


def test_no_network_driver_built_in_is_no_way_to_a_root(tree: Path) -> None:
    put(tree, f"boot/config-{RELEASE}", a_config("ROOT_NFS", "IP_PNP"))
    put(tree, f"{MODULES}/modules.builtin", "kernel/fs/nfs/nfs.ko\n")
    kernel, _farms = judged(tree)
    assert kernel.nfs is NfsBoot.NO
    assert "no network driver is built into it; it has no initramfs; " in kernel.why


@pytest.mark.parametrize(
    ("lacks", "why"),
    [
        ("modules", "the image has no modules for it"),
        ("nfs", "the image has no NFS module for it"),
        ("driver", "the image has no network driver for it"),
        ("parts", "the site has no boot parts for armhf"),
    ],
)
def test_where_the_farm_can_make_none_it_says_why(tree: Path, parts: Path, lacks: str, why: str) -> None:
    put(tree, f"boot/config-{RELEASE}", a_config())
    if lacks != "modules":
        with_modules(tree)
    if lacks == "nfs":
        (tree / f"{MODULES}/kernel/fs/nfs/nfs.ko").unlink()
    if lacks == "driver":
        (tree / f"{MODULES}/kernel/drivers/net/ethernet/realtek/r8169.ko.zst").unlink()
    kernel, farms = judged(tree, None if lacks == "parts" else parts)
    assert (kernel.nfs, farms) == (NfsBoot.NO, None)
    assert kernel.why.startswith(f"NFS root is not built into it; it has no initramfs; {why}")


def test_what_nobody_can_read_is_not_known(tree: Path, parts: Path) -> None:
    with_modules(tree)
    put(tree, INITRD, b"packed by a stranger")
    kernel, farms = judged(tree, parts)
    assert (kernel.nfs, farms) == (NfsBoot.UNKNOWN, None), "its own may be right: it boots with that, as ever"
    assert kernel.why == f"NFS root is not built into it; its initramfs {INITRD} cannot be read"


def test_an_initramfs_of_another_maker_that_has_nfs_may_be_right(tree: Path, parts: Path) -> None:
    with_modules(tree)
    put(tree, INITRD, an_archive(["init", "lib/modules/nfs.ko"]))
    kernel, farms = judged(tree, parts)
    assert (kernel.nfs, farms) == (NfsBoot.UNKNOWN, None)
    assert "in a way that the farm does not know" in kernel.why


def test_a_kernel_of_which_nothing_is_known_is_not_refused(tree: Path) -> None:
    assert judged(tree)[0].nfs is NfsBoot.UNKNOWN


@pytest.mark.world
@pytest.mark.slow
@pytest.mark.parametrize("has_config", [True, False])
async def test_a_kernel_of_debians_is_seen_to_need_an_initramfs_and_gets_one(tmp_path: Path, has_config: bool) -> None:
    debian = DebianPackages(SubprocessShell(), CACHE)
    package = await debian.kernel("armmp")
    tree = tmp_path / "debian"
    await SubprocessShell().run("cp", "-a", str((await debian.unpacked([package]))[package]), str(tree))
    put(tree, "bin/busybox", ARM_ELF)
    if not has_config:
        next(tree.glob("boot/config-*")).unlink()
    put(tmp_path, "parts/armhf/base.cpio", base(await Userland.fetched(debian)))
    kernel, none = judged(tree)
    assert (kernel.nfs, none) == (NfsBoot.NO, None)
    assert kernel.why.startswith("NFS root is not built into it; it has no initramfs; the site has no boot parts")
    kernel, farms = judged(tree, tmp_path / "parts")
    assert kernel.nfs is NfsBoot.FARM
    assert farms is not None
    order = names_in(farms, tmp_path)
    assert {"r8169.ko", "virtio_net.ko", "virtio_mmio.ko", "xhci_tegra.ko", "nfs.ko", "nfsv3.ko"} <= set(order)
    assert order.index("sunrpc.ko") < order.index("nfs.ko")
    assert len(farms) < 32 << 20


# --- the modules


def names_in(initramfs: bytes, tmp_path: Path) -> list[str]:
    """The order in which they are loaded."""
    return gzip.decompress(initramfs).split(b"lib/modules/order\0")[1].split(b"07070")[0].decode().strip("\0").split()


def test_each_module_is_loaded_after_what_it_needs_and_is_unpacked(tree: Path, parts: Path, tmp_path: Path) -> None:
    with_modules(tree)
    _kernel, farms = judged(tree, parts)
    assert farms is not None
    order = names_in(farms, tmp_path)
    assert order == [
        "realtek.ko",
        "mdio_bus.ko",
        "r8169.ko",
        "sunrpc.ko",
        "lockd.ko",
        "nfs.ko",
        "nfsv3.ko",
    ]
    assert a_module("sunrpc") in gzip.decompress(farms)


def test_a_board_type_may_name_its_network_driver(tree: Path, parts: Path, tmp_path: Path) -> None:
    with_modules(tree)
    (tree / f"{MODULES}/kernel/drivers/net/ethernet/realtek/r8169.ko.zst").unlink()
    put(tree, f"{MODULES}/extra/my-nic.ko", a_module())
    assert judged(tree, parts)[0].nfs is NfsBoot.NO
    kernel, farms = judged(tree, parts, "my-nic")
    assert kernel.nfs is NfsBoot.FARM
    assert farms is not None
    assert "my_nic.ko" in names_in(farms, tmp_path)


def test_modules_that_need_each_other_in_a_ring_have_an_end(tree: Path, parts: Path, tmp_path: Path) -> None:
    with_modules(tree)
    put(tree, f"{MODULES}/kernel/net/sunrpc/sunrpc.ko.gz", PACKERS["gzip"](a_module("nfs", "lockd", "sunrpc", "none")))
    _kernel, farms = judged(tree, parts)
    assert farms is not None
    assert sorted(names_in(farms, tmp_path)).count("nfs.ko") == 1


def test_a_module_that_is_cut_off_or_a_bomb_makes_no_initramfs(tree: Path, parts: Path) -> None:
    put(tree, f"boot/config-{RELEASE}", a_config())
    for content in (PACKERS["xz"](a_module() * 999)[:-20], PACKERS["xz"](b"\0" * (65 << 20))):
        with_modules(tree)
        put(tree, f"{MODULES}/kernel/fs/lockd/lockd.ko.xz", content)
        kernel, farms = judged(tree, parts)
        assert (kernel.nfs, farms) == (NfsBoot.NO, None)
        assert kernel.why.endswith("a module of the image cannot be read")


def test_modules_behind_a_link_that_leads_out_are_not_read(tree: Path, tmp_path: Path) -> None:
    with_modules(tmp_path / "outside")
    (tree / "lib").symlink_to(tmp_path / "outside/lib")
    with TreeDir(TreePath(str(tree))) as opened:
        assert Modules.of(opened, RELEASE) == Modules(RELEASE, {}, None)


def test_the_farms_initramfs_is_seen_to_mount_nfs_roots(tree: Path, parts: Path, tmp_path: Path) -> None:
    with_modules(tree)
    _kernel, farms = judged(tree, parts)
    assert farms is not None
    (tmp_path / "made").write_bytes(farms)
    fd = os.open(tmp_path / "made", os.O_RDONLY)
    try:
        seen = content_of(fd)
    except UnreadableError:
        pytest.fail("it cannot be read")
    finally:
        os.close(fd)
    assert (seen.maker, seen.has_nfs, seen.has_interface) == ("boardgrid", True, True)
