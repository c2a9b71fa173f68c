"""What the kernel's exports leave on the server's own root; tests/contract has them for real, in a virtual machine."""

from ipaddress import IPv4Address
from pathlib import Path, PurePosixPath

import pytest

from boardgrid.adapters.exports.knfsd import KernelExports
from boardgrid.model.errors import Code, Conflict, Invalid
from boardgrid.ports import Export

BOARD, OTHER = IPv4Address("10.77.0.21"), IPv4Address("10.77.0.22")


class Exportfs:
    """The machine's list of exports, as exportfs(8) keeps it."""

    def __init__(self) -> None:
        self.table: dict[tuple[str, str], str] = {}

    async def run(self, *argv: str, timeout_s: float = 30, stdin: bytes = b"") -> str:
        match argv:
            case ("exportfs", "-o", options, export):
                client, _colon, tree = export.partition(":")
                self.table[tree, client] = options
            case ("exportfs", "-u", export):
                client, _colon, tree = export.partition(":")
                del self.table[tree, client]
            case ("exportfs", "-s"):
                return "".join(f"{tree}  {client}({words})\n" for (tree, client), words in self.table.items())
        return ""


class Machine:
    def __init__(self, folder: Path) -> None:
        self.top, self._mirror, self._nfsd = folder / "top", folder / "exports.d", folder / "nfsd"
        self._exportfs = Exportfs()
        for made in (self.top, self._nfsd):
            made.mkdir()
        (self._nfsd / "threads").write_text("8\n")
        (self._nfsd / "versions").write_text("-2 +3 -4 -4.0 -4.1 -4.2\n")

    def exports(self, store: Path = Path("/store")) -> KernelExports:
        """As an agent has them that comes to this store."""
        return KernelExports(self._exportfs, store, self._mirror, self.top, self._nfsd)

    @property
    def seen(self) -> set[str]:
        return {str(path.relative_to(self.top)) for path in self.top.rglob("*")}

    @property
    def kept(self) -> list[str]:
        return [path.name for path in self._mirror.iterdir()]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


async def test_what_was_made_for_a_root_goes_with_it_also_by_the_hand_of_a_later_agent(machine: Machine) -> None:
    path = PurePosixPath("/r/root/deployment")
    await machine.exports().add(Path("/store/one"), BOARD, path)
    await machine.exports().add(Path("/store/one"), BOARD, path)
    assert machine.seen == {"r", "r/root", "r/root/deployment"}
    assert await machine.exports().all() == {Export(BOARD, path, Path("/store/one"))}
    await machine.exports().remove(path)
    assert machine.seen == set()
    assert machine.kept == []


async def test_a_folder_that_was_there_before_stays_also_when_it_is_empty(machine: Machine) -> None:
    (machine.top / "srv/nfs").mkdir(parents=True)
    path = PurePosixPath("/srv/nfs/tk1")
    await machine.exports().add(Path("/store/one"), BOARD, path)
    await machine.exports().remove(path)
    assert machine.seen == {"srv", "srv/nfs"}


async def test_a_folder_that_other_roots_are_in_stays_as_long_as_they_do(machine: Machine) -> None:
    exports = machine.exports()
    one, two = PurePosixPath("/r/root/one"), PurePosixPath("/r/root/two")
    await exports.add(Path("/store/one"), BOARD, one)
    await exports.add(Path("/store/two"), OTHER, two)
    await exports.remove(one)
    assert machine.seen == {"r", "r/root", "r/root/two"}


async def test_a_folder_may_be_a_link_and_the_first_fence_does_it_all(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (machine.top / "boards").symlink_to(tmp_path / "disk")
    path = PurePosixPath("/boards/tk1")
    await machine.exports().add(Path("/store/one"), BOARD, path)
    await machine.exports().remove(path)
    assert machine.seen == {"boards"}
    assert machine.kept == []
    assert await machine.exports().all() == set()


async def test_a_folder_that_became_something_else_meanwhile_keeps_nobody_from_fencing(
    machine: Machine, tmp_path: Path
) -> None:
    path = PurePosixPath("/boards/tk1")
    await machine.exports().add(Path("/store/one"), BOARD, path)
    (machine.top / "boards").rename(tmp_path / "disk")
    (machine.top / "boards").symlink_to(tmp_path / "disk")
    await machine.exports().remove(path)
    assert machine.seen == {"boards"}
    assert machine.kept == []


async def test_another_farm_on_this_machine_is_neither_told_of_nor_fenced(machine: Machine) -> None:
    ours, theirs, path = machine.exports(), machine.exports(Path("/their/store")), PurePosixPath("/r/root/deployment")
    offered = Export(BOARD, path, Path("/their/store/one"))
    await theirs.add(offered.tree, offered.board, offered.seen_as)
    assert await ours.all() == set()
    await ours.remove(path)
    assert await theirs.all() == {offered}


async def test_a_path_that_another_farm_shows_its_board_is_refused_and_stays_theirs(machine: Machine) -> None:
    ours, theirs, path = machine.exports(), machine.exports(Path("/their/store")), PurePosixPath("/NFSRoot1")
    await theirs.add(Path("/their/store/one"), BOARD, path)
    with pytest.raises(Conflict) as refused:
        await ours.add(Path("/store/one"), OTHER, path)
    assert refused.value.code is Code.EXPORT_TAKEN
    assert (machine.top / "NFSRoot1").readlink() == Path("/their/store/one")
    assert await theirs.all() == {Export(BOARD, path, Path("/their/store/one"))}
    assert await ours.all() == set()


async def test_what_is_not_in_the_store_is_never_offered_for_nobody_would_fence_it(machine: Machine) -> None:
    with pytest.raises(Invalid, match="/elsewhere/one"):
        await machine.exports().add(Path("/elsewhere/one"), BOARD, PurePosixPath("/r/root/deployment"))
    assert machine.seen == set()
