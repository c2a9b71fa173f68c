"""Imports: what an honest tree keeps, and where a hostile one ends."""

import asyncio
import contextlib
import gzip
import io
import os
import shutil
import stat
import subprocess
import tarfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from boardgrid.adapters.shell import SubprocessShell
from boardgrid.adapters.store.cage import Cage
from boardgrid.adapters.store.digest import summary
from boardgrid.adapters.store.images import StoredImages
from boardgrid.adapters.store.limits import Limits
from boardgrid.adapters.store.source import Archive as ArchiveStream
from boardgrid.adapters.store.tree import TreePath
from boardgrid.adapters.store.unpack import unpack
from boardgrid.adapters.store.workroom import Disk
from boardgrid.model.errand import About
from boardgrid.model.errors import Code, FarmError, Fault, Invalid, NotFound
from boardgrid.model.image import BlobSource, Making, PathSource
from tests.adapters.store.bench import MIB, Bench
from tests.adapters.store.own_mounts import loops_below, mounts_below, unmount_below
from tests.adapters.store.test_archive import REFUSED
from tests.adapters.store.trees import CAPABILITY, RELEASE, Archive, a_root_file_system, a_tree, listing, packed

pytestmark = pytest.mark.world


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """What lies beside the store, and must look the same whatever is imported."""
    folder = tmp_path / "canary"
    folder.mkdir()
    (folder / "secret").write_text("the server's own")
    return folder


@pytest.fixture
def rootfs(bench: Bench) -> Path:
    """All that a real root file system has and that archives lose easily."""
    return a_root_file_system(bench.imports / "rootfs")


def gnu_packed(tree: Path, archive: Path, *words: str) -> Path:
    tar = ["tar", "-c", "--format=posix", "--xattrs", "--xattrs-include=*", "--acls", "-S", "--numeric-owner"]
    subprocess.run([*tar, *words, "-C", str(tree), "-f", str(archive), "."], check=True)
    return archive


# --- honest trees


@pytest.mark.parametrize("pack", ["", "--gzip", "--xz", "--zstd", "folder"])
async def test_a_root_file_system_arrives_as_it_is(bench: Bench, rootfs: Path, pack: str) -> None:
    words = [pack] if pack else []
    source = rootfs if pack == "folder" else gnu_packed(rootfs, bench.imports / "rootfs.tar", *words)
    image, root = uuid4(), uuid4()
    # Else ping becomes a setuid program: NFS carries no capabilities.
    as_it_is = Making(without=("no-file-capabilities",))
    manifest = await bench.images.build(image, PathSource(str(source)), as_it_is)

    here = summary(TreePath(str(rootfs)))
    assert (manifest.digest, manifest.files, manifest.size_bytes) == (here.digest, here.entries, here.size_bytes)

    await bench.roots.clone(root, image, 64 * MIB)
    tree = bench.roots.path(root)
    assert stat.S_IMODE((tree / "bin" / "su").stat().st_mode) == 0o4755
    assert (tree / "bin" / "su").stat().st_mtime_ns == 1_234_567_890_123_456_789
    assert (tree / "dev" / "null").stat().st_rdev == os.makedev(1, 3)
    assert (tree / "bin" / "ping").stat().st_nlink == 2
    assert os.getxattr(tree / "bin" / "ping", "security.capability") == CAPABILITY
    assert "trusted.overlay.opaque" not in os.listxattr(tree / "bin" / "ping")
    assert os.getxattr(tree / "srv", "user.note") == b"value"
    assert ((tree / "srv").stat().st_uid, (tree / "srv").stat().st_gid) == (100_000, 70_000)
    assert (tree / "mtab").readlink() == Path("/proc/mounts")
    assert os.getxattr(tree / "srv", "system.posix_acl_default") == os.getxattr(
        rootfs / "srv", "system.posix_acl_default"
    )


async def test_a_root_file_system_comes_through_an_export_as_it_was(bench: Bench, rootfs: Path) -> None:
    image, errand = uuid4(), uuid4()
    manifest = await bench.images.build(image, PathSource(str(rootfs)))
    await bench.images.export(image, errand, About("rootfs", 1, {}, (), ()))
    await bench.images.remove(image)  # else it would not be pressed once more
    again = await bench.blob(bench.blobs.sent[errand])
    assert (again.digest, again.files, again.size_bytes) == (manifest.digest, manifest.files, manifest.size_bytes)


async def test_acls_by_name_mean_the_trees_own_users(bench: Bench) -> None:
    tree, shell = a_tree(bench.imports / "named"), SubprocessShell()
    (tree / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\ngames:x:4321:4321::/:/bin/sh\n")
    await shell.run("setfacl", "--modify", "u:games:rwx", str(tree / "etc" / "ssh"))
    tar = ("tar", "-c", "--format=posix", "--acls", "-C", str(tree))
    await shell.run(*tar, "-f", str(bench.imports / "named.tar"), ".")
    image, root = uuid4(), uuid4()
    await bench.images.build(image, PathSource(str(bench.imports / "named.tar")))
    await bench.roots.clone(root, image, 64 * MIB)
    folder = str(bench.roots.path(root) / "etc" / "ssh")
    assert "user:4321:rwx" in await shell.run("getfacl", "--numeric", "--omit-header", folder)


async def test_two_imports_of_one_archive_have_one_digest(bench: Bench) -> None:
    archive = bench.imports / "a.tar"
    # Without its top folder, and with a folder that no member declares.
    with tarfile.open(archive, "w") as tar:
        tar.add(a_tree(bench.imports / "tiny") / "etc" / "hostname", "etc/deep/hostname")
    one = await bench.images.build(uuid4(), PathSource(str(archive)))
    await asyncio.sleep(1.1)
    two = await bench.images.build(uuid4(), PathSource(str(archive)))
    assert one.digest == two.digest


async def test_the_manifest_tells_what_the_tree_holds(bench: Bench) -> None:
    image = await bench.image()
    manifest = bench.stored()[image]
    assert (manifest.arch, manifest.system, manifest.modules) == ("armhf", "Tiny 1", (RELEASE,))
    erofs = (bench.folder / "images" / str(image) / "tree.erofs").read_bytes()
    assert manifest.checksum == f"sha256:{sha256(erofs).hexdigest()}"
    files = await bench.images.boot_files(image, manifest.kernels[0])
    assert files.kernel.read_bytes() == b"kernel"
    assert files.initrd is not None
    assert files.initrd.read_bytes() == b"initrd"
    assert files.dtbs is not None
    assert (files.dtbs / "tegra124-jetson-tk1.dtb").read_bytes() == b"dtb"


async def test_an_upload_is_fetched_and_made(bench: Bench) -> None:
    manifest = await bench.blob(packed(a_tree(bench.imports / "tiny"), bench.imports / "tiny.tar").read_bytes())
    assert manifest.arch == "armhf"
    assert [entry.name for entry in (bench.folder / "images").iterdir() if entry.name.startswith(".")] == []


async def test_an_upload_that_does_not_arrive_leaves_nothing(bench: Bench) -> None:
    with pytest.raises(Fault):
        await bench.images.build(uuid4(), BlobSource("0" * 64, 100))
    assert list((bench.folder / "images").iterdir()) == []


# --- hostile trees


@pytest.mark.parametrize("what", REFUSED)
async def test_a_hostile_archive_is_refused_and_leaves_nothing(bench: Bench, canary: Path, what: str) -> None:
    archive, complaint = REFUSED[what]
    if "too deep" in what or "too long" in what:
        archive = Archive().file("/".join(["d"] * 130) if "deep" in what else "n" * 300)
        complaint = "folders deep|too long"
    before = listing(canary)
    with pytest.raises(Invalid, match=complaint) as raised:
        await bench.blob(archive.bytes())
    assert raised.value.code is Code.ARCHIVE_REFUSED
    assert listing(canary) == before
    assert list((bench.folder / "images").iterdir()) == []
    assert loops_below(bench.folder) == []


ROUTES = ("", "/", "../", "a/../../", "out/", "a/", "./")
WORDS = st.sampled_from(["a", "out", "b", "canary", "secret", "etc"])
MEMBERS = st.lists(
    st.tuples(
        st.sampled_from(["file", "folder", "link", "hard link", "device", "pipe"]),
        st.sampled_from(ROUTES),
        WORDS,
        st.sampled_from(["/etc", "..", "a", "out", "{canary}", "{canary}/secret", "../../../canary/secret"]),
        st.integers(0, 0o7777),
    ),
    max_size=8,
)


def an_archive(members: list[tuple[str, ...]], canary: Path) -> bytes:
    archive = Archive()
    for kind, route, word, target, mode in members:
        name, aim = f"{route}{word}", target.format(canary=canary)
        match kind:
            case "file":
                archive.file(name, b"hostile", mode=mode)
            case "folder":
                archive.folder(name, mode=mode)
            case "link":
                archive.link(name, aim)
            case "hard link":
                archive.hard_link(name, aim)
            case "device":
                archive.device(name, 1, 3)
            case _:
                archive.special(name, tarfile.FIFOTYPE)
    return archive.bytes()


@pytest.mark.slow
@pytest.mark.timeout(600)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(members=MEMBERS)
def test_no_archive_touches_anything_outside(bench: Bench, canary: Path, members: list[tuple[str, ...]]) -> None:
    before = listing(canary)
    try:
        asyncio.run(bench.blob(an_archive(members, canary)))
    except FarmError as error:
        assert error.code in {Code.ARCHIVE_REFUSED}
    assert listing(canary) == before
    assert [entry for entry in (bench.folder / "images").iterdir() if entry.name.startswith(".")] == []


@pytest.fixture
def cage(alone: None, canary: Path, tmp_path: Path) -> Iterator[Cage]:
    """One to unpack in what nobody has judged."""
    (tmp_path / "work").mkdir()
    cage = Cage(tmp_path / "cage", tmp_path / "work")
    cage.build()
    try:
        # An archive that names /etc must never be given to a cage in which that is this machine's.
        look = cage.run(["test", "!", "-e", str(canary)], (), subprocess.DEVNULL)
        assert look.ended() == 0, "the cage is open"
        yield cage
    finally:
        cage.remove()


# What comes after the unpacking in a whole import reads a tree that is there: without it, so many can be tried.
@pytest.mark.slow
@pytest.mark.timeout(900)
@settings(max_examples=1500, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(members=MEMBERS, trust=st.sampled_from([(), ("--absolute-names",)]))
def test_no_archive_is_unpacked_to_anything_outside(
    cage: Cage, canary: Path, tmp_path: Path, members: list[tuple[str, ...]], trust: tuple[str, ...]
) -> None:
    archive, before = tmp_path / "archive", listing(canary)
    archive.write_bytes(an_archive(members, canary))
    for left in cage.workplace.iterdir():
        shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
    with a_draft(tmp_path / "draft") as draft, archive.open("rb") as file:
        stream = ArchiveStream(file.fileno(), "it", ())
        try:
            unpack(stream, Limits(1 << 30), Disk(draft, 0), draft)
        except Invalid as error:
            assert error.code is Code.ARCHIVE_REFUSED
        written = {entry.name for entry in draft.iterdir()}
        assert written <= {"nothing", "reading", "unpacked", "unpacked.ext4", "writing"}
        assert list((draft / "nothing").iterdir()) == [], "written while it was only judged"
        assert listing(canary) == before

        # Also where the judge had overlooked something.
        with stream.opened() as fd:
            cage.run(["tar", "--extract", *trust, "--file=-"], ("chown", "dac_override", "mknod"), fd).ended()
        assert listing(canary) == before


@contextlib.contextmanager
def a_draft(folder: Path) -> Iterator[Path]:
    """As an import has one: nothing of it stays."""
    folder.mkdir()
    try:
        yield folder
    finally:
        unmount_below(folder)
        shutil.rmtree(folder)


@pytest.mark.parametrize("trust", [(), ("--absolute-names",)])
def test_even_an_archive_that_nobody_judged_reaches_nothing_outside(
    cage: Cage, canary: Path, tmp_path: Path, trust: tuple[str, ...]
) -> None:
    archive = Archive().file(f"{canary}/new", b"x").file("../" * 20 + f"{canary}/new", b"x")
    archive.link("out", str(canary)).file("out/new", b"x").hard_link("mine", f"{canary}/secret")
    (tmp_path / "a.tar").write_bytes(archive.bytes())
    before = listing(canary)
    with (tmp_path / "a.tar").open("rb") as file:
        run = cage.run(["tar", "--extract", *trust, "--file=-"], ("dac_override", "chown", "mknod"), file.fileno())
        run.ended()
    assert listing(canary) == before


def test_a_caged_program_has_no_power_over_the_machine(alone: None, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    cage = Cage(tmp_path / "cage", tmp_path / "work")
    cage.build()
    tries = ["mount -t tmpfs t /work || echo no-mount", "chroot /work / || echo no-chroot"]
    script = "; ".join([*tries, "ls /proc /home /root /dev", "echo x > /usr/x", "echo x > /etc/x"])
    run = cage.run(["sh", "-c", script], ("dac_override", "mknod"), subprocess.DEVNULL)
    said = run.out.read().decode()
    run.ended()
    subprocess.run(["umount", "--recursive", str(tmp_path / "cage")], check=True)
    assert said.split() == ["no-mount", "no-chroot"]


async def test_a_bomb_is_refused_before_it_is_unpacked(bench: Bench) -> None:
    small = bench.after(image_limit_bytes=4 * MIB)
    archive = bench.imports / "bomb.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        member = tarfile.TarInfo("zeros")
        member.size = 64 * MIB
        tar.addfile(member, io.BytesIO(bytes(64 * MIB)))
    with pytest.raises(Invalid, match=r"zeros.*4\.2 MB") as raised:
        await small.images.build(uuid4(), PathSource(str(archive)))
    assert raised.value.code is Code.IMAGE_TOO_LARGE
    assert list((bench.folder / "images").iterdir()) == []


async def test_a_map_of_holes_that_lies_makes_no_file_larger_than_the_limit(bench: Bench) -> None:
    archive = Archive().sparse("x", "y", f"1\n{6 << 30}\n5\n", b"hello", tells=5)
    with pytest.raises(Invalid, match="larger than it says") as raised:
        await bench.blob(archive.bytes())
    assert raised.value.code is Code.IMAGE_TOO_LARGE


async def test_maps_of_holes_that_lie_are_counted_as_they_unpack(bench: Bench) -> None:
    archive = Archive()
    for number in range(4):
        archive.sparse(f"x{number}", f"y{number}", f"1\n{300 * MIB}\n5\n", b"hello", tells=5)
    with pytest.raises(Invalid, match="with y3 the tree is over") as raised:
        await bench.blob(archive.bytes())
    assert raised.value.code is Code.IMAGE_TOO_LARGE


async def test_a_file_that_no_image_can_hold_is_refused_by_name(bench: Bench) -> None:
    with pytest.raises(Invalid, match=r"home/lost\+found\.txt") as raised:
        await bench.blob(Archive().file("home/lost+found.txt", b"mine").bytes())
    assert raised.value.code is Code.ARCHIVE_REFUSED


async def test_a_file_systems_own_folder_for_what_it_recovers_is_left_out(bench: Bench) -> None:
    one = await bench.blob(Archive().folder("lost+found", mode=0o700).file("a").bytes())
    two = await bench.blob(Archive().file("a").bytes())
    assert one.digest == two.digest


async def test_attributes_that_take_more_than_was_left_for_them_arrive(bench: Bench) -> None:
    archive = Archive()
    for number in range(12_000):
        archive.file(f"f{number}", pax_headers={"SCHILY.xattr.user.a": f"{number}-" + "x" * 3000})
    archive.file("large", pax_headers={"SCHILY.xattr.user.a": "x" * 8000})
    manifest, root = await bench.blob(archive.bytes()), uuid4()
    await bench.roots.clone(root, next(iter(bench.stored())), 64 * MIB)
    assert manifest.files == 12_002
    assert len(os.getxattr(bench.roots.path(root) / "f11999", "user.a")) == 3006
    assert len(os.getxattr(bench.roots.path(root) / "large", "user.a")) == 8000
    os.utime(bench.roots.path(root) / "large")


@pytest.mark.parametrize(
    "attribute",
    [
        {"SCHILY.acl.access": "user::rw-,user:nosuchuser:rwx,group::r--,mask::rwx,other::r--"},
        {"SCHILY.xattr.security.odd": "x"},
    ],
)
async def test_an_attribute_that_would_be_lost_is_a_refusal(bench: Bench, attribute: dict[str, str]) -> None:
    with pytest.raises(Invalid, match=r"attribute or ACL that cannot be kept: .*odd") as raised:
        await bench.blob(Archive().file("odd", b"x", pax_headers=attribute).bytes())
    assert raised.value.code is Code.ARCHIVE_REFUSED


@pytest.mark.parametrize("name", ["security.ima", "security.apparmor", "trusted.overlay.opaque"])
async def test_labels_that_only_their_own_machine_may_write_are_left_out(bench: Bench, name: str) -> None:
    with_label = await bench.blob(Archive().file("a", pax_headers={f"SCHILY.xattr.{name}": "x"}).bytes())
    assert with_label.digest == (await bench.blob(Archive().file("a").bytes())).digest


async def test_files_to_boot_take_no_more_room_than_the_tree_says(bench: Bench) -> None:
    tree = a_tree(bench.imports / "many")
    dtbs = tree / "boot" / "dtbs"
    dtbs.mkdir()
    with (dtbs / "0.dtb").open("wb") as file:
        file.truncate(4 * MIB)
    for number in range(1, 60):
        (dtbs / f"{number}.dtb").hardlink_to(dtbs / "0.dtb")
    for number in range(8):
        (tree / "boot" / f"vmlinuz-6.{number}").write_bytes(b"kernel")
    image = uuid4()
    manifest = await bench.images.build(image, PathSource(str(tree)))
    files = await bench.images.boot_files(image, manifest.kernels[0])
    assert files.dtbs is not None
    assert len(list(files.dtbs.iterdir())) == 60
    blocks = {seen.st_ino: seen.st_blocks for entry in (bench.folder / "images").rglob("*") if (seen := entry.stat())}
    assert sum(blocks.values()) * 512 < 2 * manifest.size_bytes
    assert 4 * MIB < manifest.stored_bytes < 2 * manifest.size_bytes


async def test_a_strangers_name_is_told_as_text(bench: Bench) -> None:
    tree = a_tree(bench.imports / "odd")
    with (tree / f"usr/lib/linux-image-{RELEASE}" / "\udcff\x1b[2J.dtb").open("wb") as file:
        file.truncate(5 * MIB)
    with pytest.raises(Invalid, match=r"\\xff\\x1b\[2J.dtb is too large"):
        await bench.images.build(uuid4(), PathSource(str(tree)))


async def test_a_file_of_nothing_but_hole_counts_as_it_looks(bench: Bench) -> None:
    tree = a_tree(bench.imports / "holes")
    with (tree / "lastlog").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(Invalid, match="lastlog") as raised:
        await bench.images.build(uuid4(), PathSource(str(tree)))
    assert raised.value.code is Code.IMAGE_TOO_LARGE


async def test_an_upload_over_the_limit_is_not_even_fetched(bench: Bench) -> None:
    with pytest.raises(Invalid) as raised:
        await bench.images.build(uuid4(), BlobSource("0" * 64, 2 << 30))
    assert raised.value.code is Code.IMAGE_TOO_LARGE


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "nothing that the farm can import"),
        (b"no archive at all" * 100, "nothing that the farm can import"),
        (b"BZh91AY&SY", "is cut off or damaged"),
        (b"\x1f\x8bnot really", "is cut off or damaged"),
        (gzip.compress(gzip.compress(b"x", mtime=0), mtime=0), "nothing that the farm can import"),
        (b"\x3a\xff\x26\xed" + bytes(20), "is cut off or damaged"),
        (b"\x3a\xff\x26\xed" + bytes(600), "is cut off or damaged"),
        (bytes(1024), "nothing that the farm can import"),
    ],
)
async def test_what_is_no_archive_is_told_so(bench: Bench, content: bytes, complaint: str) -> None:
    with pytest.raises(Invalid, match=complaint) as raised:
        await bench.blob(content)
    assert raised.value.code is Code.ARCHIVE_REFUSED


@pytest.mark.parametrize("pack", ["", "--gzip", "--xz", "--zstd"])
async def test_half_an_archive_is_no_image(bench: Bench, pack: str) -> None:
    words = [pack] if pack else []
    whole = gnu_packed(a_tree(bench.imports / "tiny"), bench.imports / "t.tar", *words).read_bytes()
    with pytest.raises(Invalid) as raised:
        await bench.blob(whole[: len(whole) // 2])
    assert raised.value.code is Code.ARCHIVE_REFUSED
    assert "is cut off" in raised.value.detail
    assert list((bench.folder / "images").iterdir()) == []


# --- where paths may lead


@pytest.mark.parametrize(
    "path", ["{canary}", "{imports}/../canary", "tiny", "{imports}/out", "{imports}/out/secret", ""]
)
async def test_a_path_elsewhere_is_forbidden(bench: Bench, canary: Path, path: str) -> None:
    (bench.imports / "out").symlink_to(canary)
    with pytest.raises(Invalid) as raised:
        await bench.images.build(uuid4(), PathSource(path.format(canary=canary, imports=bench.imports)))
    assert raised.value.code is Code.PATH_FORBIDDEN


async def test_a_link_that_stays_inside_may_be_imported(bench: Bench) -> None:
    a_tree(bench.imports / "tiny")
    (bench.imports / "latest").symlink_to("tiny")
    manifest = await bench.images.build(uuid4(), PathSource(str(bench.imports / "latest")))
    assert manifest.arch == "armhf"


async def test_a_path_that_is_not_there_is_not_found(bench: Bench) -> None:
    with pytest.raises(NotFound) as raised:
        await bench.images.build(uuid4(), PathSource(str(bench.imports / "nothing")))
    assert raised.value.code is Code.PATH_UNKNOWN


async def test_a_pipe_is_no_archive_and_holds_nobody_up(bench: Bench) -> None:
    os.mkfifo(bench.imports / "pipe")
    with pytest.raises(Invalid) as raised:
        await bench.images.build(uuid4(), PathSource(str(bench.imports / "pipe")))
    assert raised.value.code is Code.PATH_FORBIDDEN


async def test_a_site_without_import_dirs_imports_no_path(bench: Bench) -> None:
    images = StoredImages(bench.store, bench.roots, bench.blobs, bench.downloads, bench.kitchen)
    with pytest.raises(Invalid) as raised:
        await images.build(uuid4(), PathSource(str(bench.imports)))
    assert "import_dirs" in raised.value.hint


async def test_nothing_stays_mounted_after_an_import(bench: Bench) -> None:
    await bench.image()
    assert mounts_below(bench.folder) == []
    assert loops_below(bench.folder) == []


def written(file: Path, content: bytes) -> Path:
    file.write_bytes(content)
    return file


@pytest.mark.parametrize("what", ["folder", "tar", "export"])
async def test_a_partition_of_what_has_none_is_refused(bench: Bench, what: str) -> None:
    tree = a_tree(bench.imports / "tree")
    source: Path = tree if what == "folder" else packed(tree, bench.imports / "tree.tar")
    if what == "export":
        image, errand = uuid4(), uuid4()
        await bench.images.build(image, PathSource(str(tree)))
        await bench.images.export(image, errand, About("tiny", 1, {}, (), ()))
        source = await asyncio.to_thread(written, bench.imports / "export", bench.blobs.sent[errand])
    with pytest.raises(Invalid, match=r"partition 2 was asked for, and .* has no partitions") as raised:
        await bench.images.build(uuid4(), PathSource(str(source)), Making(partition=2))
    assert (raised.value.code, raised.value.hint) == (Code.REQUEST_INVALID, "leave out --partition")


@pytest.mark.parametrize("packs", [False, True], ids=["folder", "tar"])
async def test_an_empty_tree_is_no_image(bench: Bench, packs: bool) -> None:
    source = bench.imports / "empty"
    source.mkdir()
    if packs:
        source = packed(source, bench.imports / "empty.tar")
    with pytest.raises(Invalid, match="there is nothing in") as raised:
        await bench.images.build(uuid4(), PathSource(str(source)))
    assert raised.value.code is Code.ARCHIVE_REFUSED
    assert "/sbin/init" in raised.value.hint


async def test_a_tree_that_is_packed_one_folder_too_deep_is_told_so(bench: Bench) -> None:
    top = bench.imports / "top"
    top.mkdir()
    tree = a_tree(top / "rootfs")
    (tree / "sbin").mkdir(exist_ok=True)
    (tree / "sbin" / "init").symlink_to("../bin/busybox")
    for source in (top, packed(top, bench.imports / "top.tar")):
        with pytest.raises(Invalid, match="one folder too deep: all of it is below rootfs") as raised:
            await bench.images.build(uuid4(), PathSource(str(source)))
        assert "tar -C rootfs -c ." in raised.value.hint


async def test_an_image_tells_the_init_that_it_has_and_that_it_has_none(bench: Bench) -> None:
    tree = a_tree(bench.imports / "tree")
    assert (await bench.images.build(uuid4(), PathSource(str(tree)))).init == ""
    (tree / "sbin").mkdir(exist_ok=True)
    (tree / "sbin" / "init").symlink_to("/lib/systemd/systemd")
    assert (await bench.images.build(uuid4(), PathSource(str(tree)))).init == "sbin/init"
