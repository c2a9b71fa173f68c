"""
Boards that are asked politely: a restart over SSH.

    power = [{ driver = "ssh" }]

It asks what runs on the board, so it is a rung of the ladder that may fail: an outlet should stand below it.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TypeAlias

import asyncssh

from boardgrid.messages import _
from boardgrid.model.errors import Blame, Code, Fault
from boardgrid.ports import Tools

_Process: TypeAlias = asyncssh.SSHClientProcess[bytes]

# What waits on the board while its root is taken away. From then on no program can be started and no file be read, so
# all that comes after "sync" is built into the shell, and was run once before so that its pages are in memory. The end
# of the connection counts as an order: whoever asked for it died between taking the root away and restarting the board.
# (It is one line without single quotes, so that any login shell hands it to sh as it is.)
_WAIT = (
    "exec sh -c '"
    'trap "" HUP TERM PIPE; [ -w /proc/sysrq-trigger ] || { echo unable; exit 1; }; '
    'pause() { i=0; while [ "$i" -lt "$1" ]; do i=$((i+1)); done; }; pause 10; echo x >/dev/null; '
    'while read -r act && [ "$act" = sync ]; do sync; echo synced; done; '
    "echo restarting; pause 20000; echo b >/proc/sysrq-trigger'"
)
# A whole shutdown first, for whoever asks for a restart of a board that is in use; then by force.
_RESTART = (
    "exec sh -c '"
    'trap "" HUP TERM PIPE; echo restarting; exec </dev/null >/dev/null 2>&1; '
    "{ sync; reboot || reboot -f; sleep 20; echo b >/proc/sysrq-trigger; } &'"
)
_WRITE_DOWN = "exec sh -c 'sync && echo synced'"
_SYNCED, _RESTARTING = b"synced", b"restarting"
_LINE_BYTES = 64
# First what the farm gives to every root: dropbear also offers kinds of which it has none, and hangs up over them.
_HOST_KEYS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512", "rsa-sha2-256")


@dataclass(slots=True)
class _Hold:
    """The channel to a board that waits for its restart."""

    connection: asyncssh.SSHClientConnection | None = None
    process: _Process | None = None

    def is_there(self) -> bool:
        return self.connection is not None and not self.connection.is_closed()

    def let_go(self) -> None:
        if self.connection is not None:
            self.connection.abort()
        self.connection = self.process = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SshReboot:
    """Root on the board, by the agent's own key, which is in every root that the farm made."""

    port: int = 22
    timeout_s: float = 6.0  # for each of: connecting, writing down what is in memory, restarting
    tools: Tools = field(repr=False)
    _hold: _Hold = field(default_factory=_Hold, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 < self.port < 65536:
            raise ValueError(_("port should be 1 to 65535"))
        if not 0 < self.timeout_s <= 60:
            raise ValueError(_("timeout_s should be at most 60"))

    async def quiesce(self) -> None:
        hold = self._hold
        try:
            async with self._limit():
                if hold.process is not None and hold.is_there() and await _said(hold.process, b"sync") == _SYNCED:
                    return
                hold.let_go()
                hold.connection = await self._connect()
                hold.process = await _begin(hold.connection, _WAIT)
                match await _said(hold.process, b"sync"):
                    case b"synced":
                        pass
                    case b"unable":
                        raise self._failed(_("its kernel lets nobody restart it by /proc/sysrq-trigger"))
                    case _:
                        raise self._failed(_("its shell did not do as it was told"))
        except BaseException:
            hold.let_go()
            raise

    async def write_down(self) -> None:
        async with self._limit():
            connection = await self._connect()
            try:
                process = await _begin(connection, _WRITE_DOWN)
                if await _line(process) != _SYNCED:
                    raise self._failed(_("its shell did not do as it was told"))
            finally:
                connection.abort()

    async def reset(self) -> None:
        try:
            if await self._reset_by_hold():
                return
        finally:
            self._hold.let_go()
        async with self._limit():
            connection = await self._connect()
            try:
                process = await _begin(connection, _RESTART)
                if await _line(process) != _RESTARTING:
                    raise self._failed(_("its shell did not begin the restart"))
            finally:
                connection.abort()

    async def _reset_by_hold(self) -> bool:
        """Whether the board that waits for it restarts. One that was switched off since, or was restarted, does not."""
        hold = self._hold
        if hold.process is None or not hold.is_there():
            return False
        with contextlib.suppress(Fault):
            async with self._limit():
                return await _said(hold.process, b"restart") == _RESTARTING
        return False

    async def _connect(self) -> asyncssh.SSHClientConnection:
        try:
            key = asyncssh.read_private_key(self.tools.ssh_key or "")
        except (OSError, asyncssh.KeyImportError) as error:
            raise self._failed(_("the site has no SSH key of its own: {why}").format(why=error), Blame.SITE) from error
        return await asyncssh.connect(
            str(self.tools.board.address),
            self.port,
            username="root",
            client_keys=[key],
            preferred_auth="publickey",
            # Any root may run there, with any key: nothing secret is said, and little of what is answered is read.
            known_hosts=None,
            server_host_key_algs=_HOST_KEYS,
            config=None,
            agent_path=None,
            agent_forwarding=False,
            x11_forwarding=False,
            compression_algs=None,  # a small packet could be inflated to any size
            gss_host=None,
            # A board that was switched off never says so.
            keepalive_interval=5,
            keepalive_count_max=3,
        )

    @contextlib.asynccontextmanager
    async def _limit(self) -> AsyncIterator[None]:
        """Every wait ends, and what goes wrong is said of the board."""
        try:
            async with asyncio.timeout(self.timeout_s):
                yield
        except TimeoutError as error:
            raise self._failed(_("no answer in {seconds:g} s").format(seconds=self.timeout_s)) from error
        except (OSError, asyncssh.Error, ValueError) as error:
            # Of a connection asyncio says more than once where to; that stands in our sentence already.
            known = error.errno if isinstance(error, OSError) else None
            raise self._failed(os.strerror(known) if known else str(error) or type(error).__name__) from error

    def _failed(self, why: str, blame: Blame = Blame.BOARD) -> Fault:
        return Fault(
            Code.POWER_FAILED,
            _("{board} could not be restarted over SSH at {address}: {why}"),
            blame=blame,
            board=self.tools.board.name,
            address=self.tools.board.address,
            why=why,
        )


async def _begin(connection: asyncssh.SSHClientConnection, script: str) -> _Process:
    # Small windows: a board that talks without end is not listened to.
    return await connection.create_process(script, encoding=None, window=4096, max_pktsize=1024)


async def _said(process: _Process, what: bytes) -> bytes:
    """What a board that waits says to that; nothing where it has gone."""
    with contextlib.suppress(OSError, asyncssh.Error):
        process.stdin.write(what + b"\n")
    with contextlib.suppress(OSError, asyncssh.Error):  # it may have spoken before it went
        return await _line(process)
    return b""


async def _line(process: _Process) -> bytes:
    """What the board says next, if it is short."""
    line = b""
    while len(line) < _LINE_BYTES and not line.endswith(b"\n"):
        more = await process.stdout.read(1)
        if not more:
            break
        line += more
    return line.strip()
