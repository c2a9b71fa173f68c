"""Who has to go when too many want to come in."""

from dataclasses import dataclass, field

from boardgrid.gateway.limits import Limits
from boardgrid.gateway.lobby import Lobby
from boardgrid.gateway.session import Session


@dataclass(eq=False)
class Caller:
    address: str
    user: str | None = None
    key: str = ""
    sessions: set[Session] = field(default_factory=set)
    opening: int = 0
    has_left: bool = False

    def leave(self, reason: str) -> None:
        self.has_left = True


def came(lobby: Lobby, *addresses: str) -> list[Caller]:
    callers = [Caller(address) for address in addresses]
    for caller in callers:
        lobby.enter(caller)
    return callers


def test_an_address_at_its_limit_makes_room_for_itself() -> None:
    lobby = Lobby(Limits(strangers=10, strangers_per_address=2))
    other, first, second, third = came(lobby, "a", "b", "b", "b")
    assert [one.has_left for one in (other, first, second, third)] == [False, True, False, False]


def test_two_addresses_that_fill_the_lobby_keep_nobody_else_out() -> None:
    lobby = Lobby(Limits(strangers=4, strangers_per_address=2))
    hostile = came(lobby, "a", "a", "b", "b")
    [friend] = came(lobby, "c")
    came(lobby, *"ababab")
    assert not friend.has_left
    assert all(one.has_left for one in hostile)


def test_the_oldest_of_the_busiest_address_goes_first() -> None:
    lobby = Lobby(Limits(strangers=4, strangers_per_address=3))
    lonely, first, second, third, friend = came(lobby, "a", "b", "b", "b", "c")
    assert [one.has_left for one in (lonely, first, second, third, friend)] == [False, True, False, False, False]


def test_nobody_who_has_proven_a_key_has_to_go() -> None:
    lobby = Lobby(Limits(strangers=2, strangers_per_address=2))
    [ada] = came(lobby, "a")
    ada.user = "ada"
    came(lobby, *"aaaaaaaa")
    assert not ada.has_left


def test_many_people_behind_one_address_have_each_their_own_share() -> None:
    lobby = Lobby(Limits(sessions_per_user=32))
    for name in ("ada", "bob", "eve", "joe", "kim", "lea"):
        [guest] = came(lobby, "a")
        guest.user, guest.opening = name, 31
    assert lobby.has_room_for_session("ada")
    next(iter(lobby.guests)).opening += 1
    assert not lobby.has_room_for_session("ada")
