"""QEMU's control line: questions and answers, one JSON object a line (QMP)."""

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count

from boardgrid.messages import _
from boardgrid.model.errors import Blame, Code, Fault


@dataclass(slots=True)
class ControlLine:
    """One question at a time. What QEMU tells unasked (its events) is passed over."""

    board: str
    _reader: asyncio.StreamReader | None = None
    _writer: asyncio.StreamWriter | None = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def is_open(self) -> bool:
        return self._writer is not None

    async def greet(self, end: socket.socket, *, within_s: float) -> None:
        """Raises: Fault where QEMU ends instead, or does not answer."""
        self._reader, self._writer = await asyncio.open_connection(sock=end)
        await self._hear(lambda said: "QMP" in said)
        await self.ask("qmp_capabilities", within_s=within_s)

    async def ask(self, what: str, *, until: str = "", within_s: float) -> None:
        """
        Have QEMU do something; with *until*, it is done when this event is told, before the answer or after.

        Raises:
            Fault: there is no answer in time, or a refusal.
        """
        if self._writer is None:
            raise self._silent(_("it is off"))
        try:
            async with asyncio.timeout(within_s), self._turn:
                number = next(self._numbers)
                self._writer.write(json.dumps({"execute": what, "id": number}).encode() + b"\n")
                await self._writer.drain()
                awaited = {number, until} - {""}

                def is_last(said: dict[str, object]) -> bool:
                    awaited.difference_update({said.get("id"), said.get("event")})
                    return not awaited or (said.get("id") == number and "error" in said)

                said = await self._hear(is_last)
        except TimeoutError as error:
            raise self._silent(_("no answer in {seconds:g} s").format(seconds=within_s)) from error
        except OSError as error:
            raise self._silent(error) from error
        if "error" in said:
            raise self._silent(said["error"])

    def close(self) -> None:
        if self._writer is not None:
            with contextlib.suppress(OSError):
                self._writer.close()
            self._writer = None

    async def _hear(self, is_it: Callable[[dict[str, object]], bool]) -> dict[str, object]:
        assert self._reader is not None  # noqa: S101 - greeted before
        while line := await self._reader.readline():
            said = json.loads(line)
            if is_it(said):
                return dict(said)
        raise self._silent(_("QEMU has ended"))

    def _silent(self, why: object) -> Fault:
        return Fault(
            Code.POWER_FAILED,
            _("the virtual board {board} does not obey: {why}"),
            hint=_("switch it off and on"),
            blame=Blame.BOARD,
            board=self.board,
            why=why,
        )
