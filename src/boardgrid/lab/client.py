"""The other end of the holder's socket."""

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boardgrid.lab.definition import Definition, Sight, Signal
from boardgrid.lab.wire import ABOUT, ANSWER, LINE_BYTES, QUESTION, SIGHTS, About, Act, Question
from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault

ANSWER_S = 40.0  # longer than the holder takes for anything


@dataclass(frozen=True, slots=True)
class LabClient:
    """
    Asks the holder of the lab. Each call is a connection of its own.

    All raise Fault PROGRAM_FAILED where the holder does not answer, and else what the holder complains of.
    """

    socket: Path

    async def about(self) -> About:
        return ABOUT.validate_python(await self._ask("about"))

    async def all(self) -> list[Sight]:
        return SIGHTS.validate_python(await self._ask("list"))

    async def define(self, definition: Definition) -> Sight:
        """
        Add a board or a cable, or change one that is off. May be called twice.

        Raises:
            Invalid: it cannot stand in this lab.
            Conflict: another has its MAC or its address, or it is on.
        """
        return SIGHTS.validate_python(await self._ask("define", definition=definition))[0]

    async def remove(self, board: str) -> None:
        """Switch it off and forget it. May be called twice."""
        await self._ask("remove", board)

    async def on(self, board: str) -> None:
        await self._ask("on", board)

    async def off(self, board: str) -> None:
        await self._ask("off", board)

    async def reset(self, board: str) -> None:
        await self._ask("reset", board)

    async def is_on(self, board: str) -> bool:
        return bool(await self._ask("state", board))

    async def tail(self, board: str, lines: int = 50) -> tuple[str, ...]:
        return tuple(await self._ask("tail", board, lines=lines))

    async def signal(self, board: str, which: Signal) -> None:
        """What a real board may do by itself: hang (STOP), go on (CONT), break (KILL)."""
        await self._ask("signal", board, signal=which)

    async def pid(self) -> int:
        """The holder's process, as this process numbers it: whoever enters its namespaces with nsenter targets it."""
        _reader, writer = await self._connect()
        with contextlib.closing(writer):
            end: socket.socket = writer.get_extra_info("socket")
            credentials = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            return int(struct.unpack("3i", credentials)[0])

    async def _ask(self, do: Act, board: str = "", **more: Any) -> Any:
        question = QUESTION.dump_json(Question(do=do, board=board, **more)) + b"\n"
        try:
            async with asyncio.timeout(ANSWER_S):
                reader, writer = await self._connect()
                with contextlib.closing(writer):
                    writer.write(question)
                    await writer.drain()
                    line = await reader.readline()
        except (OSError, TimeoutError) as error:
            raise self._silent(error) from error
        if not line:
            raise self._silent(_("it went away"))
        answer = ANSWER.validate_json(line)
        if answer.error:
            raise answer.error.error()
        return answer.ok

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            return await asyncio.open_unix_connection(self.socket, limit=LINE_BYTES)
        except OSError as error:
            raise self._silent(error) from error

    def _silent(self, why: object) -> Fault:
        return Fault(
            Code.PROGRAM_FAILED,
            _("the lab does not answer at {socket}: {why}"),
            hint=_("is the farm running, and with a virtual lab?"),
            socket=self.socket,
            why=why or _("too late"),
        )
