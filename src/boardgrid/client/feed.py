"""The farm's events as a stream (SSE) that is taken up again wherever it was cut."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from json import loads

import httpx

from boardgrid.client.complaint import Complaint
from boardgrid.client.refusal import foreign
from boardgrid.messages import _

_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 2.0


@dataclass(frozen=True, slots=True)
class Feed:
    """
    One reader's stream.

    A read that stays silent for *quiet_s* ends its connection; the next one begins after the last event that came, so
    nothing is lost or told twice. That is how who waits gets to look at the clock without a thread.
    """

    http: httpx.Client
    complaint: Callable[[httpx.Response | Exception], Complaint]
    quiet_s: float = 5
    patience_s: float = 60

    def messages(self, params: Mapping[str, str]) -> Iterator[tuple[int | None, object]]:
        """
        Number and decoded data of each event; (None, None) where nothing came for a while.

        Raises:
            Complaint: the farm refused, or nothing was heard of it for *patience_s*.
        """
        after = int(params.get("after", "0"))
        heard = time.monotonic()
        pause = _PAUSE_S
        while True:
            try:
                for number, data in self._connection({**params, "after": str(after)}):
                    heard, pause = time.monotonic(), _PAUSE_S
                    if number is None:
                        yield None, None
                    elif number > after:
                        after = number
                        yield number, data
            except (httpx.TransportError, Complaint) as error:
                wrong = error if isinstance(error, Complaint) else self.complaint(error)
                if not wrong.is_passing or time.monotonic() - heard > self.patience_s:
                    raise wrong from error
                if isinstance(error, httpx.ReadTimeout):
                    pause = 0.0  # it had nothing to tell; the wait is over already
            yield None, None
            time.sleep(pause)
            pause = min(max(pause * 2, _PAUSE_S), _LONGEST_PAUSE_S)

    def _connection(self, params: Mapping[str, str]) -> Iterator[tuple[int | None, object]]:
        timeout = httpx.Timeout(self.http.timeout.connect, read=self.quiet_s)
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        with self.http.stream("GET", "/events", params=params, headers=headers, timeout=timeout) as answer:
            if not answer.is_success:
                raise self.complaint(answer)
            if not answer.headers.get("content-type", "").startswith("text/event-stream"):
                raise foreign(_("its events are no event stream"))
            yield None, None  # it is there
            number, data = "", list[str]()
            for line in answer.iter_lines():
                if line.startswith("id:"):
                    number = line[3:].strip()
                elif line.startswith("data:"):
                    data.append(line[5:].removeprefix(" "))
                elif line.startswith(":"):
                    yield None, None
                elif not line and data:
                    yield _message(number, data)
                    data = []


def _message(number: str, data: list[str]) -> tuple[int, object]:
    try:
        return int(number), loads("\n".join(data))
    except ValueError as error:
        raise foreign(_("an event is no JSON, or has no number")) from error
