"""The modules of one kernel in a tree: which there are, what they need, and what is built in instead."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from boardgrid.adapters.store import packed
from boardgrid.adapters.store.packed import UnreadableError
from boardgrid.adapters.store.tree import TreeDir

# What a board may reach its network by, beside what its type names: interfaces, what they hang on, and their PHYs.
INTERFACES = (
    *(
        "virtio_net",
        "r8169",
        "r8152",
        "r8125",
        "igb",
        "igc",
        "e1000",
        "e1000e",
        "ixgbe",
        "atlantic",
        "tg3",
        "alx",
        "sky2",
    ),
    *("bcmgenet", "genet", "smsc95xx", "lan78xx", "asix", "ax88179_178a", "cdc_ether", "cdc_ncm", "rndis_host"),
    *("dwmac_generic", "dwmac_rk", "dwmac_sun8i", "dwmac_meson", "dwmac_meson8b", "dwmac_imx", "dwmac_tegra"),
    *("dwmac_socfpga", "dwmac_sti", "dwmac_stm32", "dwmac_starfive", "dwmac_qcom_ethqos", "dwmac_dwc_qos_eth"),
    *("stmmac_platform", "dwmac_intel", "nvethernet", "sun4i_emac", "fec", "ti_cpsw", "ti_cpsw_new"),
    *("ti_am65_cpsw_nuss", "icssg_prueth", "macb", "mvneta", "mvpp2", "mv643xx_eth", "ravb", "sh_eth", "fsl_dpaa2_eth"),
    *("mtk_eth", "mtk_star_emac", "xilinx_emaclite", "xilinx_emac", "hix5hd2_gmac", "smc91x", "smsc911x", "dm9000"),
)
_CARRIERS = (
    *("virtio_mmio", "virtio_pci", "pci_tegra", "pcie_tegra194", "pcie_brcmstb", "pcie_rockchip_host", "pci_imx6"),
    *("pcie_dw_rockchip", "pcie_rcar_host", "pci_meson", "phy_rockchip_pcie", "phy_rockchip_snps_pcie3"),
    *("phy_rockchip_naneng_combphy", "phy_rockchip_inno_usb2", "phy_rockchip_typec", "phy_rockchip_usb"),
    *("phy_tegra_xusb", "phy_sun4i_usb", "phy_meson8b_usb2", "phy_omap_usb2", "phy_twl4030_usb", "phy_gmii_sel"),
    *("xhci_tegra", "xhci_plat_hcd", "xhci_pci", "dwc2", "dwc3", "dwc3_of_simple", "dwc3_meson_g12a", "dwc3_omap"),
    *(
        "ehci_platform",
        "ohci_platform",
        "ehci_pci",
        "ehci_omap",
        "ci_hdrc_imx",
        "ci_hdrc_tegra",
        "musb_hdrc",
        "musb_dsps",
    ),
    *("mdio_bcm_unimac", "mdio_mux_mmioreg", "mdio_mux_meson_g12a", "mdio_sun4i", "mdio_gpio", "davinci_mdio"),
    *("bcm7xxx", "broadcom", "realtek", "micrel", "at803x", "marvell", "smsc", "microchip", "motorcomm", "aquantia"),
    *("dp83867", "dp83848", "dp83822", "icplus", "rockchip", "meson_gxl", "mscc", "davicom"),
)
_NFS = ("af_packet", "nfs", "nfsv3", "nfsv2")
_MODULE = re.compile(r"([A-Za-z0-9_.+-]+)\.ko(\.gz|\.xz|\.zst)?")
_MODULES_MOST, _FOLDERS_MOST = 30_000, 5_000
_TEXT_BYTES = 4 << 20
_MODULE_BYTES = 64 << 20
_ALL_BYTES = 256 << 20
_DEPENDS = re.compile(rb"(?:^|\0)depends=([^\0]*)\0")
_BEFORE = re.compile(rb"(?:^|\0)softdep=pre: ?([^\0]*)\0")


def plain(name: str) -> str:
    return name.replace("-", "_")


def name_of(path: str) -> str:
    """The module that a file of this name holds; empty: none."""
    match = _MODULE.fullmatch(path.rpartition("/")[2])
    return plain(match[1]) if match else ""


def is_interface(path: str, named: Iterable[str] = ()) -> bool:
    """Whether a module is one by which a board may reach its network, by where it lies in Linux."""
    return "/drivers/net/ethernet/" in f"/{path}" or name_of(path) in {*INTERFACES, *named}


@dataclass(frozen=True, slots=True)
class Modules:
    release: str
    there: Mapping[str, str]  # by name: its path in the tree
    built_in: tuple[str, ...] | None  # their paths, as modules.builtin tells; None: it does not

    @staticmethod
    def of(tree: TreeDir, release: str) -> "Modules":
        folders = (f"{top}/modules/{release}" for top in ("lib", "usr/lib"))
        folder = next((folder for folder in folders if tree.is_folder(folder)), "")
        if not folder:
            return Modules(release, {}, None)
        there: dict[str, str] = {}
        for path in _files(tree, folder):
            there.setdefault(name_of(path), path)
        told = tree.read(f"{folder}/modules.builtin", _TEXT_BYTES)
        return Modules(release, there, tuple(told.decode("utf-8", "replace").split()) if told is not None else None)

    def has_built_in(self, name: str) -> bool:
        return any(name_of(path) == name for path in self.built_in or ())

    def has_interface_built_in(self, named: Iterable[str]) -> bool:
        return any(is_interface(path, named) for path in self.built_in or ())

    def has_interface(self, named: Iterable[str]) -> bool:
        return any(name in self.there for name in (*INTERFACES, *named))

    def for_nfs(self, tree: TreeDir, named: Iterable[str]) -> Mapping[str, bytes]:
        """
        What a board needs to mount its root, of what there is: by path below ``lib/modules``, each after what it needs.

        Raises:
            UnreadableError: a module cannot be unpacked, or all are more than an initramfs should hold.
        """
        chosen: dict[str, bytes] = {}
        read: dict[str, bytes] = {}
        left = _ALL_BYTES
        for wanted in (*_CARRIERS, *named, *INTERFACES, *_NFS):
            way = [plain(wanted)]
            while way:  # no recursion: modules of a stranger may need each other in a ring
                name = way.pop()
                if name in read:  # once more: what it needs was chosen meanwhile
                    chosen.setdefault(f"{name}.ko", read[name])
                elif name in self.there:
                    read[name] = self._read(tree, name)
                    left -= len(read[name])
                    if left < 0:
                        raise UnreadableError("too much")
                    way += [name, *_needs(read[name])]
        return chosen

    def _read(self, tree: TreeDir, name: str) -> bytes:
        path = self.there[name]
        if not path.endswith(".ko"):
            with tree.file(path) as fd:
                return packed.whole(fd, _MODULE_BYTES)
        content = tree.read(path, _MODULE_BYTES + 1) or b""
        if len(content) > _MODULE_BYTES:
            raise UnreadableError("too large")
        return content


def _needs(module: bytes) -> list[str]:
    needed = b",".join(match[1] for match in _DEPENDS.finditer(module)).split(b",")
    before = [name for match in _BEFORE.finditer(module) for name in match[1].split(b" post:")[0].split()]
    return [plain(name.decode("utf-8", "replace")) for name in (*before, *needed) if name]


def _files(tree: TreeDir, folder: str) -> Iterator[str]:
    left, found, seen = [folder], 0, 0
    while left and seen < _FOLDERS_MOST:
        here = left.pop()
        seen += 1
        for name in tree.names(here):
            path = f"{here}/{name}"
            if name_of(name) and tree.is_file(path):
                found += 1
                if found > _MODULES_MOST:
                    return
                yield path
            elif "." not in name and tree.link(path) is None and tree.is_folder(path):
                left.append(path)
