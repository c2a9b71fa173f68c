"""Recipes: those that ship, and images that are built from one."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field, StringConstraints, ValidationError

from boardgrid.api.answers import ImageOut, RecipeOut, ReservationOut
from boardgrid.api.asking import Asker, TheFarm
from boardgrid.api.bodies import Body, BootTestIn, BuildIn
from boardgrid.messages import _
from boardgrid.model.errors import Code, Invalid, NotFound
from boardgrid.model.recipe import ARCHITECTURES, TEXT_MOST, Recipe, RecipeFile, RecipeScript, System, wrong
from boardgrid.unfit import why

router = APIRouter(tags=["images"])

_AN_EXAMPLE = _("`boardgrid image recipes tiny` prints a good one, to make your own of it")
_Mode = Annotated[str, StringConstraints(pattern="^[0-7]{3,5}$")]
_Owner = Annotated[str, StringConstraints(pattern="^[0-9]{1,5}:[0-9]{1,5}$")]


class _File(Body):
    path: str
    content: str = ""
    mode: _Mode = "0644"
    owner: _Owner = "0:0"

    def file(self) -> RecipeFile:
        uid, gid = map(int, self.owner.split(":"))
        return RecipeFile(self.path, self.content, int(self.mode, 8), uid, gid)


class _Script(Body):
    name: str
    run: str


class RecipeText(Body):
    """The keys of a recipe's file; see docs/reference/recipes.md."""

    name: str
    summary: Annotated[str, StringConstraints(max_length=200)] = ""
    system: System = System.DEBIAN
    suite: str = ""
    architectures: tuple[str, ...] = ARCHITECTURES
    packages: tuple[str, ...] = ()
    kernel: str | dict[str, str] = Field(default_factory=dict)
    board_types: tuple[str, ...] = ()
    files: tuple[_File, ...] = ()
    scripts: tuple[_Script, ...] = ()
    labels: dict[str, str] = Field(default_factory=dict)

    def recipe(self) -> Recipe:
        kernel = self.kernel
        return Recipe(
            name=self.name,
            system=self.system,
            summary=self.summary,
            architectures=self.architectures,
            suite=self.suite,
            packages=self.packages,
            kernels=dict.fromkeys(self.architectures, kernel) if isinstance(kernel, str) else kernel,
            board_types=self.board_types,
            files=tuple(one.file() for one in self.files),
            scripts=tuple(RecipeScript(one.name, one.run) for one in self.scripts),
            labels=self.labels,
        ).checked()


def parsed(text: str) -> Recipe:
    """
    The recipe in the text of a TOML file.

    Raises:
        Invalid: RECIPE_INVALID, by its key.
    """
    if len(text) > TEXT_MOST:
        raise wrong("", _("it has {count} characters, and {most} is the most").format(count=len(text), most=TEXT_MOST))
    try:
        return RecipeText.model_validate(tomllib.loads(text)).recipe()
    except tomllib.TOMLDecodeError as error:
        raise wrong("", _("it is no TOML: {why}").format(why=error), _AN_EXAMPLE) from error
    except ValidationError as error:
        raise _about(error.errors()[0]) from error


def _about(error: Any) -> Invalid:
    key = ".".join(str(word) for word in error["loc"])
    is_ours = error["type"] != "extra_forbidden" or len(error["loc"]) > 1
    known = ", ".join(RecipeText.model_fields)
    return wrong(key, why(error), _AN_EXAMPLE if is_ours else _("a recipe has the keys {known}").format(known=known))


@cache
def shipped() -> dict[str, tuple[Recipe, str]]:
    """The recipes that come with the farm, by name, each with its text."""
    texts = [
        one.read_text("utf-8") for one in files("boardgrid").joinpath("recipes").iterdir() if one.name.endswith(".toml")
    ]
    found = [(parsed(text), text) for text in texts]
    return {recipe.name: (recipe, text) for recipe, text in sorted(found, key=lambda one: one[0].name)}


def _shipped(name: str) -> tuple[Recipe, str]:
    if name in shipped():
        return shipped()[name]
    raise NotFound(
        Code.RECIPE_UNKNOWN,
        _("no recipe that ships is called {recipe}"),
        hint=_("these do: {known}; give the file of your own by its path"),
        recipe=name[:80],
        known=", ".join(shipped()),
    )


@router.get("/recipes")
def list_recipes(_asker: Asker) -> list[RecipeOut]:
    """Those that ship with the farm."""
    return [RecipeOut.of(recipe, text) for recipe, text in shipped().values()]


@router.get("/recipes/{name}")
def show_recipe(name: str, _asker: Asker) -> RecipeOut:
    """One of them, with its text: a good beginning for one's own."""
    return RecipeOut.of(*_shipped(name))


@router.post("/images/build", status_code=202)
def build_image(body: BuildIn, farm: TheFarm, asker: Asker) -> ImageOut:
    """
    Build an image from a recipe. Where programs of it must run first, that is done on a board of its architecture, in a
    reservation of the asker's.
    """
    if (body.recipe is None) == (body.text is None):
        raise Invalid(Code.REQUEST_INVALID, _("say either which recipe that ships, or the text of one"))
    recipe = _shipped(body.recipe)[0] if body.recipe is not None else parsed(body.text or "")
    view = farm.building.build(asker, recipe, body.arch, name=body.name, shared=body.shared, site=body.site)
    return ImageOut.of(view)


@router.post("/images/{ref}/tests", status_code=202)
def test_image(ref: str, body: BootTestIn, farm: TheFarm, asker: Asker) -> list[ReservationOut]:
    """
    Have the farm itself see whether an image boots, on a board of each type: answered are the reservations that this
    takes, and what came of them is in the image's `boot_tests`.
    """
    return [ReservationOut.of(view) for view in farm.trying.test(asker, ref, body.types)]
