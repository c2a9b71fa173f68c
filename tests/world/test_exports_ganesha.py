"""What ganesha alone is asked for: that its programs may die and hang, and that its files and its answers agree."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path, PurePosixPath

import pytest

from boardgrid.adapters.exports.ganesha import GaneshaExports
from boardgrid.adapters.exports.ganesha_config import Block
from boardgrid.model.errors import Code, Fault
from boardgrid.ports import Export
from tests.world.exports_box import SERVER, Box, RunningGanesha, a_box, a_ganesha, eventually, ready
from tests.world.exports_client import refusal

pytestmark = pytest.mark.world
BOARD, OTHER = IPv4Address("10.77.0.21"), IPv4Address("10.77.0.22")
PATH, FIXED = PurePosixPath("/r/0192f3a1/0192f3b2"), PurePosixPath("/NFSRoot1")


@dataclass
class Site:
    box: Box
    ganesha: RunningGanesha

    def __post_init__(self) -> None:
        self.exports = self.ganesha.exports()
        self.kept = self.ganesha.server.kept

    async def restarted(self) -> None:
        self.ganesha.restart()
        await ready(self.exports)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    with a_box(tmp_path) as box, a_ganesha(box) as ganesha:
        await ready(ganesha.exports())
        yield Site(box, ganesha)


async def test_nobody_is_told_which_roots_others_have(site: Site) -> None:
    await site.exports.add(site.box.memory_tree("one"), BOARD, PATH)
    assert site.box.client(BOARD).listed() == [str(PATH)]
    assert site.box.client(OTHER).listed() == []
    name = f"b{int(OTHER) & 0xFFFF}"
    assert str(PATH) not in site.box.do("ip", "netns", "exec", name, "showmount", "--exports", str(SERVER))


async def test_an_agent_killed_before_the_server_was_told_to_offer_does_it_when_it_comes_again(site: Site) -> None:
    tree = site.box.memory_tree("one")
    site.kept.keep(Block(77, Export(BOARD, PATH, tree)))
    assert await site.exports.all() == set()
    await site.exports.add(tree, BOARD, PATH)
    assert await site.exports.all() == {Export(BOARD, PATH, tree)}
    assert [block.export for block in site.kept.all()] == [Export(BOARD, PATH, tree)]


async def test_what_a_killed_agent_had_only_begun_to_offer_can_be_ended(site: Site) -> None:
    site.kept.keep(Block(77, Export(BOARD, PATH, site.box.memory_tree("one"))))
    await site.exports.remove(PATH)
    await site.restarted()
    assert await site.exports.all() == set()


async def test_an_agent_killed_before_the_server_was_told_to_end_it_does_it_when_it_comes_again(site: Site) -> None:
    tree = site.box.memory_tree("one")
    await site.exports.add(tree, BOARD, PATH)
    for block in site.kept.all():
        site.kept.forget(block)
    assert await site.exports.all() == {Export(BOARD, PATH, tree)}
    await site.exports.remove(PATH)
    assert await site.exports.all() == set()


async def test_an_export_whose_file_was_lost_is_kept_again_when_it_is_added_again(site: Site) -> None:
    tree = site.box.memory_tree("one")
    await site.exports.add(tree, BOARD, PATH)
    for block in site.kept.all():
        site.kept.forget(block)
    await site.exports.add(tree, BOARD, PATH)
    await site.restarted()
    assert await site.exports.all() == {Export(BOARD, PATH, tree)}


async def test_what_the_server_refuses_leaves_nothing_behind(site: Site) -> None:
    """The same file system again, by another name: it has no id that tells the two apart."""
    tree = site.box.memory_tree("one")
    await site.exports.add(tree, BOARD, PATH)
    twin = site.box.folder / "twin"
    twin.mkdir()
    site.box.do("mount", "--bind", str(tree), str(twin))
    before = await site.exports.all()
    try:
        await site.exports.add(twin, OTHER, FIXED)
    except Fault as refused:
        assert refused.code is Code.EXPORTS_FAILED
        assert await site.exports.all() == before
    assert {block.export for block in site.kept.all()} == await site.exports.all()


@dataclass
class Unmounting:
    """A shell in whose box a tree is unmounted just after it was seen to be mounted."""

    box: Box
    tree: Path
    is_done: bool = False

    async def run(self, *argv: str, timeout_s: float = 30, stdin: bytes = b"") -> str:
        said = await self.box.run(*argv, timeout_s=timeout_s, stdin=stdin)
        if argv[0] == "mountpoint" and not self.is_done:
            self.is_done = True
            self.box.do("umount", str(self.tree))
        return said


async def test_a_tree_that_is_unmounted_as_it_is_offered_is_taken_back(site: Site) -> None:
    tree = site.box.memory_tree("one")
    exports = GaneshaExports(site.ganesha.server, Unmounting(site.box, tree), proc=site.box.proc)
    with pytest.raises(Fault) as raised:
        await exports.add(tree, BOARD, PATH)
    assert raised.value.code is Code.ROOT_NOT_MOUNTED
    assert await site.exports.all() == set()
    await site.restarted()
    assert await site.exports.all() == set()


async def test_what_a_killed_agent_offered_of_a_bare_mount_point_is_taken_back(site: Site) -> None:
    tree = site.box.memory_tree("one")
    site.box.do("umount", str(tree))
    site.kept.keep(Block(77, Export(BOARD, PATH, tree)))
    await site.restarted()
    with pytest.raises(Fault) as raised:
        await site.exports.add(tree, BOARD, PATH)
    assert raised.value.code is Code.ROOT_NOT_MOUNTED
    assert await site.exports.all() == set()


async def test_a_rubbish_file_among_the_kept_does_not_keep_the_server_from_starting(site: Site) -> None:
    tree = site.box.memory_tree("one")
    await site.exports.add(tree, BOARD, PATH)
    (site.kept.folder / "9.conf").write_text("EXPORT { rubbish \n")
    (site.kept.folder / "10.conf").write_text(str(Block(11, Export(OTHER, FIXED, tree))))
    await site.restarted()
    assert await site.exports.all() == {Export(BOARD, PATH, tree)}


async def test_a_root_that_was_not_mounted_as_the_server_started_is_forgotten(site: Site) -> None:
    tree, other = site.box.memory_tree("one"), site.box.memory_tree("other")
    await site.exports.add(tree, BOARD, PATH)
    await site.exports.add(other, OTHER, FIXED)
    site.box.do("umount", "--lazy", str(tree))
    await site.restarted()
    assert await site.exports.all() == {Export(OTHER, FIXED, other)}

    site.box.do("mount", "-t", "tmpfs", "tmpfs", str(tree))
    await site.restarted()
    assert await site.exports.all() == {Export(OTHER, FIXED, other)}, "it came back though nobody asked for it"


async def test_a_hung_server_is_a_fault_and_then_it_may_be_asked_again(site: Site) -> None:
    tree = site.box.memory_tree("one")
    site.ganesha.signal("ganesha", signal.SIGSTOP)
    hasty = site.ganesha.hasty_exports(0.5)
    for call in (hasty.all(), hasty.add(tree, BOARD, PATH), hasty.remove(PATH)):
        with pytest.raises(Fault, match="does not answer") as hung:
            await call
        assert hung.value.code is Code.EXPORTS_FAILED
    assert not await hasty.is_ready()
    site.ganesha.signal("ganesha", signal.SIGCONT)
    await site.exports.add(tree, BOARD, PATH)
    assert await site.exports.all() == {Export(BOARD, PATH, tree)}


async def test_a_call_that_is_cancelled_leaves_the_next_one_unharmed(site: Site) -> None:
    tree = site.box.memory_tree("one")
    for delay_s in (0, 0.001, 0.003, 0.01):
        call = asyncio.create_task(site.exports.add(tree, BOARD, PATH))
        await asyncio.sleep(delay_s)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await site.exports.add(tree, BOARD, PATH)
        assert await site.exports.all() == {Export(BOARD, PATH, tree)}
        await site.exports.remove(PATH)
    assert site.kept.all() == []


async def test_its_programs_may_die_and_come_back_in_any_order(site: Site) -> None:
    tree = site.box.memory_tree("one")
    await site.exports.add(tree, BOARD, PATH)
    board = site.box.client(BOARD)
    file = board.lookup(board.mount(str(PATH)), "hello")

    site.ganesha.kill("bus")
    eventually(lambda: site.ganesha.ended("ganesha"), "ganesha ends with its bus")
    assert not await site.exports.is_ready()
    site.ganesha.start("ganesha")
    site.ganesha.start("bus")
    await ready(site.exports)
    board.close()
    assert board.read(file) == b"hello from one\n"

    for name in ("port mapper", "ganesha", "bus"):
        if not site.ganesha.ended(name):
            site.ganesha.kill(name)
    site.ganesha.start("ganesha")
    site.ganesha.start("bus")
    site.ganesha.start("port mapper")
    await ready(site.exports)
    board.close()
    assert board.mount(str(PATH))
    assert board.read(file) == b"hello from one\n"


async def test_who_only_asks_whether_it_serves_changes_nothing_of_what_the_agent_waits_for(site: Site) -> None:
    """The supervisor asks from outside, where the server's process has another number, or that number is another's."""
    block = Block(77, Export(BOARD, PATH, site.box.memory_tree("one")))
    site.kept.keep(block)
    site.kept.end(block)
    outside = GaneshaExports(site.ganesha.server, site.box)
    assert await outside.is_ready()
    assert site.kept.ending() == [block]
    assert await site.exports.all() == set()
    assert site.kept.ending() == []


async def test_hostile_boards_do_not_fill_the_disk_with_log_lines(site: Site) -> None:
    await site.exports.add(site.box.memory_tree("one"), BOARD, PATH)
    board, other = site.box.client(BOARD), site.box.client(OTHER)
    top = board.mount(str(PATH))
    before = site.ganesha.server.log.stat().st_size
    for number in range(300):
        refusal(lambda number=number: other.mount(f"/r/{number}"))  # type: ignore[misc]
        refusal(lambda: other.attributes(top))
        refusal(lambda number=number: board.attributes(os.urandom(32 + number % 30)))  # type: ignore[misc]
        refusal(lambda: board.lookup(top, "x" * 300))
        refusal(lambda: board.call(2049, (100003, 3, 99)))
    assert site.ganesha.server.log.stat().st_size - before < 20_000


async def test_the_next_start_begins_a_new_log_when_the_old_one_has_grown(site: Site) -> None:
    log = site.ganesha.server.log
    site.ganesha.kill("ganesha")
    with log.open("ab") as end:
        end.truncate(6_000_000)
    site.ganesha.start("ganesha")
    await ready(site.exports)
    assert log.stat().st_size < 100_000
    assert log.with_suffix(".old").stat().st_size == 6_000_000


async def test_the_fence_is_not_told_before_what_a_board_began_is_done(site: Site) -> None:
    tree = site.box.root("one", site.box.image())
    await site.exports.add(tree, BOARD, PATH)
    board, writer = site.box.client(BOARD), site.box.client(BOARD)
    file = board.create(board.mount(str(PATH)), "made")
    site.box.do("fsfreeze", "--freeze", str(tree.parent / "above"))
    try:
        late = asyncio.create_task(asyncio.to_thread(writer.write, file, b"written before the fence"))
        await asyncio.to_thread(eventually, site.ganesha.waits_for_disk, "the server writes")
        hasty = site.ganesha.hasty_exports(2)
        with pytest.raises(Fault, match="does not finish"):
            await hasty.remove(PATH)
        refusal(lambda: board.mount(str(PATH)))
        assert await hasty.all() == {Export(BOARD, PATH, tree)}, "as long as it may still write, it is not fenced"
    finally:
        site.box.do("fsfreeze", "--unfreeze", str(tree.parent / "above"))
    await asyncio.gather(late, return_exceptions=True)
    await site.exports.remove(PATH)
    assert await site.exports.all() == set()
    assert site.kept.ending() == []
    site.box.unmount_root(tree)
