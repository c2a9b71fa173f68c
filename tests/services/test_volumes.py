"""Volumes: whose they are, which boards mount them, and what becomes of them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from boardgrid.model.errors import Code, FarmError, Invalid, NotAllowed, NotFound
from boardgrid.model.project import Part
from boardgrid.model.report import SiteReport, VolumeReport
from boardgrid.model.reservation import Kind
from boardgrid.model.rules import Limits
from boardgrid.model.user import Role, User
from boardgrid.model.volume import Volume, VolumeState
from boardgrid.model.wish import Deployed, VolumeMount, VolumeWish
from boardgrid.services.mounting import mounts_for
from tests.services.house import HOUR, House

GB = 10**9


def create(house: House, who: User | None = None, name: str = "home", size_bytes: int = GB, **what: Any) -> Volume:
    return house.farm.volumes.create(who or house.ada, name, size_bytes, **what).volume


def made(house: House, who: User | None = None, name: str = "home", **what: Any) -> Volume:
    """One that the agent has made."""
    volume = create(house, who, name, **what)
    assert tell_made(house, volume).state is VolumeState.READY
    return volume


def tell_made(house: House, volume: Volume) -> Volume:
    assert house.tell(VolumeReport(uuid4(), volume.id, volume.size_bytes)).dropped == ()
    return found(house, volume.name)


def wished(house: House) -> tuple[VolumeWish, ...]:
    return house.wishes.volumes


def found(house: House, name: str = "home") -> Volume:
    return house.farm.volumes.volume(house.admin, name).volume


def mounts(house: House, board: str = "tk1-1") -> tuple[VolumeMount, ...]:
    wish = house.wish(board).wish
    assert isinstance(wish, Deployed)
    return wish.volumes


def refused(code: Code, call: Any, *args: Any, **what: Any) -> FarmError:
    with pytest.raises(FarmError) as raised:
        call(*args, **what)
    assert raised.value.code is code, raised.value
    return raised.value


def project(house: House, name: str = "robots", **members: Part) -> None:
    house.farm.projects.add(house.admin, name, members=members)


# --- whose they are


def test_a_volume_is_made_by_the_agent_and_ready_when_that_says_so(house: House) -> None:
    volume = create(house)
    assert (volume.state, volume.path, volume.site) == (VolumeState.MAKING, "/home/ada", "lab")
    version = house.wishes.version
    assert wished(house) == (VolumeWish(volume.id, GB),)
    assert tell_made(house, volume).state is VolumeState.READY
    assert wished(house) == () and house.wishes.version > version


def test_one_that_could_not_be_made_says_why_and_may_be_tried_again(house: House) -> None:
    volume = create(house)
    house.tell(VolumeReport(uuid4(), volume.id, GB, Code.STORE_FULL, "no room"))
    assert (found(house).state, found(house).reason) == (VolumeState.FAILED, "no room")
    assert wished(house) == ()
    house.farm.volumes.change(house.ada, "home", size_bytes=GB // 2)
    assert wished(house) == (VolumeWish(volume.id, GB // 2),)
    assert tell_made(house, found(house)).reason == ""


def test_others_know_nothing_of_a_users_volume(house: House) -> None:
    made(house)
    volumes = house.farm.volumes
    assert volumes.volumes(house.bob) == []
    for call in (volumes.volume, volumes.remove, volumes.restore, volumes.change):
        refused(Code.VOLUME_UNKNOWN, call, house.bob, "home")
    assert [one.user for one in volumes.volumes(house.admin)] == ["ada"]


def test_a_projects_volume_is_used_by_its_members_and_changed_by_its_managers(house: House) -> None:
    project(house, ada=Part.MANAGER, bob=Part.MEMBER)
    volumes = house.farm.volumes
    refused(Code.ACT_FORBIDDEN, create, house, house.bob, "data", project="robots")
    volume = made(house, name="data", project="robots")
    assert (volume.path, volume.user) == ("/data", None)
    [view] = volumes.volumes(house.bob)
    assert (view.project, view.user) == ("robots", "")
    for call in (volumes.remove, volumes.change):
        refused(Code.ACT_FORBIDDEN, call, house.bob, "data")
    eve = house.user("eve")
    refused(Code.VOLUME_UNKNOWN, volumes.volume, eve, "data")
    assert house.farm.history.after(eve) == house.farm.history.after(house.bob), "nor do they hear of it"
    assert volumes.remove(house.ada, "data").volume.state is VolumeState.ASIDE


def test_a_guest_has_no_volume(house: House) -> None:
    guest, _token = house.farm.accounts.add(house.admin, "guest", Role.GUEST)
    with pytest.raises(NotAllowed):
        create(house, guest)


@pytest.mark.parametrize(
    "path", ["/", "/etc", "/home", "/home/ada/x", "/home/..", "/data/x", "/mnt/a b", "home", "/srv/"]
)
def test_a_volume_is_mounted_where_it_hides_no_system(house: House, path: str) -> None:
    with pytest.raises(Invalid) as raised:
        create(house, path=path)
    assert raised.value.code is Code.PATH_FORBIDDEN


@pytest.mark.parametrize("size_bytes", [0, 1000, 1 << 60])
def test_a_volume_has_a_sensible_size(house: House, size_bytes: int) -> None:
    refused(Code.REQUEST_INVALID, create, house, size_bytes=size_bytes)


def test_a_name_means_one_volume_and_a_place_has_one(house: House) -> None:
    made(house)
    refused(Code.NAME_TAKEN, create, house, house.bob)
    refused(Code.THING_IN_USE, create, house, name="other")
    made(house, name="other", path="/data")
    refused(Code.THING_IN_USE, house.farm.volumes.change, house.ada, "other", path="/home/ada")


def test_no_more_is_had_than_the_rules_allow(house: House) -> None:
    _limit(house, volume_bytes=3 * GB // 2)
    made(house)
    told = refused(Code.QUOTA_EXCEEDED, create, house, name="other", path="/data")
    assert "and this needs 1.0 GB more" in str(told)
    refused(Code.QUOTA_EXCEEDED, house.farm.volumes.change, house.ada, "home", size_bytes=2 * GB)
    house.farm.volumes.change(house.ada, "home", size_bytes=3 * GB // 2)
    [own] = house.farm.ruling.usage(house.ada)
    assert own.volume_bytes == 3 * GB // 2
    create(house, house.bob, "bobs")


def test_what_does_not_fit_the_sites_disk_is_refused_before_anybody_tries(house: House) -> None:
    with house.records.read() as records:
        site = records.site("lab")
    assert site is not None
    house.tell(SiteReport(uuid4(), site.site, 10 * GB, 2 * GB))
    refused(Code.STORE_FULL, create, house, size_bytes=3 * GB)
    made(house)
    refused(Code.STORE_FULL, house.farm.volumes.change, house.ada, "home", size_bytes=9 * GB)


# --- larger


def test_a_volume_grows_and_stays_what_it_was_where_that_fails(house: House) -> None:
    volume = made(house)
    house.farm.volumes.change(house.ada, "home", size_bytes=2 * GB)
    assert wished(house) == (VolumeWish(volume.id, 2 * GB, is_there=True),)
    house.tell(VolumeReport(uuid4(), volume.id, 2 * GB, Code.STORE_FULL, "no room"))
    assert (found(house).state, found(house).size_bytes, found(house).reason) == (VolumeState.READY, GB, "no room")
    house.farm.volumes.change(house.ada, found(house).name, path="/srv/elsewhere")
    assert found(house).reason == ""
    house.farm.volumes.change(house.ada, "home", size_bytes=2 * GB)
    assert tell_made(house, found(house)).made_bytes == 2 * GB
    refused(Code.REQUEST_INVALID, house.farm.volumes.change, house.ada, "home", size_bytes=GB)


def test_a_report_of_a_size_that_is_not_asked_for_any_more_makes_nothing_ready(house: House) -> None:
    volume = create(house)
    house.farm.volumes.change(house.ada, "home", size_bytes=2 * GB)
    house.tell(VolumeReport(uuid4(), volume.id, GB))
    assert (found(house).state, found(house).made_bytes) == (VolumeState.MAKING, GB)
    house.tell(VolumeReport(uuid4(), volume.id, GB, Code.STORE_FULL, "late"))
    assert found(house).state is VolumeState.MAKING


# --- on boards


def test_a_board_mounts_what_is_its_users_and_its_projects(house: House) -> None:
    house.image()
    project(house, ada=Part.MANAGER)
    home, data = made(house), made(house, name="data", project="robots")
    create(house, name="not-yet", path="/srv/later")
    made(house, house.bob, "bobs")
    house.reserve(project="robots")
    assert mounts(house) == (VolumeMount(home.id, "/home/ada"), VolumeMount(data.id, "/data"))
    assert house.farm.volumes.volume(house.ada, "home").boards == ("tk1-1",)


def test_a_projects_volume_is_on_no_board_that_does_not_count_on_it(house: House) -> None:
    house.image()
    project(house, ada=Part.MANAGER)
    made(house, name="data", project="robots")
    house.reserve()
    assert mounts(house) == ()


def test_who_is_in_the_project_no_more_has_its_volumes_on_no_board(house: House) -> None:
    house.image()
    project(house, ada=Part.MANAGER, bob=Part.MEMBER)
    home, data = made(house), made(house, name="data", project="robots")
    held = house.opened(project="robots").reservation.number
    later = house.reserve(project="robots", at=house.now + 2 * HOUR).reservation.number
    others = house.farm.projects.change(house.admin, "robots", remove=["bob"])
    assert others and len(mounts(house)) == 2, "what becomes of another changes nothing"
    before = house.wish()
    assert isinstance(before.wish, Deployed)
    house.farm.projects.change(house.admin, "robots", remove=["ada"])
    after = house.wish()
    assert after.wish == replace(before.wish, volumes=(VolumeMount(home.id, "/home/ada"),)), "it is not restarted"
    assert after.generation == before.generation + 1
    gone = "it goes on without volume data: its user is not in project robots any more"
    assert gone in house.told(held)
    house.release(held)
    house.settle()
    house.pass_to(house.now + 2 * HOUR)
    assert house.found(later).is_running and mounts(house) == (VolumeMount(home.id, "/home/ada"),)
    assert gone in house.told(later)
    assert house.farm.volumes.volume(house.admin, "data").boards == ()
    assert data.id


def test_who_is_put_out_of_a_project_has_its_volumes_on_no_board_of_another_either(house: House) -> None:
    house.image()
    project(house, ada=Part.MANAGER, bob=Part.MEMBER)
    home = made(house)
    made(house, name="data", project="robots")
    held = house.opened(project="robots").reservation.number
    house.farm.booking.share(house.ada, held, add=["bob"])
    assert len(mounts(house)) == 2, "all who are root there are in the project"
    house.farm.projects.change(house.ada, "robots", remove=["bob"])
    assert mounts(house) == (VolumeMount(home.id, "/home/ada"),)
    gone = "it goes on without volume data: on this board are others than those of robots: bob"
    assert house.told(held).count(gone) == 1
    house.farm.projects.change(house.ada, "robots", remove=["bob"])
    assert house.told(held).count(gone) == 1


def test_whoever_is_let_in_and_is_not_in_the_project_takes_its_volumes_from_the_board(house: House) -> None:
    house.image()
    project(house, ada=Part.MANAGER)
    home = made(house)
    made(house, name="data", project="robots")
    later = house.reserve(project="robots", at=house.now + 2 * HOUR).reservation.number
    house.farm.booking.share(house.ada, later, add=["bob"])
    held = house.opened(project="robots").reservation.number
    before = house.wish()
    house.farm.booking.share(house.ada, held, add=["bob"])
    assert mounts(house) == (VolumeMount(home.id, "/home/ada"),), "its user chose to share what is their own"
    after = house.wish()
    assert isinstance(before.wish, Deployed) and isinstance(after.wish, Deployed)
    assert after.wish.deployment == before.wish.deployment, "it is not restarted"
    gone = "it goes on without volume data: on this board are others than those of robots: bob"
    assert gone in house.told(held)
    house.release(held)
    house.settle()
    house.pass_to(house.now + 2 * HOUR)
    assert mounts(house) == (VolumeMount(home.id, "/home/ada"),) and gone in house.told(later)
    house.farm.booking.share(house.ada, later, remove=["bob"])
    with house.records.read() as records:
        assert len(mounts_for(records, house.found(later), "lab")[0]) == 2, "the next time that it boots"


def test_a_team_that_shares_a_seat_has_nothing_of_its_users_own(house: House) -> None:
    house.image()
    project(house, ada=Part.MANAGER, bob=Part.MEMBER)
    home, data = made(house), made(house, name="data", project="robots")
    with house.records.read() as records:
        reservation = house.found(house.reserve(project="robots").reservation.number)
        seat = replace(reservation, kind=Kind.SEAT)
        assert len(mounts_for(records, seat, "lab")[0]) == 2
        there, absent = mounts_for(records, replace(seat, members=(house.bob.id,)), "lab")
    assert there == (VolumeMount(data.id, "/data"),)
    assert absent == ["it goes on without volume home: others are on this board of a lesson, too"]
    assert home.name == "home"


def test_what_has_no_place_or_is_elsewhere_is_left_out_and_the_events_say_so(house: House) -> None:
    house.image()
    project(house, ada=Part.MANAGER)
    own = made(house, path="/data")
    made(house, name="data", project="robots")
    with house.records.write() as tx:
        site = tx.site("lab")
        assert site is not None
        tx.save(replace(site, site=replace(site.site, name="far")))
        tx.save(
            replace(own, id=uuid4(), name="away", site="far", path="/srv/x", state=VolumeState.READY, made_bytes=GB)
        )
    number = house.reserve(project="robots").reservation.number
    assert mounts(house) == (VolumeMount(own.id, "/data"),)
    told = house.told(number)
    assert "it goes on without volume away, which is at site far" in told
    assert "it goes on without volume data: another one is mounted at /data" in told


def test_a_board_that_runs_is_not_disturbed_by_what_becomes_of_volumes(house: House) -> None:
    house.image()
    home = made(house)
    house.opened()
    before = house.wish()
    made(house, name="later", path="/data")
    house.farm.volumes.change(house.ada, "home", size_bytes=2 * GB)
    house.farm.volumes.change(house.ada, "home", path="/srv/home")
    assert house.wish() == before
    assert mounts(house) == (VolumeMount(home.id, "/home/ada"),)


# --- removed


def test_a_volume_that_a_board_has_is_not_removed(house: House) -> None:
    house.image()
    made(house)
    number = house.opened().reservation.number
    error = refused(Code.THING_IN_USE, house.farm.volumes.remove, house.ada, "home")
    assert "tk1-1" in str(error)
    house.release(number)
    assert house.farm.volumes.remove(house.ada, "home").volume.state is VolumeState.ASIDE


def test_a_removed_one_can_be_had_back_until_its_time_is_over(house: House) -> None:
    volume = made(house)
    house.farm.volumes.remove(house.ada, "home")
    house.farm.volumes.remove(house.ada, "home")
    refused(Code.THING_IN_USE, house.farm.volumes.change, house.ada, "home", size_bytes=2 * GB)
    house.pass_to(house.now + timedelta(days=6))
    assert wished(house) == ()
    assert house.farm.volumes.restore(house.ada, "home").volume.state is VolumeState.READY
    house.farm.volumes.remove(house.ada, "home")
    house.pass_to(house.now + timedelta(days=8))
    assert wished(house) == (VolumeWish(volume.id, None),)
    refused(Code.THING_IN_USE, house.farm.volumes.restore, house.ada, "home")
    house.tell(VolumeReport(uuid4(), volume.id))
    assert house.farm.volumes.volumes(house.admin) == []
    with pytest.raises(NotFound):
        found(house)
    create(house, house.bob)


def test_one_that_was_not_removed_is_not_had_back(house: House) -> None:
    made(house)
    error = refused(Code.THING_IN_USE, house.farm.volumes.restore, house.ada, "home")
    assert str(error) == "volume home was not removed"


def test_one_that_has_no_files_yet_goes_at_once(house: House) -> None:
    volume = create(house)
    house.farm.volumes.remove(house.ada, "home")
    assert wished(house) == (VolumeWish(volume.id, None),)
    house.tell(VolumeReport(uuid4(), volume.id, GB))
    assert found(house).state is VolumeState.GOING, "made too late"


def test_growing_that_was_under_way_goes_on_when_a_volume_is_had_back(house: House) -> None:
    made(house)
    house.farm.volumes.change(house.ada, "home", size_bytes=2 * GB)
    house.farm.volumes.remove(house.ada, "home")
    assert wished(house) == ()
    assert house.farm.volumes.restore(house.ada, "home").volume.state is VolumeState.MAKING
    assert len(wished(house)) == 1


def test_the_files_of_who_leaves_are_kept_for_a_while(house: House) -> None:
    project(house, ada=Part.MANAGER)
    made(house)
    made(house, name="data", project="robots")
    house.farm.accounts.remove(house.admin, "ada")
    house.farm.projects.remove(house.admin, "robots")
    for name in ("home", "data"):
        assert (found(house, name).state, found(house, name).expires_at) == (
            VolumeState.ASIDE,
            house.now + timedelta(days=7),
        )


def test_a_report_of_another_sites_agent_changes_nothing(house: House) -> None:
    volume = create(house)
    with house.records.write() as tx:
        site = tx.site("lab")
        assert site is not None
        tx.save(replace(site, site=replace(site.site, name="far")))
        tx.save(replace(volume, site="far"))
    assert house.tell(VolumeReport(uuid4(), volume.id, GB)).taken == ()
    assert house.tell(VolumeReport(uuid4(), uuid4(), GB)).taken == ()


def test_what_is_done_to_volumes_is_audited(house: House) -> None:
    made(house)
    house.farm.volumes.remove(house.ada, "home")
    acts = [(one.act, one.thing) for one in house.farm.audit.after(house.admin)]
    assert ("volume.create", "volume:home") in acts and ("volume.remove", "volume:home") in acts


def _limit(house: House, volume_bytes: int) -> None:
    with house.records.write() as tx:
        before = tx.rules()
        tx.save(replace(before, users={house.ada.id: Limits(volume_bytes=volume_bytes)}, version=before.version + 1))
