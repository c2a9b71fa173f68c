"""Whatever people, agents and time do in whatever order: what must never be never is."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import combinations
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import select

from boardgrid.adapters.records.schema import slots
from boardgrid.adapters.records.sql import SqlRecords
from boardgrid.model.board import Act
from boardgrid.model.deployment import Deployment, DeploymentState
from boardgrid.model.errors import Blame, Code, FarmError
from boardgrid.model.image import Image, ImageState, RootSource
from boardgrid.model.line import EVER
from boardgrid.model.planning import Standing
from boardgrid.model.project import Part
from boardgrid.model.report import BoardReport, ImageReport, OrderReport, Report, RootReport
from boardgrid.model.reservation import LIVE, Group, Kind, Reservation, ReservationState
from boardgrid.model.root import Root, RootState
from boardgrid.model.user import User
from boardgrid.model.window import Window
from boardgrid.model.wish import BoardWish, Deployed, SiteWishes
from boardgrid.services.booking import Fate
from tests.services.house import KEY_A, KEY_B, House, a_board, a_manifest, reached, records_with

BOARDS = ("tk1-1", "tk1-2", "tk1-3")
GIVEN_UP = {RootState.GOING, RootState.GONE}

users = st.sampled_from(["ada", "bob"])
boards = st.sampled_from(BOARDS)
groups = st.lists(
    st.builds(Group, st.integers(1, 2), type=st.just("tk1"))
    | st.builds(Group, st.just(1), board=boards)
    | st.builds(Group, st.just(1), where=st.sampled_from(["number > 1", "number != 2"])),
    min_size=1,
    max_size=2,
)


@contextmanager
def lawful() -> Iterator[None]:
    """What may be refused, but by the services: where the database has to say no, one of them did not look."""
    try:
        yield
    except FarmError as error:
        assert "records do not allow" not in error.detail, error


class Course(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()

    @initialize()
    def furnish(self) -> None:
        self.house = House(self.stack.enter_context(records_with(boards=len(BOARDS))))
        self.house.image()
        members = dict.fromkeys(("ada", "bob"), Part.MEMBER)
        self.house.farm.projects.add(self.house.admin, "robots", members=members, image="tiny")
        self.version = 0
        self.generations: dict[str, int] = {}
        self.late: list[Report] = []  # what an agent meant to tell before it was killed
        # What is really offered to each board: the agent's own knowledge, not what the records say of it.
        self.offered: dict[str, set[UUID]] = {name: set() for name in BOARDS}
        self.written: set[UUID] = set()  # roots that a user wrote to and did not give up
        self.promised: dict[int, Window] = {}  # of those in the queue
        self.may_slip = False  # a board broke or left since
        self.shared = False  # who was let in to another's seat is on two boards

    def teardown(self) -> None:
        self.stack.close()

    def _who(self, name: str) -> User:
        return self.house.ada if name == "ada" else self.house.bob

    # --- people

    @rule(user=users, board=boards | st.none(), root=st.integers(0, 3) | st.none(), hours=st.integers(1, 50))
    def reserve(self, user: str, board: str | None, root: int | None, hours: int) -> None:
        who = self._who(user)
        mine = self.house.farm.roots.roots(who)
        what: dict[str, Any] = {"board": board} if board else {"board_type": "tk1"}
        what |= {"root": mine[root % len(mine)].root.name} if root is not None and mine else {"image": "tiny"}
        with lawful():
            self.house.reserve(who, for_=timedelta(hours=hours), **what)

    @rule(user=users, groups=groups, kind=st.sampled_from(Kind), hours=st.integers(1, 9), ahead=st.integers(0, 9))
    def reserve_several(self, user: str, groups: list[Group], kind: Kind, hours: int, ahead: int) -> None:
        at = self.house.now + timedelta(hours=ahead) if kind is Kind.FIXED and ahead else None
        with lawful():
            self.house.reserve(self._who(user), groups=groups, kind=kind, for_=timedelta(hours=hours), at=at)

    @rule(
        count=st.integers(1, 3),
        ahead=st.integers(0, 9),
        hours=st.integers(1, 9),
        turn=st.sampled_from([None, timedelta(minutes=30)]),
        times=st.integers(1, 2),
    )
    def hold_a_block(self, count: int, ahead: int, hours: int, turn: timedelta | None, times: int) -> None:
        starts = [self.house.now + timedelta(hours=ahead, days=number) for number in range(times)]
        with lawful():
            self.house.farm.blocks.add(
                self.house.admin,
                "robots",
                Group(count, type="tk1"),
                starts=starts,
                for_=timedelta(hours=hours),
                turn=turn,
            )

    @rule(user=users, which=st.integers(0, 2), root=st.integers(0, 3) | st.none())
    def take_a_seat(self, user: str, which: int, root: int | None) -> None:
        who = self._who(user)
        blocks, mine = self.house.farm.blocks.blocks(who), self.house.farm.roots.roots(who)
        if blocks:
            name = mine[root % len(mine)].root.name if root is not None and mine else None
            with lawful():
                self.house.farm.blocks.take_seat(who, blocks[which % len(blocks)].reservation.number, name)

    @rule(board=boards, ahead=st.integers(0, 9), hours=st.integers(1, 3), forced=st.booleans())
    def keep_a_board_free(self, board: str, ahead: int, hours: int, forced: bool) -> None:
        start = self.house.now + timedelta(hours=ahead)
        self.may_slip = True
        with lawful():
            self.house.farm.maintaining.add(
                self.house.admin,
                [Group(board=board)],
                start=start,
                end=start + timedelta(hours=hours),
                reason="new fan",
                force=forced,
            )

    @rule(user=users, is_in=st.booleans(), team=st.sampled_from(["", "red"]))
    def change_the_class(self, user: str, is_in: bool, team: str) -> None:
        with lawful():
            if is_in:
                self.house.farm.projects.change(self.house.admin, "robots", add={user: Part.MEMBER}, team=team)
            else:
                self.house.farm.projects.change(self.house.admin, "robots", remove=[user])

    @rule()
    def the_image_gets_a_version(self) -> None:
        with lawful():
            self.house.image()

    @rule(later=st.booleans())
    def call_a_block_off(self, later: bool) -> None:
        for view in self.house.farm.blocks.blocks(self.house.admin)[:1]:
            with lawful():
                self.house.farm.blocks.remove(self.house.admin, view.reservation.number, later=later)

    @rule(user=users, minutes=st.integers(1, 600))
    def extend(self, user: str, minutes: int) -> None:
        who = self._who(user)
        for view in self.house.farm.booking.reservations(who, ended=False):
            with lawful():
                self.house.farm.booking.extend(who, view.reservation.number, timedelta(minutes=minutes))

    @rule(user=users, shares=st.booleans())
    def share(self, user: str, shares: bool) -> None:
        who, other = self._who(user), ["bob" if user == "ada" else "ada"]
        for view in self.house.farm.booking.reservations(who, ended=False):
            with lawful():
                add, remove = (other, []) if shares else ([], other)
                self.shared |= view.reservation.is_seat
                self.house.farm.booking.share(who, view.reservation.number, add, remove)

    @rule(
        user=users,
        fate=st.sampled_from(Fate) | st.none(),
        name=st.sampled_from(["", "kept", "mine"]),
        which=st.integers(0, 2) | st.none(),
        most=st.integers(1, 3),
    )
    def release(self, user: str, fate: Fate | None, name: str, which: int | None, most: int) -> None:
        who = self._who(user)
        for view in self.house.farm.booking.reservations(who, ended=False)[:most]:
            mine = view.reservation
            board = mine.boards[which % len(mine.boards)] if which is not None and mine.boards else None
            with lawful():
                named = f"{name}-{user}" if name else ""
                self.house.farm.booking.release(who, mine.number, fate, named, board)
                if fate is Fate.DISCARD:
                    given = {one.deployment.root for one in view.deployments if board in {None, one.deployment.board}}
                    self.written -= given

    @rule(user=users, which=st.integers(0, 3), keeps=st.booleans())
    def decide_about_a_root(self, user: str, which: int, keeps: bool) -> None:
        who = self._who(user)
        mine = self.house.farm.roots.roots(who)
        if mine:
            root = mine[which % len(mine)].root
            with lawful():
                if keeps:
                    self.house.farm.roots.keep(who, root.name, f"kept-{user}")
                else:
                    self.house.farm.roots.discard(who, root.name)
                    self.written.discard(root.id)

    @rule(user=users, board=boards, act=st.sampled_from(Act))
    def order_power(self, user: str, board: str, act: Act) -> None:
        with lawful():
            self.house.farm.orders.order_power(self._who(user), board, act)

    @rule(board=boards)
    def say_that_it_is_fit(self, board: str) -> None:
        with lawful():
            self.house.farm.inventory.fit(self.house.admin, board)

    @rule(board=boards, kernel=st.sampled_from(["", "6.1"]))
    def declare(self, board: str, kernel: str) -> None:
        self.may_slip = True
        with lawful():
            self.house.farm.inventory.put_board(self.house.admin, a_board(int(board[-1]), kernel=kernel))

    @rule(board=boards)
    def remove(self, board: str) -> None:
        self.may_slip = True
        with lawful():
            self.house.farm.inventory.remove_board(self.house.admin, board)

    # --- time

    @rule(minutes=st.integers(1, 600) | st.integers(600, 6000) | st.integers(-600, -1), looks=st.booleans())
    def time_passes(self, minutes: int, looks: bool) -> None:
        """Or the clock is set back; what is due may be looked at late."""
        self.house.now += timedelta(minutes=minutes)
        if not looks:
            return
        with self.house.records.read() as records:
            aside = records.roots(states={RootState.ASIDE})
        self.written -= {one.id for one in aside if one.expires_at and one.expires_at <= self.house.now}
        self.house.pass_to(self.house.now)
        with self.house.records.read() as records:
            live = records.reservations(states=LIVE)
        assert not [one for one in live if one.is_running and one.window.end <= self.house.now]
        assert not [one for one in live if one.is_waiting and one.boards and one.window.start <= self.house.now]

    # --- the agent

    def _wishes(self) -> SiteWishes:
        wishes = self.house.wishes
        for one in wishes.boards:
            if isinstance(one.wish, Deployed):
                self.offered[one.board.name].add(one.wish.root)
        return wishes

    def _reach(self, wish: BoardWish) -> BoardReport:
        """Bring a board to its wish: every other root is fenced on the way."""
        offered = self.offered[wish.board.name]
        if isinstance(wish.wish, Deployed):
            offered &= {wish.wish.root}
        else:
            offered.clear()
        return reached(wish)

    @rule(board=boards)
    def the_agent_reaches_a_wish(self, board: str) -> None:
        for wish in self._wishes().boards:
            if wish.board.name == board:
                self.house.tell(self._reach(wish))
        self._write()

    def _write(self) -> None:
        """Whoever is let in to a board leaves something there; before the farm knows that it is open, nobody is."""
        with self.house.records.read() as records:
            live = records.deployments(live=True)
        self.written |= {one.root for one in live if one.state is DeploymentState.OPEN}

    @rule(board=boards, blame=st.sampled_from(Blame))
    def the_agent_gives_up(self, board: str, blame: Blame) -> None:
        self.may_slip = True
        if any(wish.board.name == board for wish in self._wishes().boards):
            self.house.fail(blame, board)

    @rule(is_full=st.booleans())
    def the_agent_tends_the_store(self, is_full: bool) -> None:
        wishes = self._wishes()
        offered = set[UUID]().union(*self.offered.values())
        told: list[Report] = [RootReport(uuid4(), one.root) for one in wishes.discard if one.root not in offered]
        for one in wishes.images:
            if one.source is None:
                told.append(ImageReport(uuid4(), one.image))
            elif is_full:
                told.append(ImageReport(uuid4(), one.image, code=Code.STORE_FULL, reason="no room"))
            elif not isinstance(one.source, RootSource):
                told.append(ImageReport(uuid4(), one.image, a_manifest()))
            elif one.source.root not in offered:
                self.written.discard(one.source.root)
                told.append(ImageReport(uuid4(), one.image, a_manifest()))
        self.house.tell(*told)

    @rule()
    def the_agent_obeys(self) -> None:
        for wish in self._wishes().boards:
            if wish.order is not None:
                self.house.tell(OrderReport(uuid4(), wish.board.name, wish.order.id))

    @rule()
    def the_agent_is_killed_with_reports_in_its_hand(self) -> None:
        self.late += [self._reach(one) for one in self._wishes().boards]
        self.house.epoch = 0

    @rule()
    def late_reports_arrive(self) -> None:
        self.house.tell(*self.late)
        self.late.clear()
        self._write()

    # --- what must be

    @invariant()
    def nobody_has_a_board_that_another_has(self) -> None:
        with self.house.records.read() as records:
            live = records.reservations(states=LIVE)
        windows: dict[str, list[Window]] = {}
        for one in live:
            assert len(set(one.boards)) == len(one.boards)
            # Several of a group may have been given back, and those that yield wait with none.
            assert len(one.boards) == sum(group.count for group in one.groups) or not one.boards or one.is_block
            for board in one.boards:
                start = EVER if one.is_running else one.window.start
                windows.setdefault(board, []).append(Window(start, one.window.end))
        for board, held in windows.items():
            assert not [pair for pair in combinations(held, 2) if pair[0].overlaps(pair[1])], board
        told = self._slots()
        assert told == {board: sorted(held, key=lambda one: one.start) for board, held in windows.items()}
        self.house.check_plan()

    @invariant()
    def seats_lie_within_their_block_and_nobody_has_two(self) -> None:
        with self.house.records.read() as records:
            live = {one.number: one for one in records.reservations(states=LIVE)}
        seats = [one for one in live.values() if one.is_seat]
        people = [(one.within, person) for one in seats if one.boards for person in {one.user, *one.members}]
        assert self.shared or len(people) == len(set(people))
        for one in seats:
            assert one.within is not None
            block = live[one.within]
            assert not set(one.boards) & set(block.boards) and one.window.end <= block.window.end
            assert block.is_running or one.is_waiting
        for block in live.values():
            taken = sum(len(one.boards) for one in seats if one.within == block.number)
            assert not block.is_block or len(block.boards) + taken <= block.groups[0].count

    def _slots(self) -> dict[str, list[Window]]:
        """What the database itself guards."""
        found: dict[str, list[Window]] = {}
        assert isinstance(self.house.records, SqlRecords)
        with self.house.records.engine.connect() as connection:
            for row in connection.execute(select(slots).order_by(slots.c.start)):
                found.setdefault(row.board, []).append(Window(row.start, row.end))
        return found

    @invariant()
    def what_the_queue_was_promised_holds(self) -> None:
        with self.house.records.read() as records:
            waiting = records.reservations(states={ReservationState.WAITING})
        queue = {one.number: one.window for one in waiting if one.kind is Kind.QUEUED}
        for number, window in queue.items():
            before = self.promised.get(number, window)
            # Who was not begun because nobody looked for the whole of its time has no date to miss.
            was_away = before.end <= self.house.now
            assert window.start <= before.start or self.may_slip or was_away
        self.promised, self.may_slip = queue, False

    @invariant()
    def the_gateway_lets_in_whom_the_boards_are_shared_with_and_nobody_else(self) -> None:
        with self.house.records.read() as records:
            running = records.reservations(states={ReservationState.RUNNING})
        keys = {self.house.ada.id: KEY_A, self.house.bob.id: KEY_B}
        # Who holds a block for others has no key to its boards.
        held = [one for one in running if not one.is_block]
        may = {(keys[who], board) for one in held for board in one.boards for who in (one.user, *one.members)}
        assert self.house.farm.doors.holdings("lab").pairs <= may

    @invariant()
    def what_must_never_be_is_not(self) -> None:
        with self.house.records.read() as records:
            scene = Scene(
                records.boards(),
                records.reservations(states={ReservationState.RUNNING}),
                records.deployments(live=True),
                records.roots(),
                records.images(),
            )
        wishes = self.house.wishes
        self._no_board_is_given_on_with_anothers_root(wishes)
        assert not self.written & {one.id for one in scene.roots if one.state in GIVEN_UP}
        _no_board_is_held_twice(scene)
        _a_live_root_is_its_users_and_is_never_given_up(scene, wishes)
        _a_wish_names_the_holders_own_root_and_keys(scene, wishes, {self.house.ada, self.house.bob})
        _what_a_user_wrote_is_not_lost(scene)
        assert wishes.version >= self.version
        self.version = wishes.version
        for wish in wishes.boards:
            # Also of a board that left and came back under its name.
            assert self.generations.get(wish.board.name, 0) <= wish.generation <= wishes.version
            self.generations[wish.board.name] = wish.generation

    def _no_board_is_given_on_with_anothers_root(self, wishes: SiteWishes) -> None:
        for one in wishes.boards:
            if isinstance(one.wish, Deployed):
                name, root = one.board.name, one.wish.root
                assert self.offered[name] <= {root}, "the root of the user before may still be offered to it"
                assert not [other for other in BOARDS if other != name and root in self.offered[other]]

    @rule(user=users)
    def nobody_sees_the_roots_and_images_of_others(self, user: str) -> None:
        who, other = self._who(user), "bob" if user == "ada" else "ada"
        assert all(one.root.owner == who.id for one in self.house.farm.roots.roots(who))
        assert all(one.image.owner == who.id or one.image.shared for one in self.house.farm.catalog.images(who))
        for event in self.house.farm.history.after(who):
            assert f"kept-{other}" not in event.detail and f"mine-{other}" not in event.detail


@dataclass(frozen=True)
class Scene:
    boards: list[Standing]
    running: list[Reservation]
    live: list[Deployment]
    roots: list[Root]
    images: list[Image]


def _no_board_is_held_twice(scene: Scene) -> None:
    boards = [board for one in scene.running for board in one.boards]
    assert len(set(boards)) == len(boards)
    # What is nobody's seat in a block nobody has.
    boards = [board for one in scene.running if not one.is_block for board in one.boards]
    assert len({one.root for one in scene.live}) == len(scene.live)
    # Whoever holds a board that is still being cleaned has no deployment yet.
    assert {one.reservation for one in scene.live} <= {one.number for one in scene.running}
    held = {one.board.name for one in scene.boards if isinstance(one.wish, Deployed)}
    assert held == {one.board for one in scene.live}
    waits = {one.board.name for one in scene.boards if not one.is_clean}
    assert held <= set(boards) <= held | waits


def _a_live_root_is_its_users_and_is_never_given_up(scene: Scene, wishes: SiteWishes) -> None:
    live = {one.root: one for one in scene.live}
    users_of = {one.number: one.user for one in scene.running}
    assert {one.id for one in scene.roots if one.state is RootState.LIVE} == set(live)
    for root in scene.roots:
        if root.id in live:
            assert users_of[live[root.id].reservation] == root.owner
    discarded = {one.root for one in wishes.discard}
    captured = {one.source.root for one in wishes.images if isinstance(one.source, RootSource)}
    assert not discarded & set(live) and not captured & (discarded | set(live))


def _a_wish_names_the_holders_own_root_and_keys(scene: Scene, wishes: SiteWishes, people: set[User]) -> None:
    owners = {one.id: one.owner for one in scene.roots}
    holders = {board: one.user for one in scene.running for board in one.boards}
    by_id = {one.id: one for one in people}
    for one in wishes.boards:
        if isinstance(one.wish, Deployed):
            owner = by_id[owners[one.wish.root]]
            assert holders[one.board.name] == owner.id
            assert one.wish.user == owner.name and set(owner.ssh_keys) <= set(one.wish.keys)


def _what_a_user_wrote_is_not_lost(scene: Scene) -> None:
    """A root is given up at its user's word, at its date, or when an image has all of it."""
    going = {one.id for one in scene.roots if one.state in GIVEN_UP}
    building = [one.source for one in scene.images if one.state is ImageState.BUILDING]
    assert not going & {one.root for one in building if isinstance(one, RootSource)}
    assert all(one.expires_at is not None for one in scene.roots if one.state is RootState.ASIDE)


def test_a_short_course() -> None:
    run_state_machine_as_test(Course, settings=settings(max_examples=6, stateful_step_count=20))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_long_course() -> None:
    run_state_machine_as_test(Course, settings=settings(max_examples=80, stateful_step_count=50))
