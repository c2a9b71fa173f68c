"""Stores for the tests of this folder, each in a mount namespace that goes with them."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from boardgrid.adapters.shell import SubprocessShell
from boardgrid.bootware.making import Workshop
from boardgrid.bootware.packages import DebianPackages
from tests.adapters.store.bench import Bench
from tests.adapters.store.own_mounts import own_mounts, unmount_below

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "boardgrid/debian"


@pytest.fixture(scope="session")
def boot_parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the holding system, with the machine that reads disk images beside it."""
    folder = tmp_path_factory.mktemp("holding")
    workshop = Workshop(DebianPackages(SubprocessShell(), CACHE))
    asyncio.run(workshop.write_holding(folder, "ssh-ed25519 AAAA"))
    return folder


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
