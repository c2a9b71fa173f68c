"""What is installed with BoardGrid may be: the licences of all that it needs to run."""

import re
from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import Requirement

# An Apache-2.0 project may build on these; what is GPL runs as a process of its own and is no Python package of ours.
# psycopg and ldap3 are LGPL, asyncssh is EPL: they are used as they are, and may be replaced by whoever installs them.
FITTING = re.compile(
    r"\b(MIT|BSD|EPL|Apache|ISC|PSF|Python Software Foundation|MPL|Mozilla|Unlicense|0BSD|LGPL|Lesser General Public)\b"
    r"|Public Domain|CC0",
    re.IGNORECASE,
)


def needed(name: str, seen: dict[str, str]) -> dict[str, str]:
    """All that a package needs in turn, each with what it says of its licence."""
    key = re.sub(r"[-_.]+", "-", name).lower()
    if key in seen:
        return seen
    try:
        found = distribution(name)
    except PackageNotFoundError:  # for another system
        return seen
    told = found.metadata
    says = [*(told.get_all("License-Expression") or ()), *(told.get_all("License") or ())]
    says += [one for one in told.get_all("Classifier") or () if one.startswith("License ::")]
    seen[key] = " ".join(one[:200] for one in says)
    for line in found.requires or ():
        wanted = Requirement(line)
        if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
            needed(wanted.name, seen)
    return seen


def test_each_library_has_a_licence_that_fits() -> None:
    licences = needed("boardgrid", {})
    del licences["boardgrid"]
    assert len(licences) > 20
    assert {name: says for name, says in licences.items() if not FITTING.search(says)} == {}
