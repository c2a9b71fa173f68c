"""How the calendar unfolds: who begins, who ends, who gives way, and who moves when what they stand on changes."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from boardgrid.messages import _
from boardgrid.model.calendar import Demand, Job, Move, Placement
from boardgrid.model.deployment import Outcome, Phase
from boardgrid.model.errors import FarmError
from boardgrid.model.image import CheckpointSource, Image, RootSource
from boardgrid.model.reservation import LIVE, Kind, Reservation
from boardgrid.model.root import RootState
from boardgrid.model.window import Window
from boardgrid.services.beginning import begun, foretold, note, planned
from boardgrid.services.desk import Work
from boardgrid.services.ending import Fate, being_made, discard, end, put_aside
from boardgrid.services.giving import hand_over
from boardgrid.services.seating import open_block, seat_again, seat_next
from boardgrid.services.showing import as_utc
from boardgrid.services.timetable import is_shut
from boardgrid.services.workshop import is_of_the_farm

log = structlog.get_logger()

GRACE = timedelta(minutes=5)  # so long a best-effort reservation may go on when its board is wanted
WORTH = timedelta(minutes=10)  # for less than this none is begun


def make_room(work: Work, found: Placement) -> None:
    for move in found.moves:
        one = planned(work, move.job)
        work.save(_changed(work, one, move))
        note(work, one, Phase.NOTED, _("{to} in the place of {board}").format(to=move.to, board=move.board))
    _cut(work, found.boards, found.window.start)


def _changed(work: Work, one: Reservation, move: Move) -> Reservation:
    _cut(work, (move.to,), one.window.start)
    return replace(one, boards=tuple(move.to if board == move.board else board for board in one.boards))


def _cut(work: Work, boards: Iterable[str], at: datetime, because: str = "") -> None:
    """Who yields on these boards does so by then. Before the other is saved, for the records let no two overlap."""
    for job in work.plan.calendar.in_the_way(boards, at):
        one = planned(work, job.number)
        # Where the clock was set back it may have begun later than that.
        work.save(replace(one, window=Window(min(one.window.start, at), at)))
        told = _("{because}: it ends at {at}") if because else _("it gives way to another reservation at {at}")
        note(work, one, Phase.NOTED, told.format(because=because, at=as_utc(at)))


def begin(work: Work, waiting: Reservation) -> Reservation:
    """Its window has opened. Where it cannot have what it was promised, it ends and says why."""
    try:
        running = begun(work, _on_fit_boards(work, waiting))
    except FarmError as error:
        work.plan.vacated |= set(waiting.boards)
        return end(work, planned(work, waiting.number), because=str(error))
    note(work, running, Phase.BEGAN, _("it runs on {boards}").format(boards=", ".join(running.boards)))
    return open_block(work, running) if running.is_block else running


def _on_fit_boards(work: Work, waiting: Reservation) -> Reservation:
    """
    With other boards in the place of those that are out of order now, or without them: who asked for three and can have
    two begins with two.
    """
    unfit = [board for board in waiting.boards if (one := work.tx.board(board)) is None or is_shut(one)]
    for board in unfit:
        waiting = _replaced(work, waiting, board) or waiting
    left = [board for board in waiting.boards if board not in unfit]
    for board in unfit:
        # A block takes boards in when they are mended.
        if (left or waiting.is_block) and board in waiting.boards:
            waiting = waiting.without(board)
            told = _("{board} is out of order, and no other does: it begins without").format(board=board)
            note(work, waiting, Phase.NOTED, told, Outcome.FAILED)
    return waiting


def hand_on(work: Work, board: str) -> None:
    """A board has become clean: who holds it by now gets it."""
    carry_out_due(work)
    holder, clean = work.tx.holder_of(board), work.tx.board(board)
    if holder is None or clean is None or holder.is_block:
        _serve_blocks(work)  # who waits for their root to be at rest there may begin
        return
    try:
        hand_over(work, holder, clean)
    except FarmError as error:
        end(work, holder, boards={board}, because=str(error))
        offer(work, {board})


def after_capture(work: Work, image: Image, *, is_made: bool) -> None:
    """
    The root that an image was to be made of: its board boots it again where that waits for it. Else it is given up once
    the image has all of it, and not a moment before, unless its user wants it aside.

    *image* is recorded as what became of it.
    """
    root = work.tx.root(image.source.root) if isinstance(image.source, RootSource | CheckpointSource) else None
    if root is None or root.state is not RootState.CAPTURED:
        return
    if any(isinstance(one.source, RootSource) for one in being_made(work.tx, root)):
        return  # this was a checkpoint: what becomes of the root is told by the image that has all of it
    if waiting := work.tx.deployments(root=root.id, live=True):
        work.save(replace(root, state=RootState.LIVE))
        hand_on(work, waiting[0].board)
    elif (is_made and root.expires_at is None) or is_of_the_farm(work.tx, root):
        discard(work, root)
    else:
        put_aside(work, root, root.expires_at)


def offer(work: Work, boards: Iterable[str]) -> None:
    """What became free goes to who waits, in the order of the queue; then to who takes what is left."""
    carry_out_due(work)  # who begins at once needs who is over to be gone
    plan = work.plan
    plan.vacated |= {board for board in boards if board not in plan.calendar.shut}
    if plan.vacated:
        _offer_vacated(work)
    _serve_blocks(work)


def _serve_blocks(work: Work) -> None:
    for number in sorted(work.plan.blocks):
        _complete(work, planned(work, number))
        seat_next(work, number)


def _complete(work: Work, block: Reservation) -> None:
    """A block that lost boards takes others in, as soon as there are any."""
    seats = [one for one in work.tx.reservations(within=block.number, states=LIVE) if one.is_running]
    has = {*block.boards, *(board for one in seats for board in one.boards)}
    [demand] = work.plan.calendar.jobs[block.number].demands
    others = {board: place for board, place in demand.among.items() if board not in has}
    rest = Window(work.now, block.window.end)
    while len(has) < demand.count:
        found = work.plan.calendar.place([Demand(1, others)], rest, work.now + GRACE)
        if found is None:
            return
        make_room(work, found)
        block = replace(block, boards=(*block.boards, *found.boards))
        work.save(block)
        has |= set(found.boards)
        others = {board: place for board, place in others.items() if board not in has}
        note(work, block, Phase.NOTED, _("{board} is one of its boards now").format(board=found.boards[0]))


def _offer_vacated(work: Work) -> None:
    plan = work.plan
    freed, plan.vacated = plan.vacated, set()
    # Once through the queue. What those leave who move up is offered next, in a transaction of its own.
    if queue := plan.queue():
        moved, left = plan.calendar.advance(queue, freed, work.now, GRACE, plan.may_have)
        for job, found in moved:
            _advanced(work, job.number, found)
        plan.vacated |= left
    for number in plan.patient():
        _fill(work, number)


def _advanced(work: Work, number: int, found: Placement) -> None:
    earlier = replace(planned(work, number), window=found.window, boards=found.boards)
    _cut(work, found.boards, found.window.start)
    work.save_planned(earlier)
    work.plan.note_due(number)
    if found.window.start <= work.now:
        begin(work, earlier)
    else:
        note(work, earlier, Phase.NOTED, foretold(work.tx, earlier))


def _fill(work: Work, number: int) -> None:
    """Begin one that yields, where boards are idle."""
    job = work.plan.calendar.jobs[number]
    lasting = job.window.lasting
    found = work.plan.calendar.idle(job.demands, work.now, min(WORTH, lasting), lasting)
    if found is not None:
        begin(work, replace(planned(work, number), window=found.window, boards=found.boards))


def evict(work: Work, board: str, because: str = "") -> None:
    """
    A board is offered no more: who was to have it gets another, at the same time where there is one.

    Args:
        because: half a sentence, for those who have to change; empty: it is out of order.
    """
    because = because or _("{board} is out of order").format(board=board)
    carry_out_due(work)
    _rehome(work, board, because)
    vacated, stuck = _moved_off(work, board, because)
    for job in stuck:
        one = planned(work, job.number)
        is_without = one.is_block or len(one.boards) > 1
        told = (
            _("{because}, and no other board does: it begins without, unless {board} is mended")
            if is_without
            else _("{because}, and no other board does: it ends then unless {board} is mended")
        )
        note(work, one, Phase.NOTED, told.format(because=because, board=board), Outcome.FAILED)
    offer(work, vacated)


def vacate(work: Work, boards: Iterable[str], window: Window, because: str) -> tuple[set[str], list[Reservation]]:
    """
    Boards are closed over a window: who has not begun is moved out of it, who yields goes before it.

    Returns what became free, to be offered, and who is in the way still: those that run, and those that no other board
    would do for at their time.
    """
    vacated: set[str] = set()
    for board in boards:
        vacated |= _moved_off(work, board, because, window)[0]
        _cut(work, (board,), max(work.now, window.start), because)
    numbers = {number for board in boards for number in work.plan.calendar.line(board).within(window)}
    return vacated, [planned(work, number) for number in sorted(numbers)]


def _moved_off(work: Work, board: str, because: str, within: Window | None = None) -> tuple[set[str], list[Job]]:
    """Returns what they leave, and who could not."""
    moved, stuck = work.plan.calendar.evicted(board, work.now, GRACE, within)
    vacated: set[str] = set()
    for job, found in moved:
        one = planned(work, job.number)
        work.save_planned(replace(one, boards=()))  # so that others can change to what it leaves
        for move in found.moves:
            work.save_planned(_changed(work, planned(work, move.job), move))
        _cut(work, found.boards, found.window.start)
        later = replace(one, window=found.window, boards=found.boards)
        work.save_planned(later)
        work.plan.note_due(one.number)
        vacated |= set(one.boards) - {board}
        told = _("{because}: {boards} from {start} on in its place").format(
            because=because, boards=", ".join(later.boards), start=as_utc(later.window.start)
        )
        note(work, later, Phase.NOTED, told)
    return vacated, stuck


def _rehome(work: Work, board: str, because: str) -> None:
    """Who holds a broken board and was not given it yet, for it did not become clean, is not left waiting for it."""
    holder = work.tx.holder_of(board)
    if holder is None or any(one.board == board for one in work.tx.deployments(reservations=[holder.number])):
        return
    if holder.is_seat:
        end(work, holder, because=because)
        seat_again(work, holder)
        return
    if holder.is_block:
        work.save(holder.without(board))
        return
    moved = _replaced(work, holder, board)
    if moved is not None:
        for other in set(moved.boards) - set(holder.boards):
            if standing := work.tx.board(other):
                hand_over(work, moved, standing)
    else:
        end(work, holder, boards={board}, because=because)


def _replaced(work: Work, one: Reservation, board: str) -> Reservation | None:
    """With a board that does as well, from now or its start on; None: there is none."""
    calendar = work.plan.calendar
    job = calendar.jobs[one.number]
    others = {name: place for name, place in job.demand_of(board).among.items() if name not in job.boards}
    window = Window(max(work.now, one.window.start), one.window.end)
    found = calendar.place([Demand(1, others)], window, work.now + GRACE)
    if found is None:
        return None
    make_room(work, found)
    [other] = found.boards
    moved = replace(one, boards=tuple(other if name == board else name for name in one.boards))
    work.save(moved)
    note(work, moved, Phase.NOTED, _("{to} in the place of {board}").format(to=other, board=board))
    return moved


def _placed_anew(work: Work, missed: Reservation) -> bool:
    """The farm was away for the whole of its time: who has no date of its own takes the next."""
    job = work.plan.calendar.jobs[missed.number]
    found = work.plan.calendar.earliest(job.demands, missed.window.lasting, work.now, GRACE)
    if found is None:
        return False
    make_room(work, found)
    later = replace(missed, window=found.window, boards=found.boards)
    work.save(later)
    note(work, later, Phase.NOTED, foretold(work.tx, later))
    return True


def carry_out_due(work: Work) -> None:
    """End what has had its time, and begin whose time has come."""
    while due := work.plan.due(work.now):
        freed: set[str] = set()
        begins: list[Reservation] = []
        for number in due:
            one = work.tx.reservation(number)
            if one is None or not one.is_live:
                continue
            if one.is_running and one.window.end <= work.now:
                freed |= set(end(work, one, because=_("its time was over")).boards)
            elif one.gives_way_at is not None and one.gives_way_at <= work.now:
                over = end(work, one, because=_("its turn was over, and somebody else waited"), fate=Fate.ASIDE)
                freed |= set(over.boards)
            elif one.alive_until is not None and one.alive_until <= work.now:
                freed |= set(end(work, one, because=_("its job was heard no more")).boards)
            elif one.window.end > work.now or (one.kind is Kind.QUEUED and _placed_anew(work, one)):
                begins.append(one)
            else:
                freed |= set(end(work, one, because=_("the farm was away for the whole of its time")).boards)
        for one in begins:
            # The plan may have moved it meanwhile.
            again = work.tx.reservation(one.number)
            if again is not None and again.is_waiting and again.window.start <= work.now:
                begin(work, again)
        offer(work, freed)
    for number in work.plan.warnings(work.now):
        if (one := work.tx.reservation(number)) is not None:
            work.save(replace(one, warned_of=one.until))
            note(work, one, Phase.NOTED, _("it ends at {at}").format(at=as_utc(one.until)))
