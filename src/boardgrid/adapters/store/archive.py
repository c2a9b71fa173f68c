"""
What a stranger's archive says it holds, checked by name before any of it is unpacked.

GNU tar itself lists it, so that what is judged here is read by the same parser that will unpack it.
"""

import re
from dataclasses import dataclass, field

from boardgrid.adapters.store.limits import Limits, Tally, shown
from boardgrid.messages import _
from boardgrid.model.errors import Code, Invalid

# How tar must list for :meth:`Listing.add`; names come quoted as C strings, absolute ones unchanged.
LIST_WORDS = ("--list", "--verbose", "--absolute-names", "--numeric-owner", "--acls", "--quoting-style=c")

_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(rb"\\([0-7]{3}|.)", re.DOTALL)
_NAMED = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_LAST_WORDS = {b"": "", b" -> ": "l", b" link to ": "h"}
_KINDS = "-dlhcbp"
_BLOCK = 4096


@dataclass(slots=True)
class Listing:
    """What was listed so far. A member that cannot be taken raises Invalid, with its name."""

    limits: Limits
    tally: Tally = field(init=False)
    room_bytes: int = 0  # what they take on a file system, at most
    has_acls: bool = False  # as text: tar must be told to read them
    spelling: bytes | None = None  # what stands before each name, and where slashes are doubled
    links: set[bytes] = field(default_factory=set)
    folders: set[bytes] = field(default_factory=set)
    parents: set[bytes] = field(default_factory=set)  # folders that members lie in

    def __post_init__(self) -> None:
        self.tally = Tally(self.limits)

    @property
    def implied(self) -> list[bytes]:
        """Folders that no member declares: tar makes them up as it goes."""
        return sorted((self.parents | {b""}) - self.folders)

    def add(self, line: bytes) -> None:
        kind, size, name, target = parsed(line)
        path = self._checked_path(name, name)
        self._check_spelling(path, name)
        self._check_kind(kind, line, name)
        self._check_place(path, name)
        match kind:
            case "d":
                self.folders.add(path)
            case "l":
                self._add_link(path, name)
            case "h":
                self._add_hard_link(path, name, target)
            case _:
                pass
        if not path and kind != "d":
            raise _refused(_("the tree itself must be a folder"), name)
        self._count(kind, size, name)
        self.has_acls |= line.split(b" ", 1)[0].endswith(b"+")

    def _checked_path(self, name: bytes, member: bytes) -> bytes:
        """The path as a file system would see it; empty for the tree itself."""
        if not name:
            raise _refused(_("a member has no name"), b"")
        words = [word for word in name.split(b"/") if word not in {b"", b"."}]
        if name.startswith(b"/") and words:  # "/" alone is the tree itself: tools that make layers write it so
            raise _refused(_("its name is absolute"), member)
        if b".." in words:
            raise _refused(_("its name leads out by '..'"), member)
        if len(words) > self.limits.depth:
            raise _refused(_("it lies more than {depth} folders deep"), member, depth=self.limits.depth)
        if any(len(word) > self.limits.name_bytes for word in words) or len(name) > self.limits.path_bytes:
            raise _refused(_("its name is too long"), member)
        return b"/".join(words)

    def _check_spelling(self, path: bytes, name: bytes) -> None:
        # To tar, b and ./b are two folders: it would lose the mode or the time of the one that is both.
        if not path:
            return
        at = name.rstrip(b"/").find(path)
        spelling = name[:at] if at >= 0 else b"//"
        if self.spelling not in {None, spelling}:
            raise _refused(_("its name is spelled otherwise than those before it, with or without ./"), name)
        self.spelling = spelling

    def _check_kind(self, kind: str, line: bytes, name: bytes) -> None:
        if kind not in _KINDS:
            raise _refused(_("it is of a kind that no tree has"), name)
        if kind == "c" and line.split(b'"', 1)[0].split()[2] == b"0,0":
            # What overlayfs reads as "removed": it would vanish, and hide nothing.
            raise _refused(_("it is an overlay's whiteout; pack the merged tree instead"), name)

    def _check_place(self, path: bytes, name: bytes) -> None:
        """Nothing may lie below a link of the archive's own, wherever in the archive that link stands."""
        at = path
        while at:
            at = at.rpartition(b"/")[0]
            if at in self.links:
                raise _refused(_("it lies below the archive's own link {link}"), name, link=shown(at))
            if at in self.parents:
                return  # it and all above it were looked at when a member before this one was added
            self.parents.add(at)
            self.tally.remember(at)
            if len(self.parents) > self.limits.entries:
                raise self.tally.too_many()

    def _add_link(self, path: bytes, name: bytes) -> None:
        if path in self.folders or path in self.parents:
            raise _refused(_("it is a folder and a link at once"), name)
        self.links.add(path)

    def _add_hard_link(self, path: bytes, name: bytes, target: bytes) -> None:
        try:
            aim = self._checked_path(target, name)
        except Invalid as error:
            raise _refused(_("it is a hard link to {target}, outside the tree"), name, target=shown(target)) from error
        above = aim
        while above := above.rpartition(b"/")[0]:
            if above in self.links:
                raise _refused(_("it is a hard link to {target}, behind a link"), name, target=shown(target))
        if aim in self.links:
            self._add_link(path, name)  # a hard link to a link is that link

    def _count(self, kind: str, size: int, name: bytes) -> None:
        # A size counts whatever the kind: tar reads past as many bytes.
        self.tally.count(name, size)
        self.room_bytes += len(name) + 64  # its place in its folder
        if kind == "-":
            self.room_bytes += -(-size // _BLOCK) * _BLOCK + 512
        else:
            self.room_bytes += _BLOCK if kind in "dl" else 512


def _refused(why: str, member: bytes, **facts: object) -> Invalid:
    name = shown(member)
    return Invalid(
        Code.ARCHIVE_REFUSED,
        _("the archive is refused at {member}: {why}"),
        hint=_("pack the tree anew from inside its root folder: tar -C ROOT -c ."),
        member=name or "''",
        why=why.format(**facts),
    )


def parsed(line: bytes) -> tuple[str, int, bytes, bytes]:
    """Kind, size, name and link target of one line of the listing."""
    quoted = _QUOTED.search(line)
    words = line[: quoted.start()].split() if quoted else []
    if quoted is None or len(words) < 3 or not line.endswith(b"\n"):
        raise Invalid(
            Code.ARCHIVE_REFUSED,
            _("the archive has a member whose name cannot be read or is too long"),
            hint=_("pack the tree anew from inside its root folder: tar -C ROOT -c ."),
        )
    kind = chr(line[0])
    size = int(words[2]) if words[2].isdigit() else 0
    target = b""
    rest = line[quoted.end() :].rstrip(b"\n")
    if kind in "lh":
        aimed = _QUOTED.search(rest)
        if aimed is None or _LAST_WORDS.get(rest[: aimed.start()]) != kind or aimed.end() != len(rest):
            raise _refused(_("it is a link to nowhere"), _plain(quoted[1]))
        target = _plain(aimed[1])
    return kind, size, _plain(quoted[1]), target


def _plain(quoted: bytes) -> bytes:
    def letter(escape: "re.Match[bytes]") -> bytes:
        what = escape[1]
        return bytes([int(what, 8)]) if what.isdigit() else _NAMED.get(what, what)

    return _ESCAPE.sub(letter, quoted)
