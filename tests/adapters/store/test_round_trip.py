"""A nasty tree goes all the way round - import, deploy, capture, export, import - and comes back as it was."""

import asyncio
import os
import subprocess
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from boardgrid.adapters.store.digest import first_difference, summary
from boardgrid.adapters.store.tree import TreePath
from boardgrid.model.image import CheckpointSource, PathSource, RootSource, Source
from tests.adapters.store.bench import MIB, Bench
from tests.adapters.store.trees import a_nasty_tree

pytestmark = pytest.mark.world


async def deployed(bench: Bench, image: UUID) -> tuple[UUID, Path]:
    root = uuid4()
    await bench.roots.clone(root, image, 256 * MIB)
    return root, bench.roots.path(root)


def check_same(tree: Path, other: Path) -> None:
    """Field by field, and by name where they differ."""
    assert first_difference(TreePath(str(tree)), TreePath(str(other))) is None


def copied_up(tree: Path) -> None:
    """Touch all of it and change nothing."""
    for entry in [tree, *tree.rglob("*")]:
        os.utime(entry, ns=(0, entry.lstat().st_mtime_ns), follow_symlinks=False)


def exported(tree: Path, archive: Path) -> Path:
    words = ["--format=posix", "--xattrs", "--xattrs-include=*", "--acls", "--selinux", "--sparse", "--numeric-owner"]
    subprocess.run(["tar", "--create", "--zstd", *words, "--file", archive, "--directory", tree, "."], check=True)
    return archive


@pytest.mark.slow
@pytest.mark.parametrize("live", [False, True], ids=["captured", "checkpointed"])
async def test_a_tree_comes_back_as_it_was_field_by_field(bench: Bench, live: bool) -> None:
    tree = await asyncio.to_thread(a_nasty_tree, bench.imports / "nasty")
    first, kept, again = uuid4(), uuid4(), uuid4()
    seen = summary(TreePath(str(tree)))

    assert (await bench.images.build(first, PathSource(str(tree)))).digest == seen.digest
    root, at = await deployed(bench, first)
    check_same(tree, at)
    await bench.roots.unmount(root)
    await bench.roots.clone(root, first, 256 * MIB)
    check_same(tree, at)

    # All of it copied up, so that what is captured is the root's own and not its image's.
    await asyncio.to_thread(copied_up, at)
    check_same(tree, at)
    source: Source = CheckpointSource(root) if live else RootSource(root)
    assert (await bench.images.build(kept, source)).digest == seen.digest
    _root, captured = await deployed(bench, kept)
    check_same(tree, captured)

    archive = await asyncio.to_thread(exported, captured, bench.imports / "nasty.tar.zst")
    assert (await bench.images.build(again, PathSource(str(archive)))).digest == seen.digest
    _root, back = await deployed(bench, again)
    check_same(tree, back)
    assert (back / "odd" / "holes").stat().st_blocks * 512 < 12 * MIB
    assert not (await bench.images.changes(again, first)).paths
