"""How large a stranger's tree may be, and how its names are printed."""

from dataclasses import dataclass, field

from boardgrid.messages import _, bytes_text
from boardgrid.model.errors import Code, Invalid


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of an image is too much."""

    size_bytes: int
    entries: int = 2_000_000
    depth: int = 128
    name_bytes: int = 254  # a file system takes 255, and mkfs.erofs (1.5) gives up over one of them
    path_bytes: int = 3000
    names_bytes: int = 256 << 20  # of all paths together: whoever judges a tree has them in memory


@dataclass(slots=True)
class Tally:
    """What was counted so far of a tree. Raises Invalid, with the name, at what is too much."""

    limits: Limits
    entries: int = 0
    size_bytes: int = 0  # of regular files as they look, holes included
    names_bytes: int = field(default=0, repr=False)

    def count(self, path: bytes, size: int) -> None:
        """One more entry."""
        self.entries += 1
        self.size_bytes += size
        self.remember(path)
        if self.entries > self.limits.entries:
            raise self.too_many()
        if self.size_bytes > self.limits.size_bytes:
            raise Invalid(
                Code.IMAGE_TOO_LARGE,
                _("with {member} the tree is over the site's limit of {limit}"),
                hint=_("leave out what the board does not need, or ask an admin for a higher limit"),
                member=shown(path),
                limit=bytes_text(self.limits.size_bytes),
            )

    def remember(self, path: bytes) -> None:
        """One more path that is kept in memory."""
        self.names_bytes += len(path)
        if self.names_bytes > self.limits.names_bytes:
            raise Invalid(
                Code.IMAGE_TOO_LARGE,
                _("with {member} the names in the tree are over the limit of {limit} together"),
                hint=_("leave out what the board does not need, or ask an admin for a higher limit"),
                member=shown(path),
                limit=bytes_text(self.limits.names_bytes),
            )

    def too_many(self) -> Invalid:
        return Invalid(
            Code.IMAGE_TOO_LARGE,
            _("the tree has more than {entries} files and folders, the site's limit"),
            hint=_("leave out what the board does not need, or ask an admin for a higher limit"),
            entries=self.limits.entries,
        )


def shown(name: bytes) -> str:
    """A stranger's name, fit to be printed."""
    text = name.decode("utf-8", "backslashreplace")
    text = "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)
    return text if len(text) <= 120 else f"{text[:80]}...{text[-30:]}"
