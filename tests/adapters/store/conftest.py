"""Stores for the tests of this folder, each in a mount namespace that goes with them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adapters.store.bench import Bench
from tests.adapters.store.own_mounts import own_mounts, unmount_below


@pytest.fixture(scope="module")
def alone() -> Iterator[None]:
    with own_mounts():
        yield


@pytest.fixture
def bench(alone: None, tmp_path: Path) -> Iterator[Bench]:
    for name in ("store", "imports"):
        (tmp_path / name).mkdir()
    yield Bench(tmp_path / "store", tmp_path / "imports")
    unmount_below(tmp_path / "store")
