"""
`fleet`: 200 fake boards deployed at once by one agent, through the real controller.

The boards are fakes that take a fixed time to boot; everything else is what a farm runs: API, services, SQLite on disk,
agent door, planner, agent. Compared with one board deployed by the same two processes.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import Row, report
from boardgrid.client.farm import Farm

BOARDS = 200
BOOT_S = 3.0
_WITHIN_S = 300.0
_TICKS = os.sysconf("SC_CLK_TCK")

CONFIG = """
[controller]
listen = "127.0.0.1:28470+"
root_mib = 64
[agent]
import_dirs = ["/srv"]
[site]
name = "lab"
interface = "br0"
server = "10.20.0.1/16"
"""


@dataclass(frozen=True, slots=True)
class Usage:
    cpu_s: float
    rss_mib: float  # the highest so far

    @classmethod
    def of(cls, process: "subprocess.Popen[bytes]") -> "Usage":
        words = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
        peak_kib = int(status.partition("VmHWM:")[2].split()[0])
        return cls((int(words[11]) + int(words[12])) / _TICKS, peak_kib / 1024)


@contextmanager
def running(*argv: str) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen([sys.executable, "-m", *argv], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def daemon(*words: str, config: Path) -> str:
    argv = (sys.executable, "-m", "boardgrid.daemon.main", *words, "--config", str(config))
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout


def wait_for(socket: Path) -> None:
    end = time.monotonic() + 60
    while not socket.is_socket():
        if time.monotonic() > end:
            raise TimeoutError(f"{socket} did not appear")
        time.sleep(0.05)


def declare(farm: Farm) -> None:
    boards = {
        f"tk1-{number}": {
            "mac": f"52:54:00:00:{number // 256:02x}:{number % 256:02x}",
            "address": f"10.20.{1 + number // 250}.{1 + number % 250}",
            "power": [{"driver": "command", "on": ["true"], "off": ["true"], "state": ["true"]}],
        }
        for number in range(1, BOARDS + 1)
    }
    farm.apply({"board_types": {"tk1": {"arch": "armhf"}}, "boards": boards})
    farm.add_image("tiny", path="/srv/tiny.tar")
    end = time.monotonic() + 60
    while farm.image("tiny").state != "ready":
        if time.monotonic() > end:
            raise TimeoutError("the image did not get ready")
        time.sleep(0.05)


def deploy(farm: Farm, boards: int) -> tuple[float, float]:
    """Reserve so many boards at once; seconds until the last reservation is answered, and until the last is open."""
    began_s, last = time.monotonic(), max((event.number for event in farm.events()), default=0)
    for number in range(1, boards + 1):
        farm.book(f"tk1-{number}", image="tiny", for_s=3600)
    reserved_s, is_open = time.monotonic() - began_s, set()
    for event in farm.follow(after=last):
        if event and event.step == "boot" and event.outcome == "ok":
            is_open.add(event.board)
            if len(is_open) == boards:
                break
        if time.monotonic() - began_s > _WITHIN_S:
            raise TimeoutError(f"only {len(is_open)} of {boards} boards came up")
    return reserved_s, time.monotonic() - began_s


def give_back(farm: Farm) -> None:
    for one in farm.reservations():
        farm.release(one.number, fate="discard")
    end = time.monotonic() + _WITHIN_S
    while any(board.state != "free" for board in farm.boards()):
        if time.monotonic() > end:
            raise TimeoutError("not all boards were parked")
        time.sleep(0.1)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="boardgrid-fleet-") as folder:
        config = Path(folder) / "boardgrid.toml"
        config.write_text(f'state = "{folder}/state"\n{CONFIG}', encoding="utf-8")
        daemon("prepare", config=config)
        token = Path(folder) / "state" / "agent" / "token"
        admin = daemon("admin", "create", "admin", config=config).split()[-1]
        socket = Path(folder) / "state" / "run" / "controller.sock"
        with running("boardgrid.daemon.main", "controller", "--config", str(config)) as controller:
            wait_for(socket)
            with (
                running("benchmarks.fleet_agent", str(socket), str(token), str(BOOT_S)) as agent,
                Farm(f"unix:{socket}", admin) as farm,
            ):
                declare(farm)
                _reserved_s, one_s = deploy(farm, 1)
                give_back(farm)
                before = Usage.of(controller), Usage.of(agent)
                reserved_s, all_s = deploy(farm, BOARDS)
                after = Usage.of(controller), Usage.of(agent)
    cpu_s = [now.cpu_s - then.cpu_s for now, then in zip(after, before, strict=True)]
    report(
        "fleet",
        [
            Row("from the first reserve to the last open", all_s, "s", one_s),
            Row("reserving them, one after another", reserved_s, "s"),
            Row("a board, beyond its own boot", (all_s - BOOT_S) / BOARDS * 1000, "ms", (one_s - BOOT_S) * 1000),
            Row("CPU of the controller, a board", cpu_s[0] / BOARDS * 1000, "ms"),
            Row("CPU of the agent, a board", cpu_s[1] / BOARDS * 1000, "ms"),
            Row("memory of the controller, at most", after[0].rss_mib, "MiB", before[0].rss_mib),
            Row("memory of the agent, at most", after[1].rss_mib, "MiB", before[1].rss_mib),
        ],
        compared_with="one board, deployed by the same agent and controller",
    )


if __name__ == "__main__":
    main()
