"""Images that are verified, exported, imported again, and stored once however often they come."""

import asyncio
import contextlib
import io
import json
import os
import tarfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from boardgrid.adapters.store.digest import summary
from boardgrid.adapters.store.exported import FORMAT, MANIFEST, TREE
from boardgrid.adapters.store.tree import TreePath
from boardgrid.model.errand import About
from boardgrid.model.errors import Code, Fault, Invalid, NotFound
from boardgrid.model.image import Making, PathSource, RootSource
from tests.adapters.store import samples
from tests.adapters.store.bench import ALL_KEPT_FREE, Bench
from tests.adapters.store.boot_parts import put
from tests.adapters.store.own_mounts import loops_below
from tests.adapters.store.trees import a_tree, packed

pytestmark = [pytest.mark.slow, pytest.mark.asyncio]

ABOUT = About("tiny", 2026112201, {"purpose": "ci"}, ("tk1",), ("older:2026010101",))


def erofs(bench: Bench, image: UUID) -> Path:
    return bench.folder / "images" / str(image) / "tree.erofs"


def spoil(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)


async def exported(bench: Bench, image: UUID) -> bytes:
    errand = uuid4()
    await bench.images.export(image, errand, ABOUT)
    return bench.blobs.sent[errand]


@contextlib.asynccontextmanager
async def verifying(bench: Bench) -> AsyncIterator[None]:
    """Inside the block an image is being verified, by a program that waits for the disk."""
    image, errand = await bench.image(), uuid4()
    erofs(bench, image).unlink()
    os.mkfifo(erofs(bench, image))
    work = asyncio.ensure_future(bench.images.verify(image, errand))
    pipe = await asyncio.to_thread(erofs(bench, image).open, "wb")
    try:
        yield
        assert not work.done()
    finally:
        pipe.close()
        with contextlib.suppress(Fault):
            await work


async def test_a_root_that_was_put_away_while_an_image_is_verified_is_mounted_again(bench: Bench) -> None:
    image, root, other = await bench.image(), uuid4(), uuid4()
    for one in (root, other):
        await bench.roots.clone(one, image, 64 << 20)
    async with verifying(bench):
        await bench.roots.unmount(root)
        await bench.roots.clone(root, image, 64 << 20)
        assert (await bench.roots.all())[root].is_mounted
        await bench.roots.remove(other)
        assert not any(str(other) in line for line in loops_below(bench.folder))


async def test_a_bit_that_turned_over_is_found(bench: Bench) -> None:
    image = await bench.image()
    await bench.images.verify(image, uuid4())
    spoil(erofs(bench, image))
    with pytest.raises(Fault, match="its file has the checksum sha256:") as error:
        await bench.images.verify(image, uuid4())
    assert error.value.code is Code.IMAGE_DAMAGED


@pytest.mark.parametrize("file", ["tree.erofs", "manifest.json"])
async def test_a_file_that_is_missing_is_damage(bench: Bench, file: str) -> None:
    image = await bench.image()
    (erofs(bench, image).parent / file).unlink()
    with pytest.raises(Fault, match="cannot be read") as error:
        await bench.images.verify(image, uuid4())
    assert error.value.code is Code.IMAGE_DAMAGED


async def test_what_was_exported_is_imported_with_the_same_digest(bench: Bench) -> None:
    image = await bench.image()
    made = await bench.blob(await exported(bench, image))
    assert made == replace(bench.stored()[image], about=ABOUT)


async def test_another_farm_gets_the_image_that_it_was_with_all_that_was_told_of_it(
    bench: Bench, tmp_path: Path
) -> None:
    tree = a_tree(bench.imports / "tree")
    for timer in ("apt-daily.timer", "fstrim.timer"):
        put(tree, f"lib/systemd/system/{timer}", "[Timer]")
    put(tree, "etc/machine-id", "abc\n")
    (tmp_path / "other").mkdir()
    other = Bench(tmp_path / "other", bench.imports)
    for making in (Making(), Making(without=("no-disk-chores", "fresh-machine-id", "no-logs"))):
        image = uuid4()
        here = await bench.images.build(image, PathSource(str(tree)), making)
        there = await other.blob(await exported(bench, image))
        assert there == replace(here, about=ABOUT, checksum=there.checksum)  # of a file that was made anew
        [imported] = [image for image, manifest in other.stored().items() if manifest == there]
        assert await bench.blob(await exported(other, imported)) == replace(there, checksum=here.checksum)


async def test_what_a_user_changed_in_a_root_is_not_adapted_again_on_another_farm(bench: Bench, tmp_path: Path) -> None:
    tree = a_tree(bench.imports / "tree")
    put(tree, "lib/systemd/system/fstrim.timer", "[Timer]")
    image, root, kept = uuid4(), uuid4(), uuid4()
    await bench.images.build(image, PathSource(str(tree)))
    await bench.roots.clone(root, image, 64 << 20)
    (bench.roots.path(root) / "etc/systemd/system/fstrim.timer").unlink()  # they want it
    saved = await bench.images.build(kept, RootSource(root))
    (tmp_path / "other").mkdir()
    there = await Bench(tmp_path / "other", bench.imports).blob(await exported(bench, kept))
    assert there == replace(saved, about=ABOUT, checksum=there.checksum)


async def test_a_manifest_of_a_users_own_leaves_out_nothing_that_others_rely_on(bench: Bench, tmp_path: Path) -> None:
    tree = a_tree(tmp_path / "tree")
    put(tree, "etc/ssh/ssh_host_rsa_key", "BEGIN PRIVATE")
    plain = samples.tar(tree, tmp_path / "tree.tar")
    digest = summary(TreePath(str(tree))).digest
    told = {"digest": digest, "adapted": [], "without": ["fresh-host-keys", "no-swap", "no-such"]}
    forged = json.dumps({"format": FORMAT, "manifest": told}).encode()
    made = await bench.blob(members((MANIFEST, forged), (TREE, samples.packed_by("zstd", plain).read_bytes())))
    assert made.without == ("no-swap",)
    assert [one.name for one in made.adapted] == ["fresh-host-keys"]
    assert made.digest != digest


async def test_what_a_manifest_claims_to_be_adapted_is_known_here_and_told_once(bench: Bench, tmp_path: Path) -> None:
    tree = a_tree(tmp_path / "tree")
    put(tree, "etc/ssh/ssh_host_rsa_key", "BEGIN PRIVATE")
    plain = samples.tar(tree, tmp_path / "tree.tar")
    claims = [{"name": name, "detail": "as is claimed"} for name in ("no-such", "no-swap", "fresh-host-keys")]
    told = {"digest": summary(TreePath(str(tree))).digest, "adapted": claims}
    forged = json.dumps({"format": FORMAT, "manifest": told}).encode()
    made = await bench.blob(members((MANIFEST, forged), (TREE, samples.packed_by("zstd", plain).read_bytes())))
    assert [one.name for one in made.adapted] == ["no-swap", "fresh-host-keys"]
    assert made.adapted[1].detail == "etc/ssh/ssh_host_rsa_key"


async def test_what_was_exported_is_not_made_without_more_than_it_was(bench: Bench) -> None:
    whole = await exported(bench, await bench.image())
    with pytest.raises(Invalid, match="comes back as the image that it was") as error:
        await bench.blob(whole, Making(without=("no-swap",)))
    assert error.value.code is Code.REQUEST_INVALID
    assert error.value.hint == "leave out --without; or unpack it by hand, and import its tree.tar.zst"


def members(*files: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


async def test_any_tar_unpacks_an_export_by_hand(bench: Bench, tmp_path: Path) -> None:
    image = await bench.image()
    content = await exported(bench, image)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        assert archive.getnames() == ["manifest.json", "tree.tar.zst"]
    (tmp_path / "export.tar").write_bytes(content)
    unpack = ("tar", "--extract", "--directory", str(tmp_path))
    await bench.store.shell.run(*unpack, "--file", str(tmp_path / "export.tar"))
    told = json.loads((tmp_path / "manifest.json").read_text())
    assert (told["format"], told["name"], told["version"]) == ("boardgrid-image-1", "tiny", 2026112201)
    assert told["labels"] == {"purpose": "ci"} and told["lineage"] == ["older:2026010101"]
    assert told["manifest"]["digest"] == bench.stored()[image].digest
    await bench.store.shell.run(*unpack, "--zstd", "--file", str(tmp_path / "tree.tar.zst"))
    assert (tmp_path / "etc" / "hostname").read_text() == "tiny\n"


async def test_no_file_of_an_export_is_packed_in_a_way_that_only_some_tars_know(bench: Bench, tmp_path: Path) -> None:
    (a_tree(bench.imports / "tiny") / "zeros").write_bytes(bytes(1 << 20))  # EROFS stores it in a block
    content = await exported(bench, await bench.image())
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        packed_tree = archive.extractfile("tree.tar.zst")
        assert packed_tree is not None
        (tmp_path / "tree.tar.zst").write_bytes(packed_tree.read())
    await bench.store.shell.run("zstd", "--decompress", "--quiet", str(tmp_path / "tree.tar.zst"))
    with tarfile.open(tmp_path / "tree.tar") as tree:
        assert tree.getmember("./zeros").isreg() and not any(member.issparse() for member in tree)


async def test_an_export_that_was_changed_or_cut_is_refused(bench: Bench, tmp_path: Path) -> None:
    image = await bench.image()
    whole = await exported(bench, image)
    digest = bench.stored()[image].digest
    other = digest[:-1] + ("0" if digest[-1] != "0" else "1")
    for content, why in (
        (whole.replace(digest.encode(), other.encode(), 1), "was changed since"),
        (whole.replace(b"boardgrid-image-1", b"boardgrid-image-9", 1), "a farm of another release"),
        (whole[: len(whole) // 2], "is cut off"),
    ):
        with pytest.raises(Invalid, match=why) as error:
            await bench.blob(content)
        assert error.value.code is Code.ARCHIVE_REFUSED


async def test_an_archive_that_only_looks_like_an_export_is_imported_as_it_is(bench: Bench, tmp_path: Path) -> None:
    tree = a_tree(tmp_path / "tree")
    (tree / "manifest.json").write_text("{}")
    assert (await bench.blob(packed(tree, tmp_path / "tree.tar").read_bytes())).arch == "armhf"


async def test_an_export_that_nobody_wants_leaves_nothing(bench: Bench) -> None:
    image, errand = await bench.image(), uuid4()
    bench.blobs.wanted = set()
    with pytest.raises(NotFound) as error:
        await bench.images.export(image, errand, ABOUT)
    assert error.value.code is Code.ERRAND_UNKNOWN
    assert [one.name for one in (bench.folder / "images").iterdir()] == [str(image)]


async def test_where_there_is_no_room_nothing_is_exported(bench: Bench) -> None:
    image = await bench.image()
    full = bench.after(headroom=ALL_KEPT_FREE)
    assert not await full.images.has_room()
    with pytest.raises(Fault) as error:
        await full.images.export(image, uuid4(), ABOUT)
    assert error.value.code is Code.STORE_FULL
    assert [one.name for one in (bench.folder / "images").iterdir()] == [str(image)]


async def test_two_exports_at_once_do_not_disturb_each_other(bench: Bench) -> None:
    image = await bench.image()
    one, other = await asyncio.gather(exported(bench, image), exported(bench, image))
    assert one == other


async def test_the_same_content_is_stored_once_and_goes_with_the_last_of_its_images(bench: Bench) -> None:
    first, second = await bench.image(), await bench.image()
    assert erofs(bench, first).samefile(erofs(bench, second))
    assert bench.stored()[first].checksum == bench.stored()[second].checksum
    await bench.images.remove(first)
    await bench.images.verify(second, uuid4())
    root = uuid4()
    await bench.roots.clone(root, second, 64 << 20)
    assert (bench.roots.path(root) / "etc" / "hostname").read_text() == "tiny\n"


async def test_a_damaged_file_is_not_shared_with_who_brings_the_same_content(bench: Bench) -> None:
    first = await bench.image()
    spoil(erofs(bench, first))
    second = await bench.image()
    assert not erofs(bench, first).samefile(erofs(bench, second))
    await bench.images.verify(second, uuid4())
