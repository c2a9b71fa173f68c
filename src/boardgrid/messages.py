"""Sentences for people: each goes through gettext, so that it can be read in another language one day."""

import os.path
from gettext import bindtextdomain, dgettext

_DOMAIN = "boardgrid"

# Catalogues come with the package: locale/<language>/LC_MESSAGES/boardgrid.mo
bindtextdomain(_DOMAIN, os.path.join(os.path.dirname(__file__), "locale"))  # noqa: PTH118, PTH120 - pathlib is slow to load


def _(sentence: str) -> str:
    # A catalogue has its own header under the empty sentence.
    return dgettext(_DOMAIN, sentence) if sentence else ""
