"""What users bring to boot with: into their root and out of it, and nowhere else."""

import gzip
import io
import os
import stat
import tarfile
from hashlib import sha256
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from boardgrid.adapters.store.initramfs import content_of
from boardgrid.model.errors import Code, FarmError, Invalid, NotFound
from boardgrid.model.image import BlobSource
from boardgrid.model.kit import BootKit
from tests.adapters.store.bench import MIB, Bench
from tests.adapters.store.boot_parts import a_module, an_archive, with_config
from tests.adapters.store.boot_parts import put as put_file
from tests.contract.test_kits import RELEASE, modules_of

pytestmark = pytest.mark.slow


async def a_root(bench: Bench, size_bytes: int = 64 * MIB) -> UUID:
    root = uuid4()
    await bench.roots.clone(root, await bench.image(), size_bytes)
    return root


def sent(bench: Bench, archive: bytes) -> BlobSource:
    blob = BlobSource(sha256(archive).hexdigest(), len(archive))
    bench.blobs.blobs[blob.sha256] = archive
    return blob


async def put(bench: Bench, root: UUID, archive: bytes) -> None:
    kit = BootKit(uuid4(), modules=sent(bench, archive), release=RELEASE)
    await bench.kits.fetch(kit)
    await bench.kits.fit(kit, root)


def is_there(path: str) -> bool:
    return os.path.lexists(path)


def of(bench: Bench, root: UUID) -> Path:
    return bench.roots.path(root) / "lib/modules" / RELEASE


async def test_modules_are_replaced_whole_and_become_roots(bench: Bench) -> None:
    root = await a_root(bench)
    await put(bench, root, modules_of(kernel__old=b"1", modules__dep=b"2"))
    await put(bench, root, modules_of(kernel__new=b"3"))
    assert sorted(path.name for path in of(bench, root).rglob("*")) == ["kernel", "new"]
    new = of(bench, root) / "kernel" / "new"
    assert (new.read_bytes(), new.stat().st_uid) == (b"3", 0)
    assert [path.name for path in of(bench, root).parent.iterdir() if path.name.startswith(".")] == []


async def a_kernel(bench: Bench, kernel: bytes = b"a kernel", **files: bytes) -> Path | None:
    """Brought with these modules: the initramfs that it has then."""
    root = await a_root(bench)
    archive = modules_of(**files)
    kit = BootKit(uuid4(), kernel=sent(bench, kernel), modules=sent(bench, archive), release=RELEASE)
    await bench.kits.fetch(kit)
    for _time in range(2):
        await bench.kits.fit(kit, root, drivers={"mine-net"})
    return (await bench.kits.files(kit)).initrd


NFS = {"kernel__nfs.ko": a_module("sunrpc"), "kernel__sunrpc.ko": a_module(), "kernel__mine_net.ko": a_module()}


async def test_a_kernel_without_nfs_root_has_an_initramfs_of_its_modules(bench: Bench, tmp_path: Path) -> None:
    put_file(tmp_path, "parts/armhf/base.cpio", an_archive(["init", "etc/dhcp-answer"]))
    bench = bench.after(boot_parts=tmp_path / "parts")
    initrd = await a_kernel(bench, **NFS)
    assert initrd is not None and stat.S_IMODE(initrd.stat().st_mode) == 0o644, "boards get it as it lies there"
    with initrd.open("rb") as file:
        seen = content_of(file.fileno())
    assert (seen.maker, seen.has_nfs) == ("boardgrid", True)
    assert b"mine_net.ko\n" in gzip.decompress(initrd.read_bytes())
    assert await a_kernel(bench, with_config("ROOT_NFS", "IP_PNP"), **NFS) is None, "it mounts its root by itself"
    assert await a_kernel(bench, modules__dep=b"") is None, "nothing to make one of"


async def test_a_kernel_that_comes_with_an_initramfs_or_is_to_have_none_is_made_none(
    bench: Bench, tmp_path: Path
) -> None:
    put_file(tmp_path, "parts/armhf/base.cpio", an_archive(["init", "etc/dhcp-answer"]))
    bench = bench.after(boot_parts=tmp_path / "parts")
    root, initrd = await a_root(bench), sent(bench, b"its own")
    kernel, modules = sent(bench, b"a kernel"), sent(bench, modules_of(**NFS))
    own = BootKit(uuid4(), kernel=kernel, modules=modules, release=RELEASE, initrd=initrd)
    none = BootKit(uuid4(), kernel=kernel, modules=modules, release=RELEASE, without_initrd=True)
    for kit in (own, none):
        await bench.kits.fetch(kit)
        await bench.kits.fit(kit, root, drivers={"mine-net"})
    there = (await bench.kits.files(own)).initrd
    assert there is not None and there.read_bytes() == b"its own"
    assert (await bench.kits.files(none)).initrd is None


async def test_packed_modules_are_taken_too(bench: Bench) -> None:
    root = await a_root(bench)
    await put(bench, root, gzip.compress(modules_of(kernel__new=b"3")))
    assert (of(bench, root) / "kernel/new").is_file()


async def test_modules_go_where_a_link_of_the_root_leads_inside_it(bench: Bench, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    root = await a_root(bench)
    tree = bench.roots.path(root)
    modules = tree / "lib/modules"
    if modules.is_dir():
        modules.rename(tree / "lib/before")
    (tree / str(outside).lstrip("/")).mkdir(parents=True)
    modules.symlink_to(outside)
    await put(bench, root, modules_of(kernel__new=b"3"))
    assert not list(outside.iterdir())
    assert (tree / str(outside).lstrip("/") / RELEASE / "kernel/new").is_file()


def hostile(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", then: str = "") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, target
        member.devmajor, member.devminor = 1, 3
        tar.addfile(member)
        if then:
            tar.addfile(tarfile.TarInfo(then))
    return packed.getvalue()


@pytest.mark.parametrize(
    "archive",
    [
        pytest.param(hostile("../../../etc/hostile"), id="above"),
        pytest.param(hostile("/etc/hostile"), id="absolute"),
        pytest.param(hostile("a", tarfile.SYMTYPE, "/etc", "a/hostile"), id="link"),
        pytest.param(hostile("a", tarfile.SYMTYPE, "../../..", "a/etc/hostile"), id="link above"),
        pytest.param(hostile("hostile", tarfile.CHRTYPE), id="device"),
        pytest.param(hostile("a", tarfile.LNKTYPE, "/etc/passwd"), id="hard link"),
        pytest.param(b"no archive at all" * 100, id="garbage"),
        pytest.param(modules_of(kernel__a=b"1")[:700], id="cut off"),
    ],
)
async def test_a_hostile_archive_reaches_nothing_but_its_folder(bench: Bench, archive: bytes) -> None:
    root = await a_root(bench)
    await put(bench, root, modules_of(kernel__good=b"1"))
    before = {path: path.lstat().st_ino for path in (bench.roots.path(root) / "etc").rglob("*")}
    try:
        await put(bench, root, archive)
    except Invalid as error:
        assert error.code is Code.ARCHIVE_REFUSED
        assert (of(bench, root) / "kernel/good").is_file(), "what was there stays until there is better"
    assert {path: path.lstat().st_ino for path in (bench.roots.path(root) / "etc").rglob("*")} == before
    assert not is_there("/etc/hostile")
    assert not [path for path in of(bench, root).rglob("*") if path.is_char_device()]


async def test_modules_that_do_not_fit_into_the_root_are_refused_and_leave_it_as_it_was(bench: Bench) -> None:
    root = await a_root(bench, 16 * MIB)
    with pytest.raises(FarmError, match="could not be unpacked"):
        await put(bench, root, modules_of(kernel__big=bytes(64 * MIB)))
    assert not of(bench, root).exists()
    assert not list(of(bench, root).parent.glob(".*"))


async def test_the_newest_kernel_of_a_root_is_taken_or_the_one_that_is_named(bench: Bench) -> None:
    root = await a_root(bench)
    boot = bench.roots.path(root) / "boot"
    for release in ("99.1", "99.10"):
        (boot / f"vmlinuz-{release}").write_text(release)
    (boot / "initrd.img-99.1").write_text("initrd")
    for release, found in (("", "99.10"), ("99.1", "99.1")):
        kit = BootKit(uuid4(), from_root=True, release=release)
        await bench.kits.fetch(kit)
        await bench.kits.fit(kit, root)
        files = await bench.kits.files(kit)
        assert files.kernel is not None and files.kernel.read_text() == found
        assert (files.initrd is not None) is (release == "99.1")
    none = BootKit(uuid4(), from_root=True, release="1.0")
    with pytest.raises(NotFound, match=r"no kernel 1\.0"):
        await bench.kits.check(none, root)
    await bench.kits.fetch(none)
    with pytest.raises(NotFound, match=r"no kernel 1\.0") as raised:
        await bench.kits.fit(none, root)
    assert raised.value.code is Code.KERNEL_MISSING and "99.10, 99.1" in raised.value.hint


async def test_what_an_agent_was_killed_over_is_swept(bench: Bench) -> None:
    draft = bench.store.places.kit_draft(uuid4())
    draft.mkdir()
    kit = BootKit(uuid4(), kernel=sent(bench, b"kernel"))
    await bench.kits.fetch(kit)
    assert not draft.exists()
    files = await bench.kits.files(kit)
    assert files.kernel is not None and files.kernel.stat().st_mode & 0o004, "dnsmasq reads it"
