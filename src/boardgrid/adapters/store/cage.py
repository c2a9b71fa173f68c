"""
A place to run a program on what strangers sent: nothing of this machine is in its reach.

It sees the system's programs, read-only, and one folder to write to. It has namespaces of its own, no way to gain a
right, and of root's powers only those that it is given.
"""

import os
import re
import stat
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_MEMORY_BYTES = 2 << 30
_SYSTEM = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_KEPT_BYTES = 4096
_ENDS_S = 10.0  # one that hangs on a disk cannot be ended by anybody, and keeps what it prints on open
_WARNING = re.compile(rb"Warning:|Removing leading|Ignoring unknown extended header|in the future$|old time stamp")
_LOSS = re.compile(rb"Cannot (set '|acl_)")


def bounded(argv: Sequence[str], powers: Sequence[str]) -> list[str]:
    """The program with these of root's powers (capabilities) alone, and no way to gain another."""
    bounding = ",".join(["-all", *(f"+{power}" for power in powers)])
    return ["setpriv", f"--bounding-set={bounding}", "--inh-caps=-all", "--no-new-privs", *argv]


class Complaints:
    """What a program prints on standard error: all is read, so that it never waits for us; what tells is kept."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe, self._why, self._lost = pipe, b"", b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while line := self._pipe.readline(_KEPT_BYTES):
            if not self._why and not _WARNING.search(line):
                self._why = line
            if not self._lost and _LOSS.search(line):
                self._lost = line

    def first(self) -> str:
        """The line that says why, once the program has ended: the first that is no mere warning."""
        return self._told(lambda: self._why)

    def lost(self) -> str:
        """The line of the first attribute or ACL that tar did without: it ends as if nothing were missing."""
        return self._told(lambda: self._lost)

    def _told(self, line: Callable[[], bytes]) -> str:
        self._reader.join(_ENDS_S)
        text = line().decode("utf-8", "backslashreplace").strip()
        return "".join(letter for letter in text if letter.isprintable())[:300]


class Run:
    """A program that was started: what it prints, and how it ended."""

    def __init__(self, argv: Sequence[str], stdin: int, environment: Mapping[str, str], keep: tuple[int, ...]) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(argv, stdin=stdin, stdout=pipe, stderr=pipe, env=environment, pass_fds=keep)
        if self._process.stdout is None or self._process.stderr is None:
            raise RuntimeError("a pipe that was asked for is missing")
        self.out: IO[bytes] = self._process.stdout
        self.complaints = Complaints(self._process.stderr)

    @property
    def pid(self) -> int:
        return self._process.pid

    def ended(self, within_s: float | None = None) -> int:
        """
        Its status. What it still prints is not waited for: it is told that nobody reads it. One that goes on for longer
        than *within_s* is ended.
        """
        self.out.close()
        try:
            return self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def end(self) -> None:
        self._process.kill()
        self.ended()


def run_bounded(argv: Sequence[str], powers: Sequence[str], *, keep: tuple[int, ...] = ()) -> Run:
    """Start a program outside of any cage, with these of root's powers alone; it inherits the descriptors *keep*."""
    return Run(bounded(argv, powers), subprocess.DEVNULL, {**os.environ, "LC_ALL": "C"}, keep)


@dataclass(frozen=True, slots=True)
class Cage:
    """
    Needs a mount namespace that is the caller's own: what it mounts is gone with that.

    *folder* is where it is put together; *workplace* is what its programs see as ``/work``; *users* and *groups* are
    the names that they can translate (passwd(5), group(5)); *given* is an open file or folder that they see as
    ``/given``, read-only.

    *is_open*: for programs that are trusted, and need a whole system about them: devices, ``/proc``, ``/tmp``, and all
    that is mounted in the workplace; they may run what lies there.
    """

    folder: Path
    workplace: Path
    users: str = ""
    groups: str = ""
    given: int | None = None
    is_open: bool = False

    def build(self) -> None:
        self.folder.mkdir()
        _mount("--types", "tmpfs", "--options", "mode=755,size=8m", "tmpfs", str(self.folder))
        for name in ("usr", "work", "etc"):
            (self.folder / name).mkdir()
        self._bind(Path("/usr"), "usr", "ro,nosuid,nodev")
        for name in _SYSTEM:
            system = Path("/", name)
            if system.is_symlink():  # /bin -> usr/bin, as everywhere today
                (self.folder / name).symlink_to(system.readlink())
            elif system.is_dir():
                (self.folder / name).mkdir()
                self._bind(system, name, "ro,nosuid,nodev")
        etc = self.folder / "etc"
        (etc / "nsswitch.conf").write_text("passwd: files\ngroup: files\n")
        (etc / "passwd").write_text(self.users)
        (etc / "group").write_text(self.groups)
        if self.is_open:
            self._open()
        else:
            self._bind(self.workplace, "work", "nosuid,nodev,noexec")
        if self.given is not None:
            self._show(self.given)
        _mount("--options", "remount,ro,nosuid,nodev", str(self.folder))

    def run(
        self,
        argv: Sequence[str],
        powers: Sequence[str],
        stdin: int,
        file_bytes: int | None = None,
        keep: tuple[int, ...] = (),
    ) -> Run:
        """
        Start *argv* inside, with these of root's powers alone.

        It can make no file larger than *file_bytes*, and inherits the descriptors *keep*.
        """
        words = ["unshare", "--mount", "--net", "--ipc", "--uts", "--pid", "--fork", "--kill-child"]
        words += ["--propagation", "private", f"--root={self.folder}", "--wd=/work"]
        words += ["--mount-proc"] if self.is_open else []
        largest = "unlimited" if file_bytes is None else file_bytes
        words += ["prlimit", f"--as={_MEMORY_BYTES}", "--core=0", f"--fsize={largest}", "--", *bounded(argv, powers)]
        # C: what tar prints is parsed, and must not depend on the machine's language.
        return Run(words, stdin, {"PATH": _PATH, "LC_ALL": "C", "TZ": "UTC"}, keep)

    def remove(self) -> None:
        subprocess.run(["umount", "--recursive", str(self.folder)], check=True, stdin=subprocess.DEVNULL)
        self.folder.rmdir()

    def _open(self) -> None:
        _mount("--rbind", str(self.workplace), str(self.folder / "work"))
        for name in ("dev", "proc", "tmp"):
            (self.folder / name).mkdir()
        _mount("--types", "tmpfs", "--options", "mode=1777", "tmpfs", str(self.folder / "tmp"))
        for name in _DEVICES:
            at = self.folder / "dev" / name
            at.touch()
            _mount("--bind", f"/dev/{name}", str(at))

    def _show(self, given: int) -> None:
        at = self.folder / "given"
        if stat.S_ISDIR(os.fstat(given).st_mode):
            at.mkdir()
        else:
            at.touch()
        # By the descriptor and not by a name, which may lead elsewhere by now.
        what = f"/proc/self/fd/{given}"
        mount = ["mount", "--no-canonicalize", "--bind", what, str(at)]
        subprocess.run(mount, check=True, stdin=subprocess.DEVNULL, pass_fds=(given,))
        _mount("--options", "remount,bind,ro,nosuid,nodev,noexec", str(at))

    def _bind(self, what: Path, where: str, options: str) -> None:
        at = str(self.folder / where)
        _mount("--bind", str(what), at)
        _mount("--options", f"remount,bind,{options}", at)


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, stdin=subprocess.DEVNULL)
