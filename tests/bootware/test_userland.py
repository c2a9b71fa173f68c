import pytest

from boardgrid.bootware.tree import Tree
from boardgrid.bootware.userland import Userland, applets
from boardgrid.model.errors import Fault


def test_busybox_is_there_under_each_of_its_names(userland: Userland) -> None:
    tree = Tree()
    userland.busybox(tree)
    links = {entry.path: entry.target for entry in tree if entry.target}
    assert links["bin/sh"] == links["bin/["] == links["bin/udhcpc"] == "busybox"
    assert links["sbin/init"] == "../bin/busybox"
    assert "bin/busybox" not in links


def test_a_program_that_is_no_busybox_is_refused() -> None:
    with pytest.raises(Fault, match="does not list the programs"):
        applets(b"\x7fELF\0something else\0")


def test_ssh_comes_with_the_libraries_it_needs_and_no_others(userland: Userland) -> None:
    tree = Tree()
    userland.dropbear(tree)
    paths = {entry.path for entry in tree}
    assert {"sbin/dropbear", "bin/dropbearkey", "lib/ld-linux-armhf.so.3"} <= paths
    libraries = {path.rpartition("/")[2] for path in paths if path.startswith("lib/arm-linux-gnueabihf/")}
    assert libraries == {"libc.so.6", "libz.so.1", "ld-linux-armhf.so.3"}


def test_a_program_that_no_package_has_is_named(userland: Userland) -> None:
    lacking = Userland("armhf", {name: path for name, path in userland.packages.items() if "dropbear" not in name})
    with pytest.raises(Fault, match="none of the fetched packages has /usr/sbin/dropbear"):
        lacking.dropbear(Tree())
