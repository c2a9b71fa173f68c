"""What users send to boot with: whole and theirs alone, and to the agent where a board is to boot with it."""

from datetime import timedelta
from hashlib import sha256

import pytest

from boardgrid.model.kit import FILE_BYTES
from boardgrid.model.wish import Deployed
from tests.api.door import Door

KERNEL = b"\0" * 0x24 + b"\x18\x28\x6f\x01" + bytes(range(256)) * 5000  # as a zImage begins
SUM = sha256(KERNEL).hexdigest()
PATH = f"/api/v1/kit-files/{SUM}"


@pytest.fixture
async def number(door: Door) -> int:
    """Ada's reservation, whose board is open."""
    door.house.image()
    number = door.house.opened().reservation.number
    door.house.now += timedelta(seconds=1)  # ids of one instant are in no order
    return number


async def test_a_file_is_sent_once_booted_and_fetched_by_the_agent_alone(door: Door, number: int) -> None:
    assert (await door.ask("user", "GET", PATH)).status_code == 404
    sent = await door.ask("user", "PUT", PATH, content=KERNEL)
    assert (sent.status_code, sent.json()["size_bytes"]) == (201, len(KERNEL))
    assert (await door.ask("user", "GET", PATH)).json()["sha256"] == SUM
    assert (await door.ask("bob", "GET", PATH)).json()["code"] == "file.unknown"
    blob = f"/api/agent/v1/blobs/{SUM}"
    assert (await door.ask("agent", "GET", blob)).status_code == 404, "no board is to boot with it yet"
    asked = {"kernel": SUM, "append": "quiet", "once": True}
    booted = await door.ask("user", "POST", f"/api/v1/reservations/{number}/boot", json=asked)
    assert booted.status_code == 202, booted.text
    assert booted.json()["deployment"]["kit"]["kernel"] == {"kind": "blob", "sha256": SUM, "size_bytes": len(KERNEL)}
    wish = door.house.wish().wish
    assert isinstance(wish, Deployed) and wish.is_once and wish.kit is not None
    assert (await door.ask("agent", "GET", blob)).content == KERNEL
    assert (await door.ask("user", "GET", blob)).status_code == 401


async def test_a_file_that_is_no_kernel_is_refused_before_the_board_is_touched(door: Door, number: int) -> None:
    text = b"make: *** No rule to make target zImage.\n"
    sum_ = sha256(text).hexdigest()
    await door.ask("user", "PUT", f"/api/v1/kit-files/{sum_}", content=text)
    before = door.house.wish()
    for part in ("kernel", "dtb", "initrd"):
        refused = await door.ask("user", "POST", f"/api/v1/reservations/{number}/boot", json={part: sum_})
        assert (refused.status_code, refused.json()["code"]) == (422, "file.unfit")
    assert (
        "no kernel that tk1-1 can boot"
        in (await door.ask("user", "POST", f"/api/v1/reservations/{number}/boot", json={"kernel": sum_})).json()[
            "detail"
        ]
    )
    assert door.house.wish() == before


async def test_what_is_not_what_it_was_said_to_be_is_not_taken(door: Door) -> None:
    refused = await door.ask("user", "PUT", PATH, content=KERNEL[:-1])
    assert (refused.status_code, refused.json()["code"]) == (409, "upload.broken")
    assert list(door.spool.folder.iterdir()) == []
    for path in ("/api/v1/kit-files/..%2Fetc", "/api/v1/kit-files/ABC"):
        assert (await door.ask("user", "PUT", path, content=b"x")).status_code in {404, 422}


async def test_a_file_that_is_too_large_is_refused(door: Door) -> None:
    headers = {"Content-Length": str(FILE_BYTES + 1)}
    refused = await door.ask("user", "PUT", PATH, content=b"", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (413, "image.too_large")


async def test_a_file_stays_in_the_spool_while_its_user_may_boot_with_it(door: Door) -> None:
    await door.ask("user", "PUT", PATH, content=KERNEL)
    farm = door.house.farm
    door.spool.sweep(lambda: farm.catalog.spooled() | farm.restarting.blobs())
    assert [file.name for file in door.spool.folder.iterdir()] == [SUM]


async def test_a_board_is_saved(door: Door, number: int) -> None:
    saved = await door.ask("user", "POST", f"/api/v1/reservations/{number}/save", json={"image": "mine"})
    assert (saved.status_code, saved.json()["deployment"]["state"]) == (202, "saving")
    again = await door.ask("user", "POST", f"/api/v1/reservations/{number}/save", json={"image": "mine"})
    assert (again.status_code, again.json()["code"]) == (409, "thing.in_use")
