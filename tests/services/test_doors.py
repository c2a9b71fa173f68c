"""What a gateway may ask."""

from datetime import timedelta
from ipaddress import IPv4Address

import pytest

from boardgrid.model.board import Site
from boardgrid.model.errors import Code, Invalid, NotFound
from boardgrid.ports import Route, wishes_of
from tests.services.house import HOST_KEY, HOUR, KEY_A, KEY_B, House, a_board

ROUTE = Route(IPv4Address("10.20.0.11"), 22)


def _is_open(house: House, key: str = KEY_A, board: str = "tk1-1", site: str = "lab") -> bool:
    try:
        return house.farm.doors.route(site, key, board) == ROUTE
    except NotFound as error:
        assert error.code is Code.ROUTE_UNKNOWN
        return False


def test_a_key_tells_its_user(house: House) -> None:
    assert house.farm.doors.user_of_key(KEY_A) == "ada"
    assert house.farm.doors.user_of_key(f"{KEY_B} bob@laptop") == "bob"
    for key in ("", "nonsense", HOST_KEY):
        with pytest.raises(NotFound):
            house.farm.doors.user_of_key(key)


def test_the_way_to_a_board_is_open_to_its_user_while_it_is_open(house: House) -> None:
    house.image()
    assert not _is_open(house)
    number = house.reserve().reservation.number
    assert not _is_open(house), "it is being prepared"
    house.reach()
    assert _is_open(house)
    assert _is_open(house, board="tk1-1.lab.boardgrid")
    assert not _is_open(house, KEY_B) and not _is_open(house, HOST_KEY) and not _is_open(house, "nobody's")
    house.farm.booking.release(house.ada, number)
    assert not _is_open(house)


@pytest.mark.parametrize("board", ["", "tk1-2", "10.20.0.11", "tk1-1.lab", "tk1-1.moon.boardgrid", "127.0.0.1", "*"])
def test_only_names_of_boards_lead_anywhere(house: House, board: str) -> None:
    house.image()
    house.opened()
    assert not _is_open(house, board=board)


def test_a_reservation_is_over_with_its_time_though_nobody_has_ended_it_yet(house: House) -> None:
    house.image()
    house.opened()
    house.now += HOUR - timedelta(microseconds=1)
    assert _is_open(house)
    house.now += timedelta(microseconds=1)
    assert not _is_open(house)
    assert house.farm.doors.holdings("lab").pairs == frozenset()


def test_a_gateway_leads_to_boards_of_its_own_site_alone(house: House) -> None:
    house.image()
    house.opened()
    house.farm.inventory.put_site(Site("moon"))
    assert not _is_open(house, site="moon") and not _is_open(house, site="mars")
    assert house.farm.doors.holdings("moon").pairs == frozenset()


def test_holdings_tell_who_is_let_through_and_change_with_their_version(house: House) -> None:
    house.image()
    house.farm.inventory.put_board(house.admin, a_board(2))
    before = house.farm.doors.holdings("lab")
    assert before.pairs == frozenset()
    number = house.opened().reservation.number
    house.reserve(house.bob, board="tk1-2")
    mark = house.changes.mark(wishes_of("lab"))
    opened = house.farm.doors.holdings("lab")
    assert opened.pairs == {(KEY_A, "tk1-1")} and opened.version != before.version
    house.farm.booking.release(house.ada, number)
    ended = house.farm.doors.holdings("lab")
    assert ended.pairs == frozenset() and ended.version != opened.version
    assert house.changes.mark(wishes_of("lab")) > mark


def test_a_gateway_that_nobody_can_reach_is_refused(house: House) -> None:
    for host, port in (("", 22), ("a b", 22), ("gw", 0), ("gw", 65536), ("gw\n", 22)):
        with pytest.raises(Invalid):
            house.farm.doors.hello("lab", host, port, HOST_KEY)
    with pytest.raises(Invalid):
        house.farm.doors.hello("lab", "gw", 22, "no key")
    with pytest.raises(NotFound):
        house.farm.doors.hello("moon", "gw", 22, HOST_KEY)


def test_a_suspended_user_opens_nothing_and_the_gateway_hears_of_it(house: House) -> None:
    house.image()
    house.opened()
    before, mark = house.farm.doors.holdings("lab"), house.changes.mark(wishes_of("lab"))
    house.farm.accounts.suspend(house.admin, "ada")
    held = house.farm.doors.holdings("lab")
    assert held.version > before.version and held.pairs == frozenset()
    assert house.changes.mark(wishes_of("lab")) > mark
    assert not _is_open(house)
    with pytest.raises(NotFound):
        house.farm.doors.user_of_key(KEY_A)
    house.farm.accounts.restore(house.admin, "ada")
    assert _is_open(house) and house.farm.doors.holdings("lab").pairs == before.pairs
