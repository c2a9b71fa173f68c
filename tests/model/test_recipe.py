"""What a recipe may say, and how one that cannot be meant is refused."""

from dataclasses import replace

import pytest

from boardgrid.model.errors import Code, Invalid
from boardgrid.model.recipe import FILES_MOST, Recipe, RecipeFile, RecipeScript, System

GOOD = Recipe("robot", System.DEBIAN, packages=("gdb",), files=(RecipeFile("/etc/motd", "hello\n"),))


def test_a_recipe_that_can_be_built_is_returned_as_it_is() -> None:
    assert GOOD.checked() is GOOD


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"name": "Robot"}, "no name for an image"),
        ({"architectures": ()}, "architectures: none is named"),
        ({"architectures": ("riscv64",)}, "architectures: 'riscv64' is none"),
        ({"suite": "../etc"}, "suite: '../etc' is no name"),
        ({"packages": ("gdb; reboot",)}, "packages: 'gdb; reboot' is no name"),
        ({"packages": ("-oDir=/",)}, "packages: '-oDir=/' is no name"),
        ({"packages": ("a",) * 501}, "packages: there are 501, and 500 is the most"),
        ({"kernels": {"armhf": "Armmp"}}, "kernel: 'Armmp' is no name"),
        ({"kernels": {"sparc": "sparc64"}}, "kernel: 'sparc' is none"),
        ({"board_types": ("tk-1",)}, "no name for a board type"),
        ({"files": (RecipeFile("etc/motd"),)}, r"files\[0\].path: 'etc/motd' is no path"),
        ({"files": (RecipeFile("/etc/../motd"),)}, r"files\[0\].path"),
        ({"files": (RecipeFile("/etc/mo td"),)}, r"files\[0\].path"),
        ({"files": (RecipeFile("/"),)}, r"files\[0\].path"),
        ({"files": (RecipeFile("/etc/motd"), RecipeFile("/a", mode=0o100644))}, r"files\[1\].mode"),
        ({"files": (RecipeFile("/a", uid=70000),)}, r"files\[0\].owner"),
        ({"files": (RecipeFile("/a"),) * (FILES_MOST + 1)}, "files: there are 101"),
        ({"scripts": (RecipeScript("../x", "true"),)}, r"scripts\[0\].name"),
        ({"system": System.TINY}, "packages: the tiny system takes files alone"),
        ({"system": System.TINY, "packages": (), "kernels": {"armhf": "armmp-lpae"}}, "kernel: the tiny system"),
    ],
)
def test_a_recipe_that_cannot_be_meant_is_refused_by_its_key(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(Invalid, match=complaint):
        replace(GOOD, **changes).checked()  # type: ignore[arg-type] # each is right for its key


def test_each_architecture_has_a_kernel_unless_the_recipe_says_otherwise() -> None:
    recipe = replace(GOOD, kernels={"armhf": "armmp-lpae", "amd64": "none"})
    assert [recipe.flavour(arch) for arch in ("armhf", "arm64", "amd64")] == ["armmp-lpae", "arm64", ""]


def test_a_complaint_may_hold_any_letters() -> None:
    with pytest.raises(Invalid) as raised:
        replace(GOOD, packages=("{why}{",)).checked()
    assert raised.value.code is Code.RECIPE_INVALID and "'{why}{'" in str(raised.value)
