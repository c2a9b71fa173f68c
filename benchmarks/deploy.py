"""
`deploy`: from `boardgrid reserve` to a login on the board, against the same board booted bare with the same image.

Both begin with a board that is off and end with a command run on it by SSH. Bare means: somebody presses the button of
a board whose root and boot files are already laid out, and logs in as soon as its port answers. The runs alternate.
"""

import asyncio
import socket
import subprocess
import sys
import time
from statistics import median
from typing import Any

from benchmarks.report import Row, report
from boardgrid.daemon.processes import Farm
from boardgrid.lab.client import LabClient
from tests.world.farm import WholeFarm, whole_farm

ROUNDS = 7
BOARD, IMAGE = "tk1-1", "tiny"
STEPS = ("clone", "personalise", "export", "restart", "boot")
_WITHIN_S = 240.0
_LOOK_EVERY_S = 0.02
_QUIETLY = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes", "LogLevel=ERROR")


def _answers(address: str) -> bool:
    try:
        with socket.create_connection((address, 22), timeout=1) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def log_in_bare(address: str, key: str) -> None:
    """In the lab's network: wait for the board's port, then run a command there, as somebody who sits beside it."""
    end = time.monotonic() + _WITHIN_S
    while not _answers(address):
        if time.monotonic() > end:
            raise TimeoutError(f"{address} does not answer after {_WITHIN_S:g} s")
        time.sleep(_LOOK_EVERY_S)
    options = [f"-o{option}" for option in _QUIETLY]
    subprocess.run(["ssh", *options, "-i", key, f"root@{address}", "true"], check=True, timeout=60)


def bare_s(farm: WholeFarm, lab: LabClient, address: str) -> float:
    """Boot the root that is open on the board once more, without the farm's doing anything."""
    asyncio.run(lab.off(BOARD))
    inside = ("nsenter", f"--target={asyncio.run(lab.pid())}", "--net", "--")
    begun = time.perf_counter()
    asyncio.run(lab.on(BOARD))
    words = (sys.executable, "-m", "benchmarks.deploy", address, str(farm.stage.ada.key))
    subprocess.run([*inside, *words], check=True, timeout=_WITHIN_S + 60)
    return time.perf_counter() - begun


def reserved_s(farm: WholeFarm) -> float:
    """What its user waits for: two commands, one after another."""
    begun = time.perf_counter()
    farm.ada("reserve", BOARD, "--image", IMAGE, "--for", "1h")
    farm.on_board(BOARD, "true")
    return time.perf_counter() - begun


def steps_s(farm: WholeFarm) -> dict[str, float]:
    """How long each step of the deployment that is open took, from the events that everybody sees."""
    (held,) = [one for one in farm.told("status") if one["board"] == BOARD]
    events: list[dict[str, Any]] = farm.told("events", "--reservation", str(held["number"]))
    return {one["step"]: one["took_s"] for one in events if one["took_s"] is not None}


def main() -> None:
    reserved: list[float] = []
    bare: list[float] = []
    steps: dict[str, list[float]] = {step: [] for step in STEPS}
    with whole_farm() as farm:
        config = farm.stage.config()
        lab = LabClient(Farm.of(config).lab_socket)
        address = farm.board(BOARD)["address"]
        for round_number in range(-1, ROUNDS):  # the first warms up
            taken_s = reserved_s(farm)
            step_s = steps_s(farm)
            bare_taken_s = bare_s(farm, lab, address)
            if round_number >= 0:
                reserved.append(taken_s)
                bare.append(bare_taken_s)
                for step in STEPS:
                    steps[step].append(step_s[step])
            farm.ada("release", BOARD, "--discard", "--yes")
            farm.free(BOARD)
    report(
        "deploy",
        [
            Row("from reserve to a command on the board", median(reserved), "s", median(bare)),
            Row("what the farm adds", median(reserved) - median(bare), "s"),
            *(Row(f"of it the step {step}", median(steps[step]), "s") for step in STEPS),
        ],
        compared_with="the same board and image booted bare",
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        log_in_bare(*sys.argv[1:])
    else:
        main()
