"""The image workshop on a real farm: an image built from a recipe, seen to boot, and changed, on a virtual board."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.world.farm import WholeFarm, wait_until, whole_farm

pytestmark = [pytest.mark.world, pytest.mark.boards, pytest.mark.overnight, pytest.mark.slow, pytest.mark.timeout(9000)]

BUILD_WITHIN_S = 3600.0  # six minutes on a quiet machine
RECIPE = """\
name = "small"
architectures = ["armhf"]
packages = ["bacula-common"]  # makes a user before it is unpacked, and says that adduser must be set up by then

[[files]]
path = "/etc/motd"
content = "small\\n"

[[scripts]]
name = "say-so"
run = "id bacula; dpkg --audit; uname -m >/root/finished-on"
"""


@pytest.fixture(scope="module")
def the_farm() -> Iterator[WholeFarm]:
    with whole_farm() as farm:
        # The demo's boards boot what is tiny; systemd takes a virtual board a minute.
        inventory = farm.stage.folder / "farm.toml"
        inventory.write_text(inventory.read_text().replace("boot_s = 120", "boot_s = 600"))
        farm.admin("apply", str(inventory), "--yes")
        yield farm


@pytest.fixture
def farm(the_farm: WholeFarm) -> Iterator[WholeFarm]:
    yield the_farm
    the_farm.tidy()


def built(farm: WholeFarm, recipe: Path) -> dict[str, Any]:
    """What became of it."""
    ref = farm.told("image", "build", str(recipe), "--no-wait")["ref"]

    def is_over() -> bool:
        return farm.told("image", "show", ref)["state"] in {"ready", "failed"}

    wait_until(is_over, BUILD_WITHIN_S, f"{ref} is built")
    return dict(farm.told("image", "show", ref))


def test_a_debian_system_is_built_on_a_board_boots_is_changed_and_comes_out_the_same_again(
    farm: WholeFarm, tmp_path: Path
) -> None:
    (tmp_path / "small.toml").write_text(RECIPE)
    image = built(farm, tmp_path / "small.toml")
    assert image["state"] == "ready", image["reason"]
    assert image["manifest"]["system"].startswith("Debian GNU/Linux")
    [test] = farm.told("image", "test", "small")
    assert test["is_passed"] and test["took_s"] > 0, test
    identity = ("--identity", str(farm.stage.ada.key))
    command = "cat /root/finished-on; systemctl is-active ssh; dpkg --audit; cat /etc/motd"
    said = farm.ada("customise", "small", "--as", "mine", *identity, "-o", "name", "--", command)
    *lines, made = said.splitlines()
    assert lines == ["armv7l", "active", "small"] and made.startswith("mine:")

    again = built(farm, tmp_path / "small.toml")
    assert again["ref"] != image["ref"]
    assert again["manifest"]["digest"] == image["manifest"]["digest"], again["reason"]


def test_a_script_that_fails_is_the_images_reason_and_no_boards_fault(farm: WholeFarm, tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text(
        'name = "broken"\narchitectures = ["armhf"]\nkernel = "armmp"\n'
        '[[scripts]]\nname = "robot"\nrun = "echo no robot here; false"\n'
    )
    image = built(farm, tmp_path / "broken.toml")
    assert image["state"] == "failed"
    assert "no robot here" in image["reason"] and "the script robot failed" in image["reason"]
    assert farm.board("tk1-1")["state"] in {"free", "cleaning"}
