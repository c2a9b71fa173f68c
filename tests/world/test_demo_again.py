"""A demo over an earlier one that had other things to boot."""

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import replace

import pytest

from boardgrid.daemon.processes import Farm
from boardgrid.demo import acts, props
from boardgrid.demo.props import Props
from boardgrid.demo.telling import Piece
from boardgrid.lab.client import LabClient
from tests.world.farm import WholeFarm, whole_farm

pytestmark = [pytest.mark.world, pytest.mark.boards, pytest.mark.slow, pytest.mark.timeout(600)]
FLASHED = "tk1-2"


@pytest.fixture(scope="module")
def farm() -> Iterator[WholeFarm]:
    with whole_farm() as made:
        yield made


@pytest.fixture
def before(farm: WholeFarm) -> Iterator[Props]:
    made = props.make(farm.stage)
    yield made
    farm.tidy()
    (farm.stage.folder / "farm.toml").unlink()
    acts.put_boards(farm.stage, made, Piece())


@pytest.fixture
def after(farm: WholeFarm, before: Props) -> Props:
    kernel = farm.stage.props / "vmlinuz-9.9-armmp"
    shutil.copy(before.kernel, kernel)
    return replace(before, kernel=kernel, release="9.9-armmp")


def lab(farm: WholeFarm) -> LabClient:
    return LabClient(Farm.of(farm.stage.config()).lab_socket)


def flashed(farm: WholeFarm) -> tuple[str, str]:
    """The kernel in the flash of the board, and the one that the farm takes it to have."""
    (sight,) = [each for each in asyncio.run(lab(farm).all()) if each.definition.name == FLASHED]
    return sight.definition.kernel, farm.told("board", "show", FLASHED)["kernel"]


def test_a_board_that_runs_gets_the_new_kernel_and_the_farm_knows(farm: WholeFarm, after: Props) -> None:
    asyncio.run(lab(farm).on(FLASHED))
    acts.put_boards(farm.stage, after, Piece())
    assert flashed(farm) == (str(after.kernel), "9.9-armmp")


def test_a_board_that_ada_holds_keeps_its_kernel_until_she_gives_it_back(
    farm: WholeFarm, before: Props, after: Props
) -> None:
    number = farm.begin(FLASHED, "--image", "tiny")
    acts.put_boards(farm.stage, after, Piece())
    assert flashed(farm) == (str(before.kernel), before.release)
    farm.ada("release", str(number), "--discard", "--yes")
    farm.free(FLASHED)
    acts.put_boards(farm.stage, after, Piece())
    assert flashed(farm) == (str(after.kernel), "9.9-armmp")


def test_a_lost_key_lets_ada_in_by_another_and_her_root_waits_for_her(farm: WholeFarm) -> None:
    lost = farm.deployment(farm.reserve("tk1-1", "--image", "tiny"))["root"]
    farm.stage.ada.key.unlink()
    for act in (acts.admit_people, acts.reserve, acts.log_in):
        act(farm.stage, Piece())
    assert [one["name"] for one in farm.told("root", "list") if one["state"] == "aside"] == [lost]
    farm.tidy()


def test_an_inventory_that_somebody_changed_is_left_as_it_is(farm: WholeFarm, after: Props) -> None:
    inventory = farm.stage.folder / "farm.toml"
    theirs = inventory.read_text().replace("boot_s = 120", "boot_s = 60")
    inventory.write_text(theirs)
    acts.put_boards(farm.stage, after, Piece())
    assert inventory.read_text() == theirs
    assert farm.told("board-type", "show", "tk1")["boot_s"] == 60


def test_another_archive_becomes_another_version_of_the_image_once(farm: WholeFarm, before: Props) -> None:
    other = before.image.with_name("tiny-other.tar")
    shutil.copy(before.image, other)
    for _time in range(2):
        acts.import_image(farm.stage, acts.IMAGE, other, Piece())
    first, second = [one["version"] for one in farm.told("image", "list") if one["name"] == "tiny"]
    assert first < second
