"""A board that is open to us: commands on it, files to and from it, by the system's ssh."""

import re
import shlex
import shutil
import subprocess
import tarfile
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from boardgrid.client.complaint import CONNECTION_LOST, PROGRAM_FAILED, Complaint
from boardgrid.client.reading import check_there
from boardgrid.messages import _

WORK = "work"  # in the home of who logs in: what is put there, where commands run, what is fetched from there
_SSH_FAILED = 255
_TOLD_BYTES = 2000
_PATTERN = re.compile(r"([^A-Za-z0-9_./*?\[\]-])")  # what a shell must not take for its own


@dataclass(frozen=True, slots=True)
class OpenBoard:
    """*ssh_command* are the words that reach it; options of ssh and a command may follow."""

    name: str
    ssh_command: tuple[str, ...]

    def run(
        self, *words: str, check: bool = False, capture: bool = True, timeout_s: float | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """
        Run a command in the work folder of the board. One word is a line for its shell, several are the words of a
        program.

        Args:
            check: a status that is not 0 raises ``subprocess.CalledProcessError``.
            capture: what it says is in the answer, where it would go to our own output.

        Raises:
            Complaint: CONNECTION_LOST; what became of the command is not known.
        """
        mark = f"/tmp/boardgrid-{uuid.uuid4().hex}"  # noqa: S108 - on the board, which is ours alone
        words_of = [*self.ssh_command, _line(_marked(words, mark))]
        out = subprocess.PIPE if capture else None
        done = subprocess.run(
            # A job's standard input may be the rest of its script, which is not for the board.
            words_of, stdin=subprocess.DEVNULL, stdout=out, stderr=out, text=True, errors="replace",
            timeout=timeout_s, check=False,
        )  # fmt: skip
        if done.returncode == _SSH_FAILED and not self._ended_so(mark):
            raise self._lost(done.stderr or "")
        if check:
            done.check_returncode()
        return done

    def shell(self) -> int:
        """Have a person log in at this terminal; the status of the last that they did."""
        return subprocess.run([*self.ssh_command], check=False).returncode

    def put(self, source: str | Path) -> None:
        """Copy a file, or what is in a folder, to the work folder, with its modes and links."""
        source = Path(source)
        check_there([str(source)])
        script = f"mkdir -p {WORK} && cd {WORK} && tar -xf -"
        with tempfile.TemporaryFile() as said:
            with subprocess.Popen(
                [*self.ssh_command, _line(script)], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said
            ) as ssh:
                assert ssh.stdin is not None  # noqa: S101 - it is a pipe
                try:
                    # The form that every tar reads, also the small one of a rescue system.
                    with tarfile.open(fileobj=ssh.stdin, mode="w|", format=tarfile.GNU_FORMAT) as archive:
                        archive.add(source, "." if source.is_dir() else source.name, filter=_nobodys)
                    ssh.stdin.close()
                except BrokenPipeError:
                    pass  # why, is what it says
                except BaseException:
                    ssh.kill()
                    raise
            self._check(ssh.returncode, said, _("putting {what} on {board}").format(what=source, board=self.name))

    def get(self, *patterns: str, into: str | Path = ".") -> tuple[Path, ...]:
        """
        Copy what fits *patterns* of the work folder, or of the whole board where one begins with a slash, *into* a
        folder of ours, below the path that it has there. What fits nothing is left out; links are followed.
        """
        chosen = " ".join(_PATTERN.sub(r"\\\1", one if one.startswith("/") else f"./{one}") for one in patterns)
        script = (
            f"cd {WORK} 2>/dev/null || cd /\nset -- {chosen}\n"
            'for one do shift; [ -e "$one" ] && set -- "$@" "$one"; done\n[ $# -eq 0 ] || tar -chf - "$@"'
        )
        with tempfile.TemporaryFile() as came, tempfile.TemporaryFile() as said:
            asked = [*self.ssh_command, _line(script)]
            done = subprocess.run(asked, stdin=subprocess.DEVNULL, stdout=came, stderr=said, check=False)
            self._check(done.returncode, said, _("fetching from {board}").format(board=self.name))
            if not came.tell():
                return ()
            came.seek(0)
            try:
                with tarfile.open(fileobj=came) as archive:
                    return tuple(self._unpacked(archive, Path(into)))
            except tarfile.TarError as error:
                raise self._not_taken(str(error)) from error

    def _unpacked(self, archive: tarfile.TarFile, into: Path) -> Iterator[Path]:
        # It comes from a board, on which anybody may have been root: files alone, and none beside the folder. Debian
        # 12's Python has no filter for that.
        for member in archive:
            parts = [part for part in PurePosixPath(member.name).parts if part not in {"/", "."}]
            if ".." in parts or not parts:
                raise self._not_taken(member.name)
            content = archive.extractfile(member)
            if content is None:
                continue
            path = into.joinpath(*parts)
            path.parent.mkdir(parents=True, exist_ok=True)
            with content, path.open("wb") as file:
                shutil.copyfileobj(content, file)
            path.chmod(member.mode & 0o755 | 0o600)
            yield path

    def _ended_so(self, mark: str) -> bool:
        """Whether a command ended with the status that ssh has for its own faults."""
        asked = [*self.ssh_command, f"test -e {mark}"]
        return subprocess.run(asked, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0

    def _check(self, status: int, said: IO[bytes], what: str) -> None:
        if not status:
            return
        said.seek(max(0, said.tell() - _TOLD_BYTES))
        told = said.read().decode(errors="replace")
        if status == _SSH_FAILED:
            raise self._lost(told)
        why = told.strip().splitlines()
        sentence = _("{what} failed: {why}")
        raise Complaint(PROGRAM_FAILED, sentence.format(what=what, why=why[-1] if why else status))

    def _not_taken(self, why: str) -> Complaint:
        sentence = _("what {board} sent is not taken: {why}")
        return Complaint(PROGRAM_FAILED, sentence.format(board=self.name, why=why))

    def _lost(self, said: str) -> Complaint:
        lines = said.strip().splitlines()
        sentence = _("the connection to {board} was lost: {why}") if lines else _("the connection to {board} was lost")
        return Complaint(
            CONNECTION_LOST,
            sentence.format(board=self.name, why=lines[-1] if lines else ""),
            hint=_("`boardgrid ssh -v {board}` shows how far one comes").format(board=self.name),
        )


def _line(script: str) -> str:
    """For whatever shell its user has there."""
    return f"exec sh -c {shlex.quote(script)}"


def _marked(words: Sequence[str], mark: str) -> str:
    """A script that leaves a mark where the command itself ends with ssh's own status."""
    command = words[0] if len(words) == 1 else shlex.join(words)
    return (
        f"mkdir -p {WORK} && cd {WORK} || exit 1\n(\n{command}\n)\nstatus=$?\n"
        f"[ $status -ne {_SSH_FAILED} ] || : >{mark}\nexit $status"
    )


def _nobodys(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member
