"""A BSP's apply_binaries.sh, run on a tree that was imported: what it may reach, and what is told when it fails."""

import stat
from pathlib import Path
from uuid import uuid4

import pytest

from boardgrid.model.errors import Code, Invalid, NotFound
from boardgrid.model.image import Making, PathSource
from tests.adapters.store import samples
from tests.adapters.store.bench import MIB, Bench
from tests.adapters.store.own_mounts import loops_below, mounts_below
from tests.adapters.store.trees import listing

pytestmark = pytest.mark.world

# As NVIDIA's: it asks who runs it, unpacks beside itself and into the tree, makes devices, mounts and changes root.
SCRIPT = r"""#!/bin/bash
set -e
[ "$(whoami)" = root ]
[ "$1" = -r ] && cd "$2"
here=$(dirname "$(readlink -f /work/apply_binaries.sh)")
mkdir "$here/unpacked" && echo x >"$here/unpacked/y"
tar --extract --bzip2 --file "$here/nv_tegra/nvidia_drivers.tbz2"
mknod -m 444 dev/random c 1 8 && head -c 1 dev/random >/dev/null && rm dev/random
mount -t proc none proc && umount proc
cp "$here/nv_tegra/hello" usr/hello && usr/hello >/dev/null && rm usr/hello
chown 12:34 etc/nv_tegra_release
[ ! -e /home ] && [ ! -e /root ] && ! touch /usr/x 2>/dev/null
"""


@pytest.fixture
def bsp(bench: Bench) -> Path:
    folder = bench.imports / "Linux_for_Tegra"
    (folder / "nv_tegra").mkdir(parents=True)
    script = folder / "apply_binaries.sh"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    (folder / "nv_tegra" / "hello").write_text("#!/bin/sh\necho hello\n")
    (folder / "nv_tegra" / "hello").chmod(0o755)
    drivers = bench.imports / "drivers"
    (drivers / "etc").mkdir(parents=True)
    (drivers / "etc" / "nv_tegra_release").write_text("# R21\n")
    with (drivers / "etc" / "zeros").open("wb") as file:
        file.truncate(60 * MIB)
    samples.tar(drivers, folder / "nv_tegra" / "nvidia_drivers.tbz2", "--bzip2")
    return folder


@pytest.fixture
def rootfs(bench: Bench) -> Path:
    tree = samples.a_system(bench.imports / "system")
    for name in ("dev", "proc"):
        (tree / name).mkdir()
    return samples.tar(tree, bench.imports / "sample.tbz2", "--bzip2")


async def test_it_is_run_on_the_tree_and_changes_nothing_else(bench: Bench, bsp: Path, rootfs: Path) -> None:
    before, image, root = listing(bsp), uuid4(), uuid4()
    await bench.images.build(image, PathSource(str(rootfs)), Making(bsp=str(bsp)))
    assert listing(bsp) == before
    assert (mounts_below(bench.folder), loops_below(bench.folder)) == ([], [])
    await bench.roots.clone(root, image, 64 * MIB)
    release = (bench.roots.path(root) / "etc" / "nv_tegra_release").lstat()
    assert (release.st_uid, release.st_gid, stat.S_ISREG(release.st_mode)) == (12, 34, True)
    assert (bench.roots.path(root) / "etc" / "zeros").stat().st_size == 60 * MIB


async def test_its_last_words_are_told_when_it_fails(bench: Bench, bsp: Path, rootfs: Path) -> None:
    (bsp / "apply_binaries.sh").write_text("#!/bin/sh\necho first\necho no such board >&2\nexit 3\n")
    with pytest.raises(Invalid, match=r"failed: first / no such board") as raised:
        await bench.images.build(uuid4(), PathSource(str(rootfs)), Making(bsp=str(bsp)))
    assert raised.value.code is Code.ARCHIVE_REFUSED
    assert list((bench.folder / "images").iterdir()) == []


async def test_a_folder_without_the_script_is_no_bsp(bench: Bench, bsp: Path, rootfs: Path) -> None:
    (bsp / "apply_binaries.sh").chmod(0o644)
    with pytest.raises(Invalid, match=r"no apply_binaries\.sh"):
        await bench.images.build(uuid4(), PathSource(str(rootfs)), Making(bsp=str(bsp)))


@pytest.mark.parametrize("where", ["/usr", "{imports}/sample.tbz2", "{imports}/nothing"])
async def test_it_must_be_a_folder_that_may_be_imported_from(bench: Bench, rootfs: Path, where: str) -> None:
    with pytest.raises((Invalid, NotFound)) as raised:
        making = Making(bsp=where.format(imports=bench.imports))
        await bench.images.build(uuid4(), PathSource(str(rootfs)), making)
    assert raised.value.code in {Code.PATH_FORBIDDEN, Code.PATH_UNKNOWN}
