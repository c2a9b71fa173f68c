"""How a benchmark tells what it measured: a table for people, and a JSON file for those who compare runs."""

import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was measured, beside what it is compared with, measured in the same run."""

    what: str
    value: float
    unit: str
    comparison: float | None = None

    @property
    def ratio(self) -> float | None:
        """How many times less than the comparison: of times, how many times faster."""
        return self.comparison / self.value if self.comparison is not None and self.value else None


def report(name: str, rows: Sequence[Row], compared_with: str = "") -> None:
    """Print the table and write ``benchmarks/results/<name>.json``."""
    sys.stdout.write(_table(name, rows, compared_with))
    sys.stdout.flush()
    RESULTS.mkdir(exist_ok=True)
    told = {
        "name": name,
        "machine": machine(),
        "compared_with": compared_with,
        "rows": [{**asdict(row), "ratio": row.ratio} for row in rows],
    }
    beside = RESULTS / f".{name}.json"
    beside.write_text(json.dumps(told, indent=1) + "\n")
    beside.rename(RESULTS / f"{name}.json")


def machine() -> dict[str, str | int | float]:
    """What the figures depend on, and nothing that tells whose machine it is."""
    processor = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    memory = next((int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    return {
        "kernel": f"{platform.system()} {platform.release()}",
        "processor": processor,
        "cores": os.cpu_count() or 0,
        "memory_gib": round(memory / (1 << 20), 1),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
    }


def _lines(file: str) -> list[str]:
    try:
        return Path(file).read_text().splitlines()
    except OSError:
        return []


def _table(name: str, rows: Sequence[Row], compared_with: str) -> str:
    head = ("what", "measured", "compared", "times less")
    body = [
        (
            row.what,
            f"{row.value:.3g} {row.unit}",
            "-" if row.comparison is None else f"{row.comparison:.3g} {row.unit}",
            "-" if row.ratio is None else f"{row.ratio:.3g}",
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in [head, *body]) for column in range(len(head))]
    lines = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in [head, tuple("-" * width for width in widths), *body]
    ]
    beside = f" (compared with {compared_with})" if compared_with else ""
    return "\n".join([f"{name}{beside}", *lines]) + "\n\n"
