"""A restart over SSH; tests/world/test_restart_script.py runs its scripts in real shells."""

import asyncio
import socket
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from pathlib import Path

import asyncssh
import pytest

from boardgrid.drivers.ssh import SshReboot
from boardgrid.model.errors import Blame, Code, Fault
from boardgrid.testing import a_board
from tests.drivers.bench import LOOPBACK, tools
from tests.drivers.ssh_board import SshBoard, ssh_board

Session = asyncssh.SSHServerProcess[bytes]


@pytest.fixture
async def board(tmp_path: Path) -> AsyncIterator[SshBoard]:
    async with ssh_board(tmp_path) as made:
        yield made


async def test_a_board_that_was_quiesced_is_reset_by_the_same_channel(board: SshBoard) -> None:
    driver = board.driver()
    await driver.quiesce()
    await driver.reset()
    assert board.heard == [["sync", "restart"]]


@pytest.mark.slow
async def test_dropbear_with_no_key_but_the_farms_does_not_hang_up(tmp_path: Path) -> None:
    key, port = tmp_path / "host_key", free_port()
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(tmp_path / "agent_key")
    made = await asyncio.create_subprocess_exec("dropbearkey", "-t", "ed25519", "-f", str(key), stdout=DEVNULL)
    assert await made.wait() == 0
    server = await asyncio.create_subprocess_exec(
        *("dropbear", "-F", "-E", "-s", "-r", str(key), "-p", f"{LOOPBACK}:{port}", "-P", str(tmp_path / "pid")),
        stderr=PIPE,
    )
    try:
        assert server.stderr is not None and b"Not backgrounding" in await server.stderr.readline()
        with pytest.raises(Fault, match="Permission denied"):
            await SshBoard(tmp_path / "agent_key", port).driver().reset()
    finally:
        server.terminate()
        await server.communicate()


def free_port() -> int:
    with socket.create_server((str(LOOPBACK), 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


async def synced(board: SshBoard, session: asyncssh.SSHServerProcess[bytes]) -> None:
    board.heard.append([session.command or ""])
    session.stdout.write(b"synced\n")
    session.exit(0)


async def test_a_board_that_only_writes_down_goes_on(tmp_path: Path) -> None:
    async with ssh_board(tmp_path, synced) as board:
        driver = board.driver()
        await driver.write_down()
        await driver.write_down()
        assert board.heard == [["exec sh -c 'sync && echo synced'"]] * 2


async def test_a_board_that_does_not_write_down_is_told(tmp_path: Path) -> None:
    async def silent(_board: SshBoard, session: asyncssh.SSHServerProcess[bytes]) -> None:
        session.exit(1)

    async with ssh_board(tmp_path, silent) as board:
        with pytest.raises(Fault, match="as it was told"):
            await board.driver().write_down()


async def test_a_board_may_be_quiesced_twice(board: SshBoard) -> None:
    driver = board.driver()
    await driver.quiesce()
    await driver.quiesce()
    await driver.reset()
    assert board.heard == [["sync", "sync", "restart"]]


async def test_a_board_that_was_not_quiesced_is_restarted_anew(board: SshBoard) -> None:
    driver = board.driver()
    await driver.reset()
    await driver.reset()
    assert board.heard == [[], []]


async def test_a_channel_that_broke_is_no_way_to_reset_so_another_is_opened(board: SshBoard) -> None:
    driver = board.driver()
    await driver.quiesce()
    board.cut()
    await driver.reset()
    assert board.heard == [["sync"], []]


async def test_a_channel_that_broke_is_no_way_to_quiesce_so_another_is_opened(board: SshBoard) -> None:
    driver = board.driver()
    await driver.quiesce()
    board.cut()
    await driver.quiesce()
    await driver.reset()
    assert board.heard == [["sync"], ["sync", "restart"]]


async def test_a_driver_that_is_cancelled_lets_go_so_that_the_board_restarts_by_itself(tmp_path: Path) -> None:
    begun = asyncio.Event()

    async def never_done(board: SshBoard, session: Session) -> None:
        begun.set()
        try:
            await session.stdin.read()
        finally:
            board.ended.set()

    async with ssh_board(tmp_path, never_done) as board:
        quiesce = asyncio.create_task(board.driver().quiesce())
        await begun.wait()
        quiesce.cancel()
        await asyncio.wait({quiesce})
        await asyncio.wait_for(board.ended.wait(), 30)


async def test_a_kernel_that_lets_nobody_restart_it_is_a_fault_that_says_so(tmp_path: Path) -> None:
    async def unable(board: SshBoard, session: Session) -> None:
        session.stdout.write(b"unable\n")
        session.exit(1)

    async with ssh_board(tmp_path, unable) as board:
        with pytest.raises(Fault, match=r"tk1-1 could not be restarted over SSH at .*sysrq-trigger") as failed:
            await board.driver().quiesce()
    assert (failed.value.code, failed.value.blame) == (Code.POWER_FAILED, Blame.BOARD)


async def test_a_board_that_hangs_ends_at_its_time_and_is_let_go(tmp_path: Path) -> None:
    async def hung(board: SshBoard, session: Session) -> None:
        await session.stdin.read()
        board.ended.set()

    async with ssh_board(tmp_path, hung) as board:
        for act in (board.driver(0.5).quiesce, board.driver(0.5).reset):
            with pytest.raises(Fault, match=r"tk1-1 could not be restarted .* no answer in 0.5 s"):
                await act()


async def test_a_board_that_talks_without_end_is_not_listened_to(tmp_path: Path) -> None:
    async def talks(board: SshBoard, session: Session) -> None:
        while True:
            session.stdout.write(b"x" * 4096)
            await session.stdout.drain()

    async with ssh_board(tmp_path, talks) as board:
        for act in (board.driver().quiesce, board.driver().reset):
            with pytest.raises(Fault, match="tk1-1"):
                await act()


async def test_a_board_that_would_have_us_inflate_what_it_says_is_not_listened_to(tmp_path: Path) -> None:
    """A hundred bytes could fill the agent's memory, and hold up all other boards meanwhile."""
    async with ssh_board(tmp_path, compression=["zlib@openssh.com", "zlib"]) as board:
        for act in (board.driver().quiesce, board.driver().reset):
            with pytest.raises(Fault, match=r"tk1-1 .* compression"):
                await act()
    assert board.heard == []


async def test_a_root_that_does_not_know_our_key_is_a_fault(board: SshBoard) -> None:
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(board.key)
    with pytest.raises(Fault, match=r"tk1-1 .* Permission denied"):
        await board.driver().reset()


async def test_a_board_that_is_off_is_a_fault(tmp_path: Path) -> None:
    async with ssh_board(tmp_path) as board:
        driver = board.driver()
    with pytest.raises(Fault, match=r"tk1-1 could not be restarted over SSH at \S+: Connection refused") as failed:
        await driver.reset()
    assert failed.value.blame is Blame.BOARD


@pytest.mark.parametrize("is_there", [True, False])
async def test_a_site_without_a_key_is_the_sites_fault(tmp_path: Path, is_there: bool) -> None:
    key = tmp_path / "no_key" if is_there else None
    driver = SshReboot(tools=tools(board=a_board(1, address=LOOPBACK), ssh_key=key))
    for act in (driver.quiesce, driver.reset):
        with pytest.raises(Fault, match="the site has no SSH key of its own") as failed:
            await act()
        assert failed.value.blame is Blame.SITE


@pytest.mark.parametrize("keys", [{"port": 0}, {"timeout_s": 0.0}, {"timeout_s": 3600.0}])
def test_nonsense_is_refused(keys: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="should be"):
        SshReboot(**keys, tools=tools())
