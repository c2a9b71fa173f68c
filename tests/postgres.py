"""
A PostgreSQL server for the tests of one process: on a Unix socket in a folder of its own, and on no port.

It ends with the process that started it, however that ends: a keeper waits for the end of a pipe, then stops the server
and removes the folder. Debian's own cluster is never touched.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psycopg
import pytest

from boardgrid.model.user import Secret
from boardgrid.postgresql import Postgres

_PROGRAMS = Path("/usr/lib/postgresql/15/bin")
_KEEP = 'cat; "$1/pg_ctl" -D "$2/data" -m immediate -s stop; rm -rf "$2"'
# What is recorded need not outlive the tests. Nothing else differs from how a farm's server runs.
_QUICKLY = ("fsync=off", "full_page_writes=off", "shared_buffers=32MB", "max_wal_size=256MB", "autovacuum=off")


@dataclass(frozen=True)
class Server:
    folder: Path
    keeper: subprocess.Popen[bytes]

    @classmethod
    def started(cls, *settings: str, at: Path | None = None) -> "Server":
        """
        Args:
            settings: of postgresql.conf, which win over those that make tests quick.
            at: where its folder is made; None: in memory, where that is possible.
        """
        shm = Path("/dev/shm")  # noqa: S108 - a folder of our own is made there
        folder = Path(tempfile.mkdtemp(prefix="boardgrid-pg-", dir=at or (shm if shm.is_dir() else None)))
        folder.chmod(0o755)
        if os.geteuid() == 0:
            os.chown(folder, _nobody().pw_uid, _nobody().pw_gid)
        keeper = subprocess.Popen(
            (*_as_nobody(), "sh", "-c", _KEEP, "sh", str(_PROGRAMS), str(folder)),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,  # Ctrl-C is for the tests to answer
        )
        words = ("-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "--encoding=UTF8", "--locale=C.UTF-8")
        _run("initdb", *words, "--no-sync", "--no-instructions")
        chosen = (*_QUICKLY, "listen_addresses=", f"unix_socket_directories={folder}", *settings)
        (folder / "data" / "postgresql.auto.conf").write_text(
            "".join(f"{name} = '{value}'\n" for name, _equals, value in (each.partition("=") for each in chosen))
        )
        _control(folder, "start")
        server = cls(folder, keeper)
        server.admin("CREATE ROLE farm LOGIN")  # as a farm's is: it owns its database, and may nothing else
        return server

    def restart(self) -> None:
        """As a crash does it; who was connected is not any more."""
        _control(self.folder, "restart", "-m", "immediate")

    def stop(self) -> None:
        self.keeper.communicate()

    def admin(self, *statements: str) -> None:
        """As its admin."""
        with psycopg.connect(f"host={self.folder} user=postgres dbname=postgres", autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def make(self, name: str, template: str = "template0") -> Postgres:
        """A database, in the place of one of this name."""
        self.admin(
            f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)',
            f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY OWNER farm',
        )
        return Postgres(Secret(f"postgresql://farm@/{name}?host={self.folder}"))


@cache
def server() -> Server:
    """The one of this process."""
    if not (_PROGRAMS / "postgres").exists():
        pytest.fail("PostgreSQL is not installed: packaging/need-packages test")
    return Server.started()


def _control(folder: Path, *words: str) -> None:
    _run("pg_ctl", "-D", str(folder / "data"), "-l", str(folder / "log"), "-s", "-w", *words)


def _run(program: str, *words: str) -> None:
    subprocess.run((*_as_nobody(), str(_PROGRAMS / program), *words), check=True, capture_output=True, cwd="/")


def _nobody() -> pwd.struct_passwd:
    return pwd.getpwnam("postgres")


def _as_nobody() -> tuple[str, ...]:
    """PostgreSQL refuses to be root."""
    if os.geteuid() != 0:
        return ()
    who = _nobody()
    setpriv = shutil.which("setpriv") or "setpriv"
    return (setpriv, f"--reuid={who.pw_uid}", f"--regid={who.pw_gid}", "--clear-groups", "--")
