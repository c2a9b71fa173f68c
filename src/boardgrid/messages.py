"""What people are told: sentences, through gettext, so that they can be in another language one day; and sizes."""

import os.path
from functools import cache
from gettext import NullTranslations, translation

# Catalogues come with the package: locale/<language>/LC_MESSAGES/boardgrid.mo
_FOLDER = os.path.join(os.path.dirname(__file__), "locale")  # noqa: PTH118, PTH120 - pathlib is slow to load


@cache
def _catalogue() -> NullTranslations:
    """Found once: gettext would look on the disk for each sentence."""
    return translation("boardgrid", _FOLDER, fallback=True)


def _(sentence: str) -> str:
    # A catalogue has its own header under the empty sentence.
    return _catalogue().gettext(sentence) if sentence else ""


def bytes_text(size: float | None) -> str:
    """``512 MB``: in powers of ten, as disks are sold."""
    if size is None:
        return ""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 999.5 or unit == "TB":
            return f"{size:.0f} {unit}" if unit == "B" or size >= 99.95 else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError


def larger_text(size: float, most: float) -> str:
    """A size that is above *most*, so that whoever reads both sees that it is."""
    told = bytes_text(size)
    return _("more than {most}").format(most=told) if told == bytes_text(most) else told
