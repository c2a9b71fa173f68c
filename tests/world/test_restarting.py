"""Boards that boot their root again, on virtual boards: saved, and with kernels that come up or do not."""

import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from boardgrid.model.errors import Fault
from tests.world.farm import WholeFarm, wait_until, whole_farm

pytestmark = [pytest.mark.world, pytest.mark.boards, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def the_farm() -> Iterator[WholeFarm]:
    with whole_farm() as farm:
        yield farm


@pytest.fixture
def farm(the_farm: WholeFarm) -> Iterator[WholeFarm]:
    yield the_farm
    the_farm.tidy()
    for image in the_farm.told("image", "list"):
        if image["name"] != "tiny" and image["state"] in {"ready", "failed"}:
            the_farm.ada("image", "remove", image["ref"], "--yes")


@pytest.fixture
def kernel(the_farm: WholeFarm, tmp_path: Path) -> Path:
    """Debian's own, as the tiny image has it."""
    image = next(the_farm.stage.props.glob("tiny-armhf-*.tar"))
    with tarfile.open(image) as archive:
        name = next(name for name in archive.getnames() if "boot/vmlinuz-" in name)
        content = archive.extractfile(name)
        assert content is not None
        (tmp_path / "zImage").write_bytes(content.read())
    return tmp_path / "zImage"


def cmdline(farm: WholeFarm, board: str = "tk1-1") -> str:
    return farm.on_board(board, "cat /proc/cmdline")


def test_a_board_is_saved_and_goes_on_and_its_image_boots_elsewhere(farm: WholeFarm) -> None:
    number = farm.reserve("tk1-1", "--image", "tiny")
    host_key = farm.deployment(number)["host_key"]
    # Not synced by its user: what is saved is whole all the same.
    farm.on_board("tk1-1", "echo mine > /root/notes")
    farm.ada("save", "tk1-1", "--as", "saved")
    assert farm.on_board("tk1-1", "cat /root/notes") == "mine\n"
    assert farm.deployment(number)["host_key"] != host_key
    farm.on_board("tk1-1", "echo later >> /root/notes")
    assert farm.told("image", "show", "saved")["state"] == "ready"
    farm.reserve("tk1-2", "--image", "saved")
    assert farm.on_board("tk1-2", "cat /root/notes") == "mine\n", "as it was when it was saved"
    assert len(farm.on_board("tk1-2", "cat /root/.ssh/authorized_keys").splitlines()) == 2
    theirs = [farm.on_board(board, "cat /etc/ssh/ssh_host_ed25519_key") for board in ("tk1-1", "tk1-2")]
    assert theirs[0] != theirs[1]
    first = farm.told("image", "show", "saved")["version"]
    farm.ada("save", "tk1-1", "--as", "saved", "--release")
    # The name means the newest version that is ready.
    wait_until(lambda: farm.told("image", "show", "saved")["version"] > first, 120, "the second version is ready")


def test_a_kernel_of_ones_own_is_at_its_prompt_in_seconds(farm: WholeFarm, kernel: Path) -> None:
    farm.reserve("tk1-1", "--image", "tiny")
    farm.on_board("tk1-1", "echo mine > /root/notes")
    for turn in ("first", "again"):
        farm.ada("boot", "tk1-1", "--kernel", str(kernel), "--append", f"boardgrid.turn={turn}")
        assert f"boardgrid.turn={turn}" in cmdline(farm)
        assert farm.on_board("tk1-1", "cat /root/notes") == "mine\n"
    farm.ada("boot", "tk1-1")
    assert "boardgrid.turn" not in cmdline(farm)


def test_a_kernel_that_panics_is_told_by_its_console_and_the_images_own_brings_the_board_back(
    farm: WholeFarm, kernel: Path
) -> None:
    farm.reserve("tk1-1", "--image", "tiny")
    farm.on_board("tk1-1", "echo mine > /root/notes")
    with pytest.raises(Fault, match="panicked") as raised:
        farm.ada("boot", "tk1-1", "--kernel", str(kernel), "--no-initrd")
    assert "not syncing" in str(raised.value)
    number = farm.told("status")[0]["number"]
    events = farm.told("events", "--reservation", str(number))
    assert any("Kernel panic" in line for one in events for line in one["console"])
    assert farm.board("tk1-1")["state"] == "open" and farm.board("tk1-1")["set_aside"] == ""
    farm.ada("boot", "tk1-1")
    assert farm.on_board("tk1-1", "cat /root/notes") == "mine\n"


def test_what_is_no_kernel_is_refused_at_once_by_the_farm_or_by_the_bootloader(
    farm: WholeFarm, kernel: Path, tmp_path: Path
) -> None:
    number = farm.reserve("tk1-1", "--image", "tiny")
    first = farm.deployment(number)["id"]
    (tmp_path / "vmlinux").write_bytes(b"\x7fELF" + kernel.read_bytes())
    with pytest.raises(Fault, match="no kernel that tk1-1 can boot: it is an ELF file"):
        farm.ada("boot", "tk1-1", "--kernel", str(tmp_path / "vmlinux"))
    with pytest.raises(Fault, match="what was sent as device tree is none: it is a kernel"):
        farm.ada("boot", "tk1-1", "--dtb", str(kernel))
    assert farm.deployment(number)["id"] == first
    # The farm takes it for a kernel that was packed for U-Boot; its sum is wrong.
    (tmp_path / "uImage").write_bytes(b"\x27\x05\x19\x56" + bytes(25) + b"\x02" + kernel.read_bytes())
    with pytest.raises(Fault, match="the bootloader of tk1-1 did not take what it was to boot"):
        farm.ada("boot", "tk1-1", "--kernel", str(tmp_path / "uImage"))
    health = farm.told("status")[0]["health"]
    assert health is None or health["voice"] == "silent", "what was seen before is not told of it now"
    farm.ada("boot", "tk1-1")
    assert "console=" in cmdline(farm)


def test_what_was_booted_once_is_followed_by_what_was_good_before(farm: WholeFarm, kernel: Path) -> None:
    farm.reserve("tk1-1", "--image", "tiny")
    farm.ada("boot", "tk1-1", "--kernel", str(kernel), "--append", "boardgrid.good=1")
    with pytest.raises(Fault, match="panicked"):
        farm.ada("boot", "tk1-1", "--kernel", str(kernel), "--no-initrd", "--append", "panic=-1", "--once")

    def is_back() -> bool:
        try:
            return "boardgrid.good=1" in cmdline(farm)
        except Fault:
            return False

    wait_until(is_back, 240, "the panicked kernel has restarted the board into the good one")


def test_modules_and_the_roots_own_kernel(farm: WholeFarm, kernel: Path, tmp_path: Path) -> None:
    farm.reserve("tk1-1", "--image", "tiny")
    modules = tmp_path / "installed/lib/modules/9.9.9-mine/kernel"
    modules.mkdir(parents=True)
    (modules / "a.ko").write_bytes(b"no module, but a file")
    (modules.parent / "modules.dep").write_text("kernel/a.ko:\n")
    farm.ada("boot", "tk1-1", "--kernel", str(kernel), "--modules", str(tmp_path / "installed"))
    assert farm.on_board("tk1-1", "cd /lib/modules/9.9.9-mine && find . -type f | sort") == (
        "./kernel/a.ko\n./modules.dep\n"
    )
    release = farm.on_board("tk1-1", "uname -r").strip()
    farm.on_board(
        "tk1-1", f"cd /boot && cp vmlinuz-{release} vmlinuz-99-mine && cp initrd.img-{release} initrd.img-99-mine"
    )
    farm.ada("boot", "tk1-1", "--from-root", "--append", "boardgrid.root=1")
    assert "boardgrid.root=1" in cmdline(farm)
    number = farm.told("status")[0]["number"]
    first = farm.deployment(number)
    assert first["kit"]["from_root"] is True
    up_s = float(farm.on_board("tk1-1", "cat /proc/uptime").split()[0])
    with pytest.raises(Fault, match=r"the root has no kernel 9\.9 in its /boot"):
        farm.ada("boot", "tk1-1", "--from-root", "--kernel-release", "9.9")
    assert float(farm.on_board("tk1-1", "cat /proc/uptime").split()[0]) > up_s, "it was not restarted"
    assert farm.deployment(number) == first and farm.board("tk1-1")["state"] == "open"


def test_a_flashed_board_is_refused_with_the_way_out_and_boots_its_own_again(farm: WholeFarm, kernel: Path) -> None:
    farm.reserve("tk1-2", "--image", "tiny")
    with pytest.raises(Fault, match="tk1-2 boots the kernel that was flashed to it"):
        farm.ada("boot", "tk1-2", "--kernel", str(kernel))
    farm.on_board("tk1-2", "echo mine > /root/notes")
    farm.ada("boot", "tk1-2")
    assert farm.on_board("tk1-2", "cat /root/notes") == "mine\n"


def test_files_go_to_a_board_without_rsync_and_come_back(farm: WholeFarm, tmp_path: Path) -> None:
    farm.reserve("tk1-1", "--image", "tiny")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "hello").write_text("hello")
    key = ("-i", str(farm.stage.ada.key))
    farm.ada("put", *key, "tk1-1", str(tmp_path / "folder"), "/root/")
    assert farm.on_board("tk1-1", "cat /root/folder/hello") == "hello"
    farm.ada("get", *key, "tk1-1", "/root/folder/hello", str(tmp_path / "back"))
    assert (tmp_path / "back").read_text() == "hello"


def test_an_agent_killed_while_a_root_is_saved_is_taken_over(farm: WholeFarm) -> None:
    number = farm.reserve("tk1-1", "--image", "tiny")
    farm.on_board("tk1-1", "echo mine > /root/notes")
    for what in ("fence", "boot"):
        former = farm.pid("agent")
        with farm.following() as events:
            farm.ada("save", "tk1-1", "--as", "saved", "--no-wait")
            next(one for one in events if (one["board"], one["step"]) == ("tk1-1", what))
            farm.kill("agent")
        farm.back("agent", former)
        wait_until(lambda: farm.deployment(number)["state"] == "open", 240, "it is open again")
        assert farm.on_board("tk1-1", "cat /root/notes") == "mine\n"
    # Those of another test may lie in the wastebasket.
    states = [one["state"] for one in farm.told("image", "list") if one["name"] == "saved"]
    assert [state for state in states if state != "removed"] == ["ready", "ready"]
