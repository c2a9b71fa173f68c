"""What processes say: kept in files that cannot fill the disk, and what we say ourselves, in one form."""

import contextlib
import logging
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import structlog
from structlog.tracebacks import ExceptionDictTransformer

MOST_BYTES = 4 << 20  # of one file; the one before it is kept too


@dataclass(slots=True)
class SizedLog:
    """A log file that starts anew when it is full. A full disk loses lines, never the process that logs."""

    path: Path
    most_bytes: int = MOST_BYTES
    _file: BinaryIO | None = field(default=None, repr=False)

    def write(self, said: bytes) -> None:
        with contextlib.suppress(OSError):
            if self._file is None:
                self._file = self.path.open("ab", buffering=0)
            if self._file.tell() + len(said) > self.most_bytes:
                self._file.close()
                self._file = None
                self.path.replace(self.path.with_name(self.path.name + ".1"))
                self._file = self.path.open("ab", buffering=0)
            self._file.write(said)

    def tail(self, lines: int) -> tuple[str, ...]:
        with contextlib.suppress(OSError), self.path.open("rb") as file:
            file.seek(max(0, self.path.stat().st_size - 16384))
            return tuple(file.read().decode("utf-8", "replace").splitlines()[-lines:])
        return ()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def log_to_stderr(level: int = logging.INFO) -> None:
    """One JSON object a line, from our own code and from libraries alike; the supervisor keeps it in a file."""
    _log_to(sys.stderr, level)


def log_to(path: Path) -> None:
    """The same into a file that cannot fill the disk: for the supervisor, which nobody above keeps one for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _log_to(_Lines(SizedLog(path)), logging.INFO)


class _Lines:
    """A log as something to print to."""

    def __init__(self, log: SizedLog) -> None:
        self.log = log

    def write(self, said: str) -> int:
        self.log.write(said.encode("utf-8", "replace"))
        return len(said)

    def flush(self) -> None: ...


def _log_to(stream: Any, level: int) -> None:
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    rendered: list[structlog.typing.Processor] = [
        # Without the locals of each frame: tokens and passwords are among them, in libraries' frames as plain strings.
        structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
        structlog.processors.JSONRenderer(default=str),
    ]
    structlog.configure(
        processors=[*shared, *rendered],
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendered],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
