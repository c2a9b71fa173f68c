"""Volumes stand in a board's fstab for one deployment, and what else is there is left alone."""

import os
from pathlib import Path

import pytest

from boardgrid.adapters.store.adaptations import adapt, volumes
from boardgrid.adapters.store.adaptations.hand import Hand
from boardgrid.adapters.store.adaptations.identity import Tenant
from boardgrid.adapters.store.tree import TreeDir, TreePath
from boardgrid.model.adaptation import Moment

SOURCE = "10.20.0.1:/v/0192f3a1-0000-7000-8000-000000000001-0192f3a1-0000-7000-8000-000000000002"
LATER = SOURCE.replace("0192f3a1", "0192f3a9", 1)
LINE = f"{SOURCE}\t/data\tnfs\tvers=3,proto=tcp,nolock,hard\t0\t0\n"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="files of a tree are root's")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    return tmp_path


def write(tree: Path, wanted: dict[str, str]) -> str:
    with TreeDir(TreePath(str(tree))) as opened:
        volumes.mount_volumes(Hand(opened), Tenant("tk1-1", "", [], {}, {}, volumes=wanted))
    file = tree / "etc/fstab"
    return file.read_text() if file.exists() else ""


def test_a_volume_is_mounted_at_a_folder_that_is_made_for_it(tree: Path) -> None:
    assert write(tree, {"/data": SOURCE}) == LINE
    assert (tree / "data").is_dir()
    assert write(tree, {"/home/ada": SOURCE}) == LINE.replace("/data", "/home/ada")
    assert (tree / "home/ada").is_dir()


def test_the_next_deployment_has_its_own_lines_and_the_users_stay(tree: Path) -> None:
    (tree / "etc/fstab").write_text("tmpfs /tmp tmpfs defaults 0 0\n10.20.0.1:/srv/tools /srv/tools nfs ro 0 0")
    before = write(tree, {})
    write(tree, {"/data": SOURCE, "/home/ada": SOURCE})
    assert write(tree, {"/data": LATER}) == f"{before}\n{LINE.replace(SOURCE, LATER)}"
    assert write(tree, {}) == f"{before}\n"


def test_without_volumes_no_fstab_is_made(tree: Path) -> None:
    assert write(tree, {}) == ""
    assert not (tree / "etc/fstab").exists()


def test_systemd_mounts_it_when_somebody_looks_there_and_boots_without_it(tree: Path) -> None:
    (tree / "usr/lib/systemd").mkdir(parents=True)
    (tree / "usr/lib/systemd/systemd").write_text("")
    (tree / "lib").symlink_to("usr/lib")
    assert ",addr=10.20.0.1,_netdev,nofail,x-systemd.automount" in write(tree, {"/data": SOURCE})


def test_what_lies_where_a_volume_is_mounted_stays_below_it(tree: Path) -> None:
    (tree / "data").mkdir()
    (tree / "data/old").write_text("here")
    assert write(tree, {"/data": SOURCE}) == LINE
    assert (tree / "data/old").read_text() == "here"


def test_a_board_goes_without_a_volume_where_something_else_is_in_its_place(tree: Path) -> None:
    (tree / "data").write_text("no folder")
    assert write(tree, {"/data": SOURCE}) == ""
    assert (tree / "data").read_text() == "no folder"


def test_a_link_in_a_tree_leads_no_folder_out_of_it(tree: Path, tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    (tree / "home").symlink_to(outside)
    write(tree, {"/home/ada": SOURCE})
    assert list(outside.iterdir()) == []


def test_an_image_that_is_made_of_a_root_knows_nothing_of_its_volumes(tree: Path) -> None:
    (tree / "etc/fstab").write_text("proc /proc proc defaults 0 0\n")
    write(tree, {"/data": SOURCE})
    with TreeDir(TreePath(str(tree))) as opened:
        assert [one.name for one in adapt(opened, Moment.CAPTURE, ())] == ["volumes"]
    assert (tree / "etc/fstab").read_text() == "proc /proc proc defaults 0 0\n"
