"""Drivers as an inventory declares them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from boardgrid.adapters.driverbook import GROUP, DriverBook, installed
from boardgrid.drivers.pdudaemon import PduDaemon
from boardgrid.drivers.ssh import SshReboot
from boardgrid.model.board import Board, DriverSpec
from boardgrid.model.errors import Code, Invalid
from boardgrid.ports import SwitchesOn, Tools
from boardgrid.testing import FakeClock, FakeShell, a_board
from tests.drivers.bench import LOOPBACK, SITE


@dataclass(frozen=True, slots=True, kw_only=True)
class Lamp:
    """Another package's driver."""

    room: str
    watts: float = 5.0
    tools: Tools = field(repr=False)

    def __post_init__(self) -> None:
        if self.watts < 0:
            raise ValueError("watts should not be below 0")

    async def on(self) -> None: ...


def not_a_class() -> None: ...


def book(**more: str) -> DriverBook:
    points = {name: EntryPoint(name, value, GROUP) for name, value in more.items()}
    return DriverBook(SITE, FakeShell(), FakeClock(), points={**installed(), **points})


LAMPS = book(
    lamp=f"{__name__}:Lamp",
    odd=f"{__name__}:not_a_class",
    gone="no_such_package.outlets:Outlet",
)


def a_board_with(*power: tuple[str, dict[str, Any]]) -> Board:
    return a_board(1, power=tuple(DriverSpec(driver, options) for driver, options in power))


def types(drivers: Sequence[object]) -> list[str]:
    return [type(driver).__name__ for driver in drivers]


def test_our_own_are_found_by_entry_point_and_come_in_the_inventorys_order() -> None:
    board = a_board_with(
        ("ssh", {}),
        ("pdudaemon", {"pdu": "apc", "outlet": 7}),
        ("command", {"on": ["relay", "1"]}),
        ("wol", {"raw": True}),
        ("qemu", {}),
    )
    assert types(book().of(board)) == ["SshReboot", "PduDaemon", "Command", "WakeOnLan", "VirtualBoard"]


def test_somebody_elses_are_found_alike() -> None:
    (lamp,) = LAMPS.of(a_board_with(("lamp", {"room": "kitchen"})))
    assert isinstance(lamp, SwitchesOn)
    assert repr(lamp) == "Lamp(room='kitchen', watts=5.0)"


def test_each_gets_the_tools_of_its_board() -> None:
    (driver,) = book().of(a_board_with(("pdudaemon", {"pdu": "apc", "outlet": 7})))
    assert isinstance(driver, PduDaemon)
    assert (driver.tools.board.name, driver.tools.site, driver.outlet) == ("tk1-1", SITE, 7)


@pytest.mark.parametrize(
    ("driver", "options", "complaint", "hint"),
    [
        ("ipmi", {}, "tk1-1: there is no driver 'ipmi'", "there are: command, gone, lamp, odd, pdudaemon"),
        ("lamp", {"rom": "x"}, "tk1-1: driver lamp: there is no key 'rom', did you mean 'room'?", "room, watts"),
        ("lamp", {"tools": 1}, "tk1-1: driver lamp: there is no key 'tools'", "room, watts"),
        ("ssh", {"_hold": 1}, "tk1-1: driver ssh: there is no key '_hold'", "port, timeout_s"),
        ("lamp", {}, "tk1-1: driver lamp: the key 'room' is missing", "room, watts"),
        ("lamp", {"room": 7}, "tk1-1: driver lamp: room: should be text", ""),
        ("lamp", {"room": "x", "watts": "5"}, "tk1-1: driver lamp: watts: should be a number", ""),
        ("lamp", {"room": "x", "watts": -1}, "tk1-1: driver lamp: watts should not be below 0", ""),
        ("command", {"on": "relay 1"}, "tk1-1: driver command: on: should be a list", ""),
        ("command", {"on": ["relay", 1]}, "tk1-1: driver command: on: should be text", ""),
        ("command", {}, "tk1-1: driver command: one of on, off, reset, state should be there", ""),
        ("pdudaemon", {"pdu": "a", "outlet": 1, "host": "a/b"}, "host should be a host name", ""),
        ("odd", {}, "tk1-1: driver odd: its entry point is no dataclass", ""),
        ("gone", {}, "tk1-1: driver gone: it cannot be loaded", ""),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(
    driver: str, options: dict[str, object], complaint: str, hint: str
) -> None:
    with pytest.raises(Invalid) as refused:
        LAMPS.of(a_board_with((driver, options)))
    assert refused.value.code is Code.DRIVER_INVALID
    assert complaint in str(refused.value)
    assert hint in refused.value.hint


@pytest.mark.parametrize(
    ("driver", "options"),
    [
        ("lamp", {"room": ["s3cret"]}),
        ("lamp", {"room": {"s3cret": "s3cret"}}),
        ("lamp", {"room": "x", "watts": "s3cret"}),
        ("command", {"on": "curl --user me:s3cret http://pdu"}),
        ("command", {"on": ["curl", "--user", {"me": "s3cret"}]}),
        ("command", {"on": ["curl"], "off": ["s3cret", "\0"]}),
        ("pdudaemon", {"pdu": "a", "outlet": "s3cret"}),
        ("pdudaemon", {"pdu": "a", "outlet": 1, "host": "me:s3cret@pdu"}),
    ],
)
def test_what_stands_in_a_key_is_told_to_nobody(driver: str, options: dict[str, object]) -> None:
    """The sentence becomes the site's trouble, and everybody sees that; options may be outlets' passwords."""
    with pytest.raises(Invalid) as refused:
        LAMPS.of(a_board_with((driver, options)))
    assert "s3cret" not in f"{refused.value} {refused.value.hint}"


def test_a_driver_is_made_once_so_that_it_may_keep_a_connection() -> None:
    drivers, board = book(), a_board_with(("ssh", {}), ("wol", {}))
    first = drivers.of(board)
    assert drivers.of(replace(board, set_aside="it burns")) is first
    changed = replace(board, power=(DriverSpec("qemu"), *board.power))
    assert drivers.of(changed)[1] is first[0]
    moved = replace(board, address=LOOPBACK)
    (ssh, _wol) = drivers.of(moved)
    assert isinstance(ssh, SshReboot)
    assert ssh is not first[0]
    assert ssh.tools.board.address == LOOPBACK


def test_two_boards_share_nothing() -> None:
    drivers = book()
    one, two = (a_board(number, power=(DriverSpec("ssh"),)) for number in (1, 2))
    assert drivers.of(one)[0] is not drivers.of(two)[0]
