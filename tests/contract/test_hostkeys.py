"""What every answer to the port HostKeys does: the fake, and a real key exchange."""

from collections.abc import AsyncIterator
from ipaddress import IPv4Address

import asyncssh
import pytest

from boardgrid.adapters.hostkeys import SshHostKeys
from boardgrid.model.errors import Blame, Code, Fault
from boardgrid.ports import HostKeys
from boardgrid.testing import FakeHostKeys

BOARD, SILENT = IPv4Address("127.0.0.1"), IPv4Address("127.0.0.2")
KEY = asyncssh.generate_private_key("ssh-ed25519")
LINE = KEY.export_public_key().decode().strip()


@pytest.fixture(params=["fake", "ssh"])
async def keys(request: pytest.FixtureRequest) -> AsyncIterator[HostKeys]:
    if request.param == "fake":
        yield FakeHostKeys({BOARD: LINE})
        return
    async with asyncssh.listen(str(BOARD), 0, server_host_keys=[KEY]) as server:
        yield SshHostKeys(server.get_port())


async def test_a_board_that_answers_is_told_by_its_key(keys: HostKeys) -> None:
    assert await keys.of(BOARD) == LINE


async def test_a_board_that_does_not_answer_is_a_fault_of_the_board(keys: HostKeys) -> None:
    with pytest.raises(Fault, match=r"127\.0\.0\.2 does not answer") as caught:
        await keys.of(SILENT, timeout_s=5)
    assert caught.value.code is Code.SSH_SILENT
    assert caught.value.blame is Blame.BOARD
