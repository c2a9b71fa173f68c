"""Debian systems that are unpacked for a recipe: what is recorded of their packages, and what is put in beside."""

import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from boardgrid.adapters.shell import SubprocessShell
from boardgrid.bootware import tarball
from boardgrid.bootware.debian import DebianSystem
from boardgrid.bootware.kitchen import DebianKitchen
from boardgrid.bootware.packages import Act, DebianPackages, cache_of_user
from boardgrid.bootware.tree import MTIME, Tree
from boardgrid.model.errors import Code, FarmError, Invalid
from boardgrid.model.headroom import Allowance
from boardgrid.model.recipe import ARCHITECTURES, FINISH, Recipe, RecipeFile, RecipeScript, System

GB = 1 << 30
ROOM = Allowance(GB, 2 * GB)
CONTENTS = """\
drwxr-xr-x root/root         0 2024-01-01 00:00 ./
drwxr-xr-x root/root         0 2024-01-01 00:00 ./etc/
-rw-r--r-- root/root         6 2024-01-01 00:00 ./etc/hello.conf
drwxr-xr-x root/root         0 2024-01-01 00:00 ./usr/
lrwxrwxrwx root/root         0 2024-01-01 00:00 ./usr/hi -> hello
hrwxrwxrwx root/root         0 2024-01-01 00:00 ./usr/hey link to ./usr/hello
-rw-r--r-- root/root         3 2024-01-01 00:00 ./usr/with\\\\x2dbackslash
"""
CONTROL = "Package: hello\nVersion: 1-2\nArchitecture: armhf\nMulti-Arch: same\nInstalled-Size: 2048\n"
RECIPE = Recipe(
    "robot",
    System.DEBIAN,
    architectures=("armhf",),
    packages=("hello",),
    kernels={"armhf": "none"},
    files=(RecipeFile("/etc/motd", "welcome\n", 0o600, 1000, 100),),
    scripts=(RecipeScript("first", "true\n"), RecipeScript("second", "false\n")),
)


@dataclass
class Debian:
    """A Shell on which apt, dpkg-deb and mmdebstrap work as far as they are asked here."""

    cache: Path
    ran: list[tuple[str, ...]] = field(default_factory=list)

    async def run(self, *argv: str, timeout_s: float = 30, stdin: bytes = b"") -> str:
        self.ran.append(argv)
        if "mmdebstrap" in argv:
            out = next(word for word in argv if word.endswith(".tar"))
            self.unpack(Path(out))
        elif argv[0] == "dpkg-deb" and "--contents" in argv:
            return CONTENTS
        elif argv[0] == "dpkg-deb":
            (Path(argv[-1]) / "control").write_text(CONTROL)
            (Path(argv[-1]) / "conffiles").write_text("/etc/hello.conf\n/etc/missing.conf\n")
            for script in ("preinst", "postinst"):
                (Path(argv[-1]) / script).write_text("#!/bin/sh\n")
        return ""

    def unpack(self, out: Path) -> None:
        tree = Tree()
        tree.folder("root", 0o700)
        tree.file("etc/hello.conf", "hello\n")
        tree.file("etc/hostname", "the-server\n")
        tree.file("var/lib/dpkg/status", "")
        with out.open("wb") as file:
            tarball.write(tree, file)


class Packages(DebianPackages):
    async def acts(self, packages: object) -> tuple[Act, ...]:
        return Act("hello", False), Act("hello", True)

    async def archives(self, packages: object, allowance: Allowance | None = None) -> Mapping[str, Path]:
        return {"hello_1-2_armhf.deb": self.cache / "hello.deb"}

    async def release(self) -> str:
        return "bookworm"

    async def source(self) -> str:
        return "deb http://mirror.example/debian bookworm main"

    def dated(self) -> int:
        return 1_700_000_000


@pytest.fixture
async def archive(tmp_path: Path) -> tarfile.TarFile:
    (tmp_path / "hello.deb").touch()
    shell = Debian(tmp_path)
    await DebianSystem(shell, Packages(shell, tmp_path)).write(RECIPE, tmp_path / "out.tar", ROOM)
    return tarfile.open(tmp_path / "out.tar")


def read(archive: tarfile.TarFile, name: str) -> str:
    """The last of that name is what counts when it is unpacked."""
    file = archive.extractfile(archive.getmember(name))
    assert file is not None
    return file.read().decode()


def test_a_package_is_recorded_as_dpkg_would_have_when_it_unpacked_it(archive: tarfile.TarFile) -> None:
    assert read(archive, "var/lib/dpkg/status") == (
        "Package: hello\nStatus: install ok unpacked\nVersion: 1-2\nArchitecture: armhf\nMulti-Arch: same\n"
        "Installed-Size: 2048\nConffiles:\n /etc/hello.conf b1946ac92492d2347c6235b4d2611184\n\n"
    )
    info = "var/lib/dpkg/info"
    assert read(archive, f"{info}/hello:armhf.list") == (
        "/.\n/etc\n/etc/hello.conf\n/usr\n/usr/hi\n/usr/hey\n/usr/with\\x2dbackslash\n"
    )
    assert archive.getmember(f"{info}/hello:armhf.postinst").mode == 0o755
    assert archive.getmember(f"{info}/hello:armhf.conffiles").mode == 0o644


def test_what_the_recipe_says_is_in_it(archive: tarfile.TarFile) -> None:
    motd = archive.getmember("etc/motd")
    assert (motd.mode, motd.uid, motd.gid, motd.mtime) == (0o600, 1000, 100, MTIME)
    scripts = [name for name in archive.getnames() if "/scripts/" in name]
    assert scripts == ["usr/lib/boardgrid/scripts/00-first", "usr/lib/boardgrid/scripts/01-second"]
    assert read(archive, "usr/lib/boardgrid/dated") == "1700000000\n"
    assert read(archive, "usr/lib/boardgrid/order") == "prepare hello:armhf\n"
    assert archive.getmember(FINISH.lstrip("/")).mode == 0o755


def test_nothing_of_the_server_is_in_it_and_folders_keep_their_modes(archive: tarfile.TarFile) -> None:
    assert read(archive, "etc/hostname") == "robot\n" and read(archive, "etc/resolv.conf") == ""
    assert archive.getmember("root").mode == 0o700
    assert archive.getnames()[-1] == "var/lib/dpkg", "with its own time, although something was put into it"


async def test_mmdebstrap_has_no_network_and_fetches_nothing(tmp_path: Path) -> None:
    (tmp_path / "hello.deb").touch()
    shell = Debian(tmp_path)
    await DebianSystem(shell, Packages(shell, tmp_path)).write(RECIPE, tmp_path / "out.tar", ROOM)
    [words] = [argv for argv in shell.ran if "mmdebstrap" in argv]
    assert words[words.index("unshare") :][:2] == ("unshare", "--net")
    assert {"--skip=update", "--variant=extract", "--architectures=armhf", "--include=hello"} <= set(words)
    assert "SOURCE_DATE_EPOCH=1700000000" in words
    assert not any(word.startswith("--include=linux-image") for word in words)


@pytest.mark.parametrize(
    ("allowance", "sentence", "code"),
    [
        (Allowance(1 << 20, GB), r"packages take 2\.1 MB, over the site's limit of 1\.0 MB", Code.IMAGE_TOO_LARGE),
        (Allowance(GB, 3 << 20), r"the store has no room: 4\.2 MB is wanted, 3\.1 MB", Code.STORE_FULL),
        (Allowance(1 << 20, 1 << 20), r"the site's limit", Code.IMAGE_TOO_LARGE),
    ],
    ids=["the limit", "the disk", "both: no room on the disk would help"],
)
async def test_more_than_is_allowed_is_not_unpacked(
    tmp_path: Path, allowance: Allowance, sentence: str, code: Code
) -> None:
    (tmp_path / "hello.deb").touch()
    shell = Debian(tmp_path)
    with pytest.raises(FarmError, match=sentence) as raised:
        await DebianSystem(shell, Packages(shell, tmp_path)).write(RECIPE, tmp_path / "out.tar", allowance)
    assert raised.value.code is code
    assert not any("mmdebstrap" in argv for argv in shell.ran)


# --- the real thing


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_the_same_recipe_and_the_same_packages_give_the_same_archive(tmp_path: Path) -> None:
    kitchen = DebianKitchen(SubprocessShell(), cache_of_user())
    small = Recipe("small", System.DEBIAN, kernels={"armhf": "none"}, scripts=(RecipeScript("x", "true"),))
    for name in ("one", "two"):
        await kitchen.prepare(small, "armhf", tmp_path / f"{name}.tar", ROOM)
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_packages_that_dpkg_alone_can_keep_apart_are_told_by_their_names(tmp_path: Path) -> None:
    kitchen = DebianKitchen(SubprocessShell(), cache_of_user())
    both = Recipe("x", System.DEBIAN, packages=("molly-guard",), kernels={"armhf": "none"})
    with pytest.raises(Invalid, match=r"/sbin/\w+ in the place of that of") as raised:
        await kitchen.prepare(both, "armhf", tmp_path / "x.tar", ROOM)
    assert "molly-guard" in str(raised.value) and "systemd-sysv" in str(raised.value)
    assert raised.value.code is Code.RECIPE_INVALID and not (tmp_path / "x.tar").exists()


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_package_that_there_is_not_is_told_by_its_name(tmp_path: Path) -> None:
    kitchen = DebianKitchen(SubprocessShell(), cache_of_user())
    unknown = Recipe("x", System.DEBIAN, packages=("no-such-thing",))
    with pytest.raises(Invalid, match=r"packages: Debian [a-z]+ has no package no-such-thing for armhf") as raised:
        await kitchen.prepare(unknown, "armhf", tmp_path / "x.tar", ROOM)
    assert raised.value.code is Code.RECIPE_INVALID


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("arch", ARCHITECTURES)
async def test_a_tiny_system_is_the_same_each_time_and_has_the_recipes_files(arch: str, tmp_path: Path) -> None:
    kitchen = DebianKitchen(SubprocessShell(), cache_of_user())
    recipe = Recipe("health", System.TINY, files=(RecipeFile("/usr/bin/health", "#!/bin/sh\n", 0o755),))
    for name in ("one", "two"):
        await kitchen.prepare(recipe, arch, tmp_path / f"{name}.tar", ROOM)
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    with tarfile.open(tmp_path / "one.tar") as archive:
        assert archive.getmember("usr/bin/health").mode == 0o755
