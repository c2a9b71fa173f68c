"""The holder's socket: questions of root on this machine, one JSON object a line."""

import asyncio
import contextlib
import os
import socket
from pathlib import Path
from typing import Any

import structlog
from pydantic import ValidationError

from boardgrid.lab.definition import Definition, Signal
from boardgrid.lab.holder import Holder
from boardgrid.lab.network import LabNetwork
from boardgrid.lab.wire import ABOUT, ANSWER, LINE_BYTES, QUESTION, SIGHTS, About, Answer, Complaint, Question
from boardgrid.messages import _
from boardgrid.model.errors import Code, FarmError, Fault, Invalid

log = structlog.get_logger()


class Door:
    """Each connection asks as often as it likes, one question at a time; connections do not wait for each other."""

    def __init__(self, holder: Holder, network: LabNetwork) -> None:
        self._holder, self._network = holder, network
        self._server: asyncio.Server | None = None

    async def open(self, path: Path) -> None:
        self._server = await asyncio.start_unix_server(self._serve, sock=_listening(path), limit=LINE_BYTES)

    def close(self) -> None:
        if self._server:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Whoever goes away in the middle, or sends a line without an end, is let go.
        with contextlib.suppress(OSError, ValueError):
            while line := await reader.readline():
                answer = await self._answer(line)
                writer.write(ANSWER.dump_json(answer) + b"\n")
                await writer.drain()
        with contextlib.suppress(OSError):
            writer.close()

    async def _answer(self, line: bytes) -> Answer:
        try:
            return Answer(await self._obey(_question(line)))
        except FarmError as error:
            return Answer(error=Complaint.of(error))
        except Exception as error:
            # Of what is wrong in here the asker is told too; the boards of others go on.
            log.exception("lab.failed")
            return Answer(error=Complaint.of(Fault(Code.BUG, _("the lab failed: {why!r}"), why=error)))

    async def _obey(self, question: Question) -> Any:
        holder, board = self._holder, question.board
        match question:
            case Question(do="about"):
                facts = About(self._network.interface, self._network.server, holder.all())
                return ABOUT.dump_python(facts, mode="json")
            case Question(do="list"):
                return SIGHTS.dump_python(holder.all(), mode="json")
            case Question(do="define", definition=Definition() as definition):
                return SIGHTS.dump_python([await holder.define(definition)], mode="json")
            case Question(do="remove"):
                return await holder.remove(board)
            case Question(do="on"):
                return await holder.on(board)
            case Question(do="off"):
                return await holder.off(board)
            case Question(do="reset"):
                return await holder.reset(board)
            case Question(do="state"):
                return holder.is_on(board)
            case Question(do="tail"):
                return holder.tail(board, question.lines)
            case Question(do="signal", signal=str() as which):
                signal: Signal = which
                return holder.signal(board, signal)
            case _:
                raise Invalid(
                    Code.REQUEST_INVALID, _("the question {do!r} to the lab lacks what it is about"), do=question.do
                )


def _listening(path: Path) -> socket.socket:
    """Only root may come in: the socket has its mode before anyone can reach it."""
    path.unlink(missing_ok=True)  # of a holder before this one: the lock on the folder says that it is gone
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listening.bind(str(path))
    finally:
        os.umask(before)
    return listening


def _question(line: bytes) -> Question:
    try:
        return QUESTION.validate_json(line)
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, each['loc'])) or '-'}: {each['msg']}" for each in error.errors())
        raise Invalid(Code.REQUEST_INVALID, _("the lab does not understand the question: {said}"), said=said) from error
