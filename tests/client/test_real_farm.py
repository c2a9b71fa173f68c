"""The command line against the real API on a real database; an agent is played by hand."""

import asyncio
import os
import re
import socket
import sys
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Interface
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
import uvicorn
from click.testing import CliRunner
from fastapi import FastAPI
from structlog.testing import capture_logs

from boardgrid.adapters.changes.in_process import InProcessChanges
from boardgrid.adapters.records.sql import SqlRecords
from boardgrid.adapters.records.sqlite import SqliteFile
from boardgrid.api.app import create
from boardgrid.api.spool import Spool
from boardgrid.api.streams import Streams
from boardgrid.client.main import cli
from boardgrid.model.board import Site
from boardgrid.model.deployment import Outcome, Phase
from boardgrid.model.errors import Blame, Code
from boardgrid.model.image import Kernel, Manifest, RootSource
from boardgrid.model.report import BoardReport, ImageReport, OrderReport, Reached, Report, RootReport, StepReport
from boardgrid.model.wish import BoardWish, Deployed, Gone, SiteWishes
from boardgrid.services.farm import Farm
from boardgrid.testing import FakePasswords
from tests.client.conftest import Ended

pytestmark = pytest.mark.slow

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGdnZ2dnZ2dnZ2dnZ2dnZ2dnZ2dnZ2dnZ2dnZ2dnZ2dn"
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGho"
MANIFEST = Manifest(
    "sha256:" + "1" * 64, "sha256:" + "2" * 64, 6_000_000, 3_000_000, 400, "armhf", (Kernel("6.1", "boot/vmlinuz"),)
)
INVENTORY = """
[board_types.rpi4]
arch = "armhf"

[boards.rpi4-1]
mac = "02:00:00:00:00:01"
address = "10.20.0.51"
power = [{ driver = "ssh" }]

[boards.rpi4-2]
mac = "02:00:00:00:00:02"
address = "10.20.0.52"
boot = "flashed"
nfs_path = "/NFSRoot1"
"""


@dataclass
class Played:
    """A farm whose agent does at once what is wished, while *is_working*."""

    farm: Farm
    folder: Path
    url: str = ""
    tokens: dict[str, str] = field(default_factory=dict)
    is_working: bool = True
    fails: Blame | None = None
    epoch: int = 0
    reached: set[UUID] = field(default_factory=set)  # deployments whose steps were told

    async def run(self, *argv: str, who: str = "root", stdin: str | None = None) -> Ended:
        env = {
            "BOARDGRID_URL": self.url, "BOARDGRID_TOKEN": self.tokens[who], "BOARDGRID_DEBUG": "1", "NO_COLOR": "",
            "XDG_CONFIG_HOME": str(self.folder / "config"),
        }  # fmt: skip
        ended = await asyncio.to_thread(CliRunner().invoke, cli, list(argv), input=stdin, env=env)
        if ended.exception is not None and not isinstance(ended.exception, SystemExit):
            raise ended.exception
        return Ended(ended.exit_code, ended.stdout, ended.stderr)

    async def apart(self, *argv: str, who: str = "root") -> Ended:
        """As *run*, in a process of its own: beside another, or where signals are heard."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "boardgrid.client", *argv,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "BOARDGRID_URL": self.url, "BOARDGRID_TOKEN": self.tokens[who]},
        )  # fmt: skip
        out, err = await asyncio.wait_for(process.communicate(), 60)
        return Ended(process.returncode or 0, out.decode(), err.decode())

    async def ok(self, *argv: str, who: str = "root", stdin: str | None = None) -> Ended:
        ended = await self.run(*argv, who=who, stdin=stdin)
        assert ended.code == 0, ended.err
        return ended

    async def soon(self, *argv: str, who: str = "root") -> Ended:
        """As *ok*, where the agent may still have to do its part of what went before."""
        async with asyncio.timeout(60):
            while (ended := await self.run(*argv, who=who)).code == 5:
                pass
        assert ended.code == 0, ended.err
        return ended

    # --- the agent

    async def play(self) -> None:
        while True:
            if self.is_working:
                await asyncio.to_thread(self._act)
            await asyncio.sleep(0.05)

    def wishes(self) -> SiteWishes:
        if not self.epoch:
            self.epoch = self.farm.fleet.lease("lab", uuid4(), 1).epoch
        return self.farm.fleet.wishes("lab", self.epoch)

    def _act(self) -> None:
        wishes = self.wishes()
        offered = {wish.wish.root for wish in wishes.boards if isinstance(wish.wish, Deployed)}
        reports: list[Report] = [one for wish in wishes.boards for one in self._reports(wish)]
        for image in wishes.images:
            if not isinstance(image.source, RootSource) or image.source.root not in offered:
                reports.append(ImageReport(uuid4(), image.image, MANIFEST if image.source else None))
        reports += [RootReport(uuid4(), one.root) for one in wishes.discard if one.root not in offered]
        self.farm.fleet.report("lab", self.epoch, reports)

    def _reports(self, wish: BoardWish) -> list[Report]:
        name, generation = wish.board.name, wish.generation
        reports: list[Report] = [OrderReport(uuid4(), name, wish.order.id)] if wish.order else []
        match wish.wish:
            case Deployed(deployment=whose) if whose in self.reached:
                pass
            case Deployed(deployment=whose) if self.fails is not None:
                reports.append(
                    BoardReport(
                        uuid4(),
                        name,
                        generation,
                        Reached.FAILED,
                        whose,
                        code=Code.BOARD_SILENT,
                        reason="it does not boot",
                        hint="look at it",
                        blame=self.fails,
                    )
                )
            case Deployed(deployment=whose):
                self.reached.add(whose)
                reports.append(StepReport(uuid4(), name, generation, "clone", Phase.BEGAN, whose))
                reports.append(StepReport(uuid4(), name, generation, "clone", Phase.ENDED, whose, Outcome.OK, 0.04))
                reports.append(BoardReport(uuid4(), name, generation, Reached.OPEN, whose, host_key=HOST_KEY))
            case Gone():
                reports.append(BoardReport(uuid4(), name, generation, Reached.GONE))
            case _:
                reports.append(BoardReport(uuid4(), name, generation, Reached.PARKED))
        return reports


@asynccontextmanager
async def served(app: FastAPI, listening: socket.socket) -> AsyncIterator[None]:
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        async with asyncio.timeout(60):
            while not server.started:  # noqa: ASYNC110 - it has no event for that
                await asyncio.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        await serving
        listening.close()


@asynccontextmanager
async def playing(farm: Played) -> AsyncIterator[None]:
    agent = asyncio.create_task(farm.play())
    try:
        yield
    finally:
        agent.cancel()
        with suppress(asyncio.CancelledError):
            await agent


def app_of(farm: Played) -> FastAPI:
    return create(farm.farm, Spool(farm.folder / "spool"), Streams(alive_s=0.2))


@pytest.fixture
async def farm(tmp_path: Path) -> AsyncIterator[Played]:
    def now() -> datetime:
        return datetime.now(UTC)

    # What the farm logs would mix with what the commands print: they run in this process.
    with capture_logs():
        records = SqlRecords.open(SqliteFile(tmp_path / "farm.db"), upgrade=True, now=now)
        try:
            farm = Played(Farm.of(records, InProcessChanges(), now, passwords=FakePasswords()), tmp_path)
            farm.farm.inventory.put_site(Site("lab", server=IPv4Interface("10.20.0.1/24")))
            farm.tokens["root"] = farm.farm.accounts.create_admin("root").clear.reveal()
            listening = socket.create_server(("127.0.0.1", 0))
            farm.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            async with served(app_of(farm), listening), playing(farm):
                yield farm
        finally:
            records.close()


@pytest.fixture
async def furnished(farm: Played) -> Played:
    """Boards from an inventory, an image that all may boot, and grace."""
    (farm.folder / "farm.toml").write_text(INVENTORY)
    (farm.folder / "grace.pub").write_text(f"{KEY} grace@home\n")
    with tarfile.open(farm.folder / "tiny.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("etc"))
    await farm.ok("apply", str(farm.folder / "farm.toml"), "--yes")
    added = await farm.ok("user", "add", "grace", "--ssh-key", str(farm.folder / "grace.pub"))
    farm.tokens["grace"] = added.out.strip()
    await farm.ok("image", "import", "tiny", str(farm.folder / "tiny.tar"), "--shared")
    return farm


def made(ended: Ended) -> str:
    """The ref of the image that a command says is ready."""
    [ref] = re.findall(r"the image (\S+:\d+) is ready", ended.err)
    return str(ref)


async def test_a_day_at_the_farm(furnished: Played) -> None:
    farm = furnished
    assert "the farm is as" in (await farm.ok("apply", str(farm.folder / "farm.toml"))).err
    assert (await farm.ok("board", "list", "-o", "name", who="grace")).out == "rpi4-1\nrpi4-2\n"
    assert "lab" in (await farm.ok("site", "list")).out
    assert (await farm.ok("whoami", who="grace", stdin="")).out.startswith("name")

    reserved = await farm.soon("reserve", "--type", "rpi4", "--image", "tiny", "--for", "2h", who="grace")
    assert "clone          0.04 s" in reserved.err
    assert "boardgrid ssh rpi4-1" in reserved.out
    assert "open" in (await farm.ok("status", who="grace")).out
    assert (await farm.ok("status", "1", "-o", "json", who="grace")).json["deployment"]["host_key"].startswith("ssh-")
    assert (await farm.ok("power", "cycle", "rpi4-1", who="grace")).err == "rpi4-1: cycle: done\n"
    assert "power cycle was carried out" in (await farm.ok("events", "--reservation", "1", who="grace")).out
    no_gateway = await farm.run("ssh", "rpi4-1", who="grace")
    assert "the SSH gateway of the site lab has not been heard of" in no_gateway.err

    kept = await farm.ok("release", "--keep", "mine", who="grace")
    first = made(kept)
    [tiny] = (await farm.ok("image", "list", "tiny", "-o", "name")).out.split()
    assert tiny in (await farm.ok("image", "show", "mine", who="grace")).out

    await farm.soon("reserve", "rpi4-2", "--image", "mine", who="grace")
    await farm.ok("release", "--aside", "--name", "before", who="grace")
    assert (await farm.ok("root", "list", "-o", "name", who="grace")).out == "before\n"
    await farm.soon("reserve", "rpi4-1", "--root", "before", who="grace")
    await farm.ok("release", "rpi4-1", "--aside", who="grace")
    second = made(await farm.ok("root", "keep", "before", "mine", who="grace"))
    assert int(second.partition(":")[2]) > int(first.partition(":")[2])

    await farm.soon("reserve", "rpi4-1", "--image", first, who="grace")
    await farm.ok("release", "--discard", who="grace")
    await farm.soon("image", "remove", first, "--yes", who="grace")
    await farm.soon("image", "remove", second, "--yes", who="grace")
    await farm.ok("image", "gc", "--yes", who="grace")
    async with asyncio.timeout(60):
        while (await farm.ok("image", "list", "-o", "name", who="grace")).out != f"{tiny}\n":
            pass
    assert (await farm.ok("status", "--all", "-o", "name")).out.split() == ["4", "3", "2", "1"]
    await farm.ok("user", "remove", "grace", "--yes")
    await farm.soon("board", "remove", "rpi4-2", "--yes")
    assert (await farm.run("whoami", who="grace")).code == 4


async def test_every_list_and_every_form_of_output(furnished: Played) -> None:
    farm = furnished
    await farm.ok("reserve", "rpi4-1", "--image", "tiny", who="grace")
    for noun in ("board", "board-type", "image", "root", "user", "site"):
        for output in ("table", "json", "name"):
            assert (await farm.ok(noun, "list", "-o", output)).out
    for words in (["board", "rpi4-1"], ["board-type", "rpi4"], ["image", "tiny"], ["user", "grace"]):
        noun, name = words
        assert name in (await farm.ok(noun, "show", name, "-o", "name")).out
        assert (await farm.ok(noun, "show", name, "-o", "json")).json["name"]
    root = (await farm.ok("root", "list", "-o", "name", who="grace")).out.strip()
    assert (await farm.ok("root", "show", root, "-o", "json", who="grace")).json["board"] == "rpi4-1"
    like = ("--where", 'number == 2 and arch == "armhf"', "--type", "rpi4")
    assert (await farm.ok("board", "list", *like, "-o", "name")).out == "rpi4-2\n"
    events = (await farm.ok("events", "-o", "json")).json
    assert events == sorted(events, key=lambda event: event["number"])
    assert len((await farm.ok("events", "--board", "rpi4-1")).out.splitlines()) > 3


async def test_a_directory_is_sent_and_an_upload_that_breaks_leaves_nothing(furnished: Played) -> None:
    farm = furnished
    (farm.folder / "tree/etc").mkdir(parents=True)
    assert made(await farm.ok("image", "import", "mine", str(farm.folder / "tree"))).startswith("mine:")
    broken = farm.folder / "bin/tar"
    broken.parent.mkdir()
    broken.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "GNU tar" && exit\nhead -c 300000 /dev/zero\nexit 2\n')
    broken.chmod(0o755)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PATH", f"{broken.parent}:/usr/bin:/bin")
        ended = await farm.run("image", "import", "mine", str(farm.folder / "tree"))
    assert ended.code == 6
    assert "could not be packed whole" in ended.err
    assert "nothing is left of mine:" in ended.err
    names = [one.partition(":")[0] for one in (await farm.ok("image", "list", "-o", "name")).out.split()]
    assert names == ["mine", "tiny"]


async def test_refusals_are_sentences_with_their_exit_codes(furnished: Played) -> None:
    farm = furnished
    await farm.ok("reserve", "rpi4-1", "--image", "tiny")
    cases: list[tuple[int, str, list[str]]] = [
        (2, "name.invalid", ["image", "import", "No Good", str(farm.folder / "tiny.tar")]),
        (2, "duration.invalid", ["reserve", "rpi4-2", "--image", "tiny", "--for", "9999d"]),
        (2, "where.invalid", ["board", "list", "--where", "ram_mb = 2048"]),
        (3, "board.unknown", ["board", "show", "rpi4-9"]),
        (3, "type.unknown", ["board", "list", "--type", "rpi5"]),
        (3, "image.unknown", ["reserve", "rpi4-2", "--image", "nothing"]),
        (3, "reservation.unknown", ["status", "99"]),
        (4, "act.forbidden", ["user", "add", "linus"]),
        (5, "board.taken", ["reserve", "rpi4-1", "--image", "tiny"]),
    ]
    for code, word, argv in cases:
        ended = await farm.run(*argv, who="grace")
        assert (ended.code, f"({word})" in ended.err) == (code, True), ended.err
    cases = [
        (5, "name.taken", ["board", "add", "rpi4-1", "--mac", "02:00:00:00:00:01", "--address", "10.20.0.51"]),
        (5, "name.taken", ["board-type", "add", "rpi4", "--arch", "armhf"]),
    ]
    for code, word, argv in cases:
        ended = await farm.run(*argv)
        assert (ended.code, f"({word})" in ended.err) == (code, True), ended.err
    taken = await farm.run("reserve", "rpi4-1", "--image", "tiny", who="grace")
    assert "root" in taken.err
    assert "until" in taken.err


async def test_a_deployment_that_fails_tells_why_and_ends_with_6(furnished: Played) -> None:
    farm = furnished
    farm.fails = Blame.BOARD
    ended = await farm.run("reserve", "rpi4-1", "--image", "tiny", who="grace")
    assert ended.code == 6
    assert "rpi4-1 could not be made ready: it does not boot" in ended.err
    assert "look at it" in ended.err
    farm.fails = None
    assert "it does not boot" in (await farm.ok("board", "show", "rpi4-1")).out
    await farm.ok("board", "fit", "rpi4-1")
    assert "set aside" not in (await farm.ok("board", "list")).out


async def test_who_waits_does_not_notice_that_the_controller_was_away(furnished: Played) -> None:
    farm = furnished
    farm.is_working = False
    at = farm.folder / "controller.sock"
    farm.url = f"unix:{at}"
    async with served(app_of(farm), bound(at)):
        waiting = asyncio.create_task(farm.run("reserve", "rpi4-1", "--image", "tiny", who="grace"))
        async with asyncio.timeout(60):
            while not any(isinstance(board.wish, Deployed) for board in farm.wishes().boards):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)  # it follows the events by now; if it does not yet, it must come through as well
    at.unlink()
    await asyncio.sleep(1)
    async with served(app_of(farm), bound(at)):
        farm.is_working = True
        ended = await asyncio.wait_for(waiting, 60)
    assert ended.code == 0, ended.err
    assert "rpi4-1 is yours" in ended.err


def bound(path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    return listening


async def test_keys_are_checked_by_the_farm(furnished: Played) -> None:
    farm = furnished
    weak = await farm.run("user", "add", "linus", "--ssh-key", "-", stdin="ssh-rsa AAAAB3NzaC1yc2E= old\n")
    assert weak.code == 2
    assert "key.invalid" in weak.err
    twice = await farm.run("user", "add", "linus", "--ssh-key", "-", stdin=f"{KEY} ada@home\n")
    assert twice.code == 5


async def test_a_lab_that_shares_its_boards(furnished: Played) -> None:
    farm = furnished
    farm.tokens["linus"] = (await farm.ok("user", "add", "linus")).out.strip()
    both = await farm.ok("reserve", "2 rpi4", "--image", "tiny", "--for", "1h", who="grace")
    assert "rpi4-1, rpi4-2 are yours" in both.err
    assert both.out.count("boardgrid ssh rpi4-") == 2

    refused = await farm.run("reserve", "rpi4", "--image", "tiny", who="linus")
    assert refused.code == 5
    told = re.search(r"reserve it with --at (\S+),", refused.err)
    assert told is not None, refused.err
    later = await farm.ok("reserve", "rpi4", "--image", "tiny", "--at", told[1], who="linus")
    assert "(in " in later.err
    await farm.ok("release", "2", who="linus")

    waiting = asyncio.create_task(farm.apart("reserve", "(number == 2)", "--image", "tiny", "--wait", who="linus"))
    async with asyncio.timeout(60):
        while not (await farm.ok("queue", "-o", "name")).out:
            pass
    row = (await farm.ok("queue")).out.splitlines()[1].split()
    assert row[:5] == ["1", "3", "linus", "(number", "=="]
    drawn = (await farm.ok("calendar", who="grace")).out.splitlines()
    assert drawn[2].startswith("rpi4-1 #")
    assert "~" in drawn[3]
    followed = await farm.run("extend", "+1h", who="grace")
    assert (followed.code, "(board.followed)" in followed.err) == (5, True)

    await farm.ok("release", "rpi4-2", "--discard", who="grace")
    begun = await asyncio.wait_for(waiting, 60)
    assert begun.code == 0, begun.err
    assert "rpi4-2 is yours" in begun.err
    assert "rpi4-1 until" in (await farm.ok("extend", "rpi4-1", "+1h", who="grace")).err
    assert "shared with linus" in (await farm.ok("share", "rpi4-1", "linus", who="grace")).err
    assert (await farm.ok("status", "-o", "name", who="linus")).out == "3\n1\n"
    assert (await farm.run("release", "rpi4-1", "--discard", who="linus")).code == 4


async def test_a_job_says_that_it_lives_and_is_over_whatever_happens(furnished: Played) -> None:
    farm, log = furnished, furnished.folder / "log"
    job = ("run", "--type", "rpi4", "--image", "tiny", "--console", str(log), "--", "true")
    ended = await farm.apart(*job, who="grace")
    assert ended.code == 201, ended.err
    assert "the SSH gateway of the site lab has not been heard of" in ended.err
    shown = (await farm.ok("status", "1", "-o", "json", who="grace")).json
    assert shown["state"] == "ended"
    assert shown["alive_until"] is not None
    assert "clone" in log.read_text()


async def test_a_day_of_an_account(farm: Played) -> None:
    """Invited, at work, suspended, back with a new password, and all of it in the audit log."""
    profile = {"XDG_CONFIG_HOME": str(farm.folder / "linus"), "BOARDGRID_URL": "", "BOARDGRID_TOKEN": ""}

    async def linus(*argv: str, stdin: str | None = None) -> Ended:
        ended = await asyncio.to_thread(CliRunner().invoke, cli, list(argv), input=stdin, env=profile)
        return Ended(ended.exit_code, ended.stdout, ended.stderr)

    (farm.folder / "linus.pub").write_text(f"{KEY} linus@home\n")
    code = (await farm.ok("user", "invite", "linus")).out
    joined = await linus("accept", farm.url, "--code-stdin", stdin=f"{code}correct horse battery\n")
    assert (joined.code, "as linus (user)" in joined.err) == (0, True)
    assert (await linus("accept", farm.url, "--code-stdin", stdin=f"{code}correct horse battery\n")).code == 4

    assert KEY.split(maxsplit=1)[0] in (await linus("key", "add", str(farm.folder / "linus.pub"))).out
    program = (await linus("token", "create", "ci", "--scope", "read", "--for", "1d")).out.strip()
    farm.tokens["program"] = program
    assert (await farm.ok("board", "list", who="program")).out == ""
    assert "this token may only look at things" in (await farm.run("token", "create", who="program")).err
    changed = await linus("password", "--stdin", stdin="correct horse battery\nstaple of the horse\n")
    assert "the password of linus was changed" in changed.err

    await farm.ok("user", "suspend", "linus")
    shut_out = await linus("whoami")
    assert (shut_out.code, "the account of linus is suspended (account.suspended)" in shut_out.err) == (4, True)
    assert "suspended" in (await farm.ok("user", "list")).out
    await farm.ok("user", "restore", "linus")
    assert (await linus("whoami")).code == 0
    assert (await linus("logout")).code == 0

    code = (await farm.ok("user", "reset", "linus")).out
    assert (await linus("accept", farm.url, "--code-stdin", stdin=f"{code}another good one\n")).code == 0
    assert (await farm.run("whoami", who="program")).code == 4, "all tokens ended with the old password"
    await farm.ok("user", "role", "linus", "operator")
    acts = [one["act"] for one in (await farm.ok("audit", "--thing", "user:linus", "-o", "json")).json]
    assert acts == [
        "invitation.accept", "invitation.accept", "key.add", "password.change", "user.suspend", "user.restore",
        "invitation.accept", "user.role",
    ]  # fmt: skip
    assert "role: user -> operator" in (await farm.ok("audit")).out


async def test_what_one_is_told_and_where(farm: Played) -> None:
    shown = await farm.ok("notices", "--email", "root@example.org", "--zone", "Europe/Paris", "--only", "failed")
    assert "root@example.org" in shown.out and "Europe/Paris" in shown.out and "began" not in shown.out
    assert "began moved ending idle ended failed" in (await farm.ok("notices", "--all")).out
    assert "email.invalid" in (await farm.run("notices", "--email", "nobody")).err
    secret = (await farm.ok("webhook", "add", "https://wall.example.org/x", "--farm", "--on", "failed")).out.strip()
    [hook] = (await farm.ok("webhook", "list", "-o", "json")).json
    assert len(secret) > 40 and hook["is_farms"] and hook["occasions"] == ["failed"]
    assert "everybody" in (await farm.ok("webhook", "list")).out
    await farm.ok("webhook", "remove", hook["id"])
    address = (await farm.ok("feed", "create")).out.strip()
    assert (await asyncio.to_thread(httpx.get, address)).text.startswith("BEGIN:VCALENDAR")
    feed = (await farm.ok("feed", "list", "-o", "name")).out.strip()
    await farm.ok("feed", "revoke", feed)
    assert (await asyncio.to_thread(httpx.get, address)).status_code == 404
