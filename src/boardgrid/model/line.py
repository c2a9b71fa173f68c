"""Lines: one board's jobs in the order of time."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from boardgrid.model.window import Window

EVER = datetime(1970, 1, 1, tzinfo=UTC)
NEVER = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Line:
    """None of its jobs overlaps another."""

    starts: tuple[datetime, ...] = ()
    ends: tuple[datetime, ...] = ()
    jobs: tuple[int, ...] = ()
    idle_since: datetime = EVER  # when the last job that is over had ended

    def is_free(self, window: Window) -> bool:
        after = bisect_right(self.ends, window.start)
        return after == len(self.starts) or self.starts[after] >= window.end

    def earliest(self, not_before: datetime, lasting: timedelta) -> datetime:
        start = not_before
        for place in range(bisect_right(self.ends, not_before), len(self.starts)):
            if self.starts[place] - start >= lasting:
                return start
            start = self.ends[place]
        return start

    def gaps(self, now: datetime) -> Iterator[tuple[datetime, datetime]]:
        """When it is free from *now* on; the last gap has no end."""
        start = now
        for place in range(bisect_right(self.ends, now), len(self.starts)):
            if self.starts[place] > start:
                yield start, self.starts[place]
            start = self.ends[place]
        yield start, NEVER

    def next_after(self, at: datetime) -> datetime:
        """When the next job begins that is not under way at *at*."""
        after = bisect_right(self.starts, at)
        return self.starts[after] if after < len(self.starts) else NEVER

    def within(self, window: Window) -> tuple[int, ...]:
        """The jobs that overlap a window."""
        first = bisect_right(self.ends, window.start)
        last = first
        while last < len(self.starts) and self.starts[last] < window.end:
            last += 1
        return self.jobs[first:last]

    def plus(self, job: int, window: Window) -> "Line":
        place = bisect_right(self.starts, window.start)
        return replace(
            self,
            starts=(*self.starts[:place], window.start, *self.starts[place:]),
            ends=(*self.ends[:place], window.end, *self.ends[place:]),
            jobs=(*self.jobs[:place], job, *self.jobs[place:]),
        )

    def minus(self, job: int, at: datetime | None = None) -> "Line":
        """Without a job; *at*: it was on the board until then."""
        place = self.jobs.index(job)
        return Line(
            (*self.starts[:place], *self.starts[place + 1 :]),
            (*self.ends[:place], *self.ends[place + 1 :]),
            (*self.jobs[:place], *self.jobs[place + 1 :]),
            self.idle_since if at is None else max(at, self.idle_since),
        )
