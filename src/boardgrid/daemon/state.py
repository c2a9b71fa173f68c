"""The state folder of a farm: one supervisor has it, and says in it what runs."""

import contextlib
import fcntl
import json
import os
import select
import signal
import time
from collections.abc import Callable, Iterator, Mapping
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
    sleep: Callable[[float], None] = time.sleep

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
        with os.fdopen(os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+") as lock:
            # Who may read it may hold it; that of an earlier release was open to all.
            os.fchmod(lock.fileno(), 0o600)
            if not self._could_take(lock):
                raise Conflict(
                    Code.STATE_LOCKED,
                    _("a farm already runs on {folder} (process {pid})"),
                    hint=_("end it with: boardgrid down --config {folder}/boardgrid.toml"),
                    folder=self.path,
                    pid=self._named() or "?",
                )
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    def _could_take(self, lock: TextIO) -> bool:
        # Who asks for the state (is_locked) has a shared lock for a moment; that is no other farm.
        for _try in range(50):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if self.holder() is not None:
                    return False
                self.sleep(0.02)
            else:
                return True
        return False

    def is_locked(self) -> bool:
        """
        Raises:
            NotAllowed: the asker may not read the lock.
        """
        try:
            with self._lock.open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except BlockingIOError:
            return True
        except PermissionError as error:
            raise self._closed() from error
        return False

    def holder(self) -> int | None:
        """
        The process that has the lock. The number in it alone may be an earlier one's, and a stranger's by now, so that
        process is looked at.

        Raises:
            NotAllowed: the asker may not read the lock.
        """
        pid = self._named()
        return pid if pid is not None and _has_locked(pid, self._lock) else None

    def _named(self) -> int | None:
        """The process that has the lock, or the last one that had it."""
        try:
            return int(self._lock.read_text())
        except PermissionError as error:
            raise self._closed() from error
        except (OSError, ValueError):
            return None

    def _closed(self) -> NotAllowed:
        return NotAllowed(
            Code.ACT_FORBIDDEN,
            _("only root, who starts and ends the farm on {folder}, may read its lock"),
            hint=_("try it with sudo"),
            folder=self.path,
        )

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
            NotAllowed: the asker may not read the lock.
            Conflict: somebody has the lock, and nobody knows who.
            Fault: it is still there.
        """
        pid = self.holder()
        if pid is None:
            if not self.is_locked():
                return False
            raise Conflict(
                Code.STATE_LOCKED,
                _("{lock} is held, but not by the process that it names, so nothing was ended"),
                hint=_("lslocks shows who holds it"),
                lock=self._lock,
            )
        # A number may be given again, a descriptor of a process may not; asked for again, the lock shows it was right.
        try:
            process = os.pidfd_open(pid)
        except ProcessLookupError:
            return True
        with open(process, closefd=True):  # noqa: PTH123 - a descriptor, not a path
            if self.holder() != pid:
                return True
            for signal_, wait_s in ((signal.SIGTERM, timeout_s), (signal.SIGKILL, 10.0)):
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(process, signal_)
                if _has_ended_within(process, wait_s):
                    return True
        raise Fault(Code.PROGRAM_TIMEOUT, _("the supervisor (process {pid}) does not end"), pid=pid)

    def write_status(self, status: Status) -> None:
        beside = self._status.with_suffix(".part")
        beside.write_text(json.dumps(asdict(status), indent=1))
        beside.replace(self._status)

    def status(self) -> Status | None:
        """None where no farm runs. Everybody may ask."""
        try:
            said: dict[str, Any] = json.loads(self._status.read_text())
        except (OSError, ValueError):
            return None
        processes = {name: Condition(**one) for name, one in said.pop("processes").items()}
        status = Status(**said, processes=processes)
        return status if self._is_run_by(status.pid) else None  # else an earlier run's

    def _is_run_by(self, pid: int) -> bool:
        # Others than root may read neither the lock nor what root's processes have open.
        return _locks_something(pid) if os.geteuid() else self.holder() == pid

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


def _has_locked(pid: int, path: Path) -> bool:
    """Whether one of its open files is *path*, with the lock on it."""
    try:
        files = list(Path(f"/proc/{pid}/fdinfo").iterdir())
    except OSError:  # it has ended, or is no business of ours
        return False
    for told in files:
        with contextlib.suppress(OSError):  # closed meanwhile
            # Asked before the file itself, which may be a stranger's, on a server that is dead.
            if _tells_of_lock(told.read_text()) and Path(f"/proc/{pid}/fd/{told.name}").samefile(path):
                return True
    return False


def _tells_of_lock(text: str) -> bool:
    return any(line.startswith("lock:") and "FLOCK  ADVISORY  WRITE" in line for line in text.splitlines())


def _locks_something(pid: int) -> bool:
    """For who may not ask more: everybody may read which process has locked a file, though not which file."""
    with contextlib.suppress(OSError):
        return f"FLOCK  ADVISORY  WRITE {pid} " in Path("/proc/locks").read_text()
    return False


def _has_ended_within(process: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(process, select.POLLIN)
    return bool(poll.poll(seconds * 1000))
