"""``boardgrid save`` and ``boardgrid boot``: the same root again."""

import tarfile
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pytest

from boardgrid.client.kit import modules_sent
from tests.client.conftest import Run
from tests.client.fake_farm import FakeFarm, Json


@pytest.fixture(autouse=True)
def held(farm: FakeFarm) -> Json:
    """Ada holds tk1-1, which is open."""
    farm.board("tk1-1")
    farm.image("tiny")
    farm.deploy = lambda _farm, _reservation: None
    held = farm.reserve({"board": "tk1-1", "image": "tiny", "for_s": 3600})
    farm.opened(held)
    farm.deploy = FakeFarm.opened
    return held


def panics(farm: FakeFarm, reservation: Json) -> None:
    number, deployment = reservation["number"], reservation["deployment"]
    farm.tell(number, "tk1-1", "boot", "began", deployment=deployment["id"])
    lines = [f"line {at}" for at in range(20)] + ["Kernel panic - not syncing: no root"]
    farm.tell(
        number, "tk1-1", "boot", "ended", outcome="failed", console=lines, detail="panic", deployment=deployment["id"]
    )
    deployment |= {"state": "open", "code": "kernel.panicked", "reason": "the kernel of tk1-1 panicked: no root"}
    farm.tell(
        number, "tk1-1", "board", "ended", outcome="failed", detail="it does not answer, and stays its user's as it is"
    )


def made_modules(folder: Path, release: str = "6.9.0", content: bytes = b"module") -> Path:
    kernel = folder / "lib/modules" / release / "kernel"
    kernel.mkdir(parents=True, exist_ok=True)
    (kernel / "a.ko").write_bytes(content)
    (kernel.parent / "modules.dep").write_text("kernel/a.ko:\n")
    (kernel.parent / "build").unlink(missing_ok=True)
    (kernel.parent / "build").symlink_to("/home/ada/linux")
    return folder


# --- boot


def test_a_kernel_is_sent_once_and_booted_until_it_answers(run: Run, farm: FakeFarm, tmp_path: Path) -> None:
    kernel = tmp_path / "zImage"
    kernel.write_bytes(b"a kernel" * 1000)
    ended = run("boot", "tk1-1", "--kernel", str(kernel), "--append", "ignore_loglevel", "--once")
    assert ended.code == 0, ended.err
    assert "tk1-1 is yours again after" in ended.err and "boardgrid ssh tk1-1" in ended.out
    assert "kernel       yours: kernel; ignore_loglevel; for one boot\n" in ended.out
    sum_ = sha256(kernel.read_bytes()).hexdigest()
    assert farm.blobs[sum_] == kernel.read_bytes()
    assert farm.booted == [{"kernel": sum_, "append": "ignore_loglevel", "once": True}]
    assert ended.err.count("boot ") < 4, "what was before is not told again"
    run("boot", "--kernel", str(kernel))
    assert [asked for asked in farm.asked if asked[0] == "PUT"] == [("PUT", f"kit-files/{sum_}")]


def test_without_a_kernel_the_images_own_boots_again(run: Run, farm: FakeFarm) -> None:
    assert run("boot").code == 0
    assert farm.booted == [{}]
    assert run("boot", "7", "--from-root", "--kernel-release", "6.1.0-50-armmp").code == 0
    assert farm.booted[1] == {"from_root": True, "release": "6.1.0-50-armmp"}


def test_a_kernel_that_panics_is_told_with_all_that_the_console_said(run: Run, farm: FakeFarm, tmp_path: Path) -> None:
    farm.deploy = panics
    (tmp_path / "zImage").write_bytes(b"bad")
    ended = run("boot", "tk1-1", "--kernel", str(tmp_path / "zImage"))
    assert ended.code == 6
    assert "error: the kernel of tk1-1 panicked: no root (kernel.panicked)" in ended.err
    assert "`boardgrid boot tk1-1` boots its image's own kernel" in ended.err
    assert "| line 0\n" in ended.err and "| Kernel panic" in ended.err


def test_what_could_not_be_laid_out_is_told_though_the_board_is_open_again(run: Run, farm: FakeFarm) -> None:
    def falls_back(farm: FakeFarm, reservation: Json) -> None:
        bad = reservation["deployment"]
        farm.deploy = FakeFarm.opened
        farm.again(reservation, {}, "preparing")
        bad |= {"state": "failed", "code": "archive.refused", "reason": "no room for the modules", "hint": "less"}

    farm.deploy = falls_back
    ended = run("boot", "tk1-1", "--append", "x")
    assert ended.code == 6
    assert "tk1-1 could not boot so: no room for the modules (archive.refused)" in ended.err


def test_who_does_not_wait_is_told_at_once(run: Run, farm: FakeFarm) -> None:
    farm.deploy = lambda _farm, _reservation: None
    ended = run("-o", "json", "boot", "tk1-1", "--no-wait")
    assert (ended.code, ended.json["deployment"]["state"]) == (0, "preparing")
    late = run("boot", "tk1-1", "--timeout", "1s")
    assert (late.code, "waited 1 s for tk1-1 to be open again" in late.err) == (7, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--kernel", "/nowhere/zImage"], "/nowhere/zImage cannot be read: No such file"),
        (["--modules", "EMPTY"], "there are no modules of a kernel in"),
        (["--kernel-release", "6.1"], "--kernel-release goes with --modules or --from-root"),
    ],
)
def test_what_cannot_be_sent_restarts_nothing(
    run: Run, farm: FakeFarm, tmp_path: Path, words: list[str], said: str
) -> None:
    ended = run("boot", "tk1-1", *[str(tmp_path) if word == "EMPTY" else word for word in words])
    assert (ended.code, said in ended.err) == (2, True), ended.err
    assert farm.booted == []


def test_modules_are_found_packed_and_sent_once(run: Run, farm: FakeFarm, tmp_path: Path) -> None:
    folder = made_modules(tmp_path / "installed")
    assert run("boot", "--modules", str(folder)).code == 0
    assert run("boot", "--modules", str(folder / "lib/modules/6.9.0")).code == 0
    first, second = farm.booted
    assert first == second and first["release"] == "6.9.0"
    with tarfile.open(fileobj=BytesIO(farm.blobs[first["modules"]])) as archive:
        assert archive.getnames() == [".", "./kernel", "./kernel/a.ko", "./modules.dep"]
    made_modules(folder, content=b"module")
    assert run("boot", "--modules", str(folder)).code == 0
    assert farm.booted[2] == first, "what was made anew and is the same is not sent again"
    made_modules(folder, "6.10.0")
    several = run("boot", "--modules", str(folder))
    assert (several.code, "--kernel-release: 6.10.0, 6.9.0" in several.err) == (2, True)
    assert run("boot", "--modules", str(folder), "--kernel-release", "6.10.0").code == 0
    assert modules_sent.__doc__


# --- save


def test_a_board_is_saved_and_its_users_again(run: Run, farm: FakeFarm) -> None:
    ended = run("save", "tk1-1", "--as", "mine")
    assert ended.code == 0, ended.err
    assert "mine:1 is made, and tk1-1 is yours again after" in ended.err
    assert "mine:1" in ended.out
    assert run("-o", "json", "save", "--as", "mine").json["ref"] == "mine:2"


def test_an_image_that_could_not_be_made_is_told_once_the_board_is_back(run: Run, farm: FakeFarm) -> None:
    farm.image_state, farm.image_reason = "failed", "the disk is full"
    ended = run("save", "tk1-1", "--as", "mine")
    assert ended.code == 6
    assert "the image mine:1 could not be made: the disk is full (image.failed)" in ended.err
    assert "tk1-1 runs again as before" in ended.err


def test_save_may_give_the_board_back(run: Run, farm: FakeFarm, held: Json) -> None:
    ended = run("save", "--as", "mine", "--release")
    assert (ended.code, held["state"], held["name"]) == (0, "ended", "mine")
    assert "the image mine:1 is ready" in ended.err


def test_of_several_boards_one_is_named(run: Run, farm: FakeFarm) -> None:
    farm.board("tk1-2")
    farm.board("tk1-3")
    number = farm.reserve({"type": "tk1", "count": 2, "image": "tiny", "for_s": 3600})["number"]
    ended = run("boot", str(number))
    assert (ended.code, "name one of: tk1-2, tk1-3" in ended.err) == (2, True)
    assert run("boot", "tk1-3").code == 0
    assert farm.booted == [{"board": "tk1-3"}]
