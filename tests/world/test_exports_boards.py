"""What a board sees of the root that it is offered: by ganesha here, by the kernel's server in the virtual machine."""

import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path, PurePosixPath

import pytest

from boardgrid.model.errors import Code, Fault
from boardgrid.ports import Export, Exports
from tests.world.exports_box import ROOTS_TAKE_ACLS, Box, RunningGanesha, RunningKernelServer, a_box, a_server, ready
from tests.world.exports_client import NO_SUCH_PROGRAM, NOT_SUPPORTED, Client, Refused, refusal
from tests.world.exports_guest import MARK

pytestmark = pytest.mark.world
BOARD, OTHER = IPv4Address("10.77.0.21"), IPv4Address("10.77.0.22")
PATH, FIXED = PurePosixPath("/r/0192f3a1/0192f3b2"), PurePosixPath("/NFSRoot1")


@dataclass
class Site:
    box: Box
    server: RunningGanesha | RunningKernelServer
    exports: Exports

    async def restarted(self) -> None:
        self.server.restart()
        await ready(self.server.exports())


@pytest.fixture(params=["knfsd"] if MARK.exists() else ["ganesha"])
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    with a_box(tmp_path) as box, a_server(request.param, box) as server:
        await ready(server.exports())
        yield Site(box, server, server.exports())


async def test_a_board_reads_and_writes_its_root_as_root(site: Site) -> None:
    tree = site.box.root("one", site.box.image())
    board = site.box.client(BOARD)
    await site.exports.add(tree, BOARD, PATH)

    top = board.mount(str(PATH))
    assert board.read(board.lookup(top, "secret")) == b"secret of one\n"
    assert board.read(board.lookup(top, "file7")) == b"from the image, 7\n"
    board.write(board.lookup(top, "file7"), b"FROM")  # goes to the root's own file system, not to the image
    board.write(board.create(top, "made"), b"made by the board\n")

    assert site.box.do("cat", str(tree / "file7")) == "FROM the image, 7\n"
    assert site.box.do("cat", str(site.box.folder / "image" / "file7")) == "from the image, 7\n"
    assert site.box.do("cat", str(tree / "made")) == "made by the board\n"
    assert site.box.do("stat", "-c", "%u:%g", str(tree / "made")) == "0:0\n"


async def test_two_roots_of_one_image_do_not_mix_and_one_has_the_fixed_path(site: Site) -> None:
    lower = site.box.image()
    trees = {BOARD: site.box.root("one", lower), OTHER: site.box.root("two", lower)}
    paths = {BOARD: PATH, OTHER: FIXED}
    boards = {address: site.box.client(address) for address in trees}
    for address, tree in trees.items():
        await site.exports.add(tree, address, paths[address])

    tops = {address: board.mount(str(paths[address])) for address, board in boards.items()}
    for address, board in boards.items():
        board.write(board.lookup(tops[address], "file3"), str(address).encode())
    for address, board in boards.items():
        assert board.read(board.lookup(tops[address], "file3")).startswith(str(address).encode())
    first, second = (board.file_system_id(tops[address]) for address, board in boards.items())
    assert first != second


async def test_a_board_sets_a_mode_as_an_acl_or_hears_that_there_are_none(site: Site) -> None:
    """As `cp -p` does; any other error than "no such thing" the board's kernel gives to its programs."""
    board = site.box.client(BOARD)
    await site.exports.add(site.box.root("one", site.box.image()), BOARD, PATH)
    file = board.create(board.mount(str(PATH)), "made")
    if isinstance(site.server, RunningGanesha):
        assert refusal(lambda: board.set_acl(file, 0o640)) == NO_SUCH_PROGRAM
    elif not ROOTS_TAKE_ACLS:
        assert refusal(lambda: board.set_acl(file, 0o640)) == NOT_SUPPORTED
    else:
        board.set_acl(file, 0o640)
        assert int.from_bytes(board.attributes(file)[4:8], "big") == 0o640


async def test_the_fence_ends_what_is_under_way_and_the_root_can_be_unmounted_at_once(site: Site) -> None:
    tree = site.box.root("one", site.box.image())
    await site.exports.add(tree, BOARD, PATH)
    board = site.box.client(BOARD)
    file = board.create(board.mount(str(PATH)), "big")
    began = threading.Semaphore(0)

    def write_on(client: Client) -> None:
        for number in range(100_000):
            try:
                client.write(file, bytes(60_000), 60_000 * (number % 100))
            except Refused:
                return
            began.release()

    writers = [threading.Thread(target=write_on, args=[site.box.client(BOARD)]) for _each in range(2)]
    for writer in writers:
        writer.start()
    for _each in range(20):
        assert began.acquire(timeout=60)
    await site.exports.remove(PATH)

    site.box.unmount_root(tree)
    for writer in writers:
        writer.join(60)
        assert not writer.is_alive()
    refusal(lambda: board.read(file))
    refusal(lambda: board.mount(str(PATH)))


async def test_a_board_goes_on_with_its_handles_when_its_export_is_made_again(site: Site) -> None:
    """Also when the root was unmounted and mounted anew in between, as after the store was restarted."""
    lower = site.box.image()
    tree = site.box.root("one", lower)
    board = site.box.client(BOARD)
    await site.exports.add(tree, BOARD, PATH)
    top = board.mount(str(PATH))
    files = [board.lookup(top, "secret"), board.lookup(top, "file7"), board.create(top, "made")]

    await site.exports.remove(PATH)
    assert all(refusal(partial(board.attributes, handle)) for handle in (top, *files))
    site.box.unmount_root(tree)
    site.box.mount_root(tree, lower)
    await site.exports.add(tree, BOARD, PATH)

    assert [board.read(file) for file in files] == [b"secret of one\n", b"from the image, 7\n", b""]
    assert "made" in board.names(top)


async def test_a_server_that_was_killed_comes_back_with_what_it_offered_and_no_more(site: Site) -> None:
    lower = site.box.image()
    tree, fenced = site.box.root("one", lower), site.box.root("two", lower)
    board, other = site.box.client(BOARD), site.box.client(OTHER)
    await site.exports.add(tree, BOARD, PATH)
    await site.exports.add(fenced, OTHER, FIXED)
    file = board.create(board.mount(str(PATH)), "made")
    theirs = other.lookup(other.mount(str(FIXED)), "secret")
    await site.exports.remove(FIXED)

    await site.restarted()

    assert await site.exports.all() == {Export(BOARD, PATH, tree)}
    board.close()
    other.close()
    board.write(file, b"after the restart\n")
    assert site.box.do("cat", str(tree / "made")) == "after the restart\n"
    refusal(lambda: other.read(theirs))
    refusal(lambda: other.mount(str(FIXED)))


async def test_a_root_that_is_not_mounted_is_not_offered(site: Site) -> None:
    """What would be offered instead is the file system that everybody's roots are stored on."""
    tree = site.box.folder / "bare"
    tree.mkdir()
    with pytest.raises(Fault, match="nothing is mounted there") as refused:
        await site.exports.add(tree, BOARD, PATH)
    assert refused.value.code is Code.ROOT_NOT_MOUNTED
    assert await site.exports.all() == set()
    refusal(lambda: site.box.client(BOARD).mount(str(PATH)))


async def test_a_server_that_starts_before_the_roots_are_mounted_offers_nothing_in_their_place(site: Site) -> None:
    tree = site.box.root("one", site.box.image())
    board = site.box.client(BOARD)
    await site.exports.add(tree, BOARD, PATH)
    file = board.lookup(board.mount(str(PATH)), "secret")
    site.box.do("umount", "--lazy", str(tree))  # as a machine that started anew has it: kept, not mounted

    await site.restarted()

    board.close()
    refusal(lambda: board.mount(str(PATH)))
    board.timeout_s = 5  # the kernel's server does not answer as long as the root is not mounted; ganesha refuses
    with pytest.raises((Refused, TimeoutError)):
        board.read(file)
