"""An upload arrives whole and checked, or not at all."""

import asyncio
import hashlib
import os
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from boardgrid.api.spool import Arrived, Come, Spool
from boardgrid.client import farm as client
from boardgrid.client.complaint import Complaint
from boardgrid.client.sending import send_file
from boardgrid.model.errors import Code, Conflict, FarmError, Fault
from boardgrid.model.headroom import Headroom
from boardgrid.model.image import BlobSource
from boardgrid.model.rules import Limits
from tests.api.door import Door, served

TAR = bytes(range(256)) * 20_000
FULL = Headroom(least_bytes=1 << 60)
SHA256 = hashlib.sha256(TAR).hexdigest()
REF = "tiny:2026030101"


async def pieces(content: bytes = TAR, of_bytes: int = 65536) -> AsyncIterator[bytes]:
    for first in range(0, len(content), of_bytes):
        yield content[first : first + of_bytes]


def files(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


async def settled(spool: Spool, wanted: list[str]) -> None:
    """What is dropped goes in a thread that nobody waits for."""
    async with asyncio.timeout(30):
        while files(spool.folder) != wanted:  # noqa: ASYNC110 - as it says
            await asyncio.sleep(0.01)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    made = Spool(tmp_path / "spool", upload_bytes=6_000_000)
    made.prepare()
    return made


async def awaited(door: Door, name: str = "tiny") -> str:
    answer = await door.ask("user", "POST", "/api/v1/images", json={"name": name})
    assert answer.status_code == 201
    return f"/api/v1/images/{name}/content"


@pytest.mark.parametrize("is_announced", [True, False])
async def test_an_upload_lies_in_the_spool_and_the_agent_is_told(door: Door, is_announced: bool) -> None:
    path = await awaited(door)
    answer = await door.ask("user", "PUT", path, content=TAR if is_announced else pieces())
    assert (answer.status_code, answer.json()["state"]) == (202, "building")
    assert (door.spool.folder / SHA256).read_bytes() == TAR
    assert files(door.spool.folder) == [SHA256]
    assert [one.source for one in door.house.wishes.images] == [BlobSource(SHA256, len(TAR))]


async def test_the_agent_of_the_site_fetches_it_and_nobody_else(door: Door) -> None:
    await door.ask("user", "PUT", await awaited(door), content=TAR)
    path = f"/api/agent/v1/blobs/{SHA256}"
    assert (await door.ask("agent", "GET", path)).content == TAR
    for who in ("nobody", "user", "admin", "gateway"):
        assert (await door.ask(who, "GET", path)).status_code == 401


async def test_an_upload_that_has_gone_from_the_disk_is_the_farm_s_fault(door: Door) -> None:
    await door.ask("user", "PUT", await awaited(door), content=TAR)
    (door.spool.folder / SHA256).unlink()
    answer = await door.ask("agent", "GET", f"/api/agent/v1/blobs/{SHA256}")
    assert (answer.status_code, answer.json()["code"]) == (502, "upload.broken")


async def test_a_second_upload_of_the_same_image_comes_too_late(door: Door) -> None:
    path = await awaited(door)
    await door.ask("user", "PUT", path, content=TAR)
    answer = await door.ask("user", "PUT", path, content=b"other")
    assert (answer.status_code, answer.json()["code"]) == (409, "upload.broken")
    assert files(door.spool.folder) == [SHA256]


async def test_there_is_one_upload_of_an_image_at_a_time_so_that_one_name_cannot_fill_the_disk(door: Door) -> None:
    path, other = await awaited(door), await awaited(door, "other")
    coming, go_on = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield TAR[:3_000_000]
        coming.set()
        await go_on.wait()
        yield TAR[3_000_000:]

    first = asyncio.create_task(door.ask("user", "PUT", path, content=slowly()))
    await coming.wait()
    for ref in ("tiny", REF):
        answer = await door.ask("user", "PUT", f"/api/v1/images/{ref}/content", content=pieces())
        assert (answer.status_code, answer.json()["code"]) == (409, "thing.in_use")
        assert f"{REF} is being uploaded already" in answer.json()["detail"]
    assert len(files(door.spool.folder)) == 1
    assert (await door.ask("user", "PUT", other, content=b"another image")).status_code == 202
    go_on.set()
    assert (await first).status_code == 202


async def test_after_an_upload_that_did_not_come_whole_the_next_one_may(door: Door) -> None:
    path = await awaited(door)
    headers = {"Content-Length": str(len(TAR))}
    short = await door.ask("user", "PUT", path, content=pieces(TAR[:3_000_000]), headers=headers)
    assert (short.status_code, short.json()["code"]) == (409, "upload.broken")
    assert (await door.ask("user", "PUT", path, content=TAR)).status_code == 202


async def test_an_upload_that_is_too_large_is_refused_before_or_while_it_comes(door: Door, tmp_path: Path) -> None:
    door.spool = spool = Spool(door.spool.folder, upload_bytes=len(TAR) - 1)
    path = await awaited(door)
    for content in (TAR, pieces()):
        answer = await door.ask("user", "PUT", path, content=content)
        assert (answer.status_code, answer.json()["code"]) == (413, "image.too_large")
    await settled(spool, [])


@pytest.mark.parametrize("is_announced", [True, False])
@pytest.mark.parametrize("kept", ["for the records", "for roots"])
async def test_a_disk_without_room_is_told_and_nothing_is_left(door: Door, is_announced: bool, kept: str) -> None:
    folder = door.spool.folder
    by_kind = {
        "for the records": Spool(folder, headroom=Headroom(least_bytes=1 << 60)),
        "for roots": Spool(folder, headroom=Headroom(1.0, most_bytes=1 << 60)),
    }
    door.spool = spool = by_kind[kept]
    answer = await door.ask("user", "PUT", await awaited(door), content=TAR if is_announced else pieces())
    assert (answer.status_code, answer.json()["code"]) == (507, "store.full")
    assert "no room for this upload" in answer.json()["detail"]
    await settled(spool, [])


@pytest.mark.parametrize("difference", [-1, 1])
async def test_an_upload_that_is_not_as_long_as_announced_is_broken(spool: Spool, difference: int) -> None:
    with pytest.raises(Conflict, match="bytes came of the"):
        await spool.receive(pieces(), len(TAR) + difference)
    await settled(spool, [])


async def test_an_upload_whose_sender_breaks_off_leaves_nothing(spool: Spool) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield TAR[:3_000_000]
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await spool.receive(broken(), None)
    await settled(spool, [])


async def test_an_upload_that_trickles_for_ever_comes_to_an_end(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", whole_s=0.1)
    spool.prepare()

    async def trickle() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            await asyncio.sleep(0.01)

    with pytest.raises(Conflict, match="was not whole after") as error:
        await spool.receive(trickle(), None)
    assert error.value.code is Code.UPLOAD_BROKEN
    await settled(spool, [])


async def test_an_upload_that_is_cancelled_leaves_nothing(spool: Spool) -> None:
    began = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield TAR[:3_000_000]
        began.set()
        await asyncio.sleep(600)

    receiving = asyncio.create_task(spool.receive(endless(), None))
    await began.wait()
    receiving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await receiving
    await settled(spool, [])


async def test_what_a_killed_controller_had_not_received_whole_goes_at_the_next_start(spool: Spool) -> None:
    arrived = await spool.receive(pieces(), None)
    assert files(spool.folder) == [arrived.part.name]
    spool.prepare()
    assert files(spool.folder) == []


async def test_uploads_that_nobody_wants_any_more_are_swept(spool: Spool) -> None:
    for content in (b"one", b"other"):
        arrived = await spool.receive(pieces(content), None)
        spool.settle(arrived, lambda: None)
    coming = await spool.receive(pieces(b"a third"), None)
    wanted = hashlib.sha256(b"one").hexdigest()
    spool.sweep(lambda: frozenset({wanted}))
    assert files(spool.folder) == sorted([wanted, coming.part.name])


async def test_no_sweep_comes_between_an_upload_s_name_and_its_note(spool: Spool) -> None:
    arrived = await spool.receive(pieces(), None)
    noted: set[str] = set()
    named, sweeping = threading.Event(), threading.Event()

    def note() -> None:
        named.set()
        sweeping.wait(30)
        noted.add(arrived.sha256)

    def sweep() -> None:
        named.wait(30)
        sweeping.set()
        spool.sweep(lambda: frozenset(noted))

    await asyncio.gather(asyncio.to_thread(spool.settle, arrived, note), asyncio.to_thread(sweep))
    assert files(spool.folder) == [arrived.sha256]


async def test_a_spool_that_cannot_be_written_to_is_the_farm_s_fault(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "nowhere")
    with pytest.raises((Fault, FarmError)):
        await spool.receive(pieces(), None)
    spool.prepare()
    arrived = await spool.receive(pieces(), None)
    arrived.part.unlink()
    with pytest.raises(Fault, match="could not be written down"):
        spool.settle(Arrived(arrived.part, arrived.sha256, 1), lambda: None)


async def test_over_a_real_connection_a_sender_that_hangs_up_leaves_nothing(door: Door) -> None:
    path = await awaited(door)

    async def broken() -> AsyncIterator[bytes]:
        yield TAR
        raise ConnectionResetError

    async with served(door.app) as url, httpx.AsyncClient(base_url=url, headers=door.headers("user")) as http:
        with pytest.raises(ConnectionResetError):
            await http.put(path, content=broken(), headers={"Content-Length": str(len(TAR) + 1)})
        await settled(door.spool, [])
        async with asyncio.timeout(30):  # until the farm has seen that nobody sends any more
            while (answer := await http.put(path, content=TAR)).status_code == 409:
                assert answer.json()["code"] == "thing.in_use"
        assert answer.status_code == 202


async def test_over_a_real_connection_a_refusal_arrives_while_the_sender_still_sends(door: Door) -> None:
    door.spool = Spool(door.spool.folder, upload_bytes=1_000_000)
    path = await awaited(door)
    async with served(door.app) as url, httpx.AsyncClient(base_url=url, headers=door.headers("user")) as http:
        answer = await http.put(path, content=pieces(bytes(20_000_000)))
        assert (answer.status_code, answer.json()["code"]) == (413, "image.too_large")


# --- uploads that may be resumed


async def patched(door: Door, path: str, at: int, content: bytes | AsyncIterator[bytes], **how: str) -> httpx.Response:
    headers = {"Upload-Offset": str(at), "Upload-Length": str(len(TAR)), **how}
    return await door.ask("user", "PATCH", path, content=content, headers=headers)


async def test_an_upload_comes_piece_by_piece_and_says_how_much_has_come(door: Door) -> None:
    path = await awaited(door)
    for at in (0, 2_000_000):
        told = (await door.ask("user", "HEAD", path)).headers
        assert told["Upload-Offset"] == str(at)
        assert told["Upload-Checksum"] == f"sha256 {hashlib.sha256(TAR[:at]).hexdigest()}"
        answer = await patched(door, path, at, TAR[at : at + 2_000_000])
        assert (answer.status_code, answer.headers["Upload-Offset"]) == (204, str(at + 2_000_000))
    assert not door.house.wishes.images
    answer = await patched(door, path, 4_000_000, TAR[4_000_000:])
    assert answer.headers["Upload-Offset"] == str(len(TAR))
    assert [one.source for one in door.house.wishes.images] == [BlobSource(SHA256, len(TAR))]
    assert (door.spool.folder / SHA256).read_bytes() == TAR and files(door.spool.folder) == [SHA256]
    assert (await door.ask("user", "HEAD", path)).status_code == 409


async def test_a_piece_that_goes_on_elsewhere_or_too_far_is_refused(door: Door) -> None:
    path = await awaited(door)
    await patched(door, path, 0, TAR[:1000])
    for at, content in ((0, TAR[:1000]), (2000, TAR[2000:3000]), (1000, TAR[1000:] + b"x")):
        answer = await patched(door, path, at, content)
        assert (answer.status_code, answer.json()["code"]) == (409, "upload.broken")
    assert (await patched(door, path, 1000, TAR[1000:])).status_code == 204, "nothing of what was refused was kept"


async def test_a_piece_needs_its_place_and_a_whole_that_is_not_too_large(door: Door) -> None:
    path = await awaited(door)
    for missing in ("Upload-Offset", "Upload-Length"):
        answer = await patched(door, path, 0, b"x", **{missing: "many"})
        assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")
    answer = await patched(door, path, 0, b"x", **{"Upload-Length": "6000001"})
    assert answer.status_code == 204
    door.spool = Spool(door.spool.folder, upload_bytes=1000)
    answer = await patched(door, path, 1, b"x")
    assert (answer.status_code, answer.json()["code"]) == (413, "image.too_large")


async def test_what_came_before_the_connection_broke_is_kept(spool: Spool) -> None:
    image = uuid4()

    async def broken() -> AsyncIterator[bytes]:
        yield TAR[:3_000_000]
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await spool.append(image, 0, broken(), len(TAR))
    assert await spool.come(image) == Come(3_000_000, hashlib.sha256(TAR[:3_000_000]).hexdigest())
    come = await spool.append(image, 3_000_000, pieces(TAR[3_000_000:]), len(TAR))
    assert come == Come(len(TAR), SHA256)


async def test_a_controller_that_was_killed_goes_on_with_what_had_come(spool: Spool) -> None:
    image = uuid4()
    appending = asyncio.create_task(spool.append(image, 0, _hanging(TAR[:3_000_000]), len(TAR)))
    async with asyncio.timeout(30):
        while not (spool.folder / str(image)).exists() or (spool.folder / str(image)).stat().st_size < 2_000_000:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    next_one = Spool(spool.folder)  # the first is still there, as a killed process' file is
    next_one.prepare()
    come = await next_one.come(image)
    assert come.sha256 == hashlib.sha256(TAR[: come.size_bytes]).hexdigest() and come.size_bytes >= 2_000_000
    appending.cancel()
    await asyncio.gather(appending, return_exceptions=True)
    come = await next_one.come(image)
    assert await next_one.append(image, come.size_bytes, pieces(TAR[come.size_bytes :]), len(TAR)) == Come(
        len(TAR), SHA256
    )


async def _hanging(content: bytes) -> AsyncIterator[bytes]:
    async for piece in pieces(content):
        yield piece
    await asyncio.sleep(600)


async def test_a_full_disk_ends_a_piece_and_keeps_what_had_come(spool: Spool) -> None:
    image = uuid4()
    await spool.append(image, 0, pieces(TAR[:1_000_000]), len(TAR))
    full = Spool(spool.folder, headroom=Headroom(least_bytes=1 << 60))
    with pytest.raises(Fault) as error:
        await full.append(image, 1_000_000, pieces(TAR[1_000_000:]), len(TAR))
    assert error.value.code is Code.STORE_FULL
    assert (await full.come(image)).size_bytes == 1_000_000


async def test_what_has_come_of_an_upload_goes_with_its_image(door: Door) -> None:
    path = await awaited(door)
    await patched(door, path, 0, TAR[:1000])
    door.spool.sweep(door.house.farm.catalog.spooled)
    assert len(files(door.spool.folder)) == 1
    assert (await door.ask("user", "DELETE", "/api/v1/images/tiny")).status_code == 202
    door.spool.sweep(door.house.farm.catalog.spooled)
    assert files(door.spool.folder) == []


async def test_an_upload_that_begins_while_the_spool_is_swept_stays(spool: Spool) -> None:
    image, asked, go_on = uuid4(), threading.Event(), threading.Event()

    def wanted() -> frozenset[str]:
        asked.set()
        go_on.wait(30)
        return frozenset()  # as it was read before the image was opened

    sweeping = asyncio.create_task(asyncio.to_thread(spool.sweep, wanted))
    await asyncio.to_thread(asked.wait, 30)
    await spool.append(image, 0, pieces(TAR[:1000]), len(TAR))
    go_on.set()
    await sweeping
    assert files(spool.folder) == [str(image)]


async def test_an_upload_under_way_is_not_swept_and_says_how_much_has_come_without_reading_it(spool: Spool) -> None:
    image = uuid4()
    appending = asyncio.create_task(spool.append(image, 0, _hanging(TAR[:3_000_000]), len(TAR)))
    async with asyncio.timeout(30):
        while (come := await spool.come(image)).size_bytes < 2_000_000:  # noqa: ASYNC110 - as it says
            await asyncio.sleep(0.01)
    assert come.sha256 == hashlib.sha256(TAR[: come.size_bytes]).hexdigest()
    (spool.folder / str(image)).write_bytes(b"")  # it is not read: this would be seen
    assert await spool.come(image) == come
    spool.sweep(frozenset)
    assert files(spool.folder) == [str(image)]
    appending.cancel()
    await asyncio.gather(appending, return_exceptions=True)


async def test_what_came_before_a_restart_is_read_once(spool: Spool) -> None:
    image = uuid4()
    (spool.folder / str(image)).write_bytes(TAR)
    assert {*await asyncio.gather(*(spool.come(image) for _head in range(5)))} == {Come(len(TAR), SHA256)}
    (spool.folder / str(image)).write_bytes(bytes(len(TAR)))  # it is not read again: this would be seen
    assert await spool.come(image) == Come(len(TAR), SHA256)


async def test_an_upload_counts_as_large_as_it_was_announced_and_one_that_may_not_be_is_refused(door: Door) -> None:
    farm = door.house.farm
    rules = farm.ruling.rules(door.house.admin)
    farm.ruling.put(door.house.admin, replace(rules, users={"ada": Limits(image_bytes=len(TAR) + 10)}))
    path, other = await awaited(door), await awaited(door, "other")
    assert (await patched(door, path, 0, TAR[:1000])).status_code == 204
    for answer in (await patched(door, other, 0, TAR[:1000]), await door.ask("user", "PUT", other, content=TAR)):
        assert (answer.status_code, answer.json()["code"]) == (409, "quota.exceeded")
    assert (await patched(door, path, 1000, TAR[1000:])).status_code == 204


async def test_an_upload_may_be_announced_with_nothing_in_it_and_what_cannot_be_is_refused_then(door: Door) -> None:
    farm = door.house.farm
    rules = farm.ruling.rules(door.house.admin)
    path = await awaited(door)
    assert (await patched(door, path, 0, b"")).status_code == 204
    assert (await patched(door, path, 0, TAR)).status_code == 204
    farm.ruling.put(door.house.admin, replace(rules, users={"ada": Limits(image_bytes=len(TAR) + 10)}))
    other = await awaited(door, "other")
    answers = {}
    for spool in (door.spool, Spool(door.spool.folder, upload_bytes=1), Spool(door.spool.folder, headroom=FULL)):
        door.spool = spool
        answer = await patched(door, other, 0, b"")
        answers[answer.json()["code"]] = answer.status_code
    assert answers == {"quota.exceeded": 409, "image.too_large": 413, "store.full": 507}


async def test_who_sends_a_file_that_has_no_room_sends_nothing_of_it(door: Door, tmp_path: Path) -> None:
    await awaited(door)
    (huge := tmp_path / "huge").touch()
    os.truncate(huge, 10 << 40)
    token = door.headers("user")["Authorization"].removeprefix("Bearer ")
    async with served(door.app) as url:
        with client.Farm(url, token) as farm, huge.open("rb") as file:
            with pytest.raises(Complaint) as refused:
                await asyncio.to_thread(send_file, farm, "tiny", file, "huge")
            assert (refused.value.code, file.tell()) == ("image.too_large", 0)


# --- exports


async def test_an_export_that_was_cancelled_while_it_came_leaves_nothing(door: Door) -> None:
    errand = await exported(door)

    async def slowly() -> AsyncIterator[bytes]:
        yield TAR
        await door.ask("user", "DELETE", f"/api/v1/errands/{errand}")

    answer = await door.ask("agent", "PUT", f"/api/agent/v1/errands/{errand}/content", content=slowly())
    assert (answer.status_code, answer.json()["code"]) == (404, "errand.unknown")
    assert files(door.spool.folder) == []


async def exported(door: Door) -> str:
    door.house.image("tiny")
    answer = await door.ask("user", "POST", "/api/v1/images/tiny/export")
    assert (answer.status_code, answer.json()["state"]) == (202, "waiting")
    return str(answer.json()["id"])


async def test_what_an_agent_packed_is_taken_away_whole_or_in_parts(door: Door) -> None:
    errand = await exported(door)
    content = f"/api/v1/errands/{errand}/content"
    assert (await door.ask("user", "GET", content)).status_code == 409
    for _time in range(2):
        answer = await door.ask("agent", "PUT", f"/api/agent/v1/errands/{errand}/content", content=TAR)
        assert answer.status_code == 204
    told = (await door.ask("user", "GET", f"/api/v1/errands/{errand}")).json()
    assert (told["state"], told["size_bytes"]) == ("done", len(TAR))
    whole = await door.ask("user", "GET", content)
    assert whole.content == TAR and "tiny-2026030101.tar" in whole.headers["Content-Disposition"]
    part = await door.ask("user", "GET", content, headers={"Range": "bytes=3000000-"})
    assert (part.status_code, part.content) == (206, TAR[3_000_000:])
    assert (await door.ask("bob", "GET", content)).status_code == 404
    door.spool.sweep(door.house.farm.catalog.spooled)
    assert files(door.spool.folder) == [errand]
    assert (await door.ask("user", "DELETE", f"/api/v1/errands/{errand}")).status_code == 204
    door.spool.sweep(door.house.farm.catalog.spooled)
    assert files(door.spool.folder) == []


async def test_an_export_for_which_there_is_no_room_is_told_the_agent(door: Door) -> None:
    errand = await exported(door)
    door.spool = Spool(door.spool.folder, headroom=Headroom(least_bytes=1 << 60))
    answer = await door.ask("agent", "PUT", f"/api/agent/v1/errands/{errand}/content", content=TAR)
    assert (answer.status_code, answer.json()["code"]) == (507, "store.full")
    await settled(door.spool, [])


async def test_an_export_that_was_cancelled_is_taken_from_no_agent(door: Door) -> None:
    errand = await exported(door)
    await door.ask("user", "DELETE", f"/api/v1/errands/{errand}")
    answer = await door.ask("agent", "PUT", f"/api/agent/v1/errands/{errand}/content", content=TAR)
    assert (answer.status_code, answer.json()["code"]) == (404, "errand.unknown")
