"""Sessions end when the time of their user does, and when nobody can tell any more whether it does."""

import asyncio
import socket

import asyncssh
import pytest

from boardgrid.gateway.limits import Limits
from boardgrid.gateway.lobby import Lobby
from boardgrid.gateway.watch import Watch
from boardgrid.testing import FakeClock, FakeDoorkeeper, patiently
from tests.gateway.loopback import Door, Opener, Ssh

ON_BOARD = ("-J", "door", "root@tk1-1")


async def _waiting(door: Door, *words: str) -> Ssh:
    ssh = await door.ssh(*(words or ON_BOARD), "wait")
    assert ssh.process.stdout is not None
    async with asyncio.timeout(60):
        assert await ssh.process.stdout.readline() == b"waiting\n"
    return ssh


async def test_a_session_is_cut_when_the_reservation_ends_and_its_user_is_told(door: Door) -> None:
    ssh = await _waiting(door)
    door.doorkeeper.end("ada", "tk1-1")
    status, _out, err = await ssh.said()
    assert status == 255
    assert "your time on tk1-1 has ended" in err


async def test_what_else_its_user_holds_stays_open_on_the_same_connection(door: Door) -> None:
    door.holds("ada", "tk1-2")
    async with await door.connect() as through:
        ended, _writer = await through.open_connection("tk1-1", 22)
        stays, writer = await through.open_connection("tk1-2", 22)
        await ended.readline()
        await stays.readline()
        door.doorkeeper.end("ada", "tk1-1")
        async with asyncio.timeout(30):
            await ended.read()
            writer.write(b"SSH-2.0-me\r\n")
            assert await stays.read(100)


async def test_a_key_that_becomes_nobody_s_ends_its_connection_and_what_runs_on_it(door: Door) -> None:
    ssh = await _waiting(door)
    door.doorkeeper.forget(door.line("ada"))
    status, _out, err = await ssh.said()
    assert status == 255
    assert "this key lets ada in no more" in err


async def test_who_gets_a_removed_user_s_name_shares_nothing_with_their_open_connections(door: Door) -> None:
    former = await door.connect()
    del door.doorkeeper.users[door.line("ada")]  # the gateway has not heard of it yet
    door.user("ada")  # another person
    with pytest.raises(asyncssh.ChannelOpenError, match="you hold no board tk1-1"):
        await former.open_connection("tk1-1", 22)
    door.holds("ada", "tk1-2")  # now it hears
    async with asyncio.timeout(30):
        await former.wait_closed()
    async with await door.connect() as now:
        await now.open_connection("tk1-1", 22)


async def test_an_answer_from_before_the_session_began_cuts_nobody(door: Door) -> None:
    ssh = await _waiting(door)
    door.doorkeeper.unseen = {("ada", "tk1-1")}
    door.holds("bob", "tk1-3")
    await door.until(lambda: ("ada", "tk1-1") in door.doorkeeper.asked[1:])
    await asyncio.sleep(0.1)
    assert ssh.process.returncode is None
    ssh.process.kill()
    await ssh.said()


async def test_a_session_lives_through_a_controller_that_restarts(opened: Opener) -> None:
    door = await opened(grace_s=600)
    ssh = await _waiting(door)
    door.doorkeeper.is_silent = True
    door.holds("bob", "tk1-3")  # wakes the question that waits
    await asyncio.sleep(0.5)
    door.doorkeeper.is_silent = False
    await door.until(lambda: len(door.doorkeeper.told) == 2)
    assert ssh.process.returncode is None
    door.doorkeeper.end("ada", "tk1-1")
    assert (await ssh.said())[0] == 255


@pytest.mark.slow
async def test_a_controller_that_stays_silent_ends_all_sessions_after_the_grace(opened: Opener) -> None:
    # Silence is counted from the last question that was answered: a well controller is asked much oftener than that.
    door = await opened(grace_s=5, poll_s=0.1)
    ssh = await _waiting(door)
    door.doorkeeper.is_silent = True
    status, _out, err = await ssh.said()
    assert status == 255
    assert "this gateway has lost its farm" in err


async def test_a_time_that_ends_while_the_board_is_being_reached_opens_nothing(door: Door) -> None:
    with socket.socket() as slow:
        slow.bind(("127.0.0.1", 0))
        slow.listen(0)
        slow.setblocking(False)
        port = slow.getsockname()[1]
        fillers = [socket.socket() for _ in range(2)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        door.holds("ada", "tk1-2", port=port)
        async with await door.connect() as through:
            opening = asyncio.create_task(through.open_connection("tk1-2", 22))
            await door.until(lambda: ("ada", "tk1-2") in door.doorkeeper.asked)
            async with asyncio.timeout(30):
                door.doorkeeper.end("ada", "tk1-2")
                await asyncio.sleep(0.2)
                loop = asyncio.get_running_loop()
                accepted = []
                while not opening.done():
                    accept = asyncio.ensure_future(loop.sock_accept(slow))
                    await asyncio.wait([accept, opening], return_when=asyncio.FIRST_COMPLETED)
                    accept.cancel() if not accept.done() else accepted.append(accept.result()[0])
            with pytest.raises(asyncssh.ChannelOpenError, match="you hold no board tk1-2"):
                await opening
        for one in [*accepted, *fillers]:
            one.close()


@patiently
async def test_the_controller_is_greeted_again_after_it_was_silent() -> None:
    doorkeeper = FakeDoorkeeper(is_silent=True)
    watch = Watch(Lobby(Limits()), doorkeeper, FakeClock(), "gate.example", 2222, "ssh-ed25519 AAAA")
    watching = asyncio.create_task(watch.run())
    await asyncio.sleep(3600)
    assert doorkeeper.told == []
    doorkeeper.is_silent = False
    await asyncio.sleep(10)
    assert doorkeeper.told == [("gate.example", 2222, "ssh-ed25519 AAAA")]
    watching.cancel()
