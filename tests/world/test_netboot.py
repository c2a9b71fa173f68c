"""A real dnsmasq on a network of its own: who is answered, and who reads what."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from uuid import uuid4

import pytest

from boardgrid.model.board import DhcpMode
from boardgrid.ports import BootEntry, BootFiles, Sign
from tests.world.exports_box import SERVER, eventually
from tests.world.netboot_box import SITE, TYPE, NetbootBox, a_netboot_box, a_virtual_board

pytestmark = pytest.mark.world

BOARD, NEIGHBOUR = a_virtual_board(1), a_virtual_board(2)
FREE = IPv4Address("10.77.0.200")
ANOTHER = IPv4Address("10.77.0.2")


@pytest.fixture
def holding(tmp_path: Path) -> Path:
    folder = tmp_path / "holding/armhf"
    folder.mkdir(parents=True)
    (folder / "vmlinuz").write_bytes(b"k" * 3000)
    (folder / "initrd").write_bytes(b"i" * 100)
    return folder.parent


@pytest.fixture
def site(holding: Path) -> Iterator[NetbootBox]:
    with a_netboot_box(holding) as box:
        yield box


@pytest.fixture
def guest(holding: Path) -> Iterator[NetbootBox]:
    """Where another server gives the addresses."""
    with a_netboot_box(holding, replace(SITE, dhcp=DhcpMode.PROXY)) as box:
        box.another_dhcp_server(ANOTHER, FREE)
        yield box


async def test_only_boards_that_the_farm_knows_get_an_address(site: NetbootBox) -> None:
    await site.netboot.hold(BOARD, TYPE)
    assert site.dhcp(BOARD.address, BOARD.mac) == str(BOARD.address)
    assert site.dhcp(BOARD.address, NEIGHBOUR.mac) == "nothing"


async def test_a_board_with_a_new_network_card_is_known_by_it_and_no_longer_by_the_old_one(site: NetbootBox) -> None:
    await site.netboot.hold(BOARD, TYPE)
    assert site.dhcp(BOARD.address, BOARD.mac) == str(BOARD.address)
    changed = replace(BOARD, mac="52:54:00:77:01:01")
    await site.netboot.hold(changed, TYPE)
    eventually(lambda: site.dhcp(BOARD.address, changed.mac) == str(BOARD.address), "the new card is known")
    assert site.dhcp(BOARD.address, BOARD.mac) == "nothing"
    await site.netboot.forget(changed)
    eventually(lambda: site.dhcp(BOARD.address, changed.mac) == "nothing", "the board is forgotten")


async def test_a_board_reads_its_own_boot_files_and_nobody_elses(site: NetbootBox) -> None:
    for board in (BOARD, NEIGHBOUR):
        await site.netboot.hold(board, TYPE)
    assert site.tftp(BOARD.address, "holding/vmlinuz") == "3000"
    assert site.tftp(BOARD.address, "/holding/vmlinuz") == "3000"
    theirs = f"{NEIGHBOUR.address}/holding/vmlinuz"
    climbing = (f"../{theirs}", f"holding/../../{theirs}", f"/../{theirs}", f"..//{theirs}", f"./../{theirs}")
    inside = (theirs, f"/{theirs}", f"{site.server.tftp}/{theirs}")
    outside = ("/etc/passwd", "../../dhcp/hosts/tk1-2", f"{site.server.hosts}/tk1-2", "../../../../etc/passwd")
    for file in (*climbing, *inside, *outside, "../.copies", ".", "..", "", "holding"):
        assert site.tftp(BOARD.address, file).startswith(("refused", "nothing")), file


async def test_a_stranger_on_a_free_address_reads_nothing(site: NetbootBox) -> None:
    await site.netboot.hold(BOARD, TYPE)
    for file in (f"{BOARD.address}/holding/vmlinuz", f"../{BOARD.address}/holding/vmlinuz", "holding/vmlinuz"):
        assert site.tftp(FREE, file).startswith("refused"), file


async def test_a_board_that_left_reads_nothing_any_more(site: NetbootBox) -> None:
    await site.netboot.hold(BOARD, TYPE)
    await site.netboot.forget(BOARD)
    assert site.tftp(BOARD.address, "holding/vmlinuz").startswith("refused")
    assert site.tftp(BOARD.address, f"{NEIGHBOUR.address}/holding/vmlinuz").startswith("refused")


async def test_a_deployment_whose_time_is_over_is_not_handed_out(site: NetbootBox, tmp_path: Path) -> None:
    (tmp_path / "vmlinuz").write_text("a user's kernel")
    entry = BootEntry(a_deployment := uuid4(), BootFiles(tmp_path / "vmlinuz"), "nfsroot=x")
    await site.netboot.offer(BOARD, entry)
    assert site.tftp(BOARD.address, f"{a_deployment}/vmlinuz") == "15"
    await site.netboot.hold(BOARD, TYPE)
    assert site.tftp(BOARD.address, f"{a_deployment}/vmlinuz").startswith("refused")


async def test_another_network_of_the_machine_is_not_answered(site: NetbootBox) -> None:
    await site.netboot.hold(BOARD, TYPE)
    script = (
        "ip netns add elsewhere; ip link add velse type veth peer name eth0 netns elsewhere; "
        "ip addr add 10.88.0.1/24 dev velse; ip link set velse up; ip -n elsewhere addr add 10.88.0.2/24 dev eth0; "
        "ip -n elsewhere link set eth0 up; ip -n elsewhere route add default via 10.88.0.1"
    )
    site.box.do("sh", "-c", script)
    site.box.boards[IPv4Address("10.88.0.2")] = Path("elsewhere")
    assert site.dhcp(IPv4Address("10.88.0.2"), BOARD.mac) == "nothing"
    assert site.tftp(IPv4Address("10.88.0.2"), f"{BOARD.address}/holding/vmlinuz") == "nothing"


async def test_what_boards_do_is_seen_also_over_a_restart_of_dnsmasq(site: NetbootBox) -> None:
    await site.netboot.hold(BOARD, TYPE)
    seen = site.sightings.watch()
    first = asyncio.ensure_future(anext(seen))
    await asyncio.sleep(0.1)
    async with asyncio.timeout(60):
        assert site.dhcp(BOARD.address, BOARD.mac) == str(BOARD.address)
        assert (await first).sign is Sign.DHCP
        site.start_again()
        assert site.tftp(BOARD.address, "holding/vmlinuz") == "3000"
        sighting = await anext(seen)
    assert (sighting.board, sighting.sign, sighting.what) == (BOARD.address, Sign.TFTP, "holding/vmlinuz")
    late = await anext(site.sightings.watch())
    assert late.what == "holding/vmlinuz"


async def test_beside_another_dhcp_server_a_pxe_client_is_told_what_boots_it_and_no_address(guest: NetbootBox) -> None:
    await guest.netboot.hold(BOARD, TYPE)
    others = f"{ANOTHER} {FREE} {ANOTHER} -"
    assert guest.pxe(BOARD.address, BOARD.mac) == [f"{SERVER} 0.0.0.0 {SERVER} pxelinux.0", others]
    assert guest.pxe(NEIGHBOUR.address, NEIGHBOUR.mac) == [others], "a board that the farm does not know"
    assert guest.dhcp(BOARD.address, BOARD.mac) == str(FREE)
    assert guest.tftp(BOARD.address, "holding/vmlinuz") == "3000"


async def test_beside_another_dhcp_server_a_board_that_asks_is_seen(guest: NetbootBox) -> None:
    await guest.netboot.hold(BOARD, TYPE)
    guest.pxe(BOARD.address, BOARD.mac)
    async with asyncio.timeout(60):
        seen = await anext(guest.sightings.watch())
    assert (seen.board, seen.sign) == (BOARD.address, Sign.DHCP)
