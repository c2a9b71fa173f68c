"""What the gateway lets through and what it refuses, seen by OpenSSH's own clients."""

import asyncio
import ipaddress
import stat
from pathlib import Path

import asyncssh
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boardgrid.gateway.door import host_key, public_line
from boardgrid.gateway.limits import Limits
from boardgrid.gateway.lobby import Lobby
from boardgrid.gateway.visit import Visit
from boardgrid.testing import FakeDoorkeeper
from tests.gateway.loopback import Door, Opener

ON_BOARD = ("-J", "door", "root@tk1-1")


async def test_a_user_reaches_the_board_that_they_hold(door: Door) -> None:
    status, out, err = await (await door.ssh(*ON_BOARD, "uname")).said()
    assert (status, out) == (7, "this is tk1-1: uname\n"), err
    assert "and this is its stderr" in err


async def test_a_board_is_reached_by_its_host_name_too(door: Door) -> None:
    status, out, err = await (await door.ssh("-J", "door", "root@TK1-1.lab.boardgrid", "uname")).said()
    assert (status, out) == (7, "this is tk1-1: uname\n"), err


async def test_bytes_come_back_as_they_went_and_the_end_of_input_goes_through(door: Door) -> None:
    sent = bytes(range(256)) * 4096 * 4
    ssh = await door.ssh(*ON_BOARD, "cat")
    async with asyncio.timeout(60):
        out, _err = await ssh.process.communicate(sent)
    assert out == sent


async def test_files_are_copied_by_sftp_through_the_door(door: Door) -> None:
    here, there, back = (door.folder / name for name in ("here", "there", "back"))
    here.write_bytes(bytes(range(256)) * 5000)
    async with (
        await door.connect() as through,
        await through.connect_ssh("tk1-1", 22, username="root", known_hosts=None, config=None) as board,
        board.start_sftp_client() as sftp,
    ):
        await sftp.put(here, there)
        await sftp.get(there, back)
    assert back.read_bytes() == here.read_bytes()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("door",), "this door has no shell"),
        (("door", "ls"), "this door has no shell"),
        (("-s", "door", "sftp"), "this door has no shell"),
        (("-A", "door"), "this door has no shell"),
        (("-X", "door"), "this door has no shell"),
        (("-N", "-R", "0:localhost:22", "-o", "ExitOnForwardFailure=yes", "door"), "remote port forwarding failed"),
        (("-W", "tk1-1:80", "door"), "this door leads to port 22 of tk1-1 alone"),
        (("-W", "tk1-2:22", "door"), "you hold no board tk1-2"),
        (("-W", "tk1-1.elsewhere.example:22", "door"), "you hold no board tk1-1"),
        (("-W", "localhost:22", "door"), "boards are reached by their name alone"),
        (("-W", "127.0.0.1:22", "door"), "boards are reached by their name alone"),
        (("-W", "[::1]:22", "door"), "boards are reached by their name alone"),
        (("-W", "2130706433:22", "door"), "boards are reached by their name alone"),
        (("-W", "tk1-1..:22", "door"), "boards are reached by their name alone"),
        (("-W", "tk1-1/../x:22", "door"), "boards are reached by their name alone"),
    ],
)
async def test_everything_else_is_refused_with_a_sentence(door: Door, words: tuple[str, ...], sentence: str) -> None:
    status, out, err = await (await door.ssh(*words)).said()
    assert status == 255
    assert sentence in err
    assert out == ""


async def test_even_the_address_of_ones_own_board_is_refused(door: Door) -> None:
    status, out, err = await (await door.ssh("-W", f"127.0.0.1:{door.board_port}", "door")).said()
    assert (status, out) == (255, "")
    assert "boards are reached by their name alone" in err


async def test_sockets_of_the_gateway_s_machine_are_refused(door: Door) -> None:
    async with await door.connect() as through:
        with pytest.raises(asyncssh.ChannelOpenError):
            await through.open_unix_connection("/run/boardgrid/controller.sock")
        with pytest.raises(asyncssh.ChannelListenError):
            await through.start_unix_server(lambda: None, "/tmp/listen-here")  # noqa: S108


async def test_tunnels_of_packets_and_frames_are_refused(door: Door) -> None:
    async with await door.connect() as through:
        with pytest.raises(asyncssh.ChannelOpenError, match="refused"):
            await through.open_tun()
        with pytest.raises(asyncssh.ChannelOpenError, match="refused"):
            await through.open_tap()


async def test_the_board_of_another_user_is_as_if_it_were_not_there(door: Door) -> None:
    status, _out, err = await (await door.ssh("-W", "tk1-1:22", "door", user="bob")).said()
    assert status == 255
    assert "you hold no board tk1-1 that is open" in err


@pytest.mark.parametrize(("user", "key"), [("ada", "bob"), ("bob", "ada"), ("root", "ada"), ("ada", "stranger")])
async def test_a_key_opens_for_its_own_user_alone(door: Door, user: str, key: str) -> None:
    door.user("stranger")
    door.doorkeeper.users = {line: name for line, name in door.doorkeeper.users.items() if name != "stranger"}
    status, _out, err = await (await door.ssh("-W", "tk1-1:22", "door", user=user, key=key)).said()
    assert status == 255
    assert "Permission denied (publickey)" in err
    assert door.doorkeeper.asked == []


async def test_a_controller_that_is_silent_lets_nobody_in_and_says_so(door: Door) -> None:
    door.doorkeeper.is_silent = True
    status, _out, err = await (await door.ssh(*ON_BOARD, "uname")).said()
    assert status == 255
    assert "This gateway gets no answer from its farm" in err
    assert "Permission denied (publickey)" in err


async def test_a_controller_that_falls_silent_after_the_login_opens_no_session(door: Door) -> None:
    async with await door.connect() as through:
        door.doorkeeper.is_silent = True
        with pytest.raises(asyncssh.ChannelOpenError, match="this gateway gets no answer from its farm"):
            await through.open_connection("tk1-1", 22)


async def test_a_board_that_does_not_answer_is_named(door: Door) -> None:
    door.holds("ada", "tk1-2", port=1)
    status, _out, err = await (await door.ssh("-W", "tk1-2:22", "door")).said()
    assert status == 255
    assert "tk1-2 does not answer on its SSH port: it may be restarting" in err


async def test_a_channel_that_is_asked_for_before_the_login_is_done_waits_for_it() -> None:
    doorkeeper = FakeDoorkeeper()
    visit = Visit(Lobby(Limits(login_s=0.05)), doorkeeper)
    with pytest.raises(asyncssh.ChannelOpenError, match="nobody has logged in here"):
        await visit.connection_requested("tk1-1", 22, "127.0.0.1", 1)
    assert doorkeeper.asked == []


@given(address=st.ip_addresses())
def test_no_address_is_ever_asked_for(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    async def ask() -> list[tuple[str, str]]:
        doorkeeper = FakeDoorkeeper()
        visit = Visit(Lobby(), doorkeeper)
        visit._authenticated.set_result("ada")
        with pytest.raises(asyncssh.ChannelOpenError, match="by their name alone"):
            await visit.connection_requested(str(address), 22, "127.0.0.1", 1)
        return doorkeeper.asked

    assert asyncio.run(ask()) == []


async def test_the_host_key_is_made_once_told_to_the_controller_and_shown(door: Door) -> None:
    file = door.folder / "host_key"
    async with await door.connect() as through:
        shown = through.get_server_host_key()
        assert shown is not None
        line = public_line(shown)
    assert door.doorkeeper.told == [("127.0.0.1", door.port, line)]
    assert public_line(host_key(file)) == line
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_host_key_that_was_half_written_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "host_key.new").write_text("-----BEGIN")
    made = host_key(tmp_path / "host_key")
    assert public_line(host_key(tmp_path / "host_key")) == public_line(made)


async def test_a_stranger_too_many_takes_the_place_of_the_oldest_and_all_end_when_they_do_not_log_in(
    opened: Opener,
) -> None:
    door = await opened(strangers=4, strangers_per_address=3, login_s=2)
    strangers = []
    for _ in range(4):
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        assert (await reader.readline()).startswith(b"SSH-2.0-BoardGrid")
        strangers.append((reader, writer))
    async with asyncio.timeout(30):
        assert b"too many are at this door" in await strangers[0][0].read()
    status, _out, err = await (await door.ssh(*ON_BOARD, "uname")).said()
    assert status == 7, err
    async with asyncio.timeout(60):
        for reader, writer in strangers:
            await reader.read()
            writer.close()


async def test_a_user_may_have_so_many_sessions_and_no_more(opened: Opener) -> None:
    door = await opened(sessions_per_user=2)
    async with await door.connect() as one, await door.connect() as other:
        await one.open_connection("tk1-1", 22)
        _reader, writer = await other.open_connection("tk1-1", 22)
        with pytest.raises(asyncssh.ChannelOpenError, match="too many sessions"):
            await one.open_connection("tk1-1", 22)
        writer.close()
        await writer.wait_closed()
        await one.open_connection("tk1-1", 22)


async def test_a_user_may_have_so_many_connections_and_no_more(opened: Opener) -> None:
    door = await opened(connections_per_user=1)
    async with await door.connect():
        status, _out, err = await (await door.ssh(*ON_BOARD, "uname")).said()
        assert status == 255
        assert "you have too many connections open" in err
        async with await door.connect("bob"):
            pass


async def test_who_offers_key_after_key_is_sent_away(opened: Opener) -> None:
    door = await opened(offers_per_connection=3)
    many = [asyncssh.generate_private_key("ssh-ed25519") for _ in range(6)]
    with pytest.raises(asyncssh.DisconnectError, match="too many keys"):
        await asyncssh.connect("127.0.0.1", door.port, username="ada", client_keys=many, known_hosts=None, config=None)


async def test_who_offers_one_key_again_and_again_is_sent_away_and_the_controller_asked_once(opened: Opener) -> None:
    door = await opened(offers_per_connection=3)
    key = asyncssh.generate_private_key("ssh-ed25519")

    class Stubborn(asyncssh.SSHClient):
        def public_key_auth_requested(self) -> asyncssh.SSHKey:
            return key

    with pytest.raises(asyncssh.DisconnectError, match="too many keys"):
        await asyncssh.connect(
            "127.0.0.1", door.port, username="ada", client_factory=Stubborn, client_keys=None, known_hosts=None,
            config=None, agent_path=None,
        )  # fmt: skip
    assert door.doorkeeper.keys_asked == [public_line(key)]


async def test_a_connection_without_any_session_ends(opened: Opener) -> None:
    door = await opened(idle_s=0.3)
    through = await door.connect()
    async with asyncio.timeout(30):
        await through.wait_closed()


async def test_asking_for_what_is_refused_does_not_keep_a_connection_alive(opened: Opener) -> None:
    door = await opened(idle_s=0.5)
    through = await door.connect()
    async with asyncio.timeout(30):
        while not through.is_closed():
            with pytest.raises(asyncssh.ChannelOpenError):
                await through.open_connection("tk1-2", 22)
            await asyncio.sleep(0.02)
