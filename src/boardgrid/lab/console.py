"""What a board prints: bytes of a stranger, made into lines that can be shown."""

import re
from collections import deque
from dataclasses import dataclass, field

from boardgrid.logs import SizedLog

LINES = 1000  # kept of each board
LINE_BYTES = 1000  # a longer one is cut into several
LOG_BYTES = 1 << 20  # of the file; the one before it is kept too

# Terminal sequences could rewrite what is on the screen of whoever reads a log, and answer in their name.
_SEQUENCES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b[\]P^_X].*?(?:\x07|\x1b\\|$)"  # OSC, DCS, PM, APC, SOS: titles, clipboards
    r"|\x1b[ -/]*[0-~]"
    r"|\x1b"
)


def shown(line: bytes) -> str:
    """A line as it may be shown anywhere: without control characters, and without what turns the direction of text."""
    text = _SEQUENCES.sub("", line.decode("utf-8", "replace")).replace("\t", "    ")
    return "".join(letter for letter in text if letter.isprintable()).rstrip()


@dataclass(slots=True)
class Transcript:
    """The last lines of one board since it was switched on or reset, and a file that remembers more."""

    log: SizedLog
    _lines: deque[str] = field(default_factory=lambda: deque(maxlen=LINES))
    _unfinished: bytes = b""

    def feed(self, printed: bytes) -> None:
        pieces = (self._unfinished + printed).split(b"\n")
        self._unfinished = pieces.pop()
        while len(self._unfinished) > LINE_BYTES:
            pieces.append(self._unfinished[:LINE_BYTES])
            self._unfinished = self._unfinished[LINE_BYTES:]
        whole = [shown(part) for piece in pieces for part in _cut(piece)]
        self._lines.extend(whole)
        if whole:
            self.log.write("".join(f"{line}\n" for line in whole).encode())

    def begin(self, why: str) -> None:
        """The board is switched on or reset: what is told from now on is of this life."""
        self._lines.clear()
        self._unfinished = b""
        self.log.write(f"--- {why}\n".encode())

    def tail(self, lines: int) -> tuple[str, ...]:
        """The last *lines*, the one that is still being printed included: a prompt is one."""
        last = shown(self._unfinished)
        return tuple([*self._lines, *([last] if last else [])][-lines:]) if lines > 0 else ()


def _cut(piece: bytes) -> list[bytes]:
    piece = piece.rstrip(b"\r")
    return [piece[at : at + LINE_BYTES] for at in range(0, len(piece), LINE_BYTES)] or [b""]
