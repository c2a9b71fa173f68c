"""
What a hostile board reaches from its own port of the lab's bridge, also with a neighbour's MAC and address taken over.

The boards are network namespaces; what they try is done by small programs that run in them.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from boardgrid.lab.private import InsideShell, PrivateLab, private_lab

pytestmark = [pytest.mark.world, pytest.mark.boards]

EVIL, VICTIM = ("52:54:00:00:00:66", IPv4Address("10.77.0.66")), ("52:54:00:00:00:21", IPv4Address("10.77.0.21"))
# Serves one TCP port and tells on standard output who came.
SERVE = """
import socket, sys
door = socket.create_server((sys.argv[1], int(sys.argv[2])))
print("ready", flush=True)
while True:
    line, peer = door.accept()
    print(peer[0], flush=True)
    line.close()
"""
REACH = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=float(sys.argv[3])).close()
    print("reached")
except OSError:
    print("not reached")
"""
ECHO = """
import socket, sys
line = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
line.settimeout(10)
line.sendto(bytes.fromhex("0800f7fd00010001"), (sys.argv[1], 0))
while line.recv(2048)[20] != 0:
    pass
print("answered")
"""
# Prints from whom and to whom is what comes to eth0, until the server says the word.
SNIFF = """
import socket
heard = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
heard.bind(("eth0", 3))
print("ready", flush=True)
frame = b""
while b"that is all" not in frame:
    frame, where = heard.recvfrom(2048)
    if where[2] != socket.PACKET_OUTGOING:
        print(frame[6:12].hex(":"), frame[:6].hex(":"), flush=True)
"""
SAY = """
import socket, sys
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(sys.argv[2].encode(), (sys.argv[1], 9999))
"""
# Sends frames that are given in hex.
FRAMES = """
import socket, sys
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(("eth0", 0))
for frame in sys.argv[1:]:
    out.send(bytes.fromhex(frame))
"""
# The way of TFTP: the answer comes from another port than the one that was asked, and is answered there.
TFTP_SERVER = """
import socket, sys
door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
door.bind((sys.argv[1], 69))
print("ready", flush=True)
_asked, peer = door.recvfrom(2048)
line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
line.bind((sys.argv[1], 0))
line.sendto(b"data", peer)
line.recvfrom(2048)
line.sendto(b"thanks", peer)
"""
TFTP_CLIENT = """
import socket, sys
line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
line.settimeout(20)
line.sendto(b"a file", (sys.argv[1], 69))
line.sendto(b"received", line.recvfrom(2048)[1])
print(line.recv(2048).decode())
"""
# Tells what comes to a port of the server's: by its first byte the sender says which of its tries it was.
HEAR = """
import socket, sys
door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
door.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
door.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, sys.argv[1].encode())
door.bind(("", int(sys.argv[2])))
print("ready", flush=True)
while True:
    said, peer = door.recvfrom(2048)
    print(said[0], peer[0], flush=True)
"""


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[PrivateLab]:
    async with private_lab(tmp_path) as made:
        yield made


async def started(where: InsideShell, *words: object) -> asyncio.subprocess.Process:
    process = await where.start(sys.executable, "-c", *map(str, words), output=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 30) == b"ready\n"
    return process


async def next_line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), 30)).decode().strip()


async def reaches(who: InsideShell, address: object, port: int, within_s: float = 15) -> bool:
    return (await who.run(sys.executable, "-c", REACH, str(address), str(port), str(within_s))).strip() == "reached"


async def is_kept_from(who: InsideShell, address: object, port: int) -> bool:
    """It tries twice within that time: the kernel repeats a lost packet after a second."""
    return not await reaches(who, address, port, within_s=1.5)


async def take_over(who: InsideShell, mac: str, address: IPv4Address) -> None:
    await who.run("ip", "link", "set", "eth0", "down")
    await who.run("ip", "link", "set", "eth0", "address", mac)
    await who.run("ip", "address", "flush", "dev", "eth0")
    await who.run("ip", "address", "add", f"{address}/24", "dev", "eth0")
    await who.run("ip", "link", "set", "eth0", "up")


async def say(lab: PrivateLab, to: tuple[str, IPv4Address], words: str) -> None:
    """The server says something to a board, which it need not ask for its MAC."""
    await lab.shell.run("ip", "neigh", "replace", str(to[1]), "lladdr", to[0], "dev", lab.interface)
    await lab.shell.run(sys.executable, "-c", SAY, str(to[1]), words)


async def heard(
    lab: PrivateLab, sniffing: asyncio.subprocess.Process, board: tuple[str, IPv4Address]
) -> set[tuple[str, str]]:
    """Sender and receiver of all frames that have come to the port of *board* so far; the last one is for it."""
    await say(lab, board, "that is all")
    out, _err = await asyncio.wait_for(sniffing.communicate(), 60)
    return {(sender, receiver) for sender, receiver in map(str.split, out.decode().splitlines())}


def is_group(mac: str) -> bool:
    return bool(int(mac[:2], 16) & 1)


async def server_mac(lab: PrivateLab) -> str:
    return (await lab.shell.run("cat", f"/sys/class/net/{lab.interface}/address")).strip()


def ipv4(source: IPv4Address, to: str, from_port: int, to_port: int, payload: str) -> str:
    """A packet in hex with a datagram in it, which may leave out its checksum."""
    data = bytes.fromhex(payload)
    udp = b"".join(word.to_bytes(2, "big") for word in (from_port, to_port, 8 + len(data), 0)) + data
    head = b"\x45\0" + (20 + len(udp)).to_bytes(2, "big") + bytes(4) + b"\x40\x11\0\0"
    head += source.packed + IPv4Address(to).packed
    total = sum(int.from_bytes(head[at : at + 2], "big") for at in range(0, 20, 2))
    checksum = 0xFFFF - (total % 0xFFFF)
    return (head[:10] + checksum.to_bytes(2, "big") + head[12:] + udp).hex()


async def test_a_board_reaches_the_servers_services_and_nothing_else_of_it(lab: PrivateLab) -> None:
    board = await lab.neighbour("tk1-1", *VICTIM)
    for port in (111, 2049, 20048, 8080, 22):
        await started(lab.shell, SERVE, lab.server.ip, port)
    for port in (111, 2049, 20048):
        assert await reaches(board, lab.server.ip, port)
    for port in (8080, 22):
        assert await is_kept_from(board, lab.server.ip, port)
    assert await board.run(sys.executable, "-c", ECHO, str(lab.server.ip)) == "answered\n"


async def test_a_file_comes_by_tftp_from_a_port_that_nobody_knew_before(lab: PrivateLab) -> None:
    board = await lab.neighbour("tk1-1", *VICTIM)
    await started(lab.shell, TFTP_SERVER, lab.server.ip)
    assert await board.run(sys.executable, "-c", TFTP_CLIENT, str(lab.server.ip)) == "thanks\n"


async def test_the_server_reaches_a_boards_ssh_port(lab: PrivateLab) -> None:
    board = await lab.neighbour("tk1-1", *VICTIM)
    await started(board, SERVE, VICTIM[1], 22)
    assert await reaches(lab.shell, VICTIM[1], 22)


async def test_boards_do_not_reach_each_other(lab: PrivateLab) -> None:
    victim = await lab.neighbour("tk1-1", *VICTIM)
    evil = await lab.neighbour("evil-1", *EVIL)
    await started(victim, SERVE, VICTIM[1], 22)
    assert await reaches(lab.shell, VICTIM[1], 22)
    # Also where it knows the other's MAC and need not ask.
    await evil.run("ip", "neigh", "replace", str(VICTIM[1]), "lladdr", VICTIM[0], "dev", "eth0")
    assert await is_kept_from(evil, VICTIM[1], 22)


@pytest.mark.parametrize(
    "taken",
    [VICTIM, (EVIL[0], VICTIM[1]), (VICTIM[0], EVIL[1])],
    ids=["MAC and address", "address", "MAC"],
)
async def test_who_takes_over_a_neighbours_address_reaches_nothing(
    lab: PrivateLab, taken: tuple[str, IPv4Address]
) -> None:
    victim = await lab.neighbour("tk1-1", *VICTIM)
    evil = await lab.neighbour("evil-1", *EVIL)
    nfs = await started(lab.shell, SERVE, lab.server.ip, 2049)
    await started(victim, SERVE, VICTIM[1], 22)
    assert await reaches(evil, lab.server.ip, 2049)
    await take_over(evil, *taken)
    await evil.run("ip", "neigh", "replace", str(lab.server.ip), "lladdr", await server_mac(lab), "dev", "eth0")
    assert await is_kept_from(evil, lab.server.ip, 2049)
    # And the victim is not cut off by it: the bridge and the server still know where it is.
    assert await reaches(victim, lab.server.ip, 2049)
    assert await reaches(lab.shell, VICTIM[1], 22)
    assert [await next_line(nfs), await next_line(nfs)] == [str(EVIL[1]), str(VICTIM[1])]


async def test_a_board_cannot_make_the_server_believe_that_it_is_its_neighbour(lab: PrivateLab) -> None:
    victim = await lab.neighbour("tk1-1", *VICTIM)
    evil = await lab.neighbour("evil-1", *EVIL)
    await started(victim, SERVE, VICTIM[1], 22)
    assert await reaches(lab.shell, VICTIM[1], 22)
    server, mac = (await server_mac(lab)).replace(":", ""), EVIL[0].replace(":", "")
    for act in ("0001", "0002"):
        lie = "000108000604" + act + mac + VICTIM[1].packed.hex() + server + lab.server.ip.packed.hex()
        await evil.run(sys.executable, "-c", FRAMES, server + mac + "0806" + lie)
    believed = await lab.shell.run("ip", "neighbour", "show", str(VICTIM[1]), "dev", lab.interface)
    assert VICTIM[0] in believed


async def test_what_a_board_sends_to_everybody_comes_to_nobody(lab: PrivateLab) -> None:
    """Poisoned ARP, a DHCP server of its own, router advertisements, switches' own protocols, tags."""
    victim = await lab.neighbour("tk1-1", *VICTIM)
    evil = await lab.neighbour("evil-1", *EVIL)
    await victim.run("ip", "link", "set", "eth0", "promisc", "on")
    everybody, mac, its = "f" * 12, EVIL[0].replace(":", ""), VICTIM[0].replace(":", "")
    arp = "0806" + "0001080006040002" + mac + lab.server.ip.packed.hex() + its + VICTIM[1].packed.hex()
    dhcp_offer = "0800" + ipv4(EVIL[1], "255.255.255.255", 67, 68, "02010600")
    multicast = "0800" + ipv4(EVIL[1], "224.0.0.251", 5353, 5353, "00")
    router = "86dd" + "60000000000000ff" + "fe80" + "00" * 14 + "ff02" + "00" * 13 + "01"
    kinds = (arp, dhcp_offer, multicast, router, "8100000a" + arp, "0842", "88cc00")
    frames = [to + mac + kind for to in (everybody, its, "333300000001") for kind in kinds]
    frames.append("0180c2000000" + mac + "0026424203000000")
    sniffing = await started(victim, SNIFF)
    await evil.run(sys.executable, "-c", FRAMES, *frames)
    senders = {sender for sender, _receiver in await heard(lab, sniffing, VICTIM)}
    assert await server_mac(lab) in senders
    assert EVIL[0] not in senders


@pytest.mark.parametrize(
    "taken",
    [EVIL, VICTIM, (EVIL[0], VICTIM[1]), (VICTIM[0], EVIL[1])],
    ids=["nothing", "MAC and address", "address", "MAC"],
)
async def test_who_listens_hears_nothing_of_what_server_and_neighbour_say(
    lab: PrivateLab, taken: tuple[str, IPv4Address]
) -> None:
    victim = await lab.neighbour("tk1-1", *VICTIM)
    evil = await lab.neighbour("evil-1", *EVIL)
    await started(lab.shell, SERVE, lab.server.ip, 2049)
    await started(victim, SERVE, VICTIM[1], 22)
    await take_over(evil, *taken)
    await evil.run("ip", "link", "set", "eth0", "promisc", "on")
    sniffing = await started(evil, SNIFF)
    # So that a bridge that believes it would send on to this port what is for the other.
    server, packet = await server_mac(lab), ipv4(taken[1], str(lab.server.ip), 700, 111, "00")
    await evil.run(sys.executable, "-c", FRAMES, (server + taken[0]).replace(":", "") + "0800" + packet)
    assert await reaches(victim, lab.server.ip, 2049)
    assert await reaches(lab.shell, VICTIM[1], 22)
    # And when its board is unplugged, which the server does not know at once.
    await lab.client.remove("tk1-1")
    await say(lab, VICTIM, "a secret")
    receivers = {receiver for _sender, receiver in await heard(lab, sniffing, EVIL)}
    assert {one for one in receivers if not is_group(one)} == {EVIL[0]}


async def test_what_a_board_says_in_a_neighbours_name_does_not_arrive(lab: PrivateLab) -> None:
    """Not even where no answer is needed to do harm."""
    await lab.neighbour("tk1-1", *VICTIM)
    evil = await lab.neighbour("evil-1", *EVIL)
    heard = await started(lab.shell, HEAR, lab.interface, 111)
    server = await server_mac(lab)
    for number, (mac, address) in enumerate([VICTIM, (EVIL[0], VICTIM[1]), (VICTIM[0], EVIL[1]), EVIL]):
        packet = ipv4(address, str(lab.server.ip), 700, 111, f"{number:02x}")
        await evil.run(sys.executable, "-c", FRAMES, (server + mac).replace(":", "") + "0800" + packet)
    assert await next_line(heard) == f"3 {EVIL[1]}"


async def test_a_board_asks_for_an_address_in_its_own_name_alone(lab: PrivateLab) -> None:
    evil = await lab.neighbour("evil-1", *EVIL)
    heard = await started(lab.shell, HEAR, lab.interface, 67)
    for number, (sender, asker) in enumerate([(EVIL, VICTIM), (VICTIM, EVIL), (EVIL, EVIL)]):
        question = f"{number:02x}010600" + bytes(24).hex() + asker[0] + bytes(10 + 192).hex()
        packet = ipv4(IPv4Address("0.0.0.0"), "255.255.255.255", 68, 67, question.replace(":", ""))
        await evil.run(sys.executable, "-c", FRAMES, "f" * 12 + sender[0].replace(":", "") + "0800" + packet)
    assert await next_line(heard) == "2 0.0.0.0"
