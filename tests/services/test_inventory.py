"""Sites, board types and boards."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface
from pathlib import PurePosixPath
from typing import Any
from uuid import uuid4

import pytest

from boardgrid.adapters.records.sql import SqlRecords
from boardgrid.model.board import BoardType, Boot, DriverSpec, Site
from boardgrid.model.errors import Code, Conflict, Invalid, NotAllowed, NotFound
from boardgrid.model.inventory import BoardDeclared
from boardgrid.model.report import SiteReport
from boardgrid.model.reservation import Group, Kind
from boardgrid.model.wish import Gone, Parked
from boardgrid.services.farm import Farm
from boardgrid.services.views import BoardState
from boardgrid.testing import FakePasswords
from tests.databases import watched
from tests.services.house import HOST_KEY, HOUR, House, a_board


def test_a_new_board_is_free_at_once_for_nobody_was_ever_on_it(house: House) -> None:
    assert house.farm.inventory.board(house.ada, "tk1-1").state is BoardState.FREE
    assert house.wish().wish == Parked()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"name": "tk1"}, Code.NAME_INVALID),
        ({"name": "tk1-01"}, Code.NAME_INVALID),
        ({"name": "rpi4-1"}, Code.TYPE_UNKNOWN),
        ({"site": "moon"}, Code.SITE_UNKNOWN),
        ({"mac": "52:54:00:00:00"}, Code.INVENTORY_INVALID),
        ({"mac": "01:00:5e:00:00:01"}, Code.INVENTORY_INVALID),
        ({"address": IPv4Address("10.21.0.5")}, Code.ADDRESS_INVALID),
        ({"address": IPv4Address("10.20.0.1")}, Code.ADDRESS_INVALID),
        ({"address": IPv4Address("10.20.0.255")}, Code.ADDRESS_INVALID),
        ({"boot": Boot.FLASHED}, Code.INVENTORY_INVALID),
        ({"nfs_path": "/NFSRoot1"}, Code.INVENTORY_INVALID),
        ({"boot": Boot.GRUB, "nfs_path": "/NFSRoot1"}, Code.INVENTORY_INVALID),
        ({"boot": Boot.FLASHED, "nfs_path": "/a/../b"}, Code.INVENTORY_INVALID),
        ({"boot": Boot.FLASHED, "nfs_path": "/a b"}, Code.INVENTORY_INVALID),
        ({"boot": Boot.FLASHED, "nfs_path": "relative"}, Code.INVENTORY_INVALID),
        ({"kernel": "6.1\nappend evil"}, Code.INVENTORY_INVALID),
        ({"power": (DriverSpec("../x"),)}, Code.INVENTORY_INVALID),
        ({"power": (DriverSpec("wol", {"a b": 1}),)}, Code.INVENTORY_INVALID),
    ],
)
def test_a_board_that_cannot_be_is_refused_and_not_recorded(house: House, changes: dict[str, Any], code: Code) -> None:
    with pytest.raises((Invalid, NotFound)) as error:
        house.farm.inventory.put_board(house.admin, a_board(2, **changes))
    assert error.value.code is code
    assert [one.board.name for one in house.farm.inventory.boards(house.admin)] == ["tk1-1"]


def test_who_would_only_add_changes_nothing_that_is_there(house: House) -> None:
    before = house.farm.inventory.board(house.admin, "tk1-1")
    for put in (
        lambda: house.farm.inventory.put_board(house.admin, a_board(1, mac="52-54-00-AB-CD-EF"), only_new=True),
        lambda: house.farm.inventory.put_type(house.admin, BoardType("tk1", "arm64"), only_new=True),
    ):
        with pytest.raises(Conflict) as error:
            put()
        assert error.value.code is Code.NAME_TAKEN
    assert house.farm.inventory.board(house.admin, "tk1-1") == before
    assert house.farm.inventory.put_board(house.admin, a_board(2), only_new=True).board.name == "tk1-2"
    assert house.farm.inventory.put_type(house.admin, BoardType("rpi4", "arm64"), only_new=True).arch == "arm64"


def _nested(deep: int) -> object:
    return ["x"] if deep == 1 else [_nested(deep - 1)]


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("-inf"), "\ud800", {"\udfff": 1}, _nested(500), ["x"] * 2000, "x" * 2000, 1 << 70, {1: {2}}],
    ids=["nan", "inf", "surrogate", "key", "deep", "many", "long", "large", "set"],
)
def test_an_option_that_would_not_come_back_as_it_was_is_refused(house: House, value: object) -> None:
    with pytest.raises(Invalid, match=r"tk1-2: power\.outlet cannot be") as error:
        house.farm.inventory.put_board(house.admin, a_board(2, power=(DriverSpec("fake", {"outlet": value}),)))
    assert error.value.code is Code.INVENTORY_INVALID
    str(error.value).encode()  # it is answered as JSON


def test_options_come_back_as_they_were(house: House) -> None:
    options = {"on": ["outlet", "on", "7"], "deep": {"a": [{"b": -1.5}]}, "flag": True, "none": None, "n": 1 << 62}
    house.farm.inventory.put_board(house.admin, a_board(2, power=(DriverSpec("fake", options),)))
    assert house.standing("tk1-2").board.power == (DriverSpec("fake", options),)


@pytest.mark.parametrize(
    "changes",
    [
        {"arch": "arm hf"},
        {"cmdline": "quiet\nroot=/dev/mmcblk0"},
        {"console": "tty\u00e9"},
        {"fdt": "../../etc/passwd"},
        {"fdt": "/abs.dtb"},
        {"network": "r8169 quiet"},
        {"fdt": "a/b/c/d/e.dtb"},
        {"cmdline": "x" * 601},
        {"cmdline": "quiet "},
        {"console": "ttyS0 evil"},
        {"console": "x" * 81},
        {"boot_s": 0},
        {"boot_s": float("nan")},
        {"boot_s": 1e9},
    ],
)
def test_words_that_would_break_a_boot_file_are_refused(house: House, changes: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as error:
        house.farm.inventory.put_type(house.admin, replace(BoardType("tk1", "armhf"), **changes))
    assert error.value.code is Code.INVENTORY_INVALID and error.value.hint


def test_a_mac_may_be_written_in_any_case_and_with_dashes(house: House) -> None:
    view = house.farm.inventory.put_board(house.admin, a_board(2, mac="52-54-00-AB-CD-EF"))
    assert view.board.mac == "52:54:00:ab:cd:ef"


@pytest.mark.parametrize(
    "changes", [{"mac": "52:54:00:00:00:01"}, {"address": IPv4Address("10.20.0.11")}], ids=["mac", "address"]
)
def test_what_only_one_board_can_have_is_refused_to_a_second(house: House, changes: dict[str, Any]) -> None:
    with pytest.raises(Conflict, match="tk1-1 has it") as error:
        house.farm.inventory.put_board(house.admin, a_board(2, **changes))
    assert error.value.code is Code.ADDRESS_TAKEN


def test_two_flashed_boards_cannot_mount_the_same_path(house: House) -> None:
    house.farm.inventory.put_board(house.admin, a_board(2, boot=Boot.FLASHED, nfs_path="/NFSRoot1"))
    with pytest.raises(Conflict, match="tk1-3 cannot have /NFSRoot1: tk1-2 has it"):
        house.farm.inventory.put_board(house.admin, a_board(3, boot=Boot.FLASHED, nfs_path="/NFSRoot1"))


def test_only_admins_change_the_inventory(house: House) -> None:
    inventory = house.farm.inventory
    for forbidden in (
        lambda: inventory.put_type(house.ada, BoardType("rpi4", "arm64")),
        lambda: inventory.put_board(house.ada, a_board(2)),
        lambda: inventory.remove_board(house.ada, "tk1-1"),
        lambda: inventory.remove_type(house.ada, "tk1"),
        lambda: inventory.fit(house.ada, "tk1-1"),
        lambda: inventory.describe(house.ada, "tk1-1", {}, {}),
        lambda: inventory.apply(house.ada, (), (), dry_run=True),
    ):
        with pytest.raises(NotAllowed) as error:
            forbidden()
        assert error.value.code is Code.ACT_FORBIDDEN


def test_the_options_of_power_drivers_are_for_admins_alone(house: House) -> None:
    assert house.farm.inventory.board(house.admin, "tk1-1").board.power[0].options == {"secret": "outlet"}
    assert house.farm.inventory.board(house.ada, "tk1-1").board.power == (DriverSpec("fake"),)


def test_a_driver_that_is_not_installed_is_refused_where_that_is_known(house: House) -> None:
    def refuse(spec: DriverSpec) -> None:
        raise Invalid(Code.DRIVER_INVALID, "there is no driver {driver}", driver=spec.driver)

    farm = Farm.of(house.records, house.changes, lambda: house.now, passwords=FakePasswords(), check_driver=refuse)
    with pytest.raises(Invalid, match="there is no driver fake"):
        farm.inventory.put_board(house.admin, a_board(2))


def test_what_a_boot_hangs_on_stays_while_somebody_holds_the_board_and_until_it_is_clean(house: House) -> None:
    house.image()
    number = house.opened().reservation.number
    moved = a_board(1, address=IPv4Address("10.20.0.99"))
    with pytest.raises(Conflict, match="ada holds tk1-1 until") as error:
        house.farm.inventory.put_board(house.admin, moved)
    assert error.value.code is Code.THING_IN_USE
    house.farm.booking.release(house.ada, number)
    with pytest.raises(Conflict, match="tk1-1 is being cleaned"):
        house.farm.inventory.put_board(house.admin, moved)
    house.reach()
    before = house.wish().generation
    house.farm.inventory.put_board(house.admin, moved)
    assert house.wish().board.address == IPv4Address("10.20.0.99")
    assert house.wish().generation > before


def test_a_declaration_that_changes_nothing_moves_no_wish(house: House) -> None:
    before = house.wishes
    house.farm.inventory.put_board(house.admin, a_board(1))
    house.farm.inventory.put_type(house.admin, BoardType("tk1", "armhf", console="ttyS0"))
    assert house.wishes == before


def test_a_changed_type_reaches_the_agent_and_restarts_nothing(house: House) -> None:
    house.image()
    house.opened()
    before = house.wishes
    house.farm.inventory.put_type(house.admin, BoardType("tk1", "armhf", console="ttyS1"))
    assert house.wishes.version > before.version
    assert house.wish().type.console == "ttyS1"
    assert house.wish().generation == before.boards[0].generation
    with pytest.raises(Conflict, match="ada holds tk1-1"):
        house.farm.inventory.put_type(house.admin, BoardType("tk1", "arm64"))


def test_a_board_leaves_when_its_agent_says_that_it_is_gone(house: House) -> None:
    house.settle()
    before = house.wish().generation
    house.farm.inventory.remove_board(house.admin, "tk1-1")
    assert house.farm.inventory.board(house.ada, "tk1-1").state is BoardState.GOING
    assert house.wish().wish == Gone() and house.wish().generation > before
    house.image()
    with pytest.raises(Conflict, match="tk1-1 leaves the farm"):
        house.reserve()
    with pytest.raises(Conflict, match="tk1-1 is leaving"):
        house.farm.inventory.put_board(house.admin, a_board(1, kernel="6.1"))
    last = house.wish().generation
    house.reach()
    with pytest.raises(NotFound):
        house.farm.inventory.board(house.ada, "tk1-1")
    house.farm.inventory.put_board(house.admin, a_board(1))
    assert house.wish().generation > last, "an agent may remember what it was told of this name"


def test_a_board_of_a_site_where_no_agent_ever_was_leaves_at_once(house: House) -> None:
    house.farm.inventory.remove_board(house.admin, "tk1-1")
    assert house.farm.inventory.boards(house.ada) == []


def test_a_board_that_is_held_is_not_removed_and_the_sentence_says_by_whom(house: House) -> None:
    house.image()
    house.reserve()
    with pytest.raises(Conflict, match="ada holds tk1-1 until 2026-03-01 13:00 UTC") as error:
        house.farm.inventory.remove_board(house.admin, "tk1-1")
    assert error.value.code is Code.THING_IN_USE


def test_a_type_with_boards_is_not_removed_and_the_sentence_names_them(house: House) -> None:
    with pytest.raises(Conflict, match="these boards are of type tk1: tk1-1"):
        house.farm.inventory.remove_type(house.admin, "tk1")
    house.farm.inventory.remove_board(house.admin, "tk1-1")
    house.farm.inventory.remove_type(house.admin, "tk1")
    with pytest.raises(NotFound):
        house.farm.inventory.type_named(house.ada, "tk1")


def test_boards_come_in_the_order_of_their_numbers(house: House) -> None:
    for number in (10, 2):
        house.farm.inventory.put_board(house.admin, a_board(number))
    assert [one.board.name for one in house.farm.inventory.boards(house.ada)] == ["tk1-1", "tk1-2", "tk1-10"]


# --- apply


TYPES = (BoardType("tk1", "armhf", console="ttyS0"), BoardType("rpi4", "arm64"))


def _declared(*more: BoardDeclared) -> tuple[BoardDeclared, ...]:
    rpi = a_board(7, name="rpi4-7", power=())
    return (a_board(1, kernel="6.1"), rpi, *more)


def test_an_inventory_tells_the_difference_first_and_changes_nothing(house: House) -> None:
    before = house.wishes
    changes = house.farm.inventory.apply(house.admin, TYPES, _declared(), dry_run=True)
    assert [(one.act, one.kind, one.name) for one in changes] == [
        ("add", "board type", "rpi4"),
        ("change", "board", "tk1-1"),
        ("add", "board", "rpi4-7"),
    ]
    assert changes[1].fields == {"kernel": ("", "6.1")}
    assert house.wishes == before and len(house.farm.inventory.types(house.ada)) == 1


def test_an_inventory_is_applied_once_and_then_differs_in_nothing(house: House) -> None:
    assert len(house.farm.inventory.apply(house.admin, TYPES, _declared(), dry_run=False)) == 3
    assert house.farm.inventory.apply(house.admin, TYPES, _declared(), dry_run=False) == ()
    assert [one.board.name for one in house.farm.inventory.boards(house.ada)] == ["rpi4-7", "tk1-1"]


def test_an_inventory_with_one_bad_board_changes_nothing_at_all(house: House) -> None:
    with pytest.raises(Conflict):
        house.farm.inventory.apply(house.admin, TYPES, _declared(a_board(2, mac="52:54:00:00:00:01")), dry_run=False)
    assert [one.name for one in house.farm.inventory.types(house.ada)] == ["tk1"]


def test_two_boards_swap_what_only_one_can_have(house: House) -> None:
    one, two = a_board(1), a_board(2)
    house.farm.inventory.put_board(house.admin, two)
    swapped = (replace(one, mac=two.mac, address=two.address), replace(two, mac=one.mac, address=one.address))
    before = house.wish("tk1-2")
    assert len(house.farm.inventory.apply(house.admin, (), swapped, dry_run=False)) == 2
    assert [one.board.mac for one in house.farm.inventory.boards(house.ada)] == [two.mac, one.mac]
    assert house.wish("tk1-2").generation > before.generation
    with pytest.raises(Conflict, match=r"tk1-2 cannot have .*: tk1-1 has it"):
        house.farm.inventory.apply(house.admin, (), (two,), dry_run=False)


def _many(boards: int) -> tuple[BoardDeclared, ...]:
    return tuple(a_board(number, kernel="6.1") for number in range(1, boards + 1))


@pytest.mark.parametrize("boards", [2, 40])
def test_a_rehearsal_asks_the_records_no_more_often_for_many_boards(house: House, boards: int) -> None:
    assert isinstance(house.records, SqlRecords)
    asked: list[str] = []
    with watched(house.records, asked.append):
        house.farm.inventory.apply(house.admin, TYPES, _many(boards), dry_run=True)
    assert sum(one.startswith("SELECT") for one in asked) < 8


def test_a_rehearsal_waits_for_no_writer(house: House) -> None:
    with house.records.write():
        assert len(house.farm.inventory.apply(house.admin, TYPES, _declared(), dry_run=True)) == 3


def test_an_inventory_does_not_return_a_board_to_service(house: House) -> None:
    with house.records.write() as tx:
        tx.save(house.standing().set_aside("it smokes"))
    assert house.farm.inventory.apply(house.admin, TYPES[:1], (a_board(1),), dry_run=False) == ()
    assert house.farm.inventory.board(house.ada, "tk1-1").state is BoardState.SET_ASIDE


# --- what boards are chosen by


def _described(house: House) -> None:
    """Three boards: two with 2 GB, one of them with a camera, and one with 1 GB and a camera."""
    house.farm.inventory.put_type(house.admin, replace(TYPES[0], properties={"ram_mb": 2048}))
    house.farm.inventory.put_board(house.admin, a_board(1, tags=frozenset({"camera", "can"})))
    house.farm.inventory.put_board(house.admin, a_board(2))
    house.farm.inventory.put_board(house.admin, a_board(3, properties={"ram_mb": 1024}, tags=frozenset({"camera"})))


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, "tk1-1 tk1-2 tk1-3"),
        ({"where": 'ram_mb >= 2048 and tag("camera")'}, "tk1-1"),
        ({"where": "ram_mb < 2048 or number == 2"}, "tk1-2 tk1-3"),
        ({"tags": ["camera"]}, "tk1-1 tk1-3"),
        ({"tags": ["camera", "can"]}, "tk1-1"),
        ({"tags": ["dog"]}, ""),
        ({"type_": "tk1", "site": "lab", "where": "not tag('camera')"}, "tk1-2"),
    ],
)
def test_boards_are_found_by_their_properties_and_tags(house: House, asked: dict[str, Any], found: str) -> None:
    _described(house)
    assert [one.board.name for one in house.farm.inventory.boards(house.ada, **asked)] == found.split()


def test_what_the_farm_does_not_have_is_not_asked_for(house: House) -> None:
    _described(house)
    with pytest.raises(Invalid, match="no board has a property rom_mb") as error:
        house.farm.inventory.boards(house.ada, where="rom_mb >= 2048")
    assert error.value.code is Code.WHERE_INVALID and "did you mean ram_mb?" in error.value.hint
    with pytest.raises(NotFound) as unknown:
        house.farm.inventory.boards(house.ada, type_="rpi5")
    assert unknown.value.code is Code.TYPE_UNKNOWN
    with pytest.raises(NotFound) as nowhere:
        house.farm.inventory.boards(house.ada, site="moon")
    assert nowhere.value.code is Code.SITE_UNKNOWN


def test_a_board_is_shown_with_all_that_an_expression_sees_of_it(house: House) -> None:
    _described(house)
    view = house.farm.inventory.board(house.ada, "tk1-3")
    assert view.facts.properties == {
        "arch": "armhf", "board": "tk1-3", "number": 3, "ram_mb": 1024, "site": "lab", "type": "tk1"
    }  # fmt: skip
    assert view.facts.tags == {"camera"}
    assert house.farm.inventory.type_named(house.ada, "tk1").properties == {"ram_mb": 2048}


def test_its_agent_is_told_nothing_of_what_a_board_is_chosen_by_and_its_user_keeps_it(house: House) -> None:
    house.image()
    house.opened()
    before = house.wishes
    _described(house)
    types = [replace(TYPES[0], properties={"ram_mb": 4096})]
    boards = [a_board(1, properties={"panel": "hdmi"})]
    [type_change, board_change] = house.farm.inventory.apply(house.admin, types, boards, dry_run=False)
    assert type_change.fields == {"properties": ({"ram_mb": 2048}, {"ram_mb": 4096})}
    assert board_change.fields == {"properties": ({}, {"panel": "hdmi"}), "tags": ({"camera", "can"}, frozenset())}
    assert house.wish() == before.boards[0]
    version = house.wishes.version
    house.farm.inventory.describe(house.admin, "tk1-1", {"panel": "dp"}, {"can": True})
    house.farm.inventory.put_board(house.admin, a_board(1, tags=frozenset({"camera"})))
    house.farm.inventory.put_type(house.admin, TYPES[0])
    assert house.wishes.version == version, "nor is it woken"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"properties": {"Ram": 1}}, "properties cannot be 'Ram'"),
        ({"properties": {"1st": 1}}, "properties cannot be '1st'"),
        ({"properties": {"a" * 41: 1}}, "properties cannot be"),
        ({"properties": {"type": "tk2"}}, "no property can be called type"),
        ({"properties": {"tag": 1}}, "no property can be called tag"),
        ({"properties": {"in": 1}}, "no property can be called in"),
        ({"properties": {"x": None}}, r"properties\.x cannot be 'None'"),
        ({"properties": {"x": [1]}}, r"properties\.x cannot be"),
        ({"properties": {"x": float("nan")}}, r"properties\.x cannot be 'nan'"),
        ({"properties": {"x": float("-inf")}}, r"properties\.x cannot be '-inf'"),
        ({"properties": {"x": (1 << 53) + 1}}, r"properties\.x cannot be"),
        ({"properties": {"x": 10**400}}, r"properties\.x cannot be"),
        ({"properties": {"x": "a" * 201}}, r"properties\.x cannot be"),
        ({"properties": {"x": "a\nb"}}, r"properties\.x cannot be"),
        ({"properties": {"x": "\ud800"}}, r"properties\.x cannot be"),
        ({"properties": {f"x{n}": n for n in range(51)}}, "tk1-2 has 51 properties, and 50 are the most"),
        ({"tags": {"Camera"}}, "tags cannot be 'Camera'"),
        ({"tags": {"-x"}}, "tags cannot be '-x'"),
        ({"tags": {""}}, "tags cannot be ''"),
        ({"tags": {f"x{n}" for n in range(51)}}, "tk1-2 has 51 tags, and 50 are the most"),
    ],
)
def test_what_nobody_could_ask_for_is_refused(house: House, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Invalid, match=sentence) as error:
        house.farm.inventory.put_board(house.admin, a_board(2, **changes))
    assert error.value.code is Code.INVENTORY_INVALID
    error.value.detail.encode()
    if "properties" in changes:
        with pytest.raises(Invalid):
            house.farm.inventory.put_type(house.admin, BoardType("rpi4", "arm64", properties=changes["properties"]))


# --- sites


def test_a_farm_with_several_sites_wants_to_be_told_which(house: House) -> None:
    house.farm.inventory.put_site(Site("moon", server=IPv4Interface("10.30.0.1/24")))
    with pytest.raises(Invalid, match="2 sites and none was named"):
        house.farm.inventory.put_board(house.admin, a_board(2))
    view = house.farm.inventory.put_board(house.admin, a_board(2, site="moon", address=IPv4Address("10.30.0.5")))
    assert view.board.site == "moon"
    with pytest.raises(Invalid, match="tk1-2 is at site moon and cannot move to lab"):
        house.farm.inventory.put_board(house.admin, a_board(2, site="lab"))
    # A board that is recorded keeps its site where none is named.
    house.farm.inventory.put_board(house.admin, a_board(1, kernel="6.1"))


def test_a_site_is_shown_with_what_its_agent_and_gateway_told(house: House) -> None:
    [before] = house.farm.inventory.sites(house.ada)
    assert (before.agent_seen_s, before.gateway, before.store_bytes) == (None, None, 0)
    site = Site("lab", "farm.example", "br0", IPv4Interface("10.20.0.1/24"))
    house.tell(SiteReport(uuid4(), site, 1000, 600, "the NFS server does not answer"))
    house.farm.doors.hello("lab", "127.0.0.1", 2222, HOST_KEY)
    [after] = house.farm.inventory.sites(house.ada)
    assert (after.site, after.agent_seen_s, after.free_bytes) == (site, 0.0, 600)
    assert after.trouble == "the NFS server does not answer"
    assert after.gateway is not None and (after.gateway.host, after.gateway.port) == ("127.0.0.1", 2222)


def test_an_nfs_path_is_a_path_wherever_it_is_shown(house: House) -> None:
    view = house.farm.inventory.put_board(house.admin, a_board(2, boot=Boot.FLASHED, nfs_path="/srv/NFSRoot1"))
    assert view.board.nfs_path == PurePosixPath("/srv/NFSRoot1")


def test_a_board_that_joins_and_is_given_at_once_never_comes_back_below_its_generation(house: House) -> None:
    house.image()
    house.reserve(house.ada, board="tk1-1")
    house.farm.booking.reserve(house.bob, groups=[Group(type="tk1")], image="tiny", for_=HOUR, kind=Kind.BEST_EFFORT)
    house.farm.inventory.put_board(house.admin, a_board(2))
    assert house.wish("tk1-2").generation <= house.wishes.version
