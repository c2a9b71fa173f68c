"""Pauses that grow, so that what does not work is tried again, and not for ever at once."""


class Patience:
    """Doubling pauses in seconds, from *first_s* up to *most_s*."""

    def __init__(self, first_s: float, most_s: float) -> None:
        self._first_s, self._most_s = first_s, most_s
        self._next_s = first_s

    def next_s(self) -> float:
        pause_s, self._next_s = self._next_s, min(self._next_s * 2, self._most_s)
        return pause_s

    def reset(self) -> float:
        """It worked: the next pause is the first again. Returns no pause at all."""
        self._next_s = self._first_s
        return 0.0
