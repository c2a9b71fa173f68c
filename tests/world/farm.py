"""A whole farm for world tests: what `make demo` starts, with its two boards, its image and ada."""

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boardgrid.demo import acts, props, remains
from boardgrid.demo.stage import Person, Stage
from boardgrid.demo.telling import Piece

BOOT_WITHIN_S = 240.0  # a board takes ten seconds on a quiet machine
_SOON_S = 60.0


def wait_until(is_so: Callable[[], object], within_s: float, what: str) -> None:
    """
    Raises:
        TimeoutError: it did not come to be so.
    """
    end = time.monotonic() + within_s
    while True:
        asked = time.monotonic()
        if is_so():
            return
        now = time.monotonic()
        if now > end:
            raise TimeoutError(f"not within {within_s:g} s: {what}")
        # To ask a farm is a program of its own: asked without a pause, it would take the cores from what is waited for.
        time.sleep(max(0.05, 2 * (now - asked)))


@dataclass(frozen=True, slots=True)
class WholeFarm:
    stage: Stage

    # --- what people do

    def ada(self, *words: str) -> str:
        return self.stage.boardgrid(self.stage.ada, *words)

    def admin(self, *words: str) -> str:
        return self.stage.boardgrid(self.stage.admin, *words)

    def told(self, *words: str, person: Person | None = None) -> Any:
        return json.loads(self.stage.boardgrid(person or self.stage.ada, *words, "-o", "json"))

    def newcomer(self, name: str, folder: Path) -> Person:
        """A user with a key, logged in to the farm."""
        person = Person(name, folder / name)
        person.home.mkdir()
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(person.key)], check=True)
        token = self.admin("user", "add", name, "--ssh-key", f"{person.key}.pub").strip()
        [profile] = json.loads((self.stage.ada.home / "boardgrid/profiles.json").read_text()).values()
        self.stage.boardgrid(person, "login", profile["url"], "--token-stdin", stdin=token)
        return person

    def on_board(self, board: str, command: str) -> str:
        """What a shell command says on a board that ada holds."""
        return self.ada("ssh", "-i", str(self.stage.ada.key), board, "--", command)

    def begin(self, board: str, *words: str) -> int:
        """Reserve a board without waiting; the reservation's number."""
        return int(self.told("reserve", board, *words, "--for", "1h", "--no-wait")["number"])

    def deployment(self, number: int, person: Person | None = None) -> dict[str, Any]:
        return dict(self.told("status", str(number), person=person)["deployment"])

    def opened(self, number: int, person: Person | None = None, within_s: float = BOOT_WITHIN_S) -> dict[str, Any]:
        """Wait until a reservation's board is open."""

        def is_open() -> bool:
            now = self.deployment(number, person)
            assert now["state"] != "failed", now
            return bool(now["state"] == "open")

        wait_until(is_open, within_s, f"reservation {number} is open")
        return self.deployment(number, person)

    def reserve(self, board: str, *words: str, within_s: float = BOOT_WITHIN_S) -> int:
        number = self.begin(board, *words)
        self.opened(number, within_s=within_s)
        return number

    @contextmanager
    def following(self) -> Iterator[Iterator[dict[str, Any]]]:
        """All that happens from now on, as it happens."""
        last = max((int(one["number"]) for one in self.told("events", person=self.stage.admin)), default=0)
        argv = [str(self.stage.folder / "admin"), "events", "--follow", "--after", str(last), "-o", "json"]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            assert process.stdout is not None
            try:
                yield map(json.loads, process.stdout)
            finally:
                process.kill()

    def board(self, name: str) -> dict[str, Any]:
        return next(one for one in self.told("board", "list", person=self.stage.admin) if one["name"] == name)

    def free(self, *boards: str) -> None:
        """Wait until these boards are parked and may be given to the next user."""
        for name in boards:
            wait_until(lambda name=name: self.board(name)["state"] == "free", BOOT_WITHIN_S, f"{name} is free")  # type: ignore[misc]

    def add(self, arch: str) -> acts.Extra:
        """A board of another architecture, and its image."""
        extra = acts.EXTRAS[arch]
        image = props.make_for(self.stage, arch)
        acts.put_extra(self.stage, extra, Piece())
        acts.import_image(self.stage, extra.image, image, Piece())
        return extra

    def tidy(self) -> None:
        """Give back whatever a test left."""
        for one in self.told("status"):
            if one["state"] == "running":
                self.ada("release", str(one["number"]), "--discard", "--yes")
        self.free("tk1-1", "tk1-2")
        for root in self.told("root", "list"):
            if root["state"] == "aside":
                self.ada("root", "discard", root["name"], "--yes")
        # A board may be free before the disk is: the next test counts the roots that it finds there.
        wait_until(lambda: not self.told("root", "list"), BOOT_WITHIN_S, "no root is left")

    # --- what befalls the processes

    def pid(self, process: str) -> int:
        def has_pid() -> int | None:
            status = self.stage.state.status()
            return status.processes[process].pid if status else None

        wait_until(has_pid, _SOON_S, f"{process} runs")
        pid = has_pid()
        assert pid is not None
        return pid

    def kill(self, process: str) -> None:
        os.kill(self.pid(process), signal.SIGKILL)

    def is_ready(self, process: str, not_pid: int = 0) -> bool:
        status = self.stage.state.status()
        one = status.processes[process] if status else None
        return one is not None and one.state == "ready" and one.pid != not_pid

    def back(self, process: str, former: int) -> None:
        """Wait until a process that was killed is ready again."""
        wait_until(lambda: self.is_ready(process, former), _SOON_S, f"{process} is back")

    def child_of_agent(self, program: str, within_s: float) -> int | None:
        """Stop a program that the agent runs where it is (SIGSTOP); None where it was too quick for us."""
        agent, end = self.pid("agent"), time.monotonic() + within_s
        while time.monotonic() < end:
            with contextlib.suppress(OSError, ProcessLookupError):
                for pid in map(int, Path(f"/proc/{agent}/task/{agent}/children").read_text().split()):
                    if program.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                        os.kill(pid, signal.SIGSTOP)
                        return pid
        return None

    def log(self, process: str) -> str:
        return (self.stage.layout.log / f"{process}.log").read_text()


@contextmanager
def a_disk(at: Path, size_bytes: int) -> Iterator[None]:
    """A file system of that size, and no larger, at *at*."""
    with tempfile.NamedTemporaryFile(prefix="bg-disk-", dir="/var/tmp") as file:
        file.truncate(size_bytes)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", file.name], check=True)
        at.mkdir(mode=0o700, exist_ok=True)
        subprocess.run(["mount", "-o", "loop", file.name, at], check=True)
        try:
            yield
        finally:
            subprocess.run(["umount", at], check=True)


@contextmanager
def whole_farm(disk_bytes: int | None = None) -> Iterator[WholeFarm]:
    """
    Bring a farm up on free ports in a folder of its own; nothing of it is left at the end.

    With *disk_bytes* its images and roots lie on a disk of that size.
    """
    stage = Stage(Path(tempfile.mkdtemp(prefix="bg-")))
    disk = contextlib.ExitStack()
    try:
        stage.set()
        if disk_bytes is not None:
            disk.enter_context(a_disk(stage.layout.agent, disk_bytes))
        acts.make_key(stage)
        made = props.make(stage)
        acts.start_farm(stage, Piece())
        acts.admit_people(stage, Piece())
        acts.put_boards(stage, made, Piece())
        acts.import_image(stage, acts.IMAGE, made.image, Piece())
        yield WholeFarm(stage)
    finally:
        stage.state.end(timeout_s=60)
        disk.close()
        remains.await_none(stage.folder, within_s=20)
        stage.strike()
        stage.folder.rmdir()
