"""The state folder of a farm: one supervisor has it, and says in it what runs."""

import contextlib
import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

from boardgrid.messages import _
from boardgrid.model.errors import Code, Conflict, Fault, Invalid, NotAllowed


@dataclass(frozen=True, slots=True)
class Condition:
    """How one process is."""

    state: str  # waiting, starting, ready, stopped
    pid: int | None = None
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class Status:
    """What runs, as the supervisor last wrote it."""

    pid: int
    api: str  # host and port of the controller
    ssh: str  # host and port of the gateway
    processes: Mapping[str, Condition] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StateFolder:
    path: Path

    @property
    def _lock(self) -> Path:
        return self.path / "supervisor.lock"

    @property
    def _status(self) -> Path:
        return self.path / "run" / "status.json"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """
        Have the folder to oneself, made where it is not there. The kernel lets go of it with the process, however that
        ends.

        Raises:
            Conflict: another supervisor has it.
            Invalid: there can be no such folder, or it is closed to others.
        """
        self.make()
        self._check_open()
        with self._lock.open("a+") as lock:
            if not self._is_taken(lock):
                raise Conflict(
                    Code.STATE_LOCKED,
                    _("a farm already runs on {folder} (process {pid})"),
                    hint=_("end it with: boardgrid down --config {folder}/boardgrid.toml"),
                    folder=self.path,
                    pid=self.holder() or "?",
                )
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    @staticmethod
    def _is_taken(lock: TextIO) -> bool:
        # Who asks for the state (is_locked) has a shared lock for a moment; that is no other farm.
        for _try in range(5):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                time.sleep(0.02)
            else:
                return True
        return False

    def is_locked(self) -> bool:
        try:
            with self._lock.open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False

    def holder(self) -> int | None:
        """The process that has the lock, or the last one that had it."""
        with contextlib.suppress(OSError, ValueError):
            return int(self._lock.read_text())
        return None

    def make(self) -> None:
        """
        Make it where there is none, for all of the farm's users to pass through: what lies in it has modes of its own.

        Raises:
            Invalid: the disk refused.
        """
        try:
            self.path.mkdir(parents=True)
            self.path.chmod(0o755)
        except FileExistsError:
            pass
        except OSError as error:
            raise Invalid(
                Code.CONFIG_INVALID,
                _("state: the folder {folder} cannot be made: {error}"),
                folder=self.path,
                error=error.strerror,
            ) from error

    def _check_open(self) -> None:
        # A folder that was there before may be somebody's private one, so it is not opened unasked.
        if self.path.stat().st_mode & 0o005 != 0o005:
            raise Invalid(
                Code.CONFIG_INVALID,
                _("state: the folder {folder} is closed to others, and not all parts of a farm run as root"),
                hint=_(
                    'choose a folder for the farm alone (state = "{folder}/farm"),'
                    " or open this one, if nothing private lies in it: chmod go+rx {folder}"
                ),
                folder=self.path,
            )

    def end(self, timeout_s: float) -> bool:
        """
        Ask the supervisor to end all and wait for it; one that does not is killed, and the kernel ends the rest.

        Returns: whether there was one.

        Raises:
            Fault: it is still there.
        """
        pid = self.holder()
        if pid is None or not self.is_locked():
            return False
        if os.geteuid():
            raise NotAllowed(Code.ACT_FORBIDDEN, _("a farm is ended by root, who started it"))
        # A number may be given again, a descriptor of a process may not; asked for again, the lock shows it was right.
        try:
            process = os.pidfd_open(pid)
        except ProcessLookupError:
            return False
        with open(process, closefd=True):  # noqa: PTH123 - a descriptor, not a path
            for signal_, wait_s in ((signal.SIGTERM, timeout_s), (signal.SIGKILL, 10.0)):
                if not self.is_locked():
                    return True
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(process, signal_)
                if self._is_free_within(wait_s):
                    return True
        raise Fault(Code.PROGRAM_TIMEOUT, _("the supervisor (process {pid}) does not end"), pid=pid)

    def _is_free_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not self.is_locked():
                return True
            time.sleep(0.05)
        return False

    def write_status(self, status: Status) -> None:
        beside = self._status.with_suffix(".part")
        beside.write_text(json.dumps(asdict(status), indent=1))
        beside.replace(self._status)

    def status(self) -> Status | None:
        """None where no farm runs."""
        if not self.is_locked():
            return None
        try:
            said: dict[str, Any] = json.loads(self._status.read_text())
        except (OSError, ValueError):
            return None
        processes = {name: Condition(**one) for name, one in said.pop("processes").items()}
        status = Status(**said, processes=processes)
        return status if status.pid == self.holder() else None  # else an earlier run's

    def remembered_doors(self) -> dict[str, int]:
        """Ports that were taken because the first choice was another program's."""
        with contextlib.suppress(OSError, ValueError):
            said: dict[str, int] = json.loads((self.path / "doors.json").read_text())
            return said
        return {}

    def remember_doors(self, ports: Mapping[str, int]) -> None:
        if dict(ports) != self.remembered_doors():
            beside = self.path / "doors.json.part"
            beside.write_text(json.dumps(ports))
            beside.replace(self.path / "doors.json")
