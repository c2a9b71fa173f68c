"""Images and roots that are adapted on their way through the store."""

import json
import os
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from boardgrid.adapters.store import manifests
from boardgrid.adapters.store.images import StoredImages
from boardgrid.model.adaptation import Adapted
from boardgrid.model.headroom import Headroom
from boardgrid.model.image import Kernel, Making, NfsBoot, PathSource, RootSource
from boardgrid.testing import a_manifest
from tests.adapters.store.bench import MIB, Bench, a_persona
from tests.adapters.store.boot_parts import FOR_DISKS, a_config, a_module, an_archive, put
from tests.adapters.store.trees import RELEASE, a_tree, packed

pytestmark = pytest.mark.world

SIZE = 64 * MIB
UNIT = "lib/systemd/system/apt-daily.timer"
DONOR = {
    "etc/ssh/ssh_host_rsa_key": "BEGIN PRIVATE donor",
    "root/.ssh/authorized_keys": "ssh-ed25519 donor",
    "home/ada/.ssh/authorized_keys": "ssh-ed25519 donor",
    "root/.bash_history": "export TOKEN=donor",
    "var/lib/cloud/instances/i-1/user-data.txt": "donor",
    "var/lib/systemd/random-seed": "donor",
    "var/lib/dhcp/dhclient.leases": "donor",
    "var/log/auth.log": "donor",
    "var/log/journal/0/system.journal": "donor",
    "etc/boardgrid/deployment": "donor",
}


async def the_root_of(bench: Bench, image: UUID) -> Path:
    root = uuid4()
    await bench.roots.clone(root, image, SIZE)
    return bench.roots.path(root)


async def test_an_image_tells_what_was_adapted_and_the_same_archive_gives_the_same_digest(bench: Bench) -> None:
    tree = a_tree(bench.imports / "tree")
    put(tree, UNIT, "[Timer]")
    put(tree, "etc/machine-id", "abc\n")
    archive = packed(tree, bench.imports / "tree.tar")
    first, second = uuid4(), uuid4()
    made = await bench.images.build(first, PathSource(str(archive)))
    assert [one.name for one in made.adapted] == ["no-disk-chores", "fresh-machine-id"]
    assert made.adapted[0] == Adapted("no-disk-chores", "etc/systemd/system/apt-daily.timer")
    assert made.without == ()
    again = await bench.images.build(second, PathSource(str(archive)))
    assert again.digest == made.digest
    root = await the_root_of(bench, first)
    assert os.readlink(root / "etc/systemd/system/apt-daily.timer") == "/dev/null"  # noqa: PTH115


async def test_what_an_image_is_made_without_is_left_out_of_its_roots_too(bench: Bench) -> None:
    tree = a_tree(bench.imports / "tree")
    put(tree, UNIT, "[Timer]")
    image, root = uuid4(), uuid4()
    made = await bench.images.build(image, PathSource(str(tree)), Making(without=("no-disk-chores", "host-name")))
    assert (made.adapted, made.without) == ((), ("no-disk-chores", "host-name"))
    await bench.roots.clone(root, image, SIZE)
    await bench.roots.personalise(root, a_persona())
    at = bench.roots.path(root)
    assert (at / "etc/hostname").read_text() == "tiny\n"
    assert len((at / "etc/machine-id").read_text()) == 33
    assert not (at / "etc/systemd/system").exists()


async def test_what_an_image_is_made_without_is_left_out_of_what_is_captured_of_its_roots_too(bench: Bench) -> None:
    image, root, kept = uuid4(), uuid4(), uuid4()
    await bench.images.build(image, PathSource(str(a_tree(bench.imports / "tree"))), Making(without=("no-logs",)))
    await bench.roots.clone(root, image, SIZE)
    put(bench.roots.path(root), "var/log/mine", "kept")
    made = await bench.images.build(kept, RootSource(root))
    assert made.without == ("no-logs",)
    assert ((await the_root_of(bench, kept)) / "var/log/mine").read_text() == "kept"


async def test_the_time_comes_from_the_farms_server(bench: Bench) -> None:
    tree = a_tree(bench.imports / "tree")
    put(tree, "lib/systemd/systemd-timesyncd", "")
    image, root = uuid4(), uuid4()
    await bench.images.build(image, PathSource(str(tree)))
    await bench.roots.clone(root, image, SIZE)
    await bench.roots.personalise(root, replace(a_persona(), server=IPv4Address("10.20.0.1")))
    settings = bench.roots.path(root) / "etc/systemd/timesyncd.conf.d/90-boardgrid.conf"
    assert "NTP=10.20.0.1 " in settings.read_text()


async def test_a_captured_image_has_nothing_secret_of_its_donor(bench: Bench) -> None:
    root, kept = uuid4(), uuid4()
    await bench.roots.clone(root, await bench.image(), SIZE)
    at = bench.roots.path(root)
    for name, content in DONOR.items():
        put(at, name, content)
    put(at, "home/ada/thesis", "donor's work")
    made = await bench.images.build(kept, RootSource(root))
    assert {one.name for one in made.adapted} == {
        *("fresh-host-keys", "no-keys-left", "no-history", "no-cloud-init-state", "no-random-seed"),
        *("no-leases", "no-logs"),
    }
    new = await the_root_of(bench, kept)
    left = {str(path.relative_to(new)): path.read_bytes() for path in new.rglob("*") if path.is_file()}
    assert [name for name, content in left.items() if b"donor" in content] == ["home/ada/thesis"]
    assert left["var/log/auth.log"] == b""
    assert (at / "root/.bash_history").exists(), "the root itself stays as it was"


# --- boot files


def with_parts(bench: Bench) -> StoredImages:
    put(bench.imports, "parts/armhf/base.cpio", an_archive(["init", "etc/dhcp-answer"]))
    parts = bench.imports / "parts"
    return StoredImages(
        bench.store,
        bench.roots,
        bench.blobs,
        bench.downloads,
        bench.kitchen,
        import_dirs=[bench.imports],
        headroom=Headroom(0.01),
        boot_parts=parts,
    )


async def test_an_initramfs_that_the_farm_made_lies_beside_the_image_and_not_in_it(bench: Bench) -> None:
    tree = a_tree(bench.imports / "tree")
    (tree / f"boot/initrd.img-{RELEASE}").unlink()
    put(tree, f"lib/modules/{RELEASE}/kernel/nfs.ko", a_module())
    put(tree, f"lib/modules/{RELEASE}/kernel/rare.ko", a_module())
    images, image = with_parts(bench), uuid4()
    without = await images.build(image, PathSource(str(tree)))
    assert without.kernels[0].nfs is NfsBoot.UNKNOWN or without.kernels[0].nfs is NfsBoot.NO

    image = uuid4()
    made = await images.build(image, PathSource(str(tree)), drivers={"rare"})
    [kernel] = made.kernels
    assert (kernel.nfs, kernel.initrd) == (NfsBoot.FARM, "")
    assert made.digest == without.digest
    assert made.stored_bytes > without.stored_bytes
    files = await images.boot_files(image, kernel)
    assert files.initrd is not None
    assert files.initrd.read_bytes().startswith(b"\x1f\x8b")


async def test_a_kernel_with_nfs_root_built_in_gets_no_initramfs_that_knows_only_disks(bench: Bench) -> None:
    tree = a_tree(bench.imports / "tree")
    put(tree, f"boot/initrd.img-{RELEASE}", an_archive(FOR_DISKS))
    put(tree, f"boot/config-{RELEASE}", a_config("ROOT_NFS", "IP_PNP"))
    image = uuid4()
    [kernel] = (await bench.images.build(image, PathSource(str(tree)))).kernels
    assert (kernel.nfs, kernel.initrd) == (NfsBoot.BUILTIN, f"boot/initrd.img-{RELEASE}")
    assert (await bench.images.boot_files(image, kernel)).initrd is None


# --- what is remembered


def test_what_is_remembered_of_an_image_comes_back_as_it_was() -> None:
    kernel = Kernel("6.1", "boot/vmlinuz-6.1", nfs=NfsBoot.NO, why="it has no initramfs")
    told = a_manifest(kernels=(kernel,), adapted=(Adapted("no-swap", "etc/fstab"),), without=("no-disks",))
    assert manifests.read(manifests.written(told)) == told


def test_an_image_of_an_earlier_release_is_still_known() -> None:
    facts = json.loads(manifests.written(a_manifest()))
    later = {"adapted", "without", "distribution", "release"}
    kernels = [{key: kernel[key] for key in ("release", "image", "initrd", "dtbs")} for kernel in facts["kernels"]]
    old = {key: fact for key, fact in facts.items() if key not in later} | {"format": 1, "kernels": kernels}
    assert manifests.read(json.dumps(old)) == a_manifest()
    with pytest.raises(ValueError, match="another format"):
        manifests.read(json.dumps({**old, "format": 3}))
