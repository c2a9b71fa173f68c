"""A root of which nobody knows any more what it stands on: it keeps all images, says so, and can be given up."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from boardgrid.adapters.shell import SubprocessShell
from boardgrid.adapters.store import root_files
from boardgrid.adapters.store.images import StoredImages
from boardgrid.adapters.store.root_files import Meta
from boardgrid.adapters.store.roots import StoredRoots
from boardgrid.adapters.store.store import Store
from boardgrid.agent.site import Pace
from boardgrid.model.errors import Code, Conflict
from boardgrid.model.report import ImageReport, SiteReport
from boardgrid.model.wish import ImageWish, RootWish
from boardgrid.testing import FakeBlobs, FakeDownloads, FakeKitchen, FakeSite
from tests.agent import mill

HASTE = Pace(pause_s=0.01, pause_most_s=0.05)


class Shelf:
    """A store with an image and a root that stands on another one, as they lie on the disk; nothing is mounted."""

    def __init__(self, folder: Path) -> None:
        store = Store(folder, SubprocessShell())
        self.roots = StoredRoots(store)
        self.images = StoredImages(store, self.roots, FakeBlobs(), FakeDownloads(), FakeKitchen())
        self.image, self.root = uuid4(), uuid4()
        self.folder = store.places.image(self.image).folder
        (self.folder / "tree").mkdir(parents=True)
        self.place = store.places.root(self.root)
        for point in (self.place.tree, self.place.disk):
            Path(point).mkdir(parents=True)
        root_files.write(self.place, Meta(str(uuid4()), 4096))

    def damage(self) -> None:
        self.place.meta.write_text('{"image": ')


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


async def test_an_image_goes_that_no_root_stands_on(shelf: Shelf) -> None:
    await shelf.images.remove(shelf.image)
    assert not shelf.folder.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"image": "x"}', "\x00"])
async def test_an_image_stays_that_a_damaged_root_may_stand_on_and_the_root_is_named(shelf: Shelf, text: str) -> None:
    shelf.place.meta.write_text(text)
    with pytest.raises(Conflict, match=f"{shelf.image} .*{shelf.root} may stand on it.* damaged") as refused:
        await shelf.images.remove(shelf.image)
    assert refused.value.code is Code.THING_IN_USE
    assert shelf.folder.exists()


async def test_the_site_is_told_why_an_image_does_not_go_until_the_damaged_root_is_given_up(shelf: Shelf) -> None:
    shelf.damage()
    site = FakeSite()

    def trouble() -> str:
        told: list[SiteReport] = site.controller.of_kind(SiteReport)
        return told[-1].trouble if told else ""

    def gone() -> list[UUID]:
        return [report.image for report in site.controller.of_kind(ImageReport)]

    async with mill.agent(site, images=shelf.images, roots=shelf.roots, pace=HASTE), asyncio.timeout(60):
        site.wish(images=(ImageWish(shelf.image, None),))
        await until(lambda: str(shelf.root) in trouble())
        assert gone() == []
        site.wish(discard=(RootWish(shelf.root),))
        await until(lambda: gone() == [shelf.image] and not trouble())
    assert not shelf.place.folder.exists()


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110 - what is awaited happens in threads
        await asyncio.sleep(0.01)
