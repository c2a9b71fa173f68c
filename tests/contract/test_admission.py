"""What every answer to the port Admission does: the fake, and a real shell behind a real SSH server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

import asyncssh
import pytest

from boardgrid.adapters.admission import SshAdmission
from boardgrid.model.errors import Blame, Code, Fault
from boardgrid.ports import Admission
from boardgrid.testing import FakeAdmission, FakeHostKeys

BOARD, SILENT = IPv4Address("127.0.0.1"), IPv4Address("127.0.0.2")
HOST = asyncssh.generate_private_key("ssh-ed25519")
HOST_KEY = HOST.export_public_key().decode().strip()
ADA, BOB = "ssh-ed25519 AAAAada", "ssh-ed25519 AAAAbob"


@dataclass
class Door:
    admission: Admission
    given: Callable[[], list[str]]  # who may log in, as the farm wrote it there


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


@pytest.fixture(params=["fake", "ssh"])
async def door(request: pytest.FixtureRequest, home: Path, tmp_path: Path) -> AsyncIterator[Door]:
    if request.param == "fake":
        fake = FakeAdmission(FakeHostKeys({BOARD: HOST_KEY}))
        yield Door(fake, lambda: list(fake.admitted.get(BOARD, ())))
        return
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(tmp_path / "agent_key")
    file = home / ".ssh" / "authorized_keys"

    async def shell(session: asyncssh.SSHServerProcess[bytes]) -> None:
        process = await asyncio.create_subprocess_exec(
            "sh", "-c", session.command or "", stdin=-1, stdout=-1, env={"HOME": str(home), "PATH": "/usr/bin:/bin"}
        )
        said, _err = await process.communicate(await session.stdin.read())
        session.stdout.write(said)
        session.exit(process.returncode or 0)

    async with asyncssh.listen(
        str(BOARD), 0, server_host_keys=[HOST], process_factory=shell, encoding=None,
        authorized_client_keys=asyncssh.import_authorized_keys(key.export_public_key().decode()),
    ) as server:  # fmt: skip
        admission = SshAdmission(tmp_path / "agent_key", server.get_port())
        yield Door(
            admission,
            lambda: [
                line.removesuffix(" boardgrid")
                for line in (file.read_text().splitlines() if file.exists() else ())
                if line.endswith(" boardgrid")
            ],
        )


async def test_who_is_admitted_may_log_in_and_nobody_else(door: Door) -> None:
    await door.admission.admit(BOARD, HOST_KEY, (ADA, BOB))
    assert door.given() == [ADA, BOB]
    await door.admission.admit(BOARD, HOST_KEY, (ADA,))
    await door.admission.admit(BOARD, HOST_KEY, (ADA,))
    assert door.given() == [ADA]


async def test_a_board_with_another_host_key_is_told_nobody(door: Door) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    with pytest.raises(Fault) as caught:
        await door.admission.admit(BOARD, other, (ADA,))
    assert (caught.value.code, caught.value.blame) == (Code.SSH_SILENT, Blame.BOARD)
    assert door.given() == []


async def test_a_board_that_does_not_answer_is_a_fault_of_the_board(door: Door) -> None:
    with pytest.raises(Fault) as caught:
        await door.admission.admit(SILENT, HOST_KEY, (ADA,), timeout_s=5)
    assert (caught.value.code, caught.value.blame) == (Code.SSH_SILENT, Blame.BOARD)


@pytest.mark.parametrize("door", ["ssh"], indirect=True)
async def test_what_its_user_wrote_there_by_hand_stays(door: Door, home: Path) -> None:
    file = home / ".ssh" / "authorized_keys"
    file.parent.mkdir()
    file.write_text(f"{BOB} my-laptop\n{ADA} boardgrid\n")
    await door.admission.admit(BOARD, HOST_KEY, ("ssh-ed25519 AAAAeve",))
    assert file.read_text() == f"{BOB} my-laptop\nssh-ed25519 AAAAeve boardgrid\n"
    assert file.stat().st_mode & 0o777 == 0o600
