"""What arrives cut off or with bits turned over, in each format: refused in a sentence, or imported as it is."""

import os
import random
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import pytest

from boardgrid.adapters.store.diary import NO_DIARY, Diary
from boardgrid.adapters.store.intake import Intake
from boardgrid.adapters.store.limits import Limits
from boardgrid.adapters.store.source import Archive, File
from boardgrid.adapters.store.workroom import Disk
from boardgrid.model.errand import About
from boardgrid.model.errors import Code, FarmError, Invalid
from boardgrid.model.image import PathSource
from tests.adapters.store import samples
from tests.adapters.store.bench import MIB, Bench
from tests.adapters.store.own_mounts import unmount_below
from tests.adapters.store.test_containers import is_clean

pytestmark = [pytest.mark.world, pytest.mark.slow, pytest.mark.timeout(1800)]

EXPECTED = {Code.ARCHIVE_REFUSED, Code.IMAGE_TOO_LARGE}
WITHOUT_SUM = {"tar", "docker archive"}  # of names, times and content: what is read is what is there
HEAD = 1 << 16  # tables and superblocks lie there


def turned(whole: bytes, chance: random.Random, among: int) -> bytes:
    """With some bits turned over among the first bytes."""
    bytes_ = bytearray(whole)
    for _ in range(8):
        bytes_[chance.randrange(min(among, len(bytes_)))] ^= 1 << chance.randrange(8)
    return bytes(bytes_)


def broken(whole: bytes, count: int) -> Iterator[bytes]:
    chance = random.Random(7)  # noqa: S311 - the same each time
    for eighths in range(1, 8):
        yield whole[: len(whole) * eighths // 8]
    for number in range(count):
        yield turned(whole, chance, HEAD if number % 2 else len(whole))


async def export_of(bench: Bench, tree: Path) -> bytes:
    image, errand = uuid4(), uuid4()
    await bench.images.build(image, PathSource(str(tree)))
    await bench.images.export(image, errand, About("tiny", 1, {}, (), ()))
    return bench.blobs.sent[errand]


@pytest.mark.parametrize("what", [*samples.PLAIN, "OCI archive", "docker archive", "export"])
async def test_an_archive_is_refused_or_arrives_as_it_was(bench: Bench, what: str) -> None:
    tree = samples.a_system(bench.imports / "system")
    if what == "export":
        whole = await export_of(bench, tree)
    else:
        whole = samples.WITHOUT_MACHINE[what](tree, bench.imports / "given").read_bytes()
    right, refused = (await bench.blob(whole)).digest, 0
    before = set(bench.stored())
    for one in broken(whole, 12):
        try:
            manifest = await bench.blob(one)
        except FarmError as error:
            refused += 1
            assert error.code in EXPECTED, error
            assert set(bench.stored()) == before
        else:
            assert manifest.digest == right or what in WITHOUT_SUM, what
            before = set(bench.stored())
        assert is_clean(bench)
    assert refused >= 7


class NoMachine:
    """In the place of the disk reader: it remembers what it was to read."""

    partition = None

    def __init__(self) -> None:
        self.read_sum = ""

    def read(self, image: File, _limits: Limits, _disk: Disk, _draft: Path, _diary: Diary) -> Archive:
        with os.fdopen(os.dup(image.fd), "rb") as file:
            file.seek(0)
            self.read_sum = sha256(file.read()).hexdigest()
        raise Invalid(Code.ARCHIVE_REFUSED, "there is no machine")


def test_an_android_sparse_image_is_refused_or_filled(alone: None, tmp_path: Path) -> None:
    raw = samples.ext4(samples.a_system(tmp_path / "system"), tmp_path / "raw")
    whole = samples.android_sparse(raw, tmp_path / "sparse").read_bytes()
    assert filled(tmp_path, whole) == sha256(raw.read_bytes()).hexdigest()
    sums = [filled(tmp_path, one) for one in broken(whole, 40)]
    assert sums[:7] == [""] * 7
    assert {entry.name for entry in tmp_path.iterdir()} == {"system", "raw", "sparse"}


def filled(place: Path, content: bytes) -> str:
    """The sum of the disk that the machine would read; empty: it was refused before."""
    draft, file, reader = place / "draft", place / "given", NoMachine()
    draft.mkdir()
    file.write_bytes(content)
    with file.open("rb") as opened, pytest.raises(Invalid) as raised:
        intake = Intake(Limits(1 << 30), Disk(draft, 0), NO_DIARY, reader)  # type: ignore[arg-type] # it reads no disk
        intake.tree_of(File(opened.fileno(), "given"))
    assert raised.value.code in EXPECTED
    unmount_below(draft)
    samples.ran("rm", "-r", draft, file)
    return reader.read_sum


@pytest.mark.overnight  # a machine for each
@pytest.mark.parametrize("what", ["ext4", "SD card", "GPT disk", "Android sparse"])
async def test_a_disk_image_is_refused_or_imported_and_never_hangs(bench: Bench, boot_parts: Path, what: str) -> None:
    bench = bench.after(boot_parts=boot_parts)
    tree = samples.a_system(bench.imports / "system")
    whole = samples.BY_MACHINE[what](tree, bench.imports / "given").read_bytes()
    chance = random.Random(7)  # noqa: S311 - the same each time
    for among in (HEAD, HEAD, 12 * MIB, len(whole)):
        before = set(bench.stored())
        try:
            await bench.blob(turned(whole, chance, among))
        except FarmError as error:
            assert error.code in EXPECTED, error
            assert set(bench.stored()) == before
        assert is_clean(bench)
