"""
What dpkg would know of packages whose files are in a tree already, and in which order it would have set them up.

Such a tree is given to a board, where ``scripts/finish`` does the rest.
"""

import asyncio
import re
import tempfile
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from boardgrid.bootware.packages import Act
from boardgrid.bootware.tree import Tree
from boardgrid.messages import _
from boardgrid.model.recipe import wrong
from boardgrid.ports import Shell

_INFO = "var/lib/dpkg/info"
_LISTED = re.compile(r"^(?P<kind>.)\S* +\S+ +\S+ +\S+ +\S+ \./(?P<path>.*)$", re.MULTILINE)
_MERGED = re.compile(r"^(bin|sbin|lib[0-9a-z]*)/")  # links to the like below /usr
_SCRIPTS = {"preinst", "postinst", "prerm", "postrm", "config"}


@dataclass(frozen=True, slots=True)
class Package:
    """What is in an archive of Debian's."""

    control: Mapping[str, bytes]  # by the name of the file
    paths: tuple[str, ...]  # of all that is in it, without a slash in front; the first is the tree itself: ""
    folders: Set[str] = frozenset()  # those of them that others may have, too

    @classmethod
    async def of(cls, shell: Shell, deb: Path) -> "Package":
        listed = await shell.run("dpkg-deb", "--contents", str(deb), timeout_s=300)
        with tempfile.TemporaryDirectory(prefix="control-") as folder:
            await shell.run("dpkg-deb", "--control", str(deb), folder)
            control = await asyncio.to_thread(_contents, Path(folder))
        entries = [(match["kind"], _path(match)) for match in _LISTED.finditer(listed)]
        folders = frozenset(path for kind, path in entries if kind == "d")
        return cls(control, tuple(path for _kind, path in entries), folders)

    @property
    def stanza(self) -> str:
        return self.control["control"].decode().strip("\n")

    def field(self, name: str) -> str:
        match = re.search(rf"^{name}:(.*(?:\n[ \t].*)*)", self.stanza, re.MULTILINE)
        return match[1].strip() if match else ""

    @property
    def name(self) -> str:
        return self.field("Package")

    @property
    def installed_bytes(self) -> int:
        told = self.field("Installed-Size")
        return int(told) << 10 if told.isdigit() else 0

    @property
    def conffiles(self) -> tuple[str, ...]:
        lines = self.control.get("conffiles", b"").decode().splitlines()
        return tuple(line.strip().lstrip("/") for line in lines if line.startswith("/"))

    @property
    def info_name(self) -> str:
        """What dpkg calls its files of this package."""
        return f"{self.name}:{self.field('Architecture')}" if self.field("Multi-Arch") == "same" else self.name

    def status(self, sums: Mapping[str, str]) -> str:
        """What dpkg records of it. Args: sums: MD5 of each conffile that is in the tree."""
        first, rest = self.stanza.split("\n", 1)
        lines = [first, "Status: install ok unpacked", rest]
        if conffiles := [f" /{path} {sums[path]}" for path in self.conffiles if path in sums]:
            lines += ["Conffiles:", *conffiles]
        return "\n".join(lines) + "\n\n"

    def may_be_unpacked(self, set_up: Set[str]) -> bool:
        """Whether all that it needs before that is among the packages that are set up."""
        wanted = [one for one in self.field("Pre-Depends").split(",") if one.strip()]
        return all(any(_name(other) in set_up for other in one.split("|")) for one in wanted)


def _name(dependency: str) -> str:
    return dependency.split(maxsplit=1)[0].partition(":")[0]


def _contents(folder: Path) -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def _path(listed: "re.Match[str]") -> str:
    path = listed["path"]
    if listed["kind"] == "l":
        path = path.partition(" -> ")[0]
    elif listed["kind"] == "h":
        path = path.partition(" link to ")[0]
    return path.rstrip("/").replace("\\\\", "\\")  # as tar prints it


def check_apart(packages: Iterable[Package]) -> None:
    """
    See that no two have a file at one place. Where dpkg unpacks them, one of the two has told it before to put the
    other's elsewhere, which is for its preinst to do, or takes its place (``Replaces``), which hangs on the order; here
    all files are in place before anything of a package runs.

    Raises:
        Invalid: RECIPE_INVALID, two have.
    """
    owners = dict[str, str]()
    for one in packages:
        for path in one.paths[1:]:
            if path in one.folders:
                continue
            place = _MERGED.sub(r"usr/\1/", path)
            if (other := owners.setdefault(place, one.name)) != one.name:
                raise wrong(
                    "packages",
                    _("{one} puts its own /{path} in the place of that of {other}, which only dpkg can do").format(
                        one=one.name, path=path, other=other
                    ),
                    _("leave out what brings one of the two; a customised image may have it installed on its board"),
                )


def record(tree: Tree, packages: Iterable[Package], sums: Mapping[str, str]) -> None:
    """Put into *tree* what dpkg records when it unpacks *packages*; *sums* as above."""
    packages = sorted(packages, key=lambda one: one.info_name)
    tree.file(f"{_INFO}/format", "1\n")
    for one in packages:
        paths = "".join(f"/{path}\n" for path in one.paths[1:])
        tree.file(f"{_INFO}/{one.info_name}.list", f"/.\n{paths}")
        for name, content in one.control.items():
            if name != "control":
                mode = 0o755 if name in _SCRIPTS else 0o644
                tree.file(f"{_INFO}/{one.info_name}.{name}", content, mode=mode)
    tree.file("var/lib/dpkg/status", "".join(one.status(sums) for one in packages))


def in_order(acts: Iterable[Act], packages: Mapping[str, Package]) -> str:
    """
    What is done before the last packages are set up, a line each: "prepare" a package, which runs what is to be run
    before it is unpacked; "configure" those that the next one needs to have been set up by then.

    The order is apt's. All files are there from the start, so that a package without such a script is ready at any
    time; and packages are set up together where they can be, for each call of dpkg takes its time on a board.
    """
    lines, set_up, configured = list[str](), list[Package](), set[str]()
    for act in acts:
        package = packages[act.package]
        if act.sets_up:
            set_up.append(package)
        elif "preinst" in package.control:
            if set_up and not package.may_be_unpacked(configured):
                lines.append(" ".join(("configure", *(one.info_name for one in set_up))))
                configured.update(one.name for one in set_up)
                set_up.clear()
            lines.append(f"prepare {package.info_name}")
    return "".join(f"{line}\n" for line in lines)
