"""
Threat 1: root on one board wants the root of another one.

It has all that a real one has: its own address, ports below 1024, a root of its own, handles that it makes up, and
here even the other's handles. Its neighbour's address it has not: the bridge sees to that.
"""

import random
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path, PurePosixPath

import pytest

from boardgrid.ports import Exports
from tests.world.exports_box import SERVER, Box, a_box, a_server, ready
from tests.world.exports_client import (
    INVALID,
    IS_FOLDER,
    MOUNT,
    NFS,
    PORTMAP,
    Client,
    Refused,
    opaque,
    refusal,
    socket_in,
)
from tests.world.exports_guest import MARK

pytestmark = pytest.mark.world
GOOD, EVIL, THIRD = (IPv4Address(f"10.77.0.{number}") for number in (21, 22, 23))
THEIRS, OWN = PurePosixPath("/r/0192f3a1/0192f3b2"), PurePosixPath("/r/0192f3c3/0192f3d4")
SECRET = b"secret of good\n"
NOT_A_VERSION = -2  # RPC's own answer: the program is there, this version of it is not


@dataclass
class Night:
    """Two boards run, each from its own root of the same image; one of them is evil."""

    box: Box
    exports: Exports
    good: Client
    evil: Client
    trees: dict[IPv4Address, Path]
    theirs: dict[str, bytes]  # the good board's handles, which the evil one should not even have
    own: dict[str, bytes]


@pytest.fixture(params=["knfsd"] if MARK.exists() else ["ganesha"])
async def night(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Night]:
    with a_box(tmp_path) as box, a_server(request.param, box) as server:
        await ready(server.exports())
        exports, lower = server.exports(), box.image()
        trees = {GOOD: box.root("good", lower), EVIL: box.root("evil", lower)}
        await exports.add(trees[GOOD], GOOD, THEIRS)
        await exports.add(trees[EVIL], EVIL, OWN)
        good, evil = box.client(GOOD), box.client(EVIL)
        yield Night(box, exports, good, evil, trees, handles(good, THEIRS), handles(evil, OWN))


def handles(board: Client, path: PurePosixPath) -> dict[str, bytes]:
    top = board.mount(str(path))
    return {"top": top, "secret": board.lookup(top, "secret"), "file7": board.lookup(top, "file7")}


def reached(client: Client, handle: bytes) -> bytes:
    """What comes of reading by a handle: the content of a file, or of the file ``secret`` in a folder."""
    try:
        return client.read(handle)
    except Refused as refused:
        if refused.status not in {INVALID, IS_FOLDER}:
            return b""
    except EOFError:  # the server hung up: it was no handle at all
        return b""
    try:
        return client.read(client.lookup(handle, "secret"))
    except (Refused, EOFError):
        return b""


async def test_another_boards_root_cannot_be_mounted_by_any_name(night: Night) -> None:
    tree = str(night.trees[GOOD])
    around = ["/", "", "/r", "/r/0192f3a1", f"{OWN}/../../{THEIRS.relative_to('/r')}", f"{THEIRS}/", str(THEIRS)[1:]]
    inside = [str(THEIRS), f"{THEIRS}/secret", f"{THEIRS}/.", tree, f"{tree}/secret", str(night.box.folder)]
    stranger = night.box.client(THIRD)
    for path in around + inside:
        for client in (night.evil, stranger):
            try:
                assert reached(client, client.mount(path)) != SECRET, path
            except Refused:
                continue
            assert client is night.evil, path
    assert night.good.read(night.theirs["secret"]) == SECRET


async def test_another_boards_handles_are_refused(night: Night) -> None:
    for client in (night.evil, night.box.client(THIRD)):
        for handle in night.theirs.values():
            assert refusal(lambda client=client, handle=handle: client.attributes(handle))  # type: ignore[misc]
            assert reached(client, handle) == b""


async def test_no_mixture_of_own_and_other_handles_reaches_another_board(night: Night) -> None:
    """A handle names an export and a file; neither server takes the one from here and the other from there."""
    for kind, theirs in night.theirs.items():
        own = night.own[kind]
        for cut in range(1, min(len(own), len(theirs))):
            middle = own[:4] + theirs[4:cut] + own[cut:]
            for forged in (own[:cut] + theirs[cut:], theirs[:cut] + own[cut:], middle):
                assert reached(night.evil, forged) != SECRET, (kind, forged.hex())


async def test_no_guessed_handle_reaches_another_board_or_ends_the_server(night: Night) -> None:
    chance = random.Random(7)  # noqa: S311 - the same guesses each time
    for _each in range(300):
        guess = bytearray(chance.choice([*night.own.values()]))
        for _change in range(chance.randint(1, 4)):
            guess[chance.randrange(len(guess))] = chance.randrange(256)
        cut = guess[: chance.randint(1, len(guess))] if chance.random() < 0.2 else guess
        assert reached(night.evil, bytes(cut)) != SECRET
    assert night.good.read(night.theirs["secret"]) == SECRET
    assert night.evil.read(night.own["secret"]) == b"secret of evil\n"


async def test_a_program_of_an_ordinary_user_on_the_board_is_refused(night: Night) -> None:
    """It can open no port below 1024, and so cannot speak as the board's root."""
    ordinary = night.box.client(GOOD, privileged=False)
    for handle in night.theirs.values():
        assert refusal(lambda handle=handle: ordinary.attributes(handle))  # type: ignore[misc]
        assert reached(ordinary, handle) == b""


async def test_a_board_that_was_fenced_stays_out_when_another_one_gets_the_root(night: Night) -> None:
    tree = night.trees[GOOD]
    await night.exports.remove(THEIRS)
    await night.exports.add(tree, THIRD, THEIRS)
    third = night.box.client(THIRD)
    assert third.read(third.lookup(third.mount(str(THEIRS)), "secret")) == SECRET
    for handle in night.theirs.values():
        assert refusal(lambda handle=handle: night.good.attributes(handle))  # type: ignore[misc]
    assert refusal(lambda: night.good.mount(str(THEIRS)))


async def test_boards_can_speak_no_other_version_than_3(night: Night) -> None:
    """A client of version 4 has state on the server that holds a root busy after the fence."""
    for version in (2, 4):
        assert refusal(lambda version=version: night.good.call(2049, (NFS, version, 0))) == NOT_A_VERSION  # type: ignore[misc]


async def test_the_port_mapper_speaks_for_nobody(night: Night) -> None:
    """Whom it forwards a call for would be the server itself, in the eyes of the mount daemon."""
    sender = socket_in(night.box.board(EVIL), socket.SOCK_DGRAM)
    with sender:
        sender.bind((str(EVIL), 900))
        sender.settimeout(2)
        mount = struct.pack(">III", MOUNT, 3, 1) + opaque(opaque(str(THEIRS).encode()))
        head = struct.pack(">IIIIII", 1, 0, 2, PORTMAP, 2, 5) + bytes(16)
        sender.sendto(head + mount, (str(SERVER), 111))
        try:
            answer = sender.recv(4096)
        except TimeoutError:
            return
    denied, accepted = struct.unpack(">8xI8xI", answer.ljust(24, b"\xff")[:24])
    assert denied or accepted, answer.hex()


async def test_a_volume_reaches_the_boards_it_is_offered_to_and_none_that_was_fenced(night: Night) -> None:
    volume, third = night.box.memory_tree("volume"), night.box.client(THIRD)
    paths = {GOOD: PurePosixPath("/v/0192f3e1-0192f3e5"), THIRD: PurePosixPath("/v/0192f3e2-0192f3e5")}
    for board, seen_as in paths.items():
        await night.exports.add(volume, board, seen_as, shared=True)
    seen = {board: client.mount(str(paths[board])) for board, client in ((GOOD, night.good), (THIRD, third))}
    night.good.write(night.good.create(seen[GOOD], "secret"), SECRET)
    files = {board: client.lookup(seen[board], "secret") for board, client in ((GOOD, night.good), (THIRD, third))}
    assert third.read(files[THIRD]) == SECRET

    for path in map(str, (*paths.values(), volume)):
        refusal(lambda path=path: night.evil.mount(path))  # type: ignore[misc]
    for handle in (*seen.values(), *files.values()):
        assert reached(night.evil, handle) == b""

    await night.exports.remove(paths[GOOD])
    refusal(lambda: night.good.mount(str(paths[GOOD])))
    for handle in (*seen.values(), *files.values()):
        assert reached(night.good, handle) == b"", "neither by its own handles nor by those of a board that goes on"
    assert third.read(files[THIRD]) == SECRET
    assert night.good.read(night.theirs["secret"]) == SECRET, "its root is as it was"
