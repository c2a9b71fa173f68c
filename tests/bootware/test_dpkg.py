"""In which order packages are set up that lie in a tree already."""

from collections.abc import Sequence

import pytest

from boardgrid.bootware.dpkg import Package, check_apart, in_order
from boardgrid.bootware.packages import Act
from boardgrid.model.errors import Code, Invalid


def package(name: str, *, before: str = "", has_script: bool = False) -> Package:
    stanza = f"Package: {name}\nArchitecture: armhf\n" + (f"Pre-Depends: {before}\n" if before else "")
    return Package({"control": stanza.encode(), **({"preinst": b"#!/bin/sh\n"} if has_script else {})}, ("",))


def lines(acts: str, *packages: Package) -> Sequence[str]:
    """*acts*, as apt has them: +name unpacks, =name sets up."""
    told = [Act(word[1:], word[0] == "=") for word in acts.split()]
    return in_order(told, {one.name: one for one in packages}).splitlines()


USERS, LIBRARY = package("adduser", before="libc6", has_script=True), package("libc6")
SERVER = package("server", before="libc6 (>= 2.36), adduser", has_script=True)


def test_who_needs_another_before_being_unpacked_is_prepared_when_that_is_set_up() -> None:
    assert lines("+libc6 =libc6 +adduser =adduser +server =server", SERVER, USERS, LIBRARY) == [
        "configure libc6",
        "prepare adduser",
        "configure adduser",
        "prepare server",
    ]


def test_nothing_is_set_up_sooner_than_another_needs_it() -> None:
    others = [package("tool", has_script=True), package("silent", before="tool"), package("z", has_script=True)]
    assert lines("+libc6 =libc6 +tool =tool +silent =silent +z =z", LIBRARY, *others) == ["prepare tool", "prepare z"]


@pytest.mark.parametrize(
    ("before", "is_met"),
    [
        ("libc6 (>= 2.36)", True),
        ("other | libc6", True),
        ("libc6:any", True),
        ("libc6, other", False),
        ("a-virtual-one", False),
        ("", True),
    ],
)
def test_one_of_each_of_its_alternatives_is_enough(before: str, is_met: bool) -> None:
    assert package("x", before=before).may_be_unpacked({"libc6"}) is is_met


def test_a_field_may_go_on_in_the_next_line() -> None:
    stanza = "Package: x\nPre-Depends: libc6,\n other (>= 1)\nDescription: x\n"
    assert not Package({"control": stanza.encode()}, ("",)).may_be_unpacked({"libc6"})


# --- two that have a file at one place


def having(name: str, *paths: str) -> Package:
    folders = {path.rstrip("/") for path in paths if path.endswith("/")}
    stanza = f"Package: {name}\nArchitecture: armhf\n"
    return Package({"control": stanza.encode()}, ("", *(path.rstrip("/") for path in paths)), folders)


@pytest.mark.parametrize("place", ["bin/zcat", "usr/bin/zcat"])
def test_a_package_that_puts_its_file_in_the_place_of_anothers_is_refused_by_their_names(place: str) -> None:
    with pytest.raises(
        Invalid, match=r"packages: zutils puts its own /bin/zcat in the place of that of gzip"
    ) as raised:
        check_apart([having("gzip", "bin/", place), having("zutils", "bin/", "bin/zcat")])
    assert raised.value.code is Code.RECIPE_INVALID and "leave out" in raised.value.hint


def test_folders_are_everybodys() -> None:
    check_apart([having("systemd", "etc/systemd/system/", "lib/x"), having("init", "etc/systemd/system/", "opt/lib/x")])
