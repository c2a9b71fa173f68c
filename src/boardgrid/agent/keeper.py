"""Brings one board from what it is to what it should be, whatever happens in between."""

import asyncio
import contextlib
from dataclasses import replace
from typing import Any
from uuid import UUID

import structlog

from boardgrid.agent.bench import Bench, Memory
from boardgrid.agent.lease import LeaseGuard
from boardgrid.agent.outbox import Outbox
from boardgrid.agent.site import World
from boardgrid.agent.window import Window
from boardgrid.messages import _
from boardgrid.model.board import Act
from boardgrid.model.deployment import Outcome, Phase
from boardgrid.model.errors import Blame, Code, FarmError, Fault
from boardgrid.model.next_step import Step, next_step
from boardgrid.model.report import (
    BoardReport,
    HealthReport,
    OrderReport,
    Power,
    Reached,
    StepReport,
    Voice,
)
from boardgrid.model.wish import BoardWish, Deployed, Gone, Parked, PowerOrder
from boardgrid.ports import Sighting

log = structlog.get_logger()

_NO_ID = UUID(int=0)  # the outbox gives each report its own
_CONSOLE_LINES = 20
_STOP_TRIES = 2


class Keeper:
    """
    One board's loop: look, decide, act; and tell.

    When the wish moves on, the step under way is cancelled and the same loop goes for the new one. There is no way
    back of its own for release, cancellation or failure.
    """

    def __init__(self, world: World, lease: LeaseGuard, outbox: Outbox, window: Window, wished: BoardWish) -> None:
        self._world, self._lease, self._outbox = world, lease, outbox
        self._wished = wished
        self._bench = Bench(world, window, self._note)
        self._step: Step | None = None
        self._moved_on = asyncio.Event()
        self._orders: dict[UUID, asyncio.Task[None]] = {}
        self._has_told = False  # that the present wish is reached
        self._health: tuple[Power, Voice] | None = None
        self.trouble: str = ""  # what of the server side keeps this board waiting

    @property
    def wished(self) -> BoardWish:
        return self._wished

    def wish(self, wished: BoardWish) -> None:
        """From now on the board should be so."""
        before, self._wished = self._wished, wished
        if _target(before) != _target(wished):
            self._moved_on.set()
        if wished.order is not None and wished.order.id not in self._orders:
            self._orders[wished.order.id] = asyncio.ensure_future(self._obey(wished.order))

    def saw(self, sighting: Sighting) -> None:
        self._bench.saw(sighting)

    async def run(self) -> None:
        try:
            if self._wished.order is not None:
                self.wish(self._wished)
            while True:
                self._moved_on.clear()
                self._bench.memory, self._has_told, self._health, self.trouble = Memory(), False, None, ""
                work = asyncio.ensure_future(self._settle())
                moved_on = asyncio.ensure_future(self._moved_on.wait())
                try:
                    await asyncio.wait({work, moved_on}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    await _ended(work, moved_on)
                    self._bench.leave_window()
        finally:
            await _ended(*self._orders.values())

    async def _settle(self) -> None:
        """Go for the present wish; once there, see that the server side of it stays so."""
        pause_s, pace, memory = self._world.pace.pause_s, self._world.pace, self._bench.memory
        while True:
            try:
                wished = self._wished
                step = next_step(wished.wish, await self._bench.look(wished))
                if step is None:
                    await self._reached(wished)
                    await self._world.clock.sleep(pace.health_s)
                elif not await self._perform(step, wished):
                    return  # given up: the controller decides what comes next
                pause_s, self.trouble = pace.pause_s, ""
            except FarmError as error:
                # The server side: nobody is blamed, and it is tried until it works.
                self.trouble = str(error)
                log.warning("board.paused", board=self._wished.board.name, why=str(error), pause_s=pause_s)
                await self._world.clock.sleep(pause_s)
                pause_s = min(pause_s * 2, pace.pause_most_s)
            except Exception:
                memory.why = Fault(Code.BUG, _("the agent has a bug: its log has the whole of it"))
                self.trouble = str(memory.why)
                log.exception("board.bug", board=self._wished.board.name)
                await self._world.clock.sleep(pace.pause_most_s)

    # --- one step

    async def _perform(self, step: Step, wished: BoardWish) -> bool:
        """
        Do a step, with its event. False when this wish is given up.

        Raises:
            FarmError: the server side failed: pause and look again.
        """
        await self._lease.held()
        self._step, began_s = step, self._world.clock.now_s()
        if step is not Step.GIVE_UP:
            self._tell(step, Phase.BEGAN)
        try:
            try:
                async with asyncio.timeout(self._limit_s(step, wished)):
                    detail = await self._bench.perform(step, wished)
            except TimeoutError as error:
                raise _too_late(step, wished) from error
        except asyncio.CancelledError:
            self._tell(step, Phase.ENDED, outcome=Outcome.CANCELLED, took_s=self._since(began_s))
            raise
        except FarmError as error:
            if step is not Step.GIVE_UP:
                self._tell(
                    step,
                    Phase.ENDED,
                    outcome=Outcome.FAILED,
                    took_s=self._since(began_s),
                    detail=str(error),
                    console=await self._console(wished),
                )
            return self._after_failure(step, wished, error)
        finally:
            self._step = None
        if step is Step.BOOT:
            self._bench.memory.is_reached = True
        self._tell(step, Phase.ENDED, outcome=Outcome.OK, took_s=self._since(began_s), detail=detail)
        return True

    def _since(self, began_s: float) -> float:
        return self._world.clock.now_s() - began_s

    def _limit_s(self, step: Step, wished: BoardWish) -> float:
        pace = self._world.pace
        match step:
            case Step.BOOT:
                return wished.type.boot_s + 2 * pace.look_s
            case Step.RESTART | Step.STOP:
                # The wait for a place in the window ends by itself, place by place.
                return pace.act_s + pace.window_s * 60
            case _:
                return pace.step_s

    def _after_failure(self, step: Step, wished: BoardWish, error: FarmError) -> bool:
        memory = self._bench.memory
        memory.why = error
        blame = error.blame if isinstance(error, Fault) else Blame.IMAGE
        if step is Step.GIVE_UP:
            return self._given_up(wished, error, blame)
        if step in {Step.RESTART, Step.BOOT}:
            memory.is_stuck = True
            memory.rung += 1
            self._bench.leave_window()
            return True
        if step is Step.STOP:
            memory.rung += 1
            if memory.rung < _STOP_TRIES:
                return True
            memory.rung = 0
            if isinstance(wished.wish, Deployed):
                memory.cannot_stop = True  # the old root is fenced: the ladder may still restart the board
                return True
            return self._given_up(wished, error, Blame.BOARD)
        if blame is Blame.SITE:
            raise error
        return self._given_up(wished, error, blame)

    def _given_up(self, wished: BoardWish, error: FarmError, blame: Blame) -> bool:
        self._report_reached(wished, Reached.FAILED, error=error, blame=blame)
        return False

    # --- what is told

    async def _reached(self, wished: BoardWish) -> None:
        is_news, self._bench.memory.is_reached = not self._bench.memory.is_reached or not self._has_told, True
        wish = wished.wish
        if isinstance(wish, Deployed) and wish.opened:
            await self._tell_health(wished, wish)
        elif is_news:
            self._has_told = True
            match wish:
                case Deployed():
                    tree = await self._world.roots.seen(wish.root)
                    self._report_reached(wished, Reached.OPEN, host_key=tree.host_key if tree else "")
                case Parked():
                    self._report_reached(wished, Reached.PARKED)
                case Gone():
                    self._report_reached(wished, Reached.GONE)

    def _report_reached(
        self,
        wished: BoardWish,
        reached: Reached,
        *,
        host_key: str = "",
        error: FarmError | None = None,
        blame: Blame | None = None,
    ) -> None:
        deployment = wished.wish.deployment if isinstance(wished.wish, Deployed) else None
        self._outbox.put(
            BoardReport(
                _NO_ID,
                wished.board.name,
                wished.generation,
                reached,
                deployment,
                host_key,
                error.code if error else None,
                str(error) if error else "",
                error.hint if error else "",
                blame,
            )
        )
        log.info("board.reached", board=wished.board.name, reached=reached, why=str(error or ""))

    async def _tell_health(self, wished: BoardWish, wish: Deployed) -> None:
        """What an open board looks like: shown, never acted on."""
        power, voice = Power.UNKNOWN, Voice.SILENT
        tree = await self._world.roots.seen(wish.root)
        with contextlib.suppress(FarmError, TimeoutError):
            async with asyncio.timeout(self._world.pace.look_s):
                is_on = await self._bench.ladder(wished).is_on()
                power = {True: Power.ON, False: Power.OFF, None: Power.UNKNOWN}[is_on]
        if power is not Power.OFF:
            with contextlib.suppress(Fault):
                key = await self._world.host_keys.of(wished.board.address, self._world.pace.look_s)
                voice = Voice.OURS if tree and key == tree.host_key else Voice.OTHER
        if (power, voice) != self._health:
            self._health = (power, voice)
            self._outbox.put(HealthReport(_NO_ID, wished.board.name, wished.generation, power, voice))

    def _note(self, words: str) -> None:
        if self._step is not None:
            self._tell(self._step, Phase.NOTED, detail=words)

    def _tell(self, step: Step, phase: Phase, **what: Any) -> None:
        """*what* are further fields of the report."""
        wished = self._wished
        deployment = wished.wish.deployment if isinstance(wished.wish, Deployed) else None
        report = StepReport(_NO_ID, wished.board.name, wished.generation, step, phase, deployment)
        self._outbox.put(replace(report, **what))

    async def _console(self, wished: BoardWish) -> tuple[str, ...]:
        with contextlib.suppress(FarmError, TimeoutError):
            async with asyncio.timeout(self._world.pace.look_s):
                return await self._bench.ladder(wished).console_tail(_CONSOLE_LINES)
        return ()

    # --- what the board's holder wants

    async def _obey(self, order: PowerOrder) -> None:
        wished, reason = self._wished, ""
        try:
            await self._lease.held()
            async with asyncio.timeout(self._world.pace.act_s):
                await self._bench.ladder(wished).obey(Act(order.act))
        except TimeoutError:
            reason = _("power {act} of {board} took too long").format(act=order.act, board=wished.board.name)
        except FarmError as error:
            reason = str(error)
        except Exception:
            log.exception("order.bug", board=wished.board.name)
            reason = _("the agent has a bug: its log has the whole of it")
        self._outbox.put(OrderReport(_NO_ID, wished.board.name, order.id, reason))


def _target(wished: BoardWish) -> object:
    """What a step under way works for. That a deployment is open, or a new order, is no reason to begin anew."""
    wish = wished.wish
    return (wished.board, wished.type, replace(wish, opened=False) if isinstance(wish, Deployed) else wish)


def _too_late(step: Step, wished: BoardWish) -> Fault:
    blames_board = step in {Step.RESTART, Step.STOP, Step.BOOT}
    return Fault(
        Code.PROGRAM_TIMEOUT,
        _("{step} of {board} took too long and was ended"),
        blame=Blame.BOARD if blames_board else Blame.SITE,
        step=step,
        board=wished.board.name,
    )


async def _ended(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
