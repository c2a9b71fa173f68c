"""Which frames wake which board."""

import pytest

from boardgrid.lab.wake import woken_by

MAC = bytes.fromhex("525400000021")
MAGIC = b"\xff" * 6 + MAC * 16
ETHERNET = b"\xff" * 6 + b"\x02\x00\x00\x00\x00\x01"
FRAME = ETHERNET + b"\x08\x42" + MAGIC


def datagram(payload: bytes, port: int = 9, protocol: int = 17, options: bytes = b"") -> bytes:
    words = 5 + len(options) // 4
    ip = bytes([0x40 | words, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0]) + bytes(8) + options
    udp = (1000).to_bytes(2, "big") + port.to_bytes(2, "big") + bytes(4)
    return ETHERNET + b"\x08\x00" + ip + udp + payload


@pytest.mark.parametrize(
    "frame",
    [
        FRAME,
        FRAME + b"a password",
        datagram(MAGIC),
        datagram(MAGIC, port=7),
        datagram(b"before" + MAGIC),
        datagram(MAGIC, options=bytes(8)),
    ],
)
def test_a_magic_packet_names_the_card_that_it_wakes(frame: bytes) -> None:
    assert woken_by(frame) == "52:54:00:00:00:21"


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xff" * 14,
        FRAME[:-1],
        ETHERNET + b"\x08\x42" + b"\xff" * 6 + MAC * 15 + bytes(6),
        ETHERNET + b"\x08\x06" + MAGIC,
        datagram(MAGIC, port=53),
        datagram(MAGIC, protocol=6),
        datagram(b"")[:-9],
    ],
)
def test_anything_else_wakes_nobody(frame: bytes) -> None:
    assert woken_by(frame) is None
