"""``boardgrid image build``, ``recipes`` and ``test``: images made and tried by the farm itself."""

import sys
import time

import click

from boardgrid.client.answers import BootTest, Image, Recipe, Reservation
from boardgrid.client.command import IMAGES, TYPES, Verb, names_of
from boardgrid.client.complaint import IMAGE_FAILED, Complaint
from boardgrid.client.duration import seconds
from boardgrid.client.farm import Farm
from boardgrid.client.images import SHEET, ready
from boardgrid.client.moment import shown
from boardgrid.client.progress import running
from boardgrid.client.reading import text_in
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.tables import Column, Sheet, plain
from boardgrid.client.waiting import left_by_ctrl_c, until
from boardgrid.messages import _

LONGEST_S = 4 * 3600.0  # a board's turn may come late, and a small one takes an hour
RECIPES = names_of(lambda farm: [one.name for one in farm.recipes()])

RECIPES_SHEET: Sheet[Recipe] = Sheet(
    lambda recipe: recipe.name,
    (
        Column("RECIPE", lambda recipe: recipe.name),
        Column("FOR", lambda recipe: ", ".join(recipe.architectures)),
        Column("FINISHED", lambda recipe: _("on a board") if recipe.is_finished_on_a_board else _("at once")),
        Column("SUMMARY", lambda recipe: recipe.summary),
    ),
)


def _verdict(test: BootTest) -> str:
    if not test.is_passed:
        return _("failed")
    return _("passed") if test.took_s is None else _("{seconds:.0f} s").format(seconds=test.took_s)


TESTS_SHEET: Sheet[BootTest] = Sheet(
    lambda test: test.board_type,
    (
        Column("TYPE", lambda test: test.board_type),
        Column("BOARD", lambda test: test.board),
        Column("BOOTED", _verdict),
        Column("DATE", lambda test: shown(test.at)),
        Column("REASON", lambda test: test.reason),
    ),
)


@click.command(cls=Verb)
@click.argument("recipe", metavar="RECIPE_OR_FILE", shell_complete=RECIPES)
@click.option("--arch", metavar="ARCH", help="For which architecture; may be left out where the recipe has one.")
@click.option("--as", "name", metavar="NAME", help="What the image is called; else as the recipe.")
@click.option("--shared", is_flag=True, help="Everyone may see and boot it. Without this, you alone.")
@click.option("--site", metavar="NAME", help="Where it is stored; may be left out where the farm has one site.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until it can be booted.")
@click.option("--timeout", metavar="SPAN", help="Wait no longer than this; four hours if not given.")
@pass_seat
def build(
    seat: Seat,
    *,
    recipe: str,
    arch: str | None,
    name: str | None,
    shared: bool,
    site: str | None,
    wait: bool,
    timeout: str | None,
) -> None:
    """
    Build an image in the farm, from a recipe. The recipe ships with the farm, or is a file of your own.

    What ends in .toml or has a slash in it is a file, any other word the name of a recipe: `boardgrid image recipes`
    lists them. A Debian system is unpacked by the farm and finished on a board of its architecture, which is reserved
    for you as long as that takes.

    \b
    Examples:
      boardgrid image build tiny --arch armhf
      boardgrid image build debian-12 --arch armhf --as base
      boardgrid image build ./robot.toml
    """
    timeout_s = LONGEST_S if timeout is None else seconds(timeout)
    text = _text_of(recipe)
    farm = seat.farm()
    made = farm.build_image(
        None if text is not None else recipe, text=text, arch=arch or "", name=name or "", shared=shared, site=site
    )
    SHEET.show(ready(seat, farm, made, timeout_s) if wait else made, seat.output)


def _text_of(recipe: str) -> str | None:
    return text_in(recipe) if "/" in recipe or recipe.endswith(".toml") else None


@click.command(cls=Verb)
@click.argument("name", required=False, shell_complete=RECIPES)
@pass_seat
def recipes(seat: Seat, name: str | None) -> None:
    """
    List the recipes that ship with the farm. With NAME, print the text of one, to make your own of it.

    \b
    Example:
      boardgrid image recipes debian-12 > robot.toml
    """
    if name is None:
        RECIPES_SHEET.show_all(seat.farm().recipes(), seat.output)
        return
    found = seat.farm().recipe(name)
    if seat.is_for_programs:
        RECIPES_SHEET.show(found, seat.output)
    else:
        sys.stdout.write(found.text)


@click.command(cls=Verb)
@click.argument("ref", shell_complete=IMAGES)
@click.option("--type", "-t", "types", metavar="TYPE", multiple=True, shell_complete=TYPES, help="On this type alone.")
@click.option("--console", is_flag=True, help="Test nothing: print what the consoles said in earlier tests.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until all boards have come up, or not.")
@click.option("--timeout", metavar="SPAN", help="Wait no longer than this; four hours if not given.")
@pass_seat
def test(seat: Seat, *, ref: str, types: tuple[str, ...], console: bool, wait: bool, timeout: str | None) -> None:
    """
    Have the farm itself see whether an image boots. It tries a board of each type that the image fits.

    The boards are reserved for you, wait their turn, and are given back at once. What came of it is shown with the
    image from then on.

    \b
    Examples:
      boardgrid image test debian-12
      boardgrid image test mine -t tk1
      boardgrid image test mine --console
    """
    farm = seat.farm()
    if console:
        _print_consoles(farm.image(ref), types)
        return
    timeout_s = LONGEST_S if timeout is None else seconds(timeout)
    image = farm.image(ref)
    tests = farm.test_image(image.ref, types)
    known = {(one.board_type, one.at) for one in image.boot_tests}
    if not wait:
        seat.tell(_("{image} is tried on {count} boards").format(image=image.ref, count=len(tests)))
        TESTS_SHEET.show_all((), seat.output)
        return
    parting = _("the farm goes on trying {image}, and gives the boards back; `boardgrid image show {image}` tells")
    with left_by_ctrl_c(seat, lambda: parting.format(image=image.ref)):
        over = _awaited(farm, image, tests, timeout_s)
    found = [one for one in farm.image(image.ref).boot_tests if (one.board_type, one.at) not in known]
    TESTS_SHEET.show_all(found, seat.output)
    failed = [one for one in found if not one.is_passed]
    untold = len(over) - len(found)
    if failed or untold > 0:
        because = "; ".join([one.reason for one in failed] or [one.ended_because for one in over if one.ended_because])
        sentence = _("{image} was not seen to boot everywhere: {because}")
        hint = _("`boardgrid image test {image} --console` prints what the consoles said").format(image=image.ref)
        raise Complaint(IMAGE_FAILED, sentence.format(image=image.ref, because=because), hint=hint)


def _awaited(farm: Farm, image: Image, tests: tuple[Reservation, ...], timeout_s: float) -> list[Reservation]:
    over: list[Reservation] = []
    ends = time.monotonic() + timeout_s
    with running(_("the farm tries {image}").format(image=image.ref)):
        for one in tests:

            def look(number: int = one.number) -> Reservation | None:
                seen = farm.reservation(number)
                return None if seen.is_running or seen.is_waiting else seen

            what = _("the test on {board}").format(board=one.board or one.asked)
            over.append(until(look, what, timeout_s=max(0.1, ends - time.monotonic())))
    return over


def _print_consoles(image: Image, types: tuple[str, ...]) -> None:
    for one in image.boot_tests:
        if types and one.board_type not in types:
            continue
        click.echo(f"== {one.board} {shown(one.at)} {plain(one.reason or _verdict(one))}")
        for line in one.console:
            click.echo(plain(line))
