import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from boardgrid.daemon import config

DOCS = Path(__file__).parents[2] / "docs"
REFERENCE = (DOCS / "reference" / "config.md").read_text()
OURS = re.compile(r"^\[(controller|notices|booking|gateway|agent|site|lab)\]$", re.MULTILINE)
EXAMPLES = [
    pytest.param(block, id=f"{page.stem}-{number}")
    for page in sorted(DOCS.rglob("*.md"))
    for number, block in enumerate(re.findall(r"```toml\n(.*?)```", page.read_text(), re.DOTALL))
    if OURS.search(block)
]


def keys(fields: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, field in fields.items():
        below = getattr(field.default_factory, "__dataclass_fields__", None)
        if below is None:
            yield prefix + name
        else:
            yield from keys(below, f"{prefix}{name}.")


def test_every_key_is_in_the_reference_and_no_other() -> None:
    written = re.findall(r"^\| `([a-z_.]+)` \| .* \| .* \| .* \|$", REFERENCE, re.MULTILINE)
    assert sorted(written) == sorted(keys(config._File.__dataclass_fields__))


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_are_read(tmp_path: Path, example: str) -> None:
    file = tmp_path / "boardgrid.toml"
    file.write_text(example)
    read = config.read(file)
    assert read.lab.virtual is tomllib.loads(example).get("lab", {}).get("virtual", False)
