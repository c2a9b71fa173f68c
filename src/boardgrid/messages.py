"""Sentences for people: each goes through gettext, so that it can be read in another language one day."""

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
