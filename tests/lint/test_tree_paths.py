"""The lint rule of threat 19 sees what it says it sees."""

from pathlib import Path

import pytest

from boardgrid import adapters
from tests.lint.tree_paths import found

SOURCE = Path(adapters.__file__).parents[1]


@pytest.mark.parametrize(
    "code",
    [
        'Path(place.tree) / "etc"',
        'Path(str(place.tree)) / "etc"',
        'Path(order["tree"]) / name',
        'Path(order["root"]).joinpath("etc", name)',
        'Path(place.tree, "etc")',
        'os.listdir(order["tree"])',
        "os.path.join(place.tree, name)",
        'str(place.tree) + "/etc"',
        'f"{place.tree}/etc"',
        '"%s/etc" % str(place.tree)',
        '"{}/etc".format(place.tree)',
        'p = self._world.roots.path(r); p / "etc"',
        "at = TreePath(word); words = str(at); os.walk(words)",
        'def f(tree: TreePath) -> None: open(f"{tree}/etc/passwd")',
        "[e for e in Path(place.tree).rglob(name)]",
    ],
)
def test_a_name_that_is_joined_to_a_trees_path_is_found(code: str) -> None:
    assert found(code) == [1]


@pytest.mark.parametrize(
    "code",
    [
        "TreeDir(TreePath(order['tree']))",
        "os.open(place.tree, os.O_DIRECTORY)",
        'f"nothing is mounted at {place.tree}"',
        "str(place.tree) in mounted",
        'TreePath(str(folder / "tree"))',
        'layers = f"{disk}/upper"',
        "spool.path(name) / other",
    ],
)
def test_what_follows_no_name_is_left_alone(code: str) -> None:
    assert found(code) == []


@pytest.mark.slow
def test_the_farm_keeps_to_it() -> None:
    assert {str(file): lines for file in SOURCE.rglob("*.py") if (lines := found(file.read_text()))} == {}
