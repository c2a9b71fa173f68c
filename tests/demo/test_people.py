"""The people of a demo over an earlier one stay who they were, whatever they lost. The API they come by is real."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Interface
from pathlib import Path

import pytest

from boardgrid.api.spool import Spool
from boardgrid.client.login import DEFAULT, Login, login_for, profiles_file, store
from boardgrid.daemon.preparing import make_ssh_key
from boardgrid.daemon.state import Status
from boardgrid.demo import acts
from boardgrid.demo.stage import Stage
from boardgrid.demo.telling import Piece
from boardgrid.model.board import BoardType, Site
from boardgrid.model.root import RootState
from boardgrid.model.user import User
from tests.api.door import Door, served
from tests.services.house import House, a_board, records_with

pytestmark = pytest.mark.slow  # each runs many commands, and each of those starts Python
NOWHERE = "http://127.0.0.1:1"


@dataclass
class Play:
    """A demo whose farm is behind *door*."""

    stage: Stage
    door: Door

    @property
    def house(self) -> House:
        return self.door.house

    @asynccontextmanager
    async def on_a_port(self) -> AsyncIterator[str]:
        async with served(self.door.app) as url:
            self.stage.state.write_status(Status(os.getpid(), url.removeprefix("http://"), "127.0.0.1:22"))
            store(DEFAULT, Login(url, self.door.tokens["admin"]), self.stage.admin.environment)
            yield url

    async def admitted(self) -> None:
        """What `make demo` does, on a port where the farm was not before; ada is logged in there."""
        async with self.on_a_port() as url:
            await asyncio.to_thread(acts.admit_people, self.stage, Piece())
            assert login_for(None, self.stage.ada.environment).url == url
        assert self.user is not None
        assert self.house.farm.tokens.asker(self.token).id == self.user.id

    @property
    def user(self) -> User | None:
        with self.house.records.read() as records:
            return records.user_named("ada")

    @property
    def key(self) -> tuple[str, str]:
        return self.stage.ada.key.read_text(), self.public

    @property
    def public(self) -> str:
        return " ".join(Path(f"{self.stage.ada.key}.pub").read_text().split()[:2])

    @property
    def token(self) -> str:
        return login_for(None, self.stage.ada.environment).token


@pytest.fixture
def first(tmp_path: Path) -> Iterator[Play]:
    """Before ada was ever there."""
    stage = Stage(tmp_path / "demo")
    stage.folder.mkdir()
    stage.set()
    stage.layout.run.mkdir()
    with records_with() as records, stage.state.locked():
        house = House.bare(records)
        house.farm.inventory.put_site(Site("lab", server=IPv4Interface("10.20.0.1/24")))
        house.farm.inventory.put_type(house.admin, BoardType("tk1", "armhf", console="ttyS0"))
        house.farm.inventory.put_board(house.admin, a_board(1))
        token = house.farm.accounts.create_admin("root", again=True).clear.reveal()
        yield Play(stage, Door(house, Spool(tmp_path / "spool"), {"admin": token}))


@pytest.fixture
def again(first: Play) -> Play:
    """After a demo on another port, which is nobody's now."""
    ada = first.stage.ada
    ada.home.mkdir()
    asyncio.run(make_ssh_key(ada.key, "ada@demo"))
    first.house.ada = first.door.user("ada", "ada", first.public)
    store(DEFAULT, Login(NOWHERE, first.door.tokens["ada"]), ada.environment)
    return first


async def test_ada_comes_with_a_key_of_her_own(first: Play) -> None:
    await first.admitted()
    assert first.user is not None
    assert first.user.ssh_keys == (first.public,)


async def test_another_port_leaves_ada_all_that_she_had(again: Play) -> None:
    key, token = again.key, again.token
    await again.admitted()
    assert (again.user, again.key, again.token) == (again.house.ada, key, token)


async def test_a_lost_login_costs_ada_nothing_but_her_token(again: Play) -> None:
    key = again.key
    profiles_file(again.stage.ada.environment).unlink()
    await again.admitted()
    assert (again.user, again.key) == (again.house.ada, key)


async def test_a_token_that_opens_no_door_any_more_is_replaced(again: Play) -> None:
    again.house.farm.tokens.renew(again.house.admin, "ada")
    await again.admitted()
    assert again.user == again.house.ada


async def test_a_lost_key_is_replaced_and_the_root_that_knows_it_alone_waits_for_ada(again: Play) -> None:
    again.house.image("tiny")
    held = again.house.opened()
    assert held.deployment is not None
    lost, token = again.public, again.token
    again.stage.ada.key.unlink()
    await again.admitted()
    assert again.user is not None
    assert (again.user.id, again.user.ssh_keys, again.token) == (again.house.ada.id, (again.public,), token)
    assert again.public != lost
    again.house.settle()
    (waits,) = again.house.farm.roots.roots(again.user)
    assert (waits.root.name, waits.root.state) == (held.deployment.root, RootState.ASIDE)


async def test_somebody_removed_ada_and_another_comes(again: Play) -> None:
    again.house.farm.accounts.remove(again.house.admin, "ada")
    key = again.key
    await again.admitted()
    assert again.user is not None
    assert (again.user.id != again.house.ada.id, again.key) == (True, key)
