"""
`leases`: 20 clients that reserve any board and give it back, over HTTP, in farms of 100 and 1,000 boards.

The controller is the real one, in a process of its own; each reservation is on the disk when its client has the answer.
A light agent tells every half second which boards are parked again, so that each lease goes the whole way: root,
deployment, wish, fence. The boards do not boot: what is measured is who gets which board.

Compared with labgrid's coordinator, which keeps leases in memory alone: 7 to 30 cycles a second on such a machine.
"""

import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict
from uuid import uuid4

from benchmarks.fleet import CONFIG, Usage, daemon, running, wait_for
from benchmarks.report import Row, report
from boardgrid.client.farm import Farm
from tests.postgres import Server

CLIENTS = 20
FOR_S = 15.0
_WARM_S = 3.0


@dataclass(frozen=True, slots=True)
class Measured:
    cycles_s: float
    p50_ms: float
    p99_ms: float
    half_p50_ms: float  # at half that rate
    half_p99_ms: float
    refused: int
    cpu_ms: float  # of the controller, a cycle
    rss_mib: float


class Seen(TypedDict):
    """What the clients saw."""

    took: list[float]
    refused: int
    over_s: float


class Caller:
    """One client's connection: as little of its own as can be, for it runs on the same cores as what is measured."""

    def __init__(self, port: int, token: str) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def call(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        self._http.request(method, path, None if body is None else json.dumps(body), self._headers)
        answer = self._http.getresponse()
        return answer.status, answer.read()


def cycle(caller: Caller) -> float | None:
    """Reserve and give back; how long both took, in seconds. None: no board was free."""
    began_s = time.perf_counter()
    status, body = caller.call("POST", "/api/v1/reservations", {"type": "tk1", "image": "tiny", "for_s": 3600.0})
    if status == 409:
        return None
    _expect(201, status, body)
    number = json.loads(body)["number"]
    status, body = caller.call("POST", f"/api/v1/reservations/{number}/release", {"fate": "discard"})
    _expect(202, status, body)
    return time.perf_counter() - began_s


def _expect(wanted: int, status: int, body: bytes) -> None:
    if status != wanted:
        raise RuntimeError(f"{status} in the place of {wanted}: {body[:300]!r}")


def client(port: int, token: str, for_s: float, rate_s: float) -> None:
    """
    One process with all clients, so that the controller's own time is its alone; prints what it saw.

    Args:
        rate_s: how many cycles all of them begin a second; 0: each as soon as the one before is over.
    """
    took: list[float] = []
    refused = [0]
    until_s = time.monotonic() + for_s

    def go_on(number: int) -> None:
        caller = Caller(port, token)
        due_s = time.monotonic() + (number / rate_s if rate_s else 0)
        while time.monotonic() < until_s:
            time.sleep(max(due_s - time.monotonic(), 0) if rate_s else 0)
            due_s += CLIENTS / rate_s if rate_s else 0
            seconds = cycle(caller)
            if seconds is None:
                refused[0] += 1
            else:
                took.append(seconds)

    threads = [threading.Thread(target=go_on, args=(number,)) for number in range(CLIENTS)]
    began_s = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.stdout.write(json.dumps({"took": took, "refused": refused[0], "over_s": time.monotonic() - began_s}))


def keep_parking(port: int, token: str, is_over: Callable[[], bool]) -> None:
    """What an agent tells of boards that are given back."""
    caller = Caller(port, token)
    lease = json.loads(caller.call("POST", "/api/agent/v1/lease", {"instance": str(uuid4()), "protocol": 1})[1])
    epoch, images = lease["epoch"], set[str]()
    while not is_over():
        wishes = json.loads(caller.call("GET", f"/api/agent/v1/wishes?epoch={epoch}")[1])
        reports: list[dict[str, object]] = [
            {
                "kind": "board",
                "id": str(uuid4()),
                "board": one["board"]["name"],
                "generation": one["generation"],
                "reached": "parked",
            }
            for one in wishes["boards"]
            if one["wish"]["kind"] == "parked" and not one["is_reached"]
        ]
        for one in wishes["images"]:
            if one["image"] not in images:
                images.add(one["image"])
                reports.append(_made(one["image"]))
        reports += [{"kind": "root", "id": str(uuid4()), "root": one["root"]} for one in wishes["discard"]]
        if reports:
            status, body = caller.call("POST", "/api/agent/v1/reports", {"epoch": epoch, "reports": reports})
            _expect(200, status, body)
        time.sleep(0.5)


def _made(image: str) -> dict[str, object]:
    kernel = {"release": "6.1", "image": "boot/vmlinuz"}
    digest = "sha256:" + "0" * 64
    manifest = {
        "digest": digest, "checksum": digest, "size_bytes": 1, "stored_bytes": 1, "files": 1, "arch": "armhf",
        "kernels": [kernel],
    }  # fmt: skip
    return {"kind": "image", "id": str(uuid4()), "image": image, "manifest": manifest}


def declare(farm: Farm, boards: int) -> None:
    declared = {
        f"tk1-{number}": {
            "mac": f"52:54:00:00:{number // 256:02x}:{number % 256:02x}",
            "address": f"10.20.{1 + number // 250}.{1 + number % 250}",
        }
        for number in range(1, boards + 1)
    }
    farm.apply({"board_types": {"tk1": {"arch": "armhf"}}, "boards": declared})
    farm.add_image("tiny", path="/srv/tiny.tar")
    end = time.monotonic() + 60
    while farm.image("tiny").state != "ready":
        if time.monotonic() > end:
            raise TimeoutError("the image did not get ready")
        time.sleep(0.05)


def measure(boards: int, database: str = "") -> Measured:
    with tempfile.TemporaryDirectory(prefix="boardgrid-leases-") as folder:
        config = Path(folder) / "boardgrid.toml"
        told = CONFIG.replace("[agent]", f'database = "{database}"\n[agent]') if database else CONFIG
        config.write_text(f'state = "{folder}/state"\n{told}', encoding="utf-8")
        daemon("prepare", config=config)
        agent_token = (Path(folder) / "state" / "agent" / "token").read_text(encoding="ascii").strip()
        admin = daemon("admin", "create", "admin", config=config).split()[-1]
        socket = Path(folder) / "state" / "run" / "controller.sock"
        with running("boardgrid.daemon.main", "controller", "--config", str(config)) as controller:
            wait_for(socket)
            port = port_of(controller.pid)
            over = threading.Event()
            parking = threading.Thread(target=keep_parking, args=(port, agent_token, over.is_set))
            parking.start()
            try:
                with Farm(f"unix:{socket}", admin) as farm:
                    declare(farm, boards)
                _clients(port, admin, _WARM_S)
                before = Usage.of(controller)
                told_of = _clients(port, admin, FOR_S)
                after = Usage.of(controller)
                # What one waits when the farm is busy, and not when it is driven as hard as it goes.
                half = _clients(port, admin, FOR_S / 2, len(told_of["took"]) / told_of["over_s"] / 2)
            finally:
                over.set()
                parking.join()
    took, calmly = sorted(told_of["took"]), sorted(half["took"])
    return Measured(
        cycles_s=len(took) / told_of["over_s"],
        p50_ms=statistics.median(took) * 1000,
        p99_ms=took[int(len(took) * 0.99)] * 1000,
        half_p50_ms=statistics.median(calmly) * 1000,
        half_p99_ms=calmly[int(len(calmly) * 0.99)] * 1000,
        refused=told_of["refused"],
        cpu_ms=(after.cpu_s - before.cpu_s) / len(took) * 1000,
        rss_mib=after.rss_mib,
    )


def _clients(port: int, token: str, for_s: float, rate_s: float = 0) -> Seen:
    argv = [sys.executable, "-m", "benchmarks.leases", "client", str(port), token, str(for_s), str(rate_s)]
    answer: Seen = json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)
    return answer


def port_of(pid: int) -> int:
    """Where a controller listens: its config leaves it the choice."""
    inodes = {
        path.readlink().name for path in Path(f"/proc/{pid}/fd").iterdir() if path.readlink().name.startswith("socket:")
    }
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        words = line.split()
        if words[3] == "0A" and f"socket:[{words[9]}]" in inodes:
            return int(words[1].rpartition(":")[2], 16)
    raise RuntimeError("the controller listens nowhere")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="boardgrid-leases-") as folder:
        Path(folder).chmod(0o755)
        # On a disk, and synced: a lease that was given is there after a power failure.
        server = Server.started("fsync=on", "full_page_writes=on", at=Path(folder))
        try:
            for boards in (100, 1000):
                tell(f"leases-{boards}-sqlite", measure(boards))
                server.make("leases")
                tell(f"leases-{boards}-postgresql", measure(boards, f"postgresql://farm@/leases?host={server.folder}"))
        finally:
            server.stop()


def tell(name: str, seen: Measured) -> None:
    report(
        name,
        [
            Row("cycles a second", seen.cycles_s, "1/s", 30.0),
            Row("a cycle, p50", seen.p50_ms, "ms"),
            Row("a cycle, p99", seen.p99_ms, "ms"),
            Row("a cycle at half that rate, p50", seen.half_p50_ms, "ms"),
            Row("a cycle at half that rate, p99", seen.half_p99_ms, "ms"),
            Row("CPU of the controller, a cycle", seen.cpu_ms, "ms"),
            Row("memory of the controller, at most", seen.rss_mib, "MiB"),
            Row("refused, for no board was free", float(seen.refused), ""),
        ],
        compared_with="labgrid's coordinator on such a machine (in memory alone), at its best",
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["client"]:
        client(int(sys.argv[2]), sys.argv[3], float(sys.argv[4]), float(sys.argv[5]))
    else:
        main()
