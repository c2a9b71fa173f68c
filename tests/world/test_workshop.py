"""The image workshop on a real farm: an image built from a recipe, seen to boot, and changed, on a virtual board."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.world.farm import WholeFarm, wait_until, whole_farm

pytestmark = [pytest.mark.world, pytest.mark.boards, pytest.mark.overnight, pytest.mark.slow, pytest.mark.timeout(9000)]

BUILD_WITHIN_S = 3600.0  # six minutes on a quiet machine
SYSTEMD_WITHIN_S = 1800.0  # a minute and more there
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
        patient(farm, "farm.toml")
        yield farm


@pytest.fixture
def farm(the_farm: WholeFarm) -> Iterator[WholeFarm]:
    yield the_farm
    the_farm.tidy()


def patient(farm: WholeFarm, inventory: str) -> None:
    """The demo's boards boot what is tiny; systemd takes a virtual board a minute and more."""
    file = farm.stage.folder / inventory
    file.write_text(re.sub(r"^boot_s = .*$", "boot_s = 600", file.read_text(), flags=re.MULTILINE))
    farm.admin("apply", str(file), "--yes")


def built(farm: WholeFarm, recipe: Path | str, *words: str) -> dict[str, Any]:
    """What became of it."""
    ref = farm.told("image", "build", str(recipe), *words, "--no-wait")["ref"]

    def is_over() -> bool:
        return farm.told("image", "show", ref)["state"] in {"ready", "failed"}

    wait_until(is_over, BUILD_WITHIN_S, f"{ref} is built")
    return dict(farm.told("image", "show", ref))


@pytest.fixture(scope="module")
def small(the_farm: WholeFarm, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A Debian with systemd, for all tests of this file."""
    recipe = tmp_path_factory.mktemp("recipe") / "small.toml"
    recipe.write_text(RECIPE)
    image = built(the_farm, recipe)
    assert image["state"] == "ready", image["reason"]
    return image


def test_a_debian_system_is_built_on_a_board_boots_and_is_changed(farm: WholeFarm, small: dict[str, Any]) -> None:
    assert small["manifest"]["system"].startswith("Debian GNU/Linux")
    [test] = farm.told("image", "test", "small")
    assert test["is_passed"] and test["took_s"] > 0, test
    identity = ("--identity", str(farm.stage.ada.key))
    command = "cat /root/finished-on; systemctl is-active ssh; dpkg --audit; cat /etc/motd"
    said = farm.ada("customise", "small", "--as", "mine", *identity, "-o", "name", "--", command)
    *lines, made = said.splitlines()
    assert lines == ["armv7l", "active", "small"] and made.startswith("mine:")


def test_a_system_with_systemd_mounts_a_volume_when_somebody_looks_there(
    farm: WholeFarm, small: dict[str, Any]
) -> None:
    farm.ada("volume", "create", "home", "100MB")
    farm.reserve("tk1-1", "--image", small["ref"], within_s=SYSTEMD_WITHIN_S)
    assert farm.on_board("tk1-1", "systemctl is-active home-ada.automount; cat /proc/1/comm") == "active\nsystemd\n"
    counted = "grep -c ' /home/ada nfs ' /proc/mounts || true"
    assert farm.on_board("tk1-1", counted) == "0\n", "nobody has looked there yet"
    farm.on_board("tk1-1", "echo mine >/home/ada/notes && sync")
    assert farm.on_board("tk1-1", f"{counted}; systemctl is-active home-ada.mount") == "1\nactive\n"
    assert farm.on_board("tk1-1", "systemctl --failed --plain --no-legend | grep -E 'home-ada|remote-fs' || true") == ""
    # A board that is of another system has it at the same time, and the first one again after it booted anew.
    farm.reserve("tk1-2", "--image", "tiny")
    wait_until(lambda: "mine" in farm.on_board("tk1-2", "cat /home/ada/notes || true"), 120, "the other board has it")
    farm.ada("boot", "tk1-1")
    assert farm.on_board("tk1-1", "cat /home/ada/notes") == "mine\n"


def test_a_script_that_fails_is_the_images_reason_and_no_boards_fault(farm: WholeFarm, tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text(
        'name = "broken"\narchitectures = ["armhf"]\nkernel = "armmp"\n'
        '[[scripts]]\nname = "robot"\nrun = "echo no robot here; false"\n'
    )
    image = built(farm, tmp_path / "broken.toml")
    assert image["state"] == "failed"
    assert "no robot here" in image["reason"] and "the script robot failed" in image["reason"]
    assert farm.board("tk1-1")["state"] in {"free", "cleaning"}


def test_the_same_recipe_and_the_same_packages_give_the_same_digest(
    farm: WholeFarm, small: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "small.toml").write_text(RECIPE)
    again = built(farm, tmp_path / "small.toml")
    assert again["state"] == "ready", again["reason"]
    assert again["ref"] != small["ref"]
    assert again["manifest"]["digest"] == small["manifest"]["digest"]


@pytest.mark.parametrize("arch", ["armhf", "amd64", "arm64"])
def test_the_debian_that_ships_is_built_and_boots(farm: WholeFarm, arch: str) -> None:
    if arch != "armhf":
        farm.add(arch)
        patient(farm, f"{arch}.toml")
    image = built(farm, "debian-12", "--arch", arch)
    assert image["state"] == "ready", image["reason"]
    [test] = farm.told("image", "test", image["ref"])
    assert test["is_passed"], test
