"""Images, and the roots that are kept of them."""

from dataclasses import replace
from uuid import uuid4

import pytest

from boardgrid.model.board import Site
from boardgrid.model.errand import About
from boardgrid.model.errors import Code, Conflict, Invalid, NotAllowed, NotFound
from boardgrid.model.image import BlobSource, ImageState, Making, PathSource
from boardgrid.model.imports import Imports
from boardgrid.model.report import ImageReport, SiteReport
from boardgrid.model.root import RootState
from boardgrid.model.rules import EVERYONE
from boardgrid.services.booking import Fate
from boardgrid.services.catalog import Described
from tests.services.house import House, a_manifest


def _aside(house: House, name: str = "mine") -> None:
    house.image()
    number = house.opened().reservation.number
    house.farm.booking.release(house.ada, number, Fate.ASIDE, name)


def test_an_upload_becomes_a_wish_when_its_content_has_arrived(house: House) -> None:
    image = house.farm.catalog.open(house.ada, "mine").image
    assert (image.state, image.version, image.shared) == (ImageState.AWAITED, 2026030101, False)
    assert not house.wishes.images
    assert house.farm.catalog.awaited(house.ada, "mine").image == image
    before = house.wishes.version
    house.farm.catalog.content_arrived(house.ada, image.id, "c" * 64, 77)
    [wish] = house.wishes.images
    assert (wish.image, wish.source) == (image.id, BlobSource("c" * 64, 77))
    assert house.wishes.version > before
    assert house.farm.fleet.blob("lab", "c" * 64).size_bytes == 77
    assert house.farm.catalog.spooled() == {"c" * 64}
    house.tell(ImageReport(uuid4(), image.id, a_manifest()))
    ready = house.farm.catalog.image(house.ada, "mine").image
    assert (ready.state, ready.manifest, ready.source) == (ImageState.READY, a_manifest(), None)
    assert house.farm.catalog.spooled() == frozenset() and house.wishes.images == ()


def test_what_an_image_is_made_without_reaches_the_agent(house: House) -> None:
    house.farm.catalog.open(
        house.admin, "bare", path="/srv/bare", making=Making(without=("no-swap", "no-disks", "no-swap"))
    )
    [wish] = house.wishes.images
    assert wish.making == Making(without=("no-disks", "no-swap"))
    with pytest.raises(Invalid, match="no adaptation 'no-fun'") as error:
        house.farm.catalog.open(house.ada, "mine", making=Making(without=("no-fun",)))
    assert error.value.code is Code.REQUEST_INVALID


def test_content_comes_once_and_from_its_owner(house: House) -> None:
    image = house.farm.catalog.open(house.ada, "mine").image
    with pytest.raises(NotFound):
        house.farm.catalog.content_arrived(house.bob, image.id, "c" * 64, 1)
    with pytest.raises(NotFound):
        house.farm.catalog.awaited(house.bob, "mine")
    with pytest.raises(Invalid):
        house.farm.catalog.content_arrived(house.ada, image.id, "C" * 64, 1)
    house.farm.catalog.content_arrived(house.ada, image.id, "c" * 64, 1)
    with pytest.raises(Conflict) as error:
        house.farm.catalog.content_arrived(house.ada, image.id, "d" * 64, 1)
    assert error.value.code is Code.UPLOAD_BROKEN
    with pytest.raises(Conflict):
        house.farm.catalog.awaited(house.ada, "mine:2026030101")


def test_somebody_else_uploads_nothing_into_a_shared_image(house: House) -> None:
    house.farm.catalog.open(house.admin, "tiny", shared=True)
    with pytest.raises(NotAllowed, match="tiny:2026030101 is another user's"):
        house.farm.catalog.awaited(house.ada, "tiny:2026030101")


def test_a_path_is_for_admins_and_absolute(house: House) -> None:
    image = house.farm.catalog.open(house.admin, "tiny", path="/srv/images/tiny.tar").image
    assert (image.state, image.source) == (ImageState.BUILDING, PathSource("/srv/images/tiny.tar"))
    with pytest.raises(NotAllowed):
        house.farm.catalog.open(house.ada, "mine", path="/srv/images/tiny.tar")
    for path in ("tiny.tar", "/srv/../etc", "", "/srv/a\nb"):
        with pytest.raises(Invalid) as error:
            house.farm.catalog.open(house.admin, "other", path=path)
        assert error.value.code is Code.PATH_FORBIDDEN


def test_a_name_means_its_newest_version_that_is_ready(house: House) -> None:
    house.image()
    second = house.image()
    house.farm.catalog.open(house.admin, "tiny", shared=True)
    assert house.farm.catalog.image(house.ada, "tiny").image.ref == second.ref == "tiny:2026030102"
    assert house.farm.catalog.image(house.ada, "tiny:2026030101").image.version == 2026030101
    assert house.farm.catalog.image(house.ada, "tiny:2026030103").image.state is ImageState.AWAITED
    with pytest.raises(NotFound):
        house.farm.catalog.image(house.ada, "tiny:2026030104")


def test_the_name_of_an_image_belongs_to_one_user(house: House) -> None:
    house.image("mine", house.ada)
    with pytest.raises(Conflict) as error:
        house.farm.catalog.open(house.bob, "mine")
    assert error.value.code is Code.NAME_TAKEN
    assert house.farm.catalog.open(house.ada, "mine").image.version == 2026030102


def test_whether_an_image_may_be_called_so_is_told_before_there_is_one(house: House) -> None:
    house.farm.catalog.open(house.ada, "hers")
    house.farm.catalog.check_name(house.ada, "hers")
    house.farm.catalog.check_name(house.bob, "his")
    with pytest.raises(Invalid) as invalid:
        house.farm.catalog.check_name(house.ada, "Bad_Name!")
    with pytest.raises(Conflict) as taken:
        house.farm.catalog.check_name(house.bob, "hers")
    assert [invalid.value.code, taken.value.code] == [Code.NAME_INVALID, Code.NAME_TAKEN]


def test_an_image_that_is_not_shared_is_not_there_for_others(house: House) -> None:
    house.image("mine", house.ada)
    assert house.farm.catalog.images(house.bob) == []
    with pytest.raises(NotFound):
        house.farm.catalog.image(house.bob, "mine")
    with pytest.raises(NotFound):
        house.farm.wastebasket.remove(house.bob, "mine")
    with pytest.raises(NotFound):
        house.reserve(house.bob, image="mine")
    assert [one.owner for one in house.farm.catalog.images(house.admin)] == ["ada"]


def test_a_shared_image_is_used_by_all_and_removed_by_its_owner(house: House) -> None:
    house.image()
    with pytest.raises(NotAllowed):
        house.farm.wastebasket.remove(house.ada, "tiny")
    house.farm.wastebasket.remove(house.admin, "tiny")
    assert house.farm.catalog.image(house.ada, "tiny").image.state is ImageState.REMOVED


# --- roots


def test_a_root_kept_aside_becomes_an_image_later(house: House) -> None:
    _aside(house)
    house.reach()
    made = house.farm.roots.keep(house.ada, "mine", "better")
    assert (made.image.ref, made.parent) == ("better:2026030101", "tiny:2026030101")
    with pytest.raises(Conflict, match="root mine is being made an image"):
        house.farm.roots.discard(house.ada, "mine")
    house.settle()
    assert house.farm.catalog.image(house.ada, "better").image.state is ImageState.READY
    with pytest.raises(NotFound):
        house.farm.roots.root(house.ada, "mine")


def test_what_an_admin_keeps_of_a_users_root_is_that_users(house: House) -> None:
    _aside(house)
    root = house.farm.roots.root(house.ada, "mine").root
    assert house.farm.roots.keep(house.admin, str(root.id), "better").owner == "ada"


def test_a_root_that_is_live_is_neither_kept_nor_discarded(house: House) -> None:
    house.image()
    house.opened()
    [root] = house.farm.roots.roots(house.ada)
    for forbidden in (house.farm.roots.discard, lambda who, name: house.farm.roots.keep(who, name, "better")):
        with pytest.raises(Conflict) as error:
            forbidden(house.ada, root.root.name)
        assert error.value.code is Code.ROOT_NOT_ASIDE
    assert house.wishes.discard == () and house.wishes.images == ()


def test_a_root_is_there_for_its_owner_and_admins_alone(house: House) -> None:
    _aside(house)
    root = house.farm.roots.root(house.ada, "mine").root
    assert house.farm.roots.roots(house.bob) == []
    for name in ("mine", str(root.id)):
        for forbidden in (
            house.farm.roots.root,
            house.farm.roots.discard,
            lambda who, name: house.farm.roots.keep(who, name, "better"),
        ):
            with pytest.raises(NotFound):
                forbidden(house.bob, name)
    assert [one.owner for one in house.farm.roots.roots(house.admin)] == ["ada"]


def test_a_root_that_was_discarded_is_wished_away_until_the_agent_says_that_it_is_gone(house: House) -> None:
    _aside(house)
    assert house.farm.roots.discard(house.ada, "mine").root.state is RootState.GOING
    house.farm.roots.discard(house.ada, "mine")
    assert len(house.wishes.discard) == 1
    house.settle()
    assert not house.wishes.discard
    assert house.farm.roots.roots(house.ada) == []
    number = house.opened().reservation.number
    house.farm.booking.release(house.ada, number, Fate.ASIDE, "mine")


def test_nobody_keeps_names_from_others_by_the_hundred(house: House) -> None:
    for number in range(EVERYONE.awaited or 0):
        house.farm.catalog.open(house.bob, f"n{number}")
    with pytest.raises(Conflict, match="20 images of yours await their content already") as error:
        house.farm.catalog.open(house.bob, "one-more")
    assert error.value.code is Code.REQUESTS_TOO_MANY
    house.farm.catalog.open(house.ada, "hers")
    house.farm.wastebasket.remove(house.bob, "n0")
    house.farm.catalog.open(house.bob, "one-more")


def test_what_may_be_secret_in_an_address_is_told_to_nobody(house: House) -> None:
    url = "https://images.example.org/a.tar?signature=s3cret"
    image = house.farm.catalog.open(house.ada, "mine", url=url, shared=True).image
    house.tell(ImageReport(uuid4(), image.id, None, Code.DOWNLOAD_FAILED, f"{url} could not be fetched"))
    assert house.farm.catalog.image(house.bob, "mine").image.reason == (
        "https://images.example.org/a.tar could not be fetched"
    )
    assert not any("s3cret" in one.detail for one in house.farm.history.after(house.ada))
    assert "s3cret" not in str(house.farm.audit.after(house.admin))


def test_what_the_site_does_not_allow_is_refused_at_once_and_uses_up_no_version(house: House) -> None:
    allowed = Imports(("/srv/images",), ("https://images.example.org/",))
    house.tell(SiteReport(uuid4(), Site("lab"), 10, 10, imports=allowed))
    catalog = house.farm.catalog
    for asked in (
        {"path": "/etc/passwd"},
        {"url": "https://evil.example.org/tiny.tar"},
        {"making": Making(bsp="/opt/Linux_for_Tegra")},
    ):
        with pytest.raises(Invalid, match="is not where this site may import from") as raised:
            catalog.open(house.admin, "tiny", **asked)
        assert raised.value.code is Code.PATH_FORBIDDEN
        assert raised.value.hint
    assert catalog.images(house.admin, gone=True) == []
    image = catalog.open(house.admin, "tiny", path="/srv/images/tiny.tar").image
    assert image.ref == "tiny:2026030101"
    assert catalog.open(house.ada, "mine", url="https://images.example.org/mine.tar").image.state is ImageState.BUILDING


def test_what_an_agent_tells_that_is_no_place_is_not_remembered(house: House) -> None:
    addresses = ("https://images.example.org:99999/", "ftp://images.example.org/", "https://images.example.org/")
    house.tell(SiteReport(uuid4(), Site("lab"), 10, 10, imports=Imports(("srv", "/srv"), addresses)))
    with house.records.read() as records:
        site = records.site("lab")
    assert site is not None and site.imports == Imports(("/srv",), ("https://images.example.org/",))
    with pytest.raises(Invalid, match="is not where this site may import from"):
        house.farm.catalog.open(house.ada, "tiny", url="https://evil.example.org/tiny.tar")
    house.tell(SiteReport(uuid4(), Site("lab"), 10, 10, imports=Imports(tuple(map("/srv/{}".format, range(1000))))))
    with house.records.read() as records:
        site = records.site("lab")
    assert site is not None and site.imports is not None and len(site.imports.folders) == 100


def test_an_agent_that_does_not_tell_what_it_allows_is_asked_by_trying(house: House) -> None:
    house.tell(SiteReport(uuid4(), Site("lab"), 10, 10))
    assert house.farm.catalog.open(house.admin, "tiny", path="/etc/passwd").image.state is ImageState.BUILDING


def test_what_another_farm_told_of_an_export_is_kept_where_its_importer_says_nothing_else(house: House) -> None:
    house.image("base", house.ada)
    told = About("mine", 2026010101, {"purpose": "ci", "team": "net"}, ("tk1", "no-such-type"), ("older:2025010101",))
    described = Described(labels={"team": "kernel"})
    image = house.farm.catalog.open(house.ada, "mine", described=described).image
    house.farm.catalog.content_arrived(house.ada, image.id, "c" * 64, 77)
    house.tell(ImageReport(uuid4(), image.id, replace(a_manifest(), about=told)))
    seen = house.farm.catalog.image(house.ada, "mine").image
    assert (seen.labels, seen.types) == ({"purpose": "ci", "team": "kernel"}, ("tk1",))
    house.farm.errands.export(house.ada, "mine")
    [errand] = house.wishes.errands
    assert errand.about is not None
    assert errand.about.lineage == ("mine:2026010101", "older:2025010101")


def test_an_image_that_failed_tells_what_would_do(house: House) -> None:
    image = house.farm.catalog.open(house.ada, "mine", url="https://images.example.org/mine.img?key=secret").image
    report = ImageReport(uuid4(), image.id, None, Code.ARCHIVE_REFUSED, "it has two systems", "choose: --partition N")
    house.tell(report)
    seen = house.farm.catalog.image(house.ada, "mine").image
    assert (seen.state, seen.reason, seen.hint) == (ImageState.FAILED, "it has two systems", "choose: --partition N")
