"""
`cli`: how long it takes until a command line begins to answer.

Each start is measured beside two others in turn: of Python that does nothing, and of a program that is click and
nothing else. What is above these is ours.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.report import Row, report

ROUNDS = 31
_BARE_CLICK = "import click\nclick.command()(click.version_option('0')(lambda: None))(['--version'])"

STARTS: dict[str, Sequence[str]] = {
    "version": (str(Path(sys.executable).with_name("boardgrid")), "--version"),
    "help": (str(Path(sys.executable).with_name("boardgrid")), "--help"),
    "ask": (str(Path(sys.executable).with_name("boardgrid")), "whoami"),
    "python": (sys.executable, "-c", "pass"),
    "click": (sys.executable, "-c", _BARE_CLICK),
    "httpx": (sys.executable, "-c", "import click, httpx"),
}


def seconds(argv: Sequence[str]) -> float:
    # Nobody listens there: what is measured is the way to the first request.
    environment = {**os.environ, "BOARDGRID_URL": "http://127.0.0.1:9", "BOARDGRID_TOKEN": "bg_0_none"}
    began_s = time.perf_counter()
    subprocess.run(argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, timeout=60)
    return time.perf_counter() - began_s


def main() -> None:
    for argv in STARTS.values():
        seconds(argv)  # compiled, and in the page cache
    taken: dict[str, list[float]] = {name: [] for name in STARTS}
    for _round in range(ROUNDS):
        for name, argv in STARTS.items():
            taken[name].append(seconds(argv))
    start = {name: median(values) for name, values in taken.items()}
    report(
        "cli",
        [
            Row("boardgrid --version", start["version"], "s", start["click"]),
            Row("boardgrid --help", start["help"], "s", start["click"]),
            Row("boardgrid whoami, until its first request", start["ask"], "s", start["httpx"]),
            Row("a program of click alone", start["click"], "s", start["python"]),
        ],
        compared_with="click alone; for whoami click and httpx; for click Python alone",
    )


if __name__ == "__main__":
    main()
