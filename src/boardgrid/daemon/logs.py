"""What processes say: kept in files that cannot fill the disk, and what we say ourselves, in one form."""

import contextlib
import logging
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import structlog

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


def log_to_stderr() -> None:
    """One JSON object a line, from our own code and from libraries alike; the supervisor keeps it in a file."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            *shared,
            structlog.processors.dict_tracebacks,
            structlog.processors.JSONRenderer(default=str),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.dict_tracebacks,
                structlog.processors.JSONRenderer(default=str),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
