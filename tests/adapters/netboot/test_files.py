"""The very files that boards are handed, and what may not get into them."""

import stat
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from pathlib import Path
from uuid import UUID

import pytest

from boardgrid.adapters.netboot import NetbootFiles
from boardgrid.adapters.netboot.entry import UNKNOWN
from boardgrid.adapters.netboot.hosts import DhcpHosts
from boardgrid.adapters.shell import SubprocessShell
from boardgrid.model.board import Board, BoardType, Boot
from boardgrid.model.errors import Blame, Code, Fault, Invalid
from boardgrid.ports import BootEntry, BootFiles, BootSeen
from boardgrid.testing import FACTS, TYPE, a_board

BOARD = a_board(1)
DEPLOYMENT = UUID("0192f3a1-0000-7000-8000-000000000001")
NEXT = UUID("0192f3a1-0000-7000-8000-000000000002")
CMDLINE = "root=/dev/nfs rw nfsroot=10.20.0.1:/r/x,vers=3,proto=tcp"

DEPLOYED = f"""\
# BoardGrid: tk1-1 boots {DEPLOYMENT}
default boardgrid
prompt 0
timeout 1
label boardgrid
  kernel {DEPLOYMENT}/vmlinuz
  initrd {DEPLOYMENT}/initrd
  fdt {DEPLOYMENT}/dtbs/nvidia/tk1.dtb
  append {CMDLINE}
"""
HELD = """\
# BoardGrid: tk1-1 boots holding
default boardgrid
prompt 0
timeout 1
label boardgrid
  kernel holding/vmlinuz
  initrd holding/initrd
  append console=ttyS0,115200n8 ip=10.20.0.11:10.20.0.1:10.20.0.1:255.255.255.0:tk1-1::off panic=10 boardgrid.hold
"""

UEFI = replace(BOARD, boot=Boot.GRUB)
UEFI_TYPE = replace(TYPE, arch="arm64", console="ttyAMA0")
UEFI_HELD = """\
# BoardGrid: tk1-1 boots holding
if linux '/holding/vmlinuz' 'console=ttyAMA0' 'ip=10.20.0.11:10.20.0.1:10.20.0.1:255.255.255.0:tk1-1::off' 'panic=10' \
'boardgrid.hold'; then
if initrd '/holding/initrd'; then
boot
fi
fi
sleep 5
reboot
"""


@dataclass
class Desk:
    """Boot files of one site in a folder of the test."""

    folder: Path
    netboot: NetbootFiles = field(init=False)

    def __post_init__(self) -> None:
        hosts = DhcpHosts(self.folder / "dhcp/hosts")
        self.netboot = NetbootFiles(SubprocessShell(), FACTS, self.folder / "tftp", hosts, self.folder / "holding")
        held = [f"holding/{arch}/{name}" for arch in ("armhf", "arm64") for name in ("vmlinuz", "initrd")]
        own = ("vmlinuz", "initrd", "dtbs/nvidia/tk1.dtb")
        for name in (*held, "holding/arm64/grubnetaa64.efi", *own):
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"content of {name}")

    @property
    def files(self) -> BootFiles:
        return BootFiles(self.folder / "vmlinuz", self.folder / "initrd", self.folder / "dtbs")

    def entry(self, deployment: UUID = DEPLOYMENT, cmdline: str = CMDLINE, fdt: str = "") -> BootEntry:
        return BootEntry(deployment, self.files, cmdline, fdt)

    def tftp(self, path: str = "", address: str = "10.20.0.11") -> Path:
        return self.folder / "tftp" / address / path

    def config(self) -> str:
        return self.tftp("pxelinux.cfg/01-52-54-00-00-00-01").read_text()

    def host(self) -> str:
        return (self.folder / "dhcp/hosts/tk1-1").read_text()


async def entry(desk: Desk) -> UUID | None:
    seen = await desk.netboot.seen(BOARD, TYPE)
    assert seen is not None
    return seen.deployment


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


async def test_the_files_of_a_deployment_are_these(desk: Desk) -> None:
    await desk.netboot.offer(BOARD, desk.entry(fdt="nvidia/tk1.dtb"))
    assert desk.config() == DEPLOYED
    assert desk.tftp(f"{DEPLOYMENT}/vmlinuz").read_text() == "content of vmlinuz"
    assert desk.tftp(f"{DEPLOYMENT}/initrd").read_text() == "content of initrd"
    assert desk.tftp(f"{DEPLOYMENT}/dtbs/nvidia/tk1.dtb").read_text() == "content of dtbs/nvidia/tk1.dtb"
    assert desk.host() == "52:54:00:00:00:01,10.20.0.11,tk1-1\n"


async def test_the_files_of_a_held_board_are_these(desk: Desk) -> None:
    await desk.netboot.hold(BOARD, TYPE)
    assert desk.config() == HELD
    assert desk.tftp("pxelinux.cfg/default").read_text() == HELD
    assert desk.tftp("holding/vmlinuz").read_text() == "content of holding/armhf/vmlinuz"
    assert not desk.tftp("holding/dtbs").exists()


async def test_whatever_asks_in_another_name_gets_the_holding_entry(desk: Desk) -> None:
    await desk.netboot.hold(BOARD, TYPE)
    await desk.netboot.offer(BOARD, desk.entry())
    assert desk.tftp("pxelinux.cfg/default").read_text() == HELD
    assert desk.tftp("holding/vmlinuz").exists()


async def test_nothing_of_an_earlier_deployment_stays(desk: Desk) -> None:
    await desk.netboot.hold(BOARD, TYPE)
    await desk.netboot.offer(BOARD, desk.entry())
    await desk.netboot.offer(BOARD, desk.entry(NEXT))
    assert {path.name for path in desk.tftp().iterdir()} == {"pxelinux.cfg", "holding", str(NEXT)}
    await desk.netboot.hold(BOARD, TYPE)
    assert {path.name for path in desk.tftp().iterdir()} == {"pxelinux.cfg", "holding"}


async def test_a_kernel_is_linked_and_not_copied(desk: Desk) -> None:
    await desk.netboot.offer(BOARD, desk.entry())
    await desk.netboot.offer(a_board(2), desk.entry())
    assert desk.files.kernel.stat().st_nlink == 3


async def test_a_kernel_that_only_root_may_read_is_copied_once_for_all_boards(desk: Desk) -> None:
    desk.files.kernel.chmod(0o600)
    for number in (1, 2, 3):
        await desk.netboot.offer(a_board(number), desk.entry())
    served = desk.tftp(f"{DEPLOYMENT}/vmlinuz")
    assert served.stat().st_mode & stat.S_IROTH
    assert served.samefile(desk.tftp(f"{DEPLOYMENT}/vmlinuz", "10.20.0.13"))
    assert stat.S_IMODE(desk.files.kernel.stat().st_mode) == 0o600
    for number in (1, 2, 3):
        await desk.netboot.hold(a_board(number), TYPE)
    assert list((desk.folder / "tftp/.copies").iterdir()) == []


async def test_dnsmasq_can_read_what_it_hands_out_and_not_the_copies(desk: Desk) -> None:
    desk.files.kernel.chmod(0o600)
    await desk.netboot.hold(BOARD, TYPE)
    await desk.netboot.offer(BOARD, desk.entry(fdt="nvidia/tk1.dtb"))
    for path in desk.tftp().rglob("*"):
        wanted = 0o005 if path.is_dir() else 0o004
        assert path.stat().st_mode & wanted == wanted, path
    assert stat.S_IMODE((desk.folder / "tftp/.copies").stat().st_mode) == 0o700


async def test_a_kernel_without_initrd_has_no_line_for_one(desk: Desk) -> None:
    entry = replace(desk.entry(), files=BootFiles(desk.files.kernel))
    await desk.netboot.offer(BOARD, entry)
    assert "initrd" not in desk.config()


async def test_a_board_that_moves_leaves_nothing_behind(desk: Desk) -> None:
    await desk.netboot.offer(BOARD, desk.entry())
    await desk.netboot.offer(replace(BOARD, address=IPv4Address("10.20.0.99")), desk.entry())
    assert list(desk.tftp().iterdir()) == []  # the folder itself stays: without one, dnsmasq would show all others
    assert desk.host() == "52:54:00:00:00:01,10.20.0.99,tk1-1\n"


async def test_a_board_with_a_new_network_card_leaves_nothing_behind(desk: Desk) -> None:
    await desk.netboot.offer(BOARD, desk.entry())
    await desk.netboot.offer(replace(BOARD, mac="52:54:00:00:00:77"), desk.entry())
    assert [path.name for path in desk.tftp("pxelinux.cfg").iterdir()] == ["01-52-54-00-00-00-77"]


async def test_a_flashed_board_has_an_address_and_no_boot_files(desk: Desk) -> None:
    flashed = replace(BOARD, boot=Boot.FLASHED)
    await desk.netboot.offer(BOARD, desk.entry())
    await desk.netboot.hold(flashed, replace(TYPE, arch="mips"))
    assert desk.host() == "52:54:00:00:00:01,10.20.0.11,tk1-1\n"
    assert list(desk.tftp().iterdir()) == []
    assert await entry(desk) is None


async def test_the_files_of_a_uefi_board_are_these(desk: Desk) -> None:
    await desk.netboot.hold(UEFI, UEFI_TYPE)
    assert desk.tftp("grub/grub.cfg").read_text() == UEFI_HELD
    assert desk.tftp("grubnetaa64.efi").read_text() == "content of holding/arm64/grubnetaa64.efi"
    assert desk.tftp("holding/vmlinuz").read_text() == "content of holding/arm64/vmlinuz"
    await desk.netboot.offer(UEFI, desk.entry())
    assert desk.tftp("grub/grub.cfg").read_text().startswith(f"# BoardGrid: tk1-1 boots {DEPLOYMENT}\n")
    assert {path.name for path in desk.tftp().iterdir()} == {"grub", "grubnetaa64.efi", "holding", str(DEPLOYMENT)}


async def test_nothing_of_an_earlier_boot_method_stays(desk: Desk) -> None:
    await desk.netboot.hold(BOARD, UEFI_TYPE)
    await desk.netboot.hold(UEFI, UEFI_TYPE)
    assert {path.name for path in desk.tftp().iterdir()} == {"grub", "grubnetaa64.efi", "holding"}
    await desk.netboot.hold(BOARD, UEFI_TYPE)
    assert {path.name for path in desk.tftp().iterdir()} == {"pxelinux.cfg", "holding"}
    await desk.netboot.hold(replace(BOARD, boot=Boot.FLASHED), UEFI_TYPE)
    assert list(desk.tftp().iterdir()) == []


async def test_a_uefi_board_without_a_grub_for_it_is_the_sites_fault(desk: Desk) -> None:
    with pytest.raises(Fault, match="beside the holding kernel for armhf lies no GRUB") as caught:
        await desk.netboot.hold(UEFI, TYPE)
    assert caught.value.blame is Blame.SITE
    assert "amd64, arm64" in caught.value.hint


async def test_what_grub_would_change_under_way_leaves_no_trace(desk: Desk) -> None:
    with pytest.raises(Invalid, match="GRUB cannot hand the kernel command line"):
        await desk.netboot.offer(UEFI, desk.entry(cmdline="quiet'; reboot; echo '"))
    assert await desk.netboot.seen(UEFI, UEFI_TYPE) is None


async def test_an_entry_that_is_not_whole_is_nobodys(desk: Desk) -> None:
    await desk.netboot.offer(BOARD, desk.entry())
    desk.tftp(f"{DEPLOYMENT}/vmlinuz").unlink()
    assert await entry(desk) == UNKNOWN
    desk.tftp("pxelinux.cfg/01-52-54-00-00-00-01").write_text("edited by hand\n")
    assert await entry(desk) == UNKNOWN
    await desk.netboot.offer(BOARD, desk.entry())
    assert await entry(desk) == DEPLOYMENT


async def test_two_boards_never_have_one_address_or_one_mac(desk: Desk) -> None:
    for other in (replace(a_board(2), address=BOARD.address), replace(a_board(2), mac=BOARD.mac)):
        await desk.netboot.hold(BOARD, TYPE)
        await desk.netboot.hold(other, TYPE)
        assert await desk.netboot.seen(other, TYPE)
        assert await desk.netboot.seen(BOARD, TYPE) is None, (
            "it was declared otherwise since, and gets what is its own now"
        )


async def test_two_boards_may_change_places(desk: Desk) -> None:
    first, second = BOARD, a_board(2)
    for board in (first, second):
        await desk.netboot.hold(board, TYPE)
    swapped = replace(first, address=second.address), replace(second, address=first.address)
    for _round in range(2):
        for board in swapped:
            if await desk.netboot.seen(board, TYPE) != BootSeen(is_current=True, deployment=None):
                await desk.netboot.hold(board, TYPE)
    for board in swapped:
        assert await desk.netboot.seen(board, TYPE) == BootSeen(is_current=True, deployment=None)


async def test_an_architecture_without_a_holding_kernel_is_named_with_what_would_do(desk: Desk) -> None:
    with pytest.raises(Fault, match="no holding kernel for riscv64, the architecture of star") as caught:
        await desk.netboot.hold(BOARD, BoardType("star", "riscv64"))
    assert "boardgrid.bootware holding" in caught.value.hint
    with pytest.raises(Fault):
        await desk.netboot.hold(BOARD, BoardType("odd", "../armhf"))


async def test_a_holding_kernel_without_the_types_device_tree_is_the_sites_fault(desk: Desk) -> None:
    with pytest.raises(Fault, match=r"the holding kernel for armhf has no device tree tk1\.dtb") as caught:
        await desk.netboot.hold(BOARD, replace(TYPE, fdt="tk1.dtb"))
    assert caught.value.blame is Blame.SITE
    assert "--fdt tk1.dtb" in caught.value.hint


async def test_a_missing_device_tree_is_the_images_fault(desk: Desk) -> None:
    with pytest.raises(Fault, match=r"the kernel vmlinuz has no device tree other\.dtb") as caught:
        await desk.netboot.offer(BOARD, desk.entry(fdt="other.dtb"))
    assert caught.value.blame is Blame.IMAGE


async def test_a_device_tree_is_not_followed_out_of_its_folder(desk: Desk) -> None:
    (desk.folder / "secret").write_text("secret")
    (desk.folder / "dtbs/trap.dtb").symlink_to("../secret")
    with pytest.raises(Fault, match=r"no device tree trap\.dtb"):
        await desk.netboot.offer(BOARD, desk.entry(fdt="trap.dtb"))


async def test_a_kernel_that_is_a_link_is_refused(desk: Desk) -> None:
    (desk.folder / "link").symlink_to("/etc/shadow")
    entry = replace(desk.entry(), files=BootFiles(desk.folder / "link"))
    with pytest.raises(Fault, match="is not a plain file") as caught:
        await desk.netboot.offer(BOARD, entry)
    assert caught.value.code is Code.NETBOOT_FAILED


async def test_a_missing_kernel_is_a_sentence(desk: Desk) -> None:
    desk.files.kernel.unlink()
    with pytest.raises(Fault, match=r"boot files of tk1-1 could not be .*vmlinuz: No such file"):
        await desk.netboot.offer(BOARD, desk.entry())


@pytest.mark.parametrize(
    "change",
    [
        lambda board: replace(board, name="tk1-1\nx"),
        lambda board: replace(board, name="../etc"),
        lambda board: replace(board, mac="52:54:00:00:00:01,set:x"),
        lambda board: replace(board, mac="52:54:00:00:00:01\n"),
        lambda board: replace(board, mac="52:54:00:00:00:AB"),
        lambda board: replace(board, address=IPv4Address("10.20.0.1")),
        lambda board: replace(board, address=IPv4Address("10.20.0.255")),
        lambda board: replace(board, address=IPv4Address("192.168.1.5")),
    ],
    ids=["name with a line", "name that climbs", "mac with more", "mac with a line", "mac in upper case",
         "the server's address", "the broadcast address", "another network"],
)  # fmt: skip
async def test_a_board_that_could_say_more_than_it_is_leaves_no_trace(
    desk: Desk, change: Callable[[Board], Board]
) -> None:
    for call in (desk.netboot.offer(change(BOARD), desk.entry()), desk.netboot.hold(change(BOARD), TYPE)):
        with pytest.raises(Invalid):
            await call
    assert not (desk.folder / "tftp").exists() or not any(desk.folder.joinpath("tftp").rglob("*"))
    assert not desk.netboot.hosts.all()


@pytest.mark.parametrize("cmdline", ["x\n  kernel /evil", "x\rkernel", "x\0", "café", " x", "x ", "x" * 1024])
async def test_a_command_line_is_one_plain_line_or_nothing(desk: Desk, cmdline: str) -> None:
    with pytest.raises(Invalid, match="is not one line of at most 1023 plain characters"):
        await desk.netboot.offer(BOARD, desk.entry(cmdline=cmdline))
    assert await desk.netboot.seen(BOARD, TYPE) is None


@pytest.mark.parametrize("fdt", ["../x.dtb", "/etc/shadow", "a\nb", ".hidden", "a//b", "a/../b", "a/b/c/d/e/f"])
async def test_a_device_tree_is_a_plain_name(desk: Desk, fdt: str) -> None:
    with pytest.raises(Invalid, match="is no name of a device tree"):
        await desk.netboot.offer(BOARD, desk.entry(fdt=fdt))
    assert await desk.netboot.seen(BOARD, TYPE) is None


async def test_a_site_whose_config_lacks_the_network_is_told_so(desk: Desk) -> None:
    netboot = replace(desk.netboot, site=replace(FACTS, server=None))
    with pytest.raises(Invalid, match="site lab has no interface or no server address"):
        await netboot.hold(BOARD, TYPE)
