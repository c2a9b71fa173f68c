"""
The scripts of the ssh driver in real shells, which must not find a /proc/sysrq-trigger that works.

They run as nobody, who may not write to the real one, in a mount namespace where /proc is an empty memory file system
with a plain file of that name. The shell's programs lie there too, and go when it syncs: as on a board whose root is
taken away, from then on nothing can be started.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncssh
import pytest

from boardgrid.model.errors import Fault
from tests.drivers.ssh_board import SshBoard, ssh_board

pytestmark = pytest.mark.world

# $1: the shell to try, $2: what the driver says. In the end the cage tells what became of the trigger.
CAGE = """
set -e
{trigger}
mkdir /proc/bin
cp "$1" /proc/bin/sh
printf '#!/bin/dash\n{sync}\n' >/proc/bin/sync
printf '#!/bin/dash\necho polite >/proc/sysrq-trigger\n' >/proc/bin/reboot
printf '#!/bin/dash\nexec /bin/sleep "$1"\n' >/proc/bin/sleep
chmod +x /proc/bin/*
cd /
PATH=/proc/bin /proc/bin/sh -c "$2" || :
i=0
while [ -e /proc/sysrq-trigger ] && [ ! -s /proc/sysrq-trigger ] && [ "$i" -lt 300 ]; do sleep 0.1; i=$((i+1)); done
read -r said </proc/sysrq-trigger || :
echo "$said" >&2
"""
# No namespace of users: where the tests themselves are confined to a folder, the kernel allows none.
NOBODYS = """
set -e
mount -t tmpfs -o uid=65534,mode=755 none /proc
exec setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs --pdeathsig KILL -- "$@"
"""
Sink = asyncio.StreamWriter | asyncssh.SSHWriter[bytes]
ROOT_GOES, ROOT_STAYS = "/bin/rm -r /proc/bin", ":"


async def _pass_on(read: Callable[[int], Awaitable[bytes]], sink: Sink) -> None:
    """Until either end is gone."""
    with contextlib.suppress(OSError, asyncssh.Error):
        while said := await read(4096):
            sink.write(said)
            await sink.drain()
    with contextlib.suppress(OSError):
        sink.close()


class Cage:
    """A board whose login shell is a real one."""

    def __init__(self, shell: str, sync: str = ROOT_GOES, trigger: str = ": >/proc/sysrq-trigger") -> None:
        self.shell, self.script = shell, CAGE.format(sync=sync, trigger=trigger)
        self.triggered: asyncio.Queue[str] = asyncio.Queue()

    async def __call__(self, _board: SshBoard, session: asyncssh.SSHServerProcess[bytes]) -> None:
        words = (
            *("unshare", "--mount", "--", "/bin/sh", "-c", NOBODYS, "nobodys"),
            *("/bin/sh", "-c", self.script, "cage", self.shell, session.command or ""),
        )
        process = await asyncio.create_subprocess_exec(
            *words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        async with asyncio.TaskGroup() as group:
            group.create_task(_pass_on(session.stdin.read, process.stdin))
            group.create_task(_pass_on(process.stdout.read, session.stdout))
            said = (await process.stderr.read()).decode().splitlines()
            await process.wait()
            session.exit(0)
        self.triggered.put_nowait(said[-1] if said else "")

    async def trigger(self) -> str:
        return await asyncio.wait_for(self.triggered.get(), 60)


@pytest.fixture(params=["/bin/dash", "/bin/bash", "/bin/busybox"])
def shell(request: pytest.FixtureRequest) -> str:
    path: str = request.param
    return path


async def test_a_quiesced_board_restarts_when_it_is_told_though_its_root_is_gone(tmp_path: Path, shell: str) -> None:
    cage = Cage(shell)
    async with ssh_board(tmp_path, cage) as board:
        driver = board.driver()
        await driver.quiesce()
        assert cage.triggered.empty()
        await driver.reset()
        assert await cage.trigger() == "b"


async def test_a_quiesced_board_restarts_when_the_agent_is_gone(tmp_path: Path, shell: str) -> None:
    cage = Cage(shell)
    async with ssh_board(tmp_path, cage) as board:
        await board.driver().quiesce()
        board.cut()
        assert await cage.trigger() == "b"


async def test_a_board_in_use_is_asked_politely_first(tmp_path: Path, shell: str) -> None:
    cage = Cage(shell, ROOT_STAYS)
    async with ssh_board(tmp_path, cage) as board:
        await board.driver().reset()
        assert await cage.trigger() == "polite"


async def test_a_board_that_can_start_nothing_more_is_restarted_by_force(tmp_path: Path, shell: str) -> None:
    cage = Cage(shell)
    async with ssh_board(tmp_path, cage) as board:
        await board.driver().reset()
        assert await cage.trigger() == "b"


async def test_a_kernel_without_the_trigger_says_so(tmp_path: Path, shell: str) -> None:
    cage = Cage(shell, trigger=":")
    async with ssh_board(tmp_path, cage) as board:
        with pytest.raises(Fault, match="lets nobody restart it by /proc/sysrq-trigger"):
            await board.driver().quiesce()
        assert await cage.trigger() != "b"
