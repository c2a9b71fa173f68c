"""The whole farm, with real boards: its users' way from a reservation to a kept image, and what faults do to it."""

import asyncio
import gzip
import json
import os
import shutil
import signal
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import asyncssh
import pytest

from boardgrid.adapters.shell import SubprocessShell
from boardgrid.bootware.packages import DebianPackages
from boardgrid.demo.stage import Person
from boardgrid.model.errors import Fault
from tests.world.farm import WholeFarm, wait_until, whole_farm

pytestmark = [pytest.mark.world, pytest.mark.boards, pytest.mark.slow, pytest.mark.timeout(900)]

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "boardgrid/debian"


@pytest.fixture(scope="module")
def the_farm() -> Iterator[WholeFarm]:
    with whole_farm() as farm:
        yield farm


@pytest.fixture
def farm(the_farm: WholeFarm) -> Iterator[WholeFarm]:
    yield the_farm
    the_farm.tidy()


def runs_its_deployment(farm: WholeFarm, board: str, number: int) -> bool:
    return f"DEPLOYMENT={farm.deployment(number)['id']}" in farm.on_board(board, "cat /etc/boardgrid/deployment")


def debian_modules() -> Path:
    """Those of the kernel that is in the tiny image."""

    async def fetched() -> Path:
        debian = DebianPackages(SubprocessShell(), CACHE)
        package = await debian.kernel("armmp")
        return (await debian.unpacked([package]))[package]

    return asyncio.run(fetched()) / "lib/modules"


# --- from a reservation to a kept image


def test_what_was_kept_comes_back_on_another_board(farm: WholeFarm) -> None:
    first = farm.reserve("tk1-1", "--image", "tiny")
    assert runs_its_deployment(farm, "tk1-1", first)
    # Not synced by its user: the farm asks the board to write down its memory before it takes the root away.
    farm.on_board("tk1-1", "echo mine > /root/notes")
    farm.ada("release", str(first), "--keep", "noted")
    wait_until(lambda: farm.told("image", "show", "noted")["state"] == "ready", 120, "the kept image is ready")
    second = farm.reserve("tk1-2", "--image", "noted")
    assert farm.on_board("tk1-2", "cat /root/notes") == "mine\n"
    keys = farm.on_board("tk1-2", "cat /root/.ssh/authorized_keys").splitlines()
    assert len(keys) == 2, "its user's and the agent's; none is left of the one before"
    farm.ada("release", str(second), "--discard", "--yes")
    wait_until(lambda: not farm.told("root", "list"), 120, "the discarded root is gone")
    farm.ada("image", "remove", "noted", "--yes")


def test_an_image_without_an_initramfs_boots_with_the_one_that_the_farm_makes_for_it(
    farm: WholeFarm, tmp_path: Path
) -> None:
    tiny, bare = next(farm.stage.props.glob("tiny-*.tar")), tmp_path / "bare.tar"
    with tarfile.open(tiny) as whole, tarfile.open(bare, "w") as rest:
        for member in whole:
            if not member.name.removeprefix("./").startswith(("boot/initrd", "lib/modules/")):
                rest.addfile(member, whole.extractfile(member) if member.isreg() else None)
        rest.add(debian_modules(), "lib/modules")  # all of them: the farm chooses
    told = farm.told("image", "import", "bare", str(bare), "--without", "no-swap")["manifest"]
    [kernel] = told["kernels"]
    assert (kernel["nfs"], kernel["initrd"]) == ("farm", "")
    assert told["without"] == ["no-swap"]
    number = farm.reserve("tk1-1", "--image", "bare")
    assert runs_its_deployment(farm, "tk1-1", number)
    assert "/ nfs rw" in farm.on_board("tk1-1", "cat /proc/mounts")
    assert "initrd" not in farm.on_board("tk1-1", "ls /boot")
    farm.ada("release", str(number), "--discard", "--yes")
    wait_until(lambda: not farm.told("root", "list"), 120, "the discarded root is gone")
    farm.ada("image", "remove", "bare", "--yes")


def test_a_root_kept_aside_boots_again(farm: WholeFarm) -> None:
    first = farm.reserve("tk1-2", "--image", "tiny")
    host_key = farm.deployment(first)["host_key"]
    farm.on_board("tk1-2", "echo mine > /root/notes")
    farm.ada("release", str(first), "--aside", "--name", "later")
    farm.free("tk1-2")
    second = farm.reserve("tk1-1", "--root", "later")
    assert farm.on_board("tk1-1", "cat /root/notes") == "mine\n"
    assert runs_its_deployment(farm, "tk1-1", second)
    assert farm.deployment(second)["host_key"] != host_key, "a key that a former holder knows is no proof"


def test_a_job_brings_its_files_and_takes_its_results_and_the_board_is_free_again(
    farm: WholeFarm, tmp_path: Path
) -> None:
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "test.sh").write_text(
        "#!/bin/sh\nmkdir out; hostname >out/name.txt; ln -s name.txt out/link\n"
    )
    (tmp_path / "build" / "test.sh").chmod(0o755)
    log = tmp_path / "console.log"
    where = ("--into", str(tmp_path), "--console", str(log), "--identity", str(farm.stage.ada.key))
    job = ("run", "--type", "tk1", "--image", "tiny", "--for", "20m", *where)
    farm.ada(*job, "--put", str(tmp_path / "build"), "--get", "out/*", "--", "./test.sh")
    assert (tmp_path / "out" / "name.txt").read_text().startswith("tk1-")
    assert (tmp_path / "out" / "link").read_text() == (tmp_path / "out" / "name.txt").read_text()
    assert "boot ok" in log.read_text()
    assert farm.told("status") == []


def test_two_boards_come_up_side_by_side(farm: WholeFarm) -> None:
    numbers = {board: farm.begin(board, "--image", "tiny") for board in ("tk1-1", "tk1-2")}
    for board, number in numbers.items():
        farm.opened(number)
        assert runs_its_deployment(farm, board, number)


def test_whoever_a_board_is_shared_with_logs_in_with_their_own_key_and_no_longer(
    farm: WholeFarm, tmp_path: Path
) -> None:
    bob = farm.newcomer("bob", tmp_path)
    farm.reserve("tk1-1", "--image", "tiny")
    farm.on_board("tk1-1", "echo by hand >> /root/.ssh/authorized_keys")
    farm.ada("share", "tk1-1", "bob")

    def gets_in() -> bool:
        with suppress(Fault):
            return farm.stage.boardgrid(bob, "ssh", "-i", str(bob.key), "tk1-1", "--", "hostname") == "tk1-1\n"
        return False

    wait_until(gets_in, 120, "bob gets in")
    farm.ada("share", "tk1-1", "bob", "--remove")
    wait_until(lambda: not gets_in(), 60, "bob gets in no longer")
    wait_until(
        lambda: len(farm.on_board("tk1-1", "cat /root/.ssh/authorized_keys").splitlines()) == 3,
        120,
        "his key is gone; ada's, the agent's and what she wrote by hand are there",
    )


def test_a_lesson_finds_its_boards_open_and_its_teacher_comes_in_to_them(farm: WholeFarm, tmp_path: Path) -> None:
    grace, eve = (farm.newcomer(name, tmp_path) for name in ("grace", "eve"))
    farm.admin("project", "add", "course", "ada", "eve", "--manager", "grace", "--image", "tiny")
    farm.admin("quota", "set", "--project", "course", "--boards", "2")
    [block] = farm.told("block", "add", "course", "2 tk1", "--at", "+5m", "--for", "20m", person=grace)
    seats = {one["user"]: one for one in block["seats"]}
    assert set(seats) == {"ada", "eve"}, "ten minutes before the lesson is now"
    for seat in seats.values():
        farm.opened(seat["number"], person=grace)
    theirs = seats["eve"]["board"]
    assert (
        farm.stage.boardgrid(eve, "ssh", "-i", str(eve.key), theirs, "--", "touch /root/mine; hostname")
        == f"{theirs}\n"
    )
    farm.stage.boardgrid(grace, "share", theirs, "grace")

    def gets_in() -> bool:
        with suppress(Fault):
            return "mine" in farm.stage.boardgrid(grace, "ssh", "-i", str(grace.key), theirs, "--", "ls /root")
        return False

    wait_until(gets_in, 120, "grace gets in to eve's board")
    assert farm.told("status", str(seats["eve"]["number"]), person=eve)["members"] == ["grace"]
    farm.stage.boardgrid(grace, "block", "remove", str(block["number"]), "--yes")
    wait_until(lambda: not gets_in(), 60, "grace gets in no longer")
    [root] = farm.told("root", "list", person=eve)
    assert root["state"] == "aside"
    farm.stage.boardgrid(eve, "root", "discard", root["name"], "--yes")


def test_a_board_restarts_when_its_user_reboots_it(farm: WholeFarm) -> None:
    number = farm.reserve("tk1-1", "--image", "tiny")
    farm.on_board("tk1-1", "touch /root/before; sync")
    boot = farm.on_board("tk1-1", "cat /proc/sys/kernel/random/boot_id")
    farm.ada("power", "reset", "tk1-1")

    def is_back() -> bool:
        try:
            return farm.on_board("tk1-1", "cat /proc/sys/kernel/random/boot_id") != boot
        except Fault:
            return False

    wait_until(is_back, 240, "the board is back after its user's reset")
    assert farm.on_board("tk1-1", "ls /root/before") == "/root/before\n"
    assert runs_its_deployment(farm, "tk1-1", number)


# --- who may not


def test_nothing_that_a_board_boots_from_holds_a_secret(farm: WholeFarm) -> None:
    layout, stage = farm.stage.layout, farm.stage
    deployment = farm.deployment(farm.reserve("tk1-1", "--image", "tiny"))["id"]
    host_key = farm.on_board("tk1-1", "cat /etc/ssh/ssh_host_ed25519_key")
    secrets = {
        "the agent's token": forms_of_token(layout.token(layout.agent).read_text()),
        "the gateway's token": forms_of_token(layout.token(layout.gateway).read_text()),
        "the agent's key": forms_of_key(layout.agent_key.read_text()),
        "the board's host key": forms_of_key(host_key),
        **{f"{one.name}'s token": forms_of_token(token_of(one)) for one in (stage.admin, stage.ada)},
    }
    files = [path for folder in (layout.tftp, layout.dhcp) for path in folder.rglob("*") if path.is_file()]
    told = {str(path): as_booted(path.read_bytes()) for path in files}
    told["/proc/cmdline"] = farm.on_board("tk1-1", "cat /proc/cmdline").encode()

    # What is known to be there is found, also inside of what is packed.
    assert {path.name for path in files if path.parent.name == deployment} == {"vmlinuz", "initrd"}
    public = layout.agent_key.with_suffix(".pub").read_bytes().split()[1]
    assert any(public in content for path, content in told.items() if path.endswith("/holding/initrd"))
    assert b"nfsroot=" in told["/proc/cmdline"]
    assert [
        (path, secret)
        for path, content in told.items()
        for secret, forms in secrets.items()
        if any(form in content for form in forms)
    ] == []


def forms_of_token(token: str) -> set[bytes]:
    """The whole of it, and the part that nobody else may know."""
    _mark, _id, secret = token.strip().split("_", 2)
    return {token.strip().encode(), secret.encode()}


def forms_of_key(text: str) -> set[bytes]:
    """What OpenSSH's form of a private key is made of, and the 32 bytes themselves, which are in every form."""
    lines = [line for line in text.splitlines() if line and not line.startswith("-----")]
    return {*map(str.encode, lines), asyncssh.import_private_key(text).export_private_key("pkcs8-der")[-32:]}


def token_of(person: Person) -> str:
    profiles = json.loads((person.home / "boardgrid/profiles.json").read_text())
    return str(profiles["default"]["token"])


def as_booted(content: bytes) -> bytes:
    return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content


def test_a_stranger_does_not_get_through_the_gateway(farm: WholeFarm) -> None:
    farm.reserve("tk1-1", "--image", "tiny")
    with pytest.raises(Fault, match="you do not hold tk1-1"):
        farm.stage.boardgrid(farm.stage.admin, "ssh", "tk1-1", "--", "true")


# --- faults


def test_a_killed_agents_last_program_is_waited_for(farm: WholeFarm) -> None:
    former = farm.pid("agent")
    for _attempt in range(10):  # it takes some hundredths of a second
        number = farm.begin("tk1-1", "--image", "tiny")
        if child := farm.child_of_agent("mkfs.ext4", within_s=5):
            break
        farm.ada("release", str(number), "--discard", "--yes")
        farm.free("tk1-1")
    assert child, "the agent was always quicker"
    try:
        os.kill(former, signal.SIGKILL)
        wait_until(lambda: farm.pid("agent") != former, 60, "the supervisor starts another agent")
        wait_until(lambda: "store.awaited" in farm.log("agent"), 60, "the new agent waits for the old one's program")
        assert not farm.is_ready("agent", former)
    finally:
        os.kill(child, signal.SIGCONT)
    farm.back("agent", former)
    farm.opened(number)
    assert runs_its_deployment(farm, "tk1-1", number)
    drafts = [path.name for path in (farm.stage.layout.store / "roots").iterdir()]
    assert len(drafts) == 1, f"half a root is left: {drafts}"


@pytest.mark.parametrize("step", ["clone", "export", "boot"])
@pytest.mark.parametrize("phase", ["began", "ended"])
def test_an_agent_killed_as_a_step_begins_or_ends_is_taken_over(farm: WholeFarm, step: str, phase: str) -> None:
    former = farm.pid("agent")
    with farm.following() as events:
        number = farm.begin("tk1-1", "--image", "tiny")
        next(one for one in events if (one["board"], one["step"], one["phase"]) == ("tk1-1", step, phase))
        farm.kill("agent")
    farm.back("agent", former)
    farm.opened(number)
    assert runs_its_deployment(farm, "tk1-1", number)
    assert len(list((farm.stage.layout.store / "roots").iterdir())) == 1, "half a root is left"


def test_an_agent_killed_in_the_middle_of_an_export_is_taken_over(farm: WholeFarm) -> None:
    former, folder = farm.pid("agent"), farm.stage.layout.nfs
    before = set(folder.rglob("*"))
    number = farm.begin("tk1-1", "--image", "tiny")

    def has_new_file() -> bool:
        return bool(set(folder.rglob("*")) - before)

    wait_until(has_new_file, 60, "the export is written down")
    farm.kill("agent")
    farm.back("agent", former)
    farm.opened(number)
    assert runs_its_deployment(farm, "tk1-1", number)


def test_an_agent_killed_while_its_board_boots_does_not_restart_it(farm: WholeFarm) -> None:
    former = farm.pid("agent")
    number = farm.begin("tk1-1", "--image", "tiny")
    requests = farm.stage.layout.log / "dnsmasq-requests.log"
    kernel = f"{farm.deployment(number)['id']}"
    wait_until(lambda: kernel in requests.read_text(), 240, "the board fetches its kernel")
    farm.kill("agent")
    farm.back("agent", former)
    farm.opened(number)
    events = farm.told("events", "--reservation", str(number))
    restarts = [one for one in events if one["step"] == "restart" and one["phase"] == "began"]
    assert len(restarts) == 1


def test_a_controller_killed_during_a_deployment_comes_back(farm: WholeFarm) -> None:
    former = farm.pid("controller")
    number = farm.begin("tk1-1", "--image", "tiny")
    farm.kill("controller")
    farm.back("controller", former)
    farm.opened(number)
    assert runs_its_deployment(farm, "tk1-1", number)


def test_a_running_board_goes_on_when_its_nfs_server_was_killed(farm: WholeFarm) -> None:
    farm.reserve("tk1-1", "--image", "tiny")
    farm.on_board("tk1-1", "echo before > /root/notes; sync")
    former = farm.pid("ganesha")
    farm.kill("ganesha")
    farm.back("ganesha", former)
    farm.on_board("tk1-1", "echo after >> /root/notes; sync; echo 3 > /proc/sys/vm/drop_caches")
    assert farm.on_board("tk1-1", "cat /root/notes") == "before\nafter\n"


def test_a_killed_gateway_is_back_on_the_same_door(farm: WholeFarm) -> None:
    farm.reserve("tk1-1", "--image", "tiny")
    former = farm.pid("gateway")
    farm.kill("gateway")
    farm.back("gateway", former)
    assert farm.on_board("tk1-1", "hostname") == "tk1-1\n"


def test_a_board_that_gives_no_sign_is_set_aside_and_only_that(farm: WholeFarm) -> None:
    farm.admin("board-type", "add", "dud", "--arch", "armhf", "--boot-s", "15")
    wake = '{driver = "wol"}'  # it is told to wake, and nobody is there
    farm.admin("board", "add", "dud-1", "--mac", "52:54:00:20:00:99", "--address", "10.20.0.99", "--power", wake)
    try:
        with pytest.raises(Fault, match="dud-1 gave no sign of life") as refused:
            farm.ada("reserve", "dud-1", "--image", "tiny", "--for", "1h")
        assert "52:54:00:20:00:99" in str(refused.value)
        assert farm.board("dud-1")["state"] == "set_aside"
        assert farm.board("tk1-1")["state"] == "free"
        with pytest.raises(Fault, match="dud-1 is set aside"):
            farm.ada("reserve", "dud-1", "--image", "tiny")
    finally:
        farm.admin("board", "remove", "dud-1", "--yes")


def test_an_image_for_another_architecture_is_refused_before_the_board_is_touched(farm: WholeFarm) -> None:
    farm.admin("board-type", "add", "big", "--arch", "amd64")
    farm.admin("board", "add", "big-1", "--mac", "52:54:00:20:00:98", "--address", "10.20.0.98")
    try:
        with pytest.raises(Fault, match=r"tiny:\d+ is made for armhf, but boards of type big are amd64"):
            farm.ada("reserve", "big-1", "--image", "tiny")
    finally:
        farm.admin("board", "remove", "big-1", "--yes")


def test_an_image_is_taken_away_and_brought_again_and_stored_once(farm: WholeFarm, tmp_path: Path) -> None:
    taken = tmp_path / "taken.tar"
    farm.ada("image", "export", "tiny", str(taken))
    farm.ada("image", "import", "again", str(taken))
    try:
        tiny, again = farm.told("image", "show", "tiny"), farm.told("image", "show", "again")
        assert again["manifest"]["digest"] == tiny["manifest"]["digest"]
        farm.ada("image", "verify", "again")
        assert farm.told("image", "show", "again")["verified_at"] is not None
    finally:
        farm.ada("image", "remove", "again", "--yes")
        farm.ada("image", "gc", "--yes")


def test_a_hostile_archive_is_refused_by_the_name_of_its_member(farm: WholeFarm, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "evil.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("../../etc/cron.d/evil"))
    with pytest.raises(Fault, match=r"\.\./\.\./etc/cron\.d/evil"):
        farm.ada("image", "import", "evil", str(tmp_path / "evil.tar"))
    assert [one for one in farm.told("image", "list") if one["name"] == "evil" and one["state"] == "ready"] == []


def test_a_store_that_fills_up_under_a_running_board_takes_nothing_from_its_user() -> None:
    with whole_farm(disk_bytes=3 << 30) as farm:
        farm.reserve("tk1-1", "--image", "tiny")
        left = shutil.disk_usage(farm.stage.layout.agent).free
        with (farm.stage.layout.agent / "of somebody else").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, left - (4 << 20))
        # Its room was promised, so it is there.
        farm.on_board("tk1-1", "dd if=/dev/zero of=/root/big bs=1M count=64 2>/dev/null; sync")
        assert farm.on_board("tk1-1", "wc -c < /root/big").strip() == str(64 << 20)

        def is_known() -> bool:
            return bool(farm.told("site", "list")[0]["free_bytes"] < 1 << 30)

        wait_until(is_known, 60, "the site tells that it is full")
        with pytest.raises(Fault, match=r"the store of site lab has [\d.]+ [kMG]?B free, and this needs 1\.1 GB"):
            farm.ada("reserve", "tk1-2", "--image", "tiny")
        assert farm.board("tk1-2")["state"] == "free", "no board is blamed for a full disk"
        assert farm.board("tk1-1")["state"] == "open"
