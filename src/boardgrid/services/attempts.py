"""Attempts: how often somebody may try a password."""

import time
from threading import Lock

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from boardgrid.messages import _
from boardgrid.model.errors import Code, Conflict

# Failures within the window. Who shares an address shares the second.
OF_ONE_AT_ONE_ADDRESS, AT_ONE_ADDRESS, OF_ONE = 10, 50, 100
WINDOW_S = 600


class Attempts:
    """
    Failed logins, counted by whom they tried, from where, and both.

    A stranger who tries a name everywhere must not shut its user out: where that user came in before, only what is
    tried from that very address counts. They are counted in memory, which hashing itself bounds: no more attempts fit
    into a window than passwords can be compared in it.
    """

    def __init__(self, window_s: int = WINDOW_S) -> None:
        self._storage = MemoryStorage()
        self._limiter = FixedWindowRateLimiter(self._storage)
        self._lock = Lock()
        self._both, self._address, self._name = (
            RateLimitItemPerSecond(most, window_s, namespace)
            for most, namespace in ((OF_ONE_AT_ONE_ADDRESS, "both"), (AT_ONE_ADDRESS, "address"), (OF_ONE, "name"))
        )

    def begin(self, name: str, origin: str, *, is_familiar: bool) -> None:
        """
        Count an attempt before it is made, for many may be made at once.

        Args:
            is_familiar: the user of this name came in from there before.

        Raises:
            Conflict: LOGINS_TOO_MANY, and for how long.
        """
        with self._lock:
            for limit, of in self._counted(name, origin):
                if not (limit is self._name and is_familiar) and not self._limiter.test(limit, *of):
                    raise self._too_many(limit, of)
            for limit, of in self._counted(name, origin):
                self._limiter.hit(limit, *of)

    def succeeded(self, name: str, origin: str) -> None:
        """It was no failure."""
        with self._lock:
            self._limiter.clear(self._both, name, origin)
            self._storage.decr(self._address.key_for(origin))
            self._storage.decr(self._name.key_for(name))

    def _counted(self, name: str, origin: str) -> tuple[tuple[RateLimitItem, tuple[str, ...]], ...]:
        return (self._both, (name, origin)), (self._address, (origin,)), (self._name, (name,))

    def _too_many(self, limit: RateLimitItem, of: tuple[str, ...]) -> Conflict:
        left_s = max(1.0, self._limiter.get_window_stats(limit, *of).reset_time - time.time())
        return Conflict(
            Code.LOGINS_TOO_MANY,
            _("too many passwords were tried"),
            hint=_("try again in {seconds:.0f} s; a token or an SSH key still lets you in"),
            seconds=left_s,
        )
