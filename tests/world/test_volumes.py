"""Volumes with real boards: shared by those of one user, closed to all others, and in no image that is kept."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from boardgrid.demo.stage import Person
from boardgrid.model.errors import Fault
from tests.world.farm import WholeFarm, wait_until, whole_farm

pytestmark = [pytest.mark.world, pytest.mark.boards, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def farm() -> Iterator[WholeFarm]:
    with whole_farm() as farm:
        yield farm


def says(farm: WholeFarm, board: str, command: str, what: str) -> None:
    """Wait until a command on ada's board says that: volumes are mounted while the board is up already."""

    def is_said() -> bool:
        with suppress(Fault):
            return farm.on_board(board, command) == what
        return False

    wait_until(is_said, 120, f"{command} on {board}")


def source_on(farm: WholeFarm, board: str) -> str:
    """What a board of ada's mounts her volume from."""
    [line] = [line for line in farm.on_board(board, "cat /etc/fstab").splitlines() if "/v/" in line]
    return line.split()[0]


def mounted_by(farm: WholeFarm, person: Person, board: str, source: str) -> bool:
    mount = f"mkdir -p /tmp/stolen; mount -t nfs -o vers=3,proto=tcp,nolock,soft,retrans=1 {source} /tmp/stolen"
    try:
        farm.stage.boardgrid(person, "ssh", "-i", str(person.key), board, "--", f"{mount} && ls /tmp/stolen")
    except Fault:
        return False
    return True


def test_what_is_written_on_one_board_is_on_the_other_and_with_nobody_else(farm: WholeFarm, tmp_path: Path) -> None:
    bob = farm.newcomer("bob", tmp_path)
    farm.ada("volume", "create", "home", "100MB")
    numbers = {board: farm.begin(board, "--image", "tiny") for board in ("tk1-1", "tk1-2")}
    for number in numbers.values():
        farm.opened(number)
    says(farm, "tk1-1", "grep -c ' /home/ada nfs ' /proc/mounts", "1\n")
    farm.on_board("tk1-1", "echo mine > /home/ada/notes; sync")
    says(farm, "tk1-2", "cat /home/ada/notes", "mine\n")
    assert sorted(farm.told("volume", "show", "home")["boards"]) == ["tk1-1", "tk1-2"]

    # The first is given back, and bob's from then on: he gets at neither what it had nor what ada's other one has.
    sources = [source_on(farm, board) for board in numbers]
    farm.ada("release", str(numbers["tk1-1"]), "--discard", "--yes")
    farm.free("tk1-1")
    theirs = int(farm.told("reserve", "tk1-1", "--image", "tiny", "--for", "1h", "--no-wait", person=bob)["number"])
    farm.opened(theirs, bob)
    for source in sources:
        assert not mounted_by(farm, bob, "tk1-1", source)
    assert farm.on_board("tk1-2", "cat /home/ada/notes") == "mine\n"
    farm.stage.boardgrid(bob, "release", str(theirs), "--discard", "--yes")

    # It grows only when no board has it, where this machine lets nobody resize what is mounted.
    farm.ada("release", str(numbers["tk1-2"]), "--keep", "kept")
    wait_until(lambda: farm.told("image", "show", "kept")["state"] == "ready", 120, "the kept image is ready")
    farm.free("tk1-1", "tk1-2")
    farm.ada("volume", "resize", "home", "200MB")

    # What was kept has nothing of the volume; the board that boots it has it as any other.
    farm.reserve("tk1-1", "--image", "kept")
    says(farm, "tk1-1", "cat /home/ada/notes", "mine\n")
    assert farm.on_board("tk1-1", "grep -c /v/ /etc/fstab") == "1\n"
    assert farm.on_board("tk1-1", "umount /home/ada && ls -A /home/ada") == ""
    with pytest.raises(Fault):
        farm.ada("volume", "remove", "home", "--yes")
    farm.tidy()
    farm.ada("volume", "remove", "home", "--yes")
    assert farm.told("volume", "show", "home")["state"] == "aside"
