"""
What a board's bootloader does on the network, as a program to run in a network namespace.

    netboot_client.py dhcp MAC [INTERFACE]    prints the offered address, or "nothing"
    netboot_client.py pxe MAC [INTERFACE]     prints what each server offers: itself, address, who boots it, file
    netboot_client.py tftp SERVER FILE        prints the size of the file, or what the server refused with
"""

import os
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator

_WAIT_S = 2.0  # dnsmasq answers within milliseconds, or never
_COOKIE = b"\x63\x82\x53\x63"


def dhcp(mac: str, interface: str = "eth0") -> str:
    for answer in _offers(mac, interface):
        return socket.inet_ntoa(answer[16:20])
    return "nothing"


def pxe(mac: str, interface: str = "eth0") -> str:
    # What it is, that it is one of a PC, and its own number.
    words = b"\x3c\x20PXEClient:Arch:00000:UNDI:002001" + b"\x5d\x02\0\0" + b"\x5e\x03\x01\x02\x01"
    told = []
    for answer in _offers(mac, interface, words + b"\x61\x11\0" + b"u" * 16):
        server = answer.partition(b"\x36\x04")[2][:4]
        addresses = (socket.inet_ntoa(each) for each in (server, answer[16:20], answer[20:24]))
        told.append(" ".join((*addresses, answer[108:236].partition(b"\0")[0].decode() or "-")))
    return "\n".join(sorted(told)) or "nothing"


def _offers(mac: str, interface: str, words: bytes = b"") -> Iterator[bytes]:
    number = os.urandom(4)
    client = bytes.fromhex(mac.replace(":", "")).ljust(16, b"\0")
    flags = 0x8000  # answer by broadcast: we have no address
    head = struct.pack("!BBBB4sHH16x16s192x", 1, 1, 6, 0, number, 0, flags, client)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
        wire.bind(("", 68))
        wire.sendto(head + _COOKIE + b"\x35\x01\x01" + words + b"\xff", ("255.255.255.255", 67))
        until = time.monotonic() + _WAIT_S
        while (left := until - time.monotonic()) > 0:
            wire.settimeout(left)
            try:
                answer = wire.recv(2048)
            except TimeoutError:
                break
            if answer[4:8] == number and answer[:1] == b"\x02":
                yield answer


def tftp(server: str, file: str) -> str:
    size, awaited = 0, 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.settimeout(_WAIT_S)
        wire.sendto(b"\0\x01" + file.encode() + b"\0octet\0", (server, 69))
        while True:
            try:
                answer, peer = wire.recvfrom(2048)
            except TimeoutError:
                return "nothing"
            kind, block = struct.unpack("!HH", answer[:4])
            if kind == 5:
                return "refused: " + answer[4:].rstrip(b"\0").decode("ascii", "replace")
            wire.sendto(struct.pack("!HH", 4, block), peer)
            if block == awaited:
                size, awaited = size + len(answer) - 4, (awaited + 1) & 0xFFFF
                if len(answer) < 516:
                    return str(size)


if __name__ == "__main__":
    acts: dict[str, Callable[..., str]] = {"dhcp": dhcp, "pxe": pxe, "tftp": tftp}
    sys.stdout.write(acts[sys.argv[1]](*sys.argv[2:]))
