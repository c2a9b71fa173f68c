"""Brings one board from what it is to what it should be, whatever happens in between."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import structlog

from boardgrid.agent.arrival import since
from boardgrid.agent.bench import CONSOLE_LINES, Bench, Memory, Superseded
from boardgrid.agent.blame import blame_of, bug, too_late
from boardgrid.agent.lease import LeaseGuard
from boardgrid.agent.outbox import Outbox
from boardgrid.agent.patience import Patience
from boardgrid.agent.site import World
from boardgrid.agent.telling import Telling
from boardgrid.agent.window import Window
from boardgrid.finishing import ended
from boardgrid.messages import _
from boardgrid.model.board import Act
from boardgrid.model.deployment import Outcome, Phase
from boardgrid.model.errors import Blame, Code, FarmError, Fault
from boardgrid.model.next_step import Seen, Step, has_yet, next_step
from boardgrid.model.report import Power, Voice
from boardgrid.model.wish import BoardWish, Deployed, Gone, PowerOrder
from boardgrid.ports import Sighting

log = structlog.get_logger()

LOOK = "look"  # the step of an event that tells why nothing is done: what is could not be seen
_STOP_TRIES = 2


class GivenUp(Exception):
    """This wish was tried in every way, and reported as failed."""


class Keeper:
    """
    One board's loop: look, decide, act; and tell.

    When the wish moves on, the step under way is cancelled and the same loop goes for the new one. There is no way
    back of its own for release, cancellation or failure. *on_trouble* is called when :attr:`trouble` is another.
    """

    def __init__(
        self,
        world: World,
        lease: LeaseGuard,
        outbox: Outbox,
        window: Window,
        wished: BoardWish,
        *,
        on_trouble: Callable[[], object] = lambda: None,
    ) -> None:
        self._world, self._lease, self._on_trouble = world, lease, on_trouble
        self._telling = Telling(outbox)
        self._wished = wished
        self._bench = Bench(world, window, self._note, self._may_act)
        self._doing: tuple[Step, BoardWish] | None = None
        self._failing: tuple[Step, str] | None = (
            None  # what the server side refused last, which is tried again and again
        )
        self._moved_on = asyncio.Event()
        self._stirred = asyncio.Event()  # something is to be looked at before the next round
        self._turn = asyncio.Lock()  # a board is not acted on from two sides at once
        self._orders: asyncio.Queue[PowerOrder] = asyncio.Queue()
        self._ordered: UUID | None = None  # the last one
        self._heard: tuple[tuple[str, ...], float | None] = ((), None)  # on its console last, and when that was new
        self._admitted: tuple[UUID, tuple[str, ...]] | None = None  # who may log in, and to which deployment
        self._target: object = None  # what is worked for; the wish may have moved on already
        self.trouble: str = ""  # what of the server side keeps this board waiting
        self._take_order()

    @property
    def wished(self) -> BoardWish:
        return self._wished

    def wish(self, wished: BoardWish) -> None:
        """From now on the board should be so."""
        before, self._wished = self._wished, wished
        if _target(before) != _target(wished):
            self._moved_on.set()
            self._orders = asyncio.Queue()  # what a former holder ordered is void
        self._stirred.set()
        self._take_order()

    def saw(self, sighting: Sighting) -> None:
        self._bench.saw(sighting)

    async def run(self) -> None:
        while True:
            self._moved_on.clear()
            self._target = _target(self._wished)
            self._bench.memory, self._failing = Memory(), None
            self._telling.begin()
            self._be_in_trouble("")
            tasks = [
                asyncio.ensure_future(work) for work in (self._settle(), self._obey_orders(), self._moved_on.wait())
            ]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in tasks:
                    if task.done():
                        task.result()
            finally:
                await ended(*tasks)
                self._bench.leave_window()

    @property
    def _is_superseded(self) -> bool:
        return _target(self._wished) != self._target

    async def _settle(self) -> None:
        """Go for the present wish; once there, see that the server side of it stays so."""
        pace = self._world.pace
        faults, repeats = Patience(pace.pause_s, pace.pause_most_s), Patience(pace.pause_s, pace.pause_most_s)
        defeats = Patience(pace.pause_most_s, pace.defeat_most_s)
        former: Step | None = None
        while not self._is_superseded:
            try:
                step = await self._one_step()
                # What did its work and is due again has no effect.
                rest_s, former = repeats.next_s() if step is former else repeats.reset(), step
                faults.reset()
                self._be_in_trouble("")
                if step is None:
                    repeats.reset()
                    await self._rest(pace.health_s)
                    continue
            except Superseded:
                return
            except GivenUp:
                self._bench.memory, former, rest_s = Memory(), None, defeats.next_s()
            except FarmError as error:
                # The server side: nobody is blamed, and it is tried until it works.
                rest_s = faults.next_s()
                log.warning("board.paused", board=self._wished.board.name, why=str(error), pause_s=rest_s)
                self._be_in_trouble(str(error))
            except Exception:
                rest_s = pace.pause_most_s
                log.exception("board.bug", board=self._wished.board.name)
                self._be_in_trouble(str(bug()))
            await self._world.clock.sleep(rest_s)

    async def _rest(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stirred.wait()

    async def _one_step(self) -> Step | None:
        """
        Look, decide, and do it. None when all is as wished.

        Raises:
            Superseded: the wish has moved on.
            GivenUp: nothing helps.
            FarmError: the server side failed.
        """
        await self._lease.held()
        self._stirred.clear()
        wished = self._wished
        seen = await self._look(wished)
        self._bench.memory.still = has_yet(wished.wish, seen)
        await self._may_act()
        step = next_step(wished.wish, seen)
        if step is None:
            await self._reached(wished)
        else:
            async with self._turn:
                await self._perform(step, wished)
        return step

    async def _look(self, wished: BoardWish) -> Seen:
        try:
            async with asyncio.timeout(self._world.pace.step_s):
                return await self._bench.look(wished)
        except TimeoutError as error:
            raise Fault(
                Code.PROGRAM_TIMEOUT, _("looking at {board} took too long and was ended"), board=wished.board.name
            ) from error
        except FarmError as error:
            if str(error) != self.trouble:
                self._telling.step(wished, LOOK, Phase.ENDED, outcome=Outcome.FAILED, detail=str(error))
            raise

    async def _may_act(self) -> None:
        """
        Return when something may be changed for the wish that is worked for; past the lease that takes a while.

        Raises:
            Superseded: another is wished meanwhile.
        """
        await self._lease.held()
        if self._is_superseded:
            raise Superseded

    def _be_in_trouble(self, trouble: str) -> None:
        if trouble != self.trouble:
            self.trouble = trouble
            self._on_trouble()

    # --- one step

    async def _perform(self, step: Step, wished: BoardWish) -> None:
        """Do a step, with its event; raises as :meth:`_one_step` does. A failure that only goes on is told once."""
        self._doing, began_s, failing = (step, wished), self._world.clock.now_s(), self._failing
        is_again = failing is not None and failing[0] is step
        if not is_again:
            self._tell_begin(step, wished)

        def end(outcome: Outcome, detail: str = "", console: tuple[str, ...] = ()) -> None:
            if step is Step.GIVE_UP:
                return
            if is_again:
                if outcome is Outcome.CANCELLED or (step, detail) == failing:
                    return
                self._tell_begin(step, wished)
            took_s = self._world.clock.now_s() - began_s
            self._telling.step(
                wished, step, Phase.ENDED, outcome=outcome, took_s=took_s, detail=detail, console=console
            )

        try:
            try:
                async with asyncio.timeout(self._limit_s(step, wished)):
                    detail = await self._bench.perform(step, wished)
            except TimeoutError as error:
                raise too_late(step, wished) from error
        except (asyncio.CancelledError, Superseded):
            end(Outcome.CANCELLED)
            raise
        except FarmError as error:
            end(Outcome.FAILED, str(error), await self._console(step, wished))
            self._failing = (step, str(error)) if blame_of(step, error) is Blame.SITE else None
            self._after_failure(step, wished, error)
        except Exception:
            end(Outcome.FAILED, str(bug()))
            raise
        else:
            is_trial = isinstance(wished.wish, Deployed) and wished.wish.is_trial
            end(Outcome.OK, detail, await self._console(step, wished) if is_trial else ())
            self._failing = None
            if step is Step.BOOT:
                self._bench.memory.is_reached = True
            if step is Step.PERSONALISE and isinstance(wished.wish, Deployed):
                self._admitted = wished.wish.deployment, wished.wish.keys
        finally:
            self._doing = None

    def _tell_begin(self, step: Step, wished: BoardWish) -> None:
        if step is not Step.GIVE_UP:
            self._telling.step(wished, step, Phase.BEGAN)

    def _limit_s(self, step: Step, wished: BoardWish) -> float | None:
        pace = self._world.pace
        match step:
            case Step.BOOT:
                return wished.type.boot_s + 2 * pace.look_s
            case Step.FETCH:
                return pace.fetch_s
            case Step.PERSONALISE if isinstance(wished.wish, Deployed) and wished.wish.kits:
                return pace.fetch_s  # modules are many files
            case Step.RESTART | Step.STOP:
                return None  # what is done to the board has its limit there; a place in the window is waited for
            case _:
                return pace.step_s

    def _after_failure(self, step: Step, wished: BoardWish, error: FarmError) -> None:
        """
        Raises:
            FarmError: it is the server side's: pause, and look again.
            GivenUp: nothing is left to try.
        """
        memory = self._bench.memory
        memory.why = error
        blame = blame_of(step, error)
        if blame is not Blame.SITE and _is_verdict(step, wished, memory, error):
            memory.verdict, memory.is_reached = error, True
            self._bench.leave_window()
            return
        if step is Step.GIVE_UP:
            self._give_up(wished, error, blame)
        if blame is Blame.SITE:
            raise error
        match step:
            case Step.RESTART | Step.BOOT:
                memory.is_stuck = True
                if memory.rung is not None:
                    memory.tried.append(memory.rung)
                self._bench.leave_window()
            case Step.STOP:
                memory.stops += 1
                if memory.stops >= _STOP_TRIES and isinstance(wished.wish, Gone):
                    memory.cannot_stop = True
                elif memory.stops >= _STOP_TRIES:
                    # A board that may still run may still mount what its fixed path offers: it gets nobody's root.
                    self._give_up(wished, error, Blame.BOARD)
            case _:
                self._give_up(wished, error, blame)

    def _give_up(self, wished: BoardWish, error: FarmError, blame: Blame) -> None:
        self._telling.failed(wished, error, blame, self._bench.memory.still)
        raise GivenUp

    # --- what is told

    async def _reached(self, wished: BoardWish) -> None:
        is_news, self._bench.memory.is_reached = not self._bench.memory.is_reached or not self._telling.is_reached, True
        wish = wished.wish
        if isinstance(wish, Deployed) and wish.opened:
            if self._bench.goes_back(wish):
                told = _("it has restarted, and boots the kernel that was good before")
                self._telling.step(wished, Step.BOOT, Phase.NOTED, detail=told)
            await self._admit(wished, wish)
            await self._tell_health(wished, wish)
        elif is_news:
            tree = await self._world.roots.seen(wish.root) if isinstance(wish, Deployed) else None
            self._telling.reached(wished, tree.host_key if tree else "", self._bench.memory.verdict)

    async def _admit(self, wished: BoardWish, wish: Deployed) -> None:
        """Its user shared it, or no longer. A board that does not answer is asked again at the next look."""
        who = wish.deployment, wish.keys
        tree = await self._world.roots.seen(wish.root)
        if self._admitted == who or tree is None:
            return
        keys = (*wish.keys, self._world.public_key)
        with contextlib.suppress(FarmError):
            await self._world.admission.admit(wished.board.address, tree.host_key, keys, self._world.pace.look_s)
            self._admitted = who

    async def _tell_health(self, wished: BoardWish, wish: Deployed) -> None:
        """What an open board looks like, and whether its console says anything: the agent acts on none of it."""
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
        tail, now_s = await self._bench.console_tail(wished, CONSOLE_LINES), self._world.clock.now_s()
        if tail and tail != self._heard[0]:
            self._heard = (tail, now_s)
        self._telling.health(wished, power, voice, self._heard[1], now_s)

    def _note(self, words: str) -> None:
        if self._doing is not None:
            step, wished = self._doing
            self._telling.step(wished, step, Phase.NOTED, detail=words)

    async def _console(self, step: Step, wished: BoardWish) -> tuple[str, ...]:
        # What was printed before this deployment's own restart is of whoever had the board before.
        if step is not Step.BOOT or not isinstance(wished.wish, Deployed):
            return ()
        memory, tail = self._bench.memory, await self._bench.console_tail(wished, CONSOLE_LINES)
        return memory.last_words or since(memory.console, tail) if wished.wish.is_again else tail

    # --- what the board's holder wants

    def _take_order(self) -> None:
        order = self._wished.order
        if order is not None and order.id != self._ordered:
            self._ordered = order.id
            self._orders.put_nowait(order)

    async def _obey_orders(self) -> None:
        """One after another, and none of a holder who is not any more."""
        orders = self._orders
        while True:
            order = await orders.get()
            async with self._turn:
                await self._obey(order)

    async def _obey(self, order: PowerOrder) -> None:
        wished, reason = self._wished, ""
        try:
            await self._may_act()
            async with asyncio.timeout(self._world.pace.act_s):
                await self._bench.ladder(wished).obey(Act(order.act))
        except Superseded:
            return
        except TimeoutError:
            reason = _("power {act} of {board} took too long").format(act=order.act, board=wished.board.name)
        except FarmError as error:
            reason = str(error)
        except Exception:
            log.exception("order.bug", board=wished.board.name)
            reason = str(bug())
        self._stirred.set()
        self._telling.obeyed(wished, order.id, reason)


def _is_verdict(step: Step, wished: BoardWish, memory: Memory, error: FarmError) -> bool:
    """
    Whether it is up to its user what comes of a root that they have booted again: the board was restarted and did
    something, or nothing restarts it any more.
    """
    if not isinstance(wished.wish, Deployed) or not wished.wish.is_again or memory.restarted_s is None:
        return False
    return step is Step.GIVE_UP or (step is Step.BOOT and error.code is not Code.BOARD_SILENT)


def _target(wished: BoardWish) -> object:
    """
    What a step under way works for. That a deployment is open, a new order, or what the store keeps for the board is no
    reason to begin anew.
    """
    wish = wished.wish
    if isinstance(wish, Deployed):
        return (wished.board, wished.type, replace(wish, opened=False, keeps=()))
    # Nobody is on the board, so it may be looked at anew: an admin who mended it has the generation raised.
    return (wished.board, wished.type, wish.kind, wished.generation)
