"""
Turns by an advisory lock of a PostgreSQL session.

Who waits for it sleeps in the server, which wakes the next one as soon as the session of the one before has ended:
when a controller is killed, its kernel closes the connection.
"""

import asyncio
from collections.abc import Awaitable, Callable

import psycopg
import structlog

from boardgrid.postgresql import Lock, Postgres

log = structlog.get_logger()

_AGAIN_S = 1.0


class PostgresTurn:
    def __init__(self, postgres: Postgres, *, again_s: float = _AGAIN_S) -> None:
        self._postgres, self._again_s = postgres, again_s

    async def keep(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                done = await self._turn(work)
            except psycopg.Error as error:
                log.warning("turn.lost", why=str(error).partition("\n")[0])
                await asyncio.sleep(self._again_s)
            else:
                if done:
                    return

    async def _turn(self, work: Callable[[], Awaitable[None]]) -> bool:
        """
        Whether *work* came to its end.

        Raises:
            psycopg.Error: the session has ended, and with it the turn.
        """
        conninfo = self._postgres.conninfo("turn")
        async with await psycopg.AsyncConnection.connect(conninfo.reveal(), autocommit=True) as connection:
            await connection.execute("SELECT pg_advisory_lock(%s)", [int(Lock.TURN)])
            log.info("turn.taken")
            working = asyncio.ensure_future(work())
            watching = asyncio.ensure_future(_until_broken(connection))
            try:
                await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (working, watching):
                    task.cancel()
                await asyncio.gather(working, watching, return_exceptions=True)
            if not working.cancelled():
                working.result()
                return True
            watching.result()
            return False


async def _until_broken(connection: psycopg.AsyncConnection) -> None:
    # Nothing is listened to: it waits for the end of the connection.
    async for _notify in connection.notifies():
        pass
