"""Who changed what, from where, and what it was before."""

from dataclasses import replace
from datetime import timedelta

import pytest

from boardgrid.adapters.records.sql import SqlRecords
from boardgrid.model.audit import AuditEntry
from boardgrid.model.errors import Conflict, NotAllowed
from boardgrid.model.user import Role
from boardgrid.services.booking import Fate
from tests.databases import watched
from tests.services.house import HOUR, House, a_board


def since(house: House, number: int = 0, **how: object) -> list[AuditEntry]:
    return house.farm.audit.after(house.admin, number, **how)  # type: ignore[arg-type]


def last(house: House) -> int:
    return max((one.number for one in since(house)), default=0)


def test_an_act_is_told_with_who_from_where_and_what_it_was_before(house: House) -> None:
    asker = house.farm.tokens.asker(house.farm.tokens.create(house.admin, "x").clear.reveal(), "192.0.2.7")
    number = last(house)
    house.farm.accounts.give_role(asker, "bob", Role.OPERATOR)
    [entry] = since(house, number)
    assert entry.at == house.now
    assert (entry.who, entry.name, entry.token, entry.origin) == (house.admin.id, "root", asker.token, "192.0.2.7")
    assert (entry.act, entry.thing) == ("user.role", "user:bob")
    assert (entry.before, entry.after) == ({"role": "user"}, {"role": "operator"})


def test_a_reservation_is_told_as_it_begins_and_as_it_ends(house: House) -> None:
    house.image()
    number = last(house)
    house.opened()
    began = {entry.thing.partition(":")[0]: entry for entry in since(house, number)}
    assert set(began) == {"reservation", "root"}, "what the agent did since is nobody's act"
    assert began["reservation"].after["boards"] == ["tk1-1"] and began["reservation"].before == {}
    number = last(house)
    house.farm.booking.release(house.ada, 1, Fate.ASIDE, "mine")
    ended = {entry.thing: (entry.before, entry.after) for entry in since(house, number)}
    before, after = ended["reservation:1"]
    assert (before["state"], after["state"]) == ("running", "ended")


def test_what_nobody_asked_for_is_not_audited(house: House) -> None:
    house.image()
    house.opened()
    number = last(house)
    house.now += 2 * HOUR
    house.farm.upkeep.carry_out()
    house.settle()
    assert since(house, number) == []


def test_an_act_that_changes_nothing_leaves_no_entry_and_one_that_fails_none_either(house: House) -> None:
    number = last(house)
    house.farm.accounts.give_role(house.admin, "bob", Role.USER)
    with pytest.raises(Conflict):
        house.farm.accounts.suspend(house.admin, "root")
    assert since(house, number) == []


def test_passwords_of_outlets_stay_out(house: House) -> None:
    house.farm.inventory.put_board(house.admin, a_board(2))
    [entry] = since(house, thing="board:tk1-2")
    assert entry.after["power"] == ["fake"] and "outlet" not in repr(entry)


def test_boards_that_swap_their_addresses_are_told_as_changed(house: House) -> None:
    house.farm.inventory.put_board(house.admin, a_board(2))
    first, second = a_board(1), a_board(2)
    number = last(house)
    swapped = (replace(first, address=second.address), replace(second, address=first.address))
    house.farm.inventory.apply(house.admin, (), swapped, dry_run=False)
    for entry in since(house, number):
        assert set(entry.before) == set(entry.after) == {"address"}


def test_the_farms_own_machine_and_failed_logins_are_told_without_an_account(house: House) -> None:
    number = last(house)
    house.farm.accounts.create_admin("grace")
    with pytest.raises(NotAllowed):
        house.farm.logins.login("eve", "wrong password", origin="203.0.113.9")
    entries = since(house, number)
    assert {(one.who, one.act, one.origin) for one in entries} == {
        (None, "admin.create", "controller"),
        (None, "login.fail", "203.0.113.9"),
    }
    assert entries[-1].thing == "user:eve"


def test_entries_are_found_by_who_and_what_and_number(house: House) -> None:
    house.farm.accounts.suspend(house.admin, "ada")
    house.farm.accounts.restore(house.admin, "ada")
    house.farm.catalog.open(house.bob, "mine")
    assert [one.act for one in since(house, who="bob")] == ["image.add"]
    acts = [one.act for one in since(house, thing="user:ada")]
    assert acts == ["user.add", "user.suspend", "user.restore"]
    everything = since(house)
    assert since(house, limit=2) == everything[:2] and since(house, limit=2, newest=True) == everything[-2:]


def test_only_admins_read_it(house: House) -> None:
    for who in (house.ada, house.farm.accounts.add(house.admin, "opal", Role.OPERATOR)[0]):
        with pytest.raises(NotAllowed):
            house.farm.audit.after(who)


def test_what_was_read_is_not_read_again_to_be_audited(house: House) -> None:
    house.image()
    assert isinstance(house.records, SqlRecords)
    statements: list[str] = []
    with watched(house.records, statements.append):
        house.reserve(for_=timedelta(hours=1))
    assert any(statement.startswith("INSERT INTO audit") for statement in statements)
    assert len([one for one in statements if one.startswith("SELECT") and "FROM boards" in one]) <= 2
