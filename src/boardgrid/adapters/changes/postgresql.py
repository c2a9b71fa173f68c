"""
Changes, where several controllers write the same records: each hears of the others' by LISTEN and NOTIFY.

A thread listens. It is none of the event loop's, for whoever waits may do so in any loop. While it has no connection,
what others record is not heard; so when it has one again, all who wait look again.
"""

import os
import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import structlog

from boardgrid.adapters.changes.in_process import InProcessChanges
from boardgrid.postgresql import CHANNEL, Lock, Postgres

log = structlog.get_logger()

_AGAIN_S = 1.0


class PostgresChanges(InProcessChanges):
    def __init__(self, postgres: Postgres, *, again_s: float = _AGAIN_S) -> None:
        super().__init__()
        self._postgres, self._again_s = postgres, again_s
        self._has_tried, self._hears = threading.Event(), False
        self._ended, self._end = os.pipe()  # readable when it is to end, so that nobody looks again and again

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Once, while its controller runs; others are heard from the begin, unless the server does not answer."""
        listener = threading.Thread(target=self._listen, name="changes", daemon=True)
        listener.start()
        self._has_tried.wait()
        try:
            yield
        finally:
            os.write(self._end, b".")
            listener.join()
            os.close(self._end)
            os.close(self._ended)

    def _listen(self) -> None:
        while not self._is_over(0):
            try:
                self._hear()
            except psycopg.Error as error:
                if self._hears or not self._has_tried.is_set():
                    log.warning("changes.unheard", why=str(error).partition("\n")[0])
            except Exception:
                log.exception("changes.bug")
            self._hears = False
            self._has_tried.set()
            if self._is_over(self._again_s):
                return

    def _hear(self) -> None:
        """Until the connection breaks, or all is over."""
        conninfo = self._postgres.conninfo("changes", lock_timeout="5s")
        with psycopg.connect(conninfo.reveal(), autocommit=True) as connection:
            # As long as a controller listens, nobody puts another farm in the place of its records.
            connection.execute("SELECT pg_advisory_lock_shared(%s)", [int(Lock.USE)])
            connection.execute(f"LISTEN {CHANNEL}")  # a name of ours
            self._hears = True
            self.tell_all()
            self._has_tried.set()
            log.info("changes.heard")
            while True:
                topics = {self._postgres.heard(one.payload) for one in connection.notifies(timeout=0)}
                self.tell(*(topic for topic in topics if topic is not None))
                if self._is_over(None, connection.fileno()):
                    return

    def _is_over(self, within_s: float | None, *or_when: int) -> bool:
        """Looks once that time has passed, or there is something to read from one of *or_when*."""
        poll = select.poll()  # not select(), which knows only the first thousand files of a process
        for fd in (self._ended, *or_when):
            poll.register(fd, select.POLLIN)
        return self._ended in dict(poll.poll(None if within_s is None else within_s * 1000))
