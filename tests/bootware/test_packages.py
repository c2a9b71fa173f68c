import hashlib
import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from boardgrid.bootware.packages import Act, DebianPackages
from boardgrid.model.errors import Code, Fault

_TARGETS = """\
Label: Debian-Security
Component: main
Release: bookworm-security
Repo-URI: http://mirror.example/debian-security/

Label: Debian
Component: main
Release: bookworm-updates
Repo-URI: http://mirror.example/updates/

Label: Debian
Component: main
Release: bookworm
Repo-URI: http://mirror.example/debian/
"""


@dataclass
class Apt:
    """A Shell on which apt works as far as it is asked here, with one archive for each package."""

    cache: Path
    content: bytes = b"an archive"
    promised: bytes = b"an archive"
    is_offline: bool = False
    is_moved: bool = False  # the lists name a package that the mirror has no more
    targets: str = _TARGETS
    ran: list[tuple[str, ...]] = field(default_factory=list)

    async def run(self, *argv: str, timeout_s: float = 30, stdin: bytes = b"") -> str:
        self.ran.append(argv)
        words = [word for word in argv if not word.startswith("-")]
        match words:
            case ["apt-get", "indextargets", *_]:
                return self.targets
            case ["flock", *_]:
                if self.is_offline:
                    raise Fault(Code.PROGRAM_FAILED, "apt-get failed with status 100: E: no\nE: cannot be resolved")
                lists = self.cache / "apt-armhf/lists"
                (lists / "mirror_Packages.lz4").touch()
                self.is_moved = False
            case ["apt-get", "download", *names] if "--print-uris" in argv:
                digest = hashlib.sha256(self.promised).hexdigest()
                return "".join(f"'http://m/{name}' {name}_1%3a1_armhf.deb 10 SHA256:{digest}\n" for name in names)
            case ["env", "apt-get", "download", *names]:
                if self.is_offline or self.is_moved:
                    raise Fault(Code.PROGRAM_FAILED, "apt-get failed with status 100: 404")
                inside = Path(next(word for word in argv if word.startswith("--chdir=")).partition("=")[2])
                for name in names:
                    archive = inside / f"{name}_1%3a1_armhf.deb"
                    archive.write_bytes(self.content)
                    os.utime(archive, (0, 0))  # as the mirror dates it
            case ["dpkg-deb", _archive, tree]:
                (Path(tree) / "usr").mkdir(parents=True)
            case ["apt-get", "install", *_]:
                return (
                    "Reading...\nInst libc6 (1 Debian:12 [armhf]) []\nConf libc6 (1 Debian:12 [armhf])\nInst x (2 D)\n"
                )
            case ["apt-cache", "show", _]:
                return "Package: x\nDepends: linux-image-6.1.0-50-armmp (= 6.1.176-1)\n"
        return ""

    def did(self, program: str) -> int:
        return sum(program in argv for argv in self.ran)


@pytest.fixture
def apt(tmp_path: Path) -> Apt:
    return Apt(tmp_path / "cache")


@pytest.fixture
def debian(apt: Apt, tmp_path: Path) -> DebianPackages:
    (tmp_path / "os-release").write_text("ID=debian\nVERSION_CODENAME=bookworm\n")
    return DebianPackages(apt, apt.cache, os_release=tmp_path / "os-release")


async def test_only_the_main_archive_of_the_machines_own_mirror_is_asked(apt: Apt, debian: DebianPackages) -> None:
    await debian.unpacked(["busybox-static"])
    sources = (apt.cache / "apt-armhf/sources/debian.sources").read_text()
    assert "URIs: http://mirror.example/debian/\nSuites: bookworm\nComponents: main\nSigned-By: " in sources


async def test_a_package_is_fetched_and_unpacked_once(apt: Apt, debian: DebianPackages) -> None:
    first = await debian.unpacked(["busybox-static"])
    second = await debian.unpacked(["busybox-static"])
    assert first == second
    assert (first["busybox-static"] / "usr").is_dir()
    assert (apt.did("env"), apt.did("dpkg-deb"), apt.did("flock")) == (1, 1, 1)


async def test_an_archive_that_is_not_what_was_signed_is_never_unpacked(apt: Apt, debian: DebianPackages) -> None:
    apt.content = b"torn"
    with pytest.raises(Fault, match=r"busybox-static_1:1_armhf\.deb did not arrive as Debian's lists describe it"):
        await debian.unpacked(["busybox-static"])
    assert apt.did("dpkg-deb") == 0


async def test_a_kept_archive_that_was_damaged_is_fetched_anew(apt: Apt, debian: DebianPackages) -> None:
    await debian.unpacked(["busybox-static"])
    (kept,) = (apt.cache / "debs").iterdir()
    kept.write_bytes(b"damaged")
    await debian.unpacked(["busybox-static"])
    assert kept.read_bytes() == apt.content


async def test_without_network_what_was_fetched_before_does(apt: Apt, debian: DebianPackages) -> None:
    await debian.unpacked(["busybox-static"])
    apt.is_offline = True
    assert await debian.unpacked(["busybox-static"])


async def test_without_network_and_with_nothing_kept_a_sentence_says_what_to_look_at(
    apt: Apt, debian: DebianPackages
) -> None:
    apt.is_offline = True
    with pytest.raises(Fault, match="armhf packages cannot be fetched: E: cannot be resolved") as caught:
        await debian.unpacked(["busybox-static"])
    assert "Debian mirror" in caught.value.hint


async def test_a_package_that_has_moved_on_is_looked_up_again(apt: Apt, debian: DebianPackages) -> None:
    await debian.kernel("armmp")
    apt.is_moved = True
    assert await debian.unpacked(["busybox-static"])


async def test_a_machine_without_a_debian_source_is_told_so(apt: Apt, debian: DebianPackages) -> None:
    apt.targets = ""
    with pytest.raises(Fault, match="no source for Debian bookworm main"):
        await debian.kernel("armmp")


async def test_the_kernel_package_is_the_one_that_debian_names_today(debian: DebianPackages) -> None:
    assert await debian.kernel("armmp") == "linux-image-6.1.0-50-armmp"


async def test_what_apt_would_do_is_told_in_its_order(debian: DebianPackages) -> None:
    assert await debian.acts(["x"]) == (Act("libc6", False), Act("libc6", True), Act("x", False))


async def test_old_packages_go_when_new_ones_come_and_there_is_no_room_for_both(
    apt: Apt, debian: DebianPackages
) -> None:
    await debian.unpacked(["busybox-static"])
    old = [*apt.cache.glob("debs/*"), *apt.cache.glob("unpacked/*")]
    for thing in old:
        os.utime(thing, (0, 0))
    apt.content = apt.promised = b"another archive"
    await replace(debian, most_bytes=0).unpacked(["dropbear-bin"])
    assert len(old) == 2 and not any(thing.exists() for thing in old)
    assert len([*apt.cache.glob("debs/*"), *apt.cache.glob("unpacked/*")]) == 2
