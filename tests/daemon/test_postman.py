"""The postman brings what is due, keeps what was not taken, and waits for nobody who is slow."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from boardgrid.daemon.wiring.postman import Postman
from boardgrid.model.user import User
from boardgrid.ports import NOTICES
from boardgrid.services.farm import Farm
from boardgrid.testing import FakeHooks, FakePasswords, FakePost
from tests.services.house import House, records_with

HOOK = "https://chat.example.org/hooks/boards"


@pytest.fixture
def house() -> Iterator[House]:
    with records_with(boards=2) as records:
        house = House(records)
        house.farm = Farm.of(
            records,
            house.changes,
            lambda: house.now,
            passwords=FakePasswords(),
            sends_mail=True,
            webhook_hosts=["chat.example.org"],
        )
        house.image()
        house.farm.notices.change_contact(house.ada, email="ada@example.org")
        yield house


@asynccontextmanager
async def going(house: House, post: FakePost, hooks: FakeHooks) -> AsyncIterator[None]:
    task = asyncio.create_task(Postman(house.farm.postings, house.changes, post, hooks).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not is_so():  # noqa: ASYNC110 - it is the database that is looked at
            await asyncio.sleep(0.01)


def _left(house: House) -> list[int]:
    """How often each that is left was tried."""
    with house.records.read() as records:
        return [one.tries for one in records.postings()]


def _open(house: House, who: User, board: str = "tk1-1") -> None:
    house.opened(who, board=board)


async def test_what_is_told_is_sent_at_once_and_goes(house: House) -> None:
    post, hooks = FakePost(), FakeHooks()
    house.farm.notices.add_webhook(house.ada, HOOK)
    async with going(house, post, hooks):
        await asyncio.sleep(0)
        _open(house, house.ada)
        await until(lambda: not _left(house))
    assert [mail.to for mail in post.mails] == ["ada@example.org"]
    assert [url for url, _headers, _body in hooks.calls] == [HOOK]


async def test_a_mail_server_that_is_slow_delays_no_webhook(house: House) -> None:
    post, hooks = FakePost(takes_s=60), FakeHooks()
    house.farm.notices.add_webhook(house.ada, HOOK)
    _open(house, house.ada)
    async with going(house, post, hooks):
        await until(lambda: len(_left(house)) == 1)
        _open(house, house.ada, "tk1-2")
        await until(lambda: len(hooks.calls) == 2)
    assert post.mails == []


async def test_what_was_not_taken_stays_and_is_tried_again(house: House) -> None:
    post = FakePost(is_silent=True)
    _open(house, house.ada)
    async with going(house, post, FakeHooks()):
        await until(lambda: _left(house) == [1])
        post.is_silent = False
        house.now += timedelta(minutes=1)
        house.changes.tell(NOTICES)
        await until(lambda: not _left(house))
    assert len(post.mails) == 1


async def test_an_address_that_is_refused_is_given_up_and_the_next_is_reached(house: House) -> None:
    post = FakePost(refused={"ada@example.org"})
    house.farm.notices.change_contact(house.bob, email="bob@example.org")
    _open(house, house.ada)
    _open(house, house.bob, "tk1-2")
    async with going(house, post, FakeHooks()):
        await until(lambda: not _left(house))
    assert [mail.to for mail in post.mails] == ["bob@example.org"]
