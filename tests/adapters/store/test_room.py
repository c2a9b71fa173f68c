"""Room that is promised to what is only on its way."""

from pathlib import Path

import pytest

from boardgrid.adapters.store.store import Store
from boardgrid.model.errors import Code, Fault
from boardgrid.testing import FakeShell


async def test_room_for_files_that_arrive_is_given_to_nobody_else(tmp_path: Path) -> None:
    store, file = Store(tmp_path, FakeShell()), tmp_path / "file"
    free = (await store.room()).free_bytes
    async with store.arriving({file: free // 2}):
        with pytest.raises(Fault) as raised:
            async with store.arriving({tmp_path / "other": free * 3 // 4}):
                pass
        assert raised.value.code is Code.STORE_FULL
        # Also where it lies there, and its blocks do not yet.
        with file.open("wb") as sparse:
            sparse.truncate(free // 4)
        assert (await store.room()).free_bytes < free * 3 // 4
    async with store.arriving({tmp_path / "other": free * 3 // 4}):
        pass


async def test_what_arrives_for_an_import_leaves_a_share_of_the_disk(tmp_path: Path) -> None:
    store = Store(tmp_path, FakeShell())
    free = (await store.room()).free_bytes
    with pytest.raises(Fault, match="may be used for imports") as raised:
        async with store.arriving({tmp_path / "file": free // 2}, free * 3 // 4):
            pass
    assert raised.value.code is Code.STORE_FULL
