"""Changes, where one process alone writes the records."""

import asyncio
import threading
from collections import defaultdict
from contextlib import suppress


class InProcessChanges:
    def __init__(self) -> None:
        self._lock = threading.Lock()  # held for a few instructions, so that the event loop may take it too
        self._marks: dict[str, int] = defaultdict(int)
        self._waiting: dict[str, set[asyncio.Future[None]]] = defaultdict(set)

    def tell(self, *topics: str) -> None:
        with self._lock:
            for topic in topics:
                self._marks[topic] += 1
            woken = [future for topic in topics for future in self._waiting.pop(topic, ())]
        for future in woken:
            with suppress(RuntimeError):  # its loop has ended, and with it whoever waited
                future.get_loop().call_soon_threadsafe(_wake, future)

    def tell_all(self) -> None:
        """Something may have changed without being told: whoever waits looks again."""
        with self._lock:
            topics = tuple(self._marks)  # nobody waits for a topic without a mark of it
        self.tell(*topics)

    def mark(self, topic: str) -> int:
        with self._lock:
            return self._marks[topic]

    async def wait(self, topic: str, mark: int, timeout_s: float) -> int:
        future = asyncio.get_running_loop().create_future()
        with self._lock:
            # Between this look and the waiting nobody can tell: both are under the lock.
            if self._marks[topic] > mark:
                return self._marks[topic]
            self._waiting[topic].add(future)
        try:
            async with asyncio.timeout(timeout_s):
                await future
        except TimeoutError:
            pass
        finally:
            with self._lock:
                if futures := self._waiting.get(topic):
                    futures.discard(future)
                    if not futures:
                        del self._waiting[topic]
        return self.mark(topic)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
