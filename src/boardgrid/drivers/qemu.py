"""
Virtual boards, in the hands of the lab's holder.

    power = [{ driver = "ssh" }, { driver = "qemu" }]
"""

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from typing import Any

from boardgrid.messages import _
from boardgrid.model.errors import Blame, Code, Fault
from boardgrid.ports import Tools

_ANSWER_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualBoard:
    """One board of the lab. The holder's language is a JSON object a line: a question, an answer."""

    name: str = ""  # in the lab; empty: the board's own
    timeout_s: float = 30.0
    tools: Tools = field(repr=False)

    def __post_init__(self) -> None:
        if not 0 < self.timeout_s <= 600:
            raise ValueError(_("timeout_s should be at most 600"))

    async def on(self) -> None:
        await self._ask("on")

    async def off(self) -> None:
        await self._ask("off")

    async def reset(self) -> None:
        await self._ask("reset")

    async def is_on(self) -> bool:
        return bool(await self._ask("state"))

    async def console_tail(self, lines: int) -> tuple[str, ...]:
        return tuple(str(line) for line in await self._ask("tail", lines=min(lines, 1000)))

    async def _ask(self, do: str, **more: object) -> Any:
        board = self.name or self.tools.board.name
        try:
            async with asyncio.timeout(self.timeout_s):
                answer = json.loads(await self._said(json.dumps({"do": do, "board": board, **more})))
        except TimeoutError as error:
            why = _("no answer in {seconds:g} s").format(seconds=self.timeout_s)
            raise self._failed(do, board, why, Blame.BOARD) from error
        except OSError as error:
            # Without its holder no virtual board is there at all: that is not the fault of this one.
            raise self._failed(do, board, _("the lab is not there: {error}").format(error=error)) from error
        except ValueError as error:
            raise self._failed(do, board, _("the lab broke off in the middle")) from error
        if complaint := answer.get("error"):
            raise self._failed(do, board, complaint["detail"], Blame.BOARD, hint=complaint.get("hint", ""))
        return answer.get("ok")

    async def _said(self, question: str) -> bytes:
        if self.tools.lab is None:
            raise FileNotFoundError(_("this site has no virtual lab"))
        reader, writer = await asyncio.open_unix_connection(self.tools.lab, limit=_ANSWER_BYTES)
        with contextlib.closing(writer):
            writer.write(question.encode() + b"\n")
            await writer.drain()
            return await reader.readline()

    def _failed(self, do: str, board: str, why: str, blame: Blame = Blame.SITE, *, hint: str = "") -> Fault:
        return Fault(
            Code.POWER_FAILED,
            _("the virtual board {board} does not obey '{do}': {why}"),
            hint=hint.replace("{", "{{").replace("}", "}}"),  # a whole sentence already, without fields of ours
            blame=blame,
            board=board,
            do=do,
            why=why,
        )
