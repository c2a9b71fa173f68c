"""Where a demo plays: its folder, its farm, and the people in it."""

import fcntl
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from boardgrid.bootware.packages import cache_of_user
from boardgrid.daemon import config as configs
from boardgrid.daemon.config import Config
from boardgrid.daemon.layout import Layout
from boardgrid.daemon.state import StateFolder
from boardgrid.demo.programs import ran
from boardgrid.messages import _
from boardgrid.model.errors import Code, Conflict, Fault, Invalid

MARK = "# Made by make demo. make demo-down removes the folder that this lies in.\n"
_CONFIG = """\
[controller]
listen = "127.0.0.1:8470+"
root_mib = 1024

[gateway]
listen = "127.0.0.1:2270+"

[agent]
packages = "{packages}"

[lab]
virtual = true
"""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in the demo, with a login of their own and, where they use boards, a key."""

    name: str
    home: Path  # stands for their ~/.config

    @property
    def key(self) -> Path:
        return self.home / "id_ed25519"

    @property
    def environment(self) -> Mapping[str, str]:
        """What makes ``boardgrid`` theirs: nothing that whoever runs the demo has set for their own."""
        return {
            "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            "HOME": os.environ.get("HOME", "/root"),
            "LC_ALL": "C.UTF-8",
            "XDG_CONFIG_HOME": str(self.home),
        }


@dataclass(frozen=True, slots=True)
class Stage:
    folder: Path
    quiet_s: float = 300.0  # that a command may take which shows nothing meanwhile

    @property
    def file(self) -> Path:
        return self.folder / "boardgrid.toml"

    @property
    def layout(self) -> Layout:
        return Layout(self.folder)

    @property
    def state(self) -> StateFolder:
        return StateFolder(self.folder)

    @property
    def props(self) -> Path:
        """What is made for the demo alone: what boards boot, and who people are."""
        return self.folder / "demo"

    @property
    def admin(self) -> Person:
        return Person("admin", self.props / "admin")

    @property
    def ada(self) -> Person:
        return Person("ada", self.props / "ada")

    def config(self) -> Config:
        return configs.read(self.file)

    @property
    def _begun(self) -> Path:
        """The config while it is written."""
        return self.file.with_suffix(".new")

    @property
    def _struck(self) -> Path:
        """What the config is called while the folder is removed."""
        return self.file.with_suffix(".old")

    @property
    def is_begun(self) -> bool:
        """Whether a demo plays in this folder, or has not been removed from it to the end."""
        return any(_is_marked(file) for file in (self.file, self._struck))

    @property
    def is_ours(self) -> bool:
        """Whether all in this folder is a demo's, or there is nothing in it."""
        return self.is_begun or {path.name for path in self.folder.iterdir()} <= {self._begun.name}

    @contextmanager
    def alone(self) -> Iterator[None]:
        """
        One at a time on a folder, which is made where there is none.

        Raises:
            Conflict: another one is under way.
            Invalid: there can be no such folder.
        """
        try:
            if not self.folder.exists():
                self.folder.mkdir(parents=True, exist_ok=True)
            # On the folder itself, so that the lock does not go before the rest of it.
            lock = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise Invalid(
                Code.CONFIG_INVALID,
                _("{folder} cannot be a demo's folder: {why}"),
                hint=_("name another folder: make demo DEMO=/srv/demo"),
                folder=self.folder,
                why=error.strerror,
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            raise Conflict(
                Code.STATE_LOCKED, _("another make demo is under way on {folder}"), folder=self.folder
            ) from error
        try:
            yield
        finally:
            os.close(lock)

    def set(self) -> None:
        """
        Write the config, where it is not yet there.

        Raises:
            Invalid: it is somebody else's folder, or its path is too long.
        """
        if not self.is_ours:
            raise Invalid(
                Code.CONFIG_INVALID,
                _("{folder} is not empty, and no demo's"),
                hint=_("name another folder: make demo DEMO=/srv/demo"),
                folder=self.folder,
            )
        if self._struck.exists():
            self.strike()
        self.folder.chmod(0o755)  # as a farm's has to be; nothing in it is anybody else's
        if not self.file.exists():
            self._begun.write_text(MARK + _CONFIG.format(packages=cache_of_user()))
            self._begun.replace(self.file)
        self.config()
        self.props.mkdir(exist_ok=True)

    def strike(self) -> None:
        """
        Empty the folder.

        What marks it as a demo's goes last, and under another name: a folder that was half emptied is no farm to go on
        with, but still one to be emptied.
        """
        if self.file.exists():
            self.file.replace(self._struck)
        for path in self.folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path != self._struck:
                path.unlink()
        self._struck.unlink(missing_ok=True)

    # --- commands, as a person would type them

    def boardgrid(self, person: Person, *words: str, stdin: str = "") -> str:
        """
        Run the command line as *person* and return what it printed.

        Raises:
            Fault: it complained; the sentence is its own. Or it took too long.
        """
        return self._said([_program("boardgrid"), *words], words, stdin, person.environment)

    def watched(self, person: Person, words: Sequence[str], tell: Callable[[str], None]) -> None:
        """As :meth:`boardgrid`, with what it says meanwhile told line by line; its answer is not shown."""
        said: list[str] = []
        with subprocess.Popen(
            [_program("boardgrid"), *words],
            env=person.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as running:
            assert running.stderr is not None  # noqa: S101 - asked for above
            for line in running.stderr:
                said.append(line)
                tell(line.rstrip())
        if running.returncode:
            raise _failed(words, "".join(said[-3:]))

    def server(self, *words: str) -> str:
        """
        Run the server's program and return what it printed.

        Raises:
            Fault: it complained, or took too long.
        """
        return self._said([_program("boardgridd"), *words, "--config", str(self.file)], words)

    def _said(
        self, argv: Sequence[str], words: Sequence[str], stdin: str = "", env: Mapping[str, str] | None = None
    ) -> str:
        hint = _("this machine is very slow, or a part of the farm hangs")
        done = ran(argv, shown=_shown(words), within_s=self.quiet_s, hint=hint, stdin=stdin, env=env)
        if done.returncode:
            raise _failed(words, done.stderr)
        return done.stdout


def _is_marked(file: Path) -> bool:
    try:
        return file.read_bytes().startswith(MARK.encode())
    except OSError:
        return False


def _program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def _shown(words: Sequence[str]) -> str:
    return f"boardgrid {shlex.join(words)}"


def _failed(words: Sequence[str], said: str) -> Fault:
    return Fault(
        Code.PROGRAM_FAILED,
        _("{command}: {said}"),
        command=_shown(words),
        said=said.strip().removeprefix("error: ") or _("it failed without a word"),
    )
