"""Debian packages of another architecture than this machine's, fetched and unpacked; nothing of them is run."""

import asyncio
import hashlib
import os
import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import unquote

import structlog

from boardgrid.bootware.kept import prune, used
from boardgrid.messages import _, bytes_text, larger_text
from boardgrid.model.errors import Code, Fault, Invalid
from boardgrid.model.headroom import Allowance, no_room
from boardgrid.model.recipe import wrong
from boardgrid.ports import Shell

log = structlog.get_logger()

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_FRESH_S = 24 * 3600  # Debian's lists change a few times a day at most
_DOWNLOAD = re.compile(r"^'\S+' (?P<file>\S+) (?P<size>\d+) SHA256:(?P<digest>[0-9a-f]{64})$", re.MULTILINE)
_ACT = re.compile(r"^(?P<act>Inst|Conf) (?P<package>\S+) ", re.MULTILINE)
_DATE = re.compile(r"^Date: (.+)$", re.MULTILINE)
_UNKNOWN = re.compile(r"E: (?:Unable to locate package (\S+)|Package '?([^\s']+)'? has no installation candidate)")
_KERNEL = re.compile(r"^Depends:.*\b(?P<package>linux-image-[0-9][0-9a-z.+-]*)", re.MULTILINE)


def cache_of_user() -> Path:
    """Where packages are kept that were fetched by hand, or for a demo."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "boardgrid" / "debian"


@dataclass(frozen=True, slots=True)
class Act:
    """One of those by which apt brings packages to a system, in its order."""

    package: str
    sets_up: bool  # else it unpacks


@dataclass(frozen=True, slots=True)
class DebianPackages:
    """
    Packages of *arch* by apt, with lists and sources of its own, so that nothing of this machine's apt changes.

    The mirror is the one that the machine's apt has for Debian's ``main``; the security archive is left out, since a
    kernel there is at times not yet matched by its metapackage. apt checks signatures and digests. What was fetched is
    kept below *cache* by its digest, while there is room for it; any number of processes may use one cache at once. No
    root is needed.
    """

    shell: Shell
    cache: Path
    arch: str = "armhf"
    suite: str = ""  # empty: the machine's own release
    os_release: Path = Path("/etc/os-release")
    most_bytes: int = 4 << 30  # of the cache

    async def kernel(self, flavour: str) -> str:
        """
        The package that holds the newest kernel of a *flavour*: ``linux-image-6.1.0-50-armmp`` for ``armmp``.

        Raises:
            Fault: Debian has no such kernel, or its lists could not be fetched.
        """
        await self._refresh(_FRESH_S)
        told = await self._apt("apt-cache", "show", "--no-all-versions", f"linux-image-{flavour}")
        match = _KERNEL.search(told)
        if match is None:
            raise Fault(
                Code.NETBOOT_FAILED,
                _("Debian's package linux-image-{flavour} names no kernel package"),
                flavour=flavour,
            )
        return match["package"]

    async def with_libraries(self, package: str) -> tuple[str, ...]:
        """A package and all that it depends on, itself first."""
        await self._refresh(_FRESH_S)
        others = ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
        told = await self._apt("apt-cache", "depends", "--recurse", *(f"--no-{other}" for other in others), package)
        return tuple(line for line in told.splitlines() if line and line[0] not in " |<")

    async def acts(self, packages: Sequence[str]) -> tuple[Act, ...]:
        """
        How apt would bring those packages, and all that they need, to an empty system.

        Raises:
            Invalid: RECIPE_INVALID, there is no such package.
            Fault: they cannot all be had.
        """
        await self._refresh(_FRESH_S)
        try:
            told = await self._apt("apt-get", "install", "--simulate", "--no-install-recommends", *packages)
        except Fault as fault:
            if match := _UNKNOWN.search(fault.detail):
                name = match[1] or match[2]
                why = _("Debian {suite} has no package {name} for {arch}")
                release = await self.release()
                raise wrong("packages", why.format(suite=release, name=name, arch=self.arch)) from fault
            raise
        return tuple(Act(match["package"], match["act"] == "Conf") for match in _ACT.finditer(told))

    async def archives(self, packages: Sequence[str], allowance: Allowance | None = None) -> Mapping[str, Path]:
        """
        Packages as they were fetched, each digest checked, by the name that apt gives the file.

        Raises:
            Invalid: IMAGE_TOO_LARGE, they are larger than is allowed; then none was fetched.
            Fault: one could not be fetched, or is not what Debian signed; STORE_FULL, as above.
        """
        await self._refresh(_FRESH_S)
        if allowance is not None:
            told = await self._apt("apt-get", "download", "--print-uris", *packages)
            check_size(sum(int(match["size"]) for match in _DOWNLOAD.finditer(told)), allowance)
        try:
            return await self._fetched(packages)
        except Fault:
            # A point release moved the packages that yesterday's lists name.
            await self._refresh(0)
        try:
            return await self._fetched(packages)
        except Fault as fault:
            raise self._unreachable(fault) from fault

    def _unreachable(self, fault: Fault) -> Fault:
        return Fault(
            Code.NETBOOT_FAILED,
            _("Debian's {arch} packages cannot be fetched: {reason}"),
            hint=_("check that this machine reaches the Debian mirror that its apt is configured with"),
            arch=self.arch,
            reason=_last_line(fault.detail),
        )

    async def release(self) -> str:
        return self.suite or (await self._mirror())[1]

    async def source(self) -> str:
        """Where packages are from, as a line of sources.list(5)."""
        url, release = await self._mirror()
        return f"deb [signed-by={_KEYRING}] {url} {self.suite or release} main"

    @property
    def lists(self) -> Path:
        """What apt knows of the archive; there once anything was asked of it."""
        return self._own / "lists"

    def dated(self) -> int:
        """When the archive was last published, in seconds since 1970: of two builds of the same packages the same."""
        told = next(iter(sorted(self.lists.glob("*_InRelease"))), None)
        match = _DATE.search(told.read_text("utf-8", "replace")) if told else None
        if match is None:
            raise Fault(Code.NETBOOT_FAILED, _("Debian's lists do not tell when they were made"))
        return int(parsedate_to_datetime(match[1]).timestamp())

    async def unpacked(self, packages: Sequence[str]) -> Mapping[str, Path]:
        """
        By package: a folder with its files, as they lie in it. Nobody may write there.

        Raises:
            Fault: a package could not be fetched, or is not what Debian signed.
        """
        archives = await self.archives(packages)
        return {_package_of(name): await self._tree(archive) for name, archive in archives.items()}

    async def _fetched(self, packages: Sequence[str]) -> Mapping[str, Path]:
        kept = self.cache / "debs"
        kept.mkdir(parents=True, exist_ok=True)
        told = await self._apt("apt-get", "download", "--print-uris", *packages)
        wanted = {match["file"]: kept / f"{match['digest']}.deb" for match in _DOWNLOAD.finditer(told)}
        missing = [name for name, path in wanted.items() if not await asyncio.to_thread(_is_whole, path)]
        if missing:
            with tempfile.TemporaryDirectory(dir=self.cache, prefix="fetch-") as folder:
                names = [_package_of(name) for name in missing]
                await self._apt("apt-get", "download", "--quiet", "--quiet", *names, inside=Path(folder))
                await asyncio.to_thread(_keep, Path(folder), kept)
            log.info("packages.fetched", arch=self.arch, packages=names)
        used(*wanted.values())  # before anything goes: apt dates what it fetches as the mirror does
        if missing:
            await asyncio.to_thread(prune, self.cache, self.most_bytes)
        for name, path in wanted.items():
            if not path.exists():
                raise Fault(
                    Code.NETBOOT_FAILED,
                    _("the package {name} did not arrive as Debian's lists describe it"),
                    hint=_("try again; a proxy between this machine and its Debian mirror may hold an old copy"),
                    name=unquote(name),
                )
        return wanted

    async def _tree(self, archive: Path) -> Path:
        tree = self.cache / "unpacked" / archive.stem
        if tree.is_dir():
            used(tree)
            return tree
        tree.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=tree.parent, prefix="new-") as beside:
            await self.shell.run("dpkg-deb", "-x", str(archive), f"{beside}/tree", timeout_s=300)
            _settle(Path(beside) / "tree", tree)
        used(tree)  # unpacked, it is as old as the package
        await asyncio.to_thread(prune, self.cache, self.most_bytes)
        return tree

    async def _refresh(self, older_than_s: float) -> None:
        """Fetch the lists, unless they are young enough. Old lists are better than none when there is no network."""
        lists = self.lists
        used(self._own)
        there = any(lists.glob("*_Packages*"))
        # The file's time is the archive's, not ours: the folder's is when apt was here last.
        if there and time.time() - lists.stat().st_mtime < older_than_s:
            return
        await self._write_sources()
        try:
            # Two builds at once share the lists; apt itself does not wait for another apt here.
            lock = lists.parent / "lock"
            words = ("apt-get", *self._options(), "update", "--quiet", "--quiet", "--error-on=any")
            await self.shell.run("flock", "--timeout", "300", str(lock), *words, timeout_s=600)
            os.utime(lists)
        except Fault as fault:
            if not there:
                raise self._unreachable(fault) from fault
            log.warning("packages.lists_are_old", arch=self.arch, reason=_last_line(fault.detail))

    async def _write_sources(self) -> None:
        url, release = await self._mirror()
        parts = self._own / "sources"
        for folder in (parts, parts.parent / "lists" / "partial"):
            folder.mkdir(parents=True, exist_ok=True)
        text = f"Types: deb\nURIs: {url}\nSuites: {self.suite or release}\nComponents: main\nSigned-By: {_KEYRING}\n"
        beside = parts / f".new-{os.getpid()}"
        beside.write_text(text)
        beside.rename(parts / "debian.sources")

    async def _mirror(self) -> tuple[str, str]:
        """Address and release of the machine's own Debian."""
        codename = _field(self.os_release.read_text(), "VERSION_CODENAME", "=").strip('"')
        told = await self.shell.run("apt-get", "indextargets", "Created-By: Packages")
        for target in told.split("\n\n"):
            is_debian = _field(target, "Label") in {"Debian", ""}  # unknown as long as the machine fetched no lists
            is_release = _field(target, "Release") in {codename, "stable", "oldstable"}
            if is_debian and is_release and _field(target, "Component") == "main":
                return _field(target, "Repo-URI"), codename
        raise Fault(
            Code.NETBOOT_FAILED,
            _("apt on this machine has no source for Debian {codename} main"),
            hint=_("see /etc/apt/sources.list and /etc/apt/sources.list.d"),
            codename=codename or "?",
        )

    async def _apt(self, program: str, verb: str, *words: str, inside: Path | None = None) -> str:
        chdir = ("env", f"--chdir={inside}") if inside else ()  # apt-get download knows no other way to say where to
        return await self.shell.run(*chdir, program, *self._options(), verb, *words, timeout_s=900)

    @property
    def _own(self) -> Path:
        """A folder of one suite and architecture, beside those of others."""
        return self.cache / "-".join(word for word in ("apt", self.suite, self.arch) if word)

    def _options(self) -> tuple[str, ...]:
        own = self._own
        settings = {
            "APT::Architecture": self.arch,
            "APT::Architectures": self.arch,
            "APT::Sandbox::User": "",  # a cache below a home folder is closed to apt's own user
            "Dir::State::Lists": str(own / "lists"),
            "Dir::State::Status": "/dev/null",
            "Dir::Cache": str(own),
            "Dir::Cache::pkgcache": "packages.bin",  # saves reading the lists at each call
            "Dir::Cache::srcpkgcache": "",
            "Dir::Etc::SourceList": "/dev/null",
            "Dir::Etc::SourceParts": str(own / "sources"),
        }
        return tuple(f"--option={name}={value}" for name, value in settings.items())


def check_size(wants: int, allowance: Allowance) -> None:
    """
    Raises:
        Invalid: IMAGE_TOO_LARGE.
        Fault: STORE_FULL.
    """
    if wants > allowance.limit_bytes:
        raise Invalid(
            Code.IMAGE_TOO_LARGE,
            _("the recipe's packages take {wants}, over the site's limit of {limit} for one image"),
            hint=_("leave out packages, or ask an admin for a higher limit"),
            wants=larger_text(wants, allowance.limit_bytes),
            limit=bytes_text(allowance.limit_bytes),
        )
    # Unpacked and packed again, it lies there twice for a while.
    if 2 * wants > allowance.free_bytes:
        raise no_room(2 * wants, allowance.free_bytes)


def _field(stanza: str, name: str, sign: str = ":") -> str:
    match = re.search(rf"^{name}{sign}[ ]?(.*)$", stanza, re.MULTILINE)
    return match[1] if match else ""


def _package_of(file: str) -> str:
    return file.partition("_")[0]


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2]


def _is_whole(archive: Path) -> bool:
    return archive.exists() and _sha256(archive) == archive.stem


def _keep(arrived: Path, kept: Path) -> None:
    """Only what has a digest gets that name, so that a torn download is never taken for whole."""
    for archive in arrived.iterdir():
        archive.rename(kept / f"{_sha256(archive)}.deb")


def _settle(beside: Path, tree: Path) -> None:
    try:
        beside.rename(tree)
    except OSError:
        if not tree.is_dir():  # else another process was quicker, with the same files
            raise


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
