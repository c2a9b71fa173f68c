"""``boardgrid up``: a whole farm on one machine, from a state folder to processes that are ready."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import structlog

from boardgrid import logs
from boardgrid.adapters.clock import BootClock
from boardgrid.daemon import sockets
from boardgrid.daemon.config import Config
from boardgrid.daemon.notice import tell_ready
from boardgrid.daemon.preparing import prepare
from boardgrid.daemon.processes import Farm
from boardgrid.daemon.sockets import Door
from boardgrid.daemon.state import Condition, StateFolder, Status
from boardgrid.daemon.supervisor import Supervisor
from boardgrid.messages import _
from boardgrid.model.errors import Code, NotAllowed

log = structlog.get_logger()

READY_WITHIN_S = 120.0  # a slow machine that makes its first database
Tell = Callable[[str], None]


def check_is_root(config: Config) -> None:
    """
    Raises:
        NotAllowed: the asker is somebody else.
    """
    if os.geteuid() != 0:
        raise NotAllowed(
            Code.ACT_FORBIDDEN,
            _("a farm is started by root: it mounts file systems and makes namespaces"),
            hint=_("try: sudo boardgrid up --config {file}"),
            file=config.file,
        )


@dataclass(slots=True)
class Up:
    """
    One run of a farm, by root. *tell* gets short lines for a person; *on_ready* is called when all is ready.

    The folder is locked first and the doors are opened before anything is started: what cannot be is told at once.
    """

    config: Config
    tell: Tell
    on_ready: Callable[[], None]
    _status: Status | None = field(default=None, init=False)
    _supervisor: Supervisor | None = field(default=None, init=False)

    async def run(self) -> None:
        """
        Until it is asked to end (SIGTERM or SIGINT).

        Raises:
            FarmError: it could not be brought up; what had begun is ended again.
        """
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        folder = StateFolder(self.config.state)
        farm = Farm.of(self.config)
        with folder.locked():
            farm.layout.make(farm.controller, farm.gateway)
            logs.log_to(farm.layout.log / "supervisor.log")  # an earlier farm's that still runs is not ours to write
            with _doors(farm, folder) as (api, local, ssh):
                self._status = Status(os.getpid(), api.address, ssh.address)
                prepared = asyncio.Event()
                supervisor = self._supervisor = Supervisor(
                    farm.processes(api, local, ssh, prepared.wait),
                    farm.layout.log,
                    BootClock(),
                    lambda name, condition: self._changed(folder, name, condition),
                )
                # A failure to prepare ends all; until it is done, what does not need it starts already.
                preparing = asyncio.create_task(self._prepare(farm, prepared, stop))
                try:
                    await supervisor.run(stop, ready_within_s=READY_WITHIN_S, on_ready=self._is_ready)
                finally:
                    preparing.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await preparing

    def _is_ready(self) -> None:
        assert self._status is not None  # noqa: S101 - the doors are open
        self.tell(_("ready: API on http://{api}, SSH on {ssh}").format(api=self._status.api, ssh=self._status.ssh))
        log.info("farm.ready", api=self._status.api, ssh=self._status.ssh)
        tell_ready()
        self.on_ready()

    def _changed(self, folder: StateFolder, name: str, condition: Condition) -> None:
        again = _(" (restart {count})").format(count=condition.restarts) if condition.restarts else ""
        if condition.state in {"ready", "stopped"}:
            self.tell(f"{name:<12}{condition.state}{again}")
        if self._status and self._supervisor:
            # Nothing but a picture for people: a full disk must not end the farm.
            with contextlib.suppress(OSError):
                folder.write_status(
                    Status(self._status.pid, self._status.api, self._status.ssh, self._supervisor.conditions())
                )

    async def _prepare(self, farm: Farm, prepared: asyncio.Event, stop: asyncio.Event) -> None:
        try:
            await prepare(farm)
        except BaseException:
            stop.set()
            raise
        prepared.set()


@contextlib.contextmanager
def _doors(farm: Farm, folder: StateFolder) -> Iterator[tuple[Door, Door, Door]]:
    """The API's port, its Unix socket for agent and gateway, and the port for SSH."""
    config, remembered = farm.config, folder.remembered_doors()
    with ExitStack() as opened:

        def kept(door: Door) -> Door:
            opened.enter_context(contextlib.closing(door.socket))
            return door

        api = kept(
            sockets.open_tcp(
                "api",
                config.controller.listen,
                remembered=remembered.get("api"),
                key=f"{config.file}: controller.listen",
            )
        )
        ssh = kept(
            sockets.open_tcp(
                "ssh", config.gateway.listen, remembered=remembered.get("ssh"), key=f"{config.file}: gateway.listen"
            )
        )
        # Who may connect is told by a token, here as on the port.
        local = kept(sockets.open_unix("local", config.socket("controller.sock"), 0o666))
        folder.remember_doors({door.name: door.socket.getsockname()[1] for door in (api, ssh)})
        yield api, local, ssh
