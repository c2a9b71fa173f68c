"""Which packages a tree has installed, as its own package system wrote it down. All of it is a stranger's word."""

from collections.abc import Iterable, Mapping

from boardgrid.adapters.store.limits import shown
from boardgrid.adapters.store.tree import TreeDir

DPKG = "dpkg"

_STATUS, _PARTS = "var/lib/dpkg/status", "var/lib/dpkg/status.d"
_STATUS_BYTES = 64 << 20  # of all packages of Debian at once it would be as much
_PART_BYTES, _PARTS_MOST = 1 << 20, 20_000


def installed(tree: TreeDir) -> Mapping[str, str] | None:
    """Versions by name; None where nobody that is known here wrote them down."""
    if (status := tree.read(_STATUS, _STATUS_BYTES)) is not None:
        return _parsed(status.split(b"\n\n"))
    if tree.is_folder(_PARTS):  # images without a package manager in them keep one file a package
        names = tree.names(_PARTS)[:_PARTS_MOST]
        parts = (tree.read(f"{_PARTS}/{name}", _PART_BYTES) for name in names if not name.endswith(".md5sums"))
        return _parsed(part for part in parts if part)
    return None


def _parsed(paragraphs: Iterable[bytes]) -> dict[str, str]:
    found: dict[str, str] = {}
    for paragraph in paragraphs:
        facts: dict[bytes, bytes] = {}
        for line in paragraph.split(b"\n"):
            key, _colon, value = line.partition(b":")
            if key in {b"Package", b"Status", b"Version", b"Architecture"}:
                facts.setdefault(key, value.strip())
        # "install ok installed"; one that was removed may have left its settings, and is written down still.
        status = facts.get(b"Status", b"installed").split()
        if facts.keys() >= {b"Package", b"Version"} and status[-1:] == [b"installed"]:
            arch = facts.get(b"Architecture", b"all")
            name = facts[b"Package"] if arch == b"all" else b"%b:%b" % (facts[b"Package"], arch)
            found[shown(name)] = shown(facts[b"Version"])
    return found
