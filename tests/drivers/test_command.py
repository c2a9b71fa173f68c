"""Outlets that some program switches."""

from pathlib import Path
from typing import Any

import pytest

from boardgrid.drivers.command import Command
from boardgrid.model.errors import Blame, Code, Fault
from boardgrid.ports import HasConsole, Quiesces, Resets, SwitchesOff, SwitchesOn, TellsPower
from tests.drivers.bench import tools

TRUE = ("true",)


@pytest.mark.parametrize(
    ("keys", "abilities"),
    [
        ({"on": TRUE}, {SwitchesOn}),
        ({"off": TRUE}, {SwitchesOff}),
        ({"on": TRUE, "off": TRUE}, {SwitchesOn, SwitchesOff}),
        ({"reset": TRUE}, {Resets}),
        ({"state": TRUE}, {TellsPower}),
        ({"on": TRUE, "off": TRUE, "reset": TRUE, "state": TRUE}, {SwitchesOn, SwitchesOff, Resets, TellsPower}),
    ],
)
def test_it_can_do_what_its_keys_tell_and_nothing_else(keys: dict[str, Any], abilities: set[type]) -> None:
    driver = Command(**keys, tools=tools()).driver()
    every = (SwitchesOn, SwitchesOff, TellsPower, Resets, Quiesces, HasConsole)
    assert {ability for ability in every if isinstance(driver, ability)} == abilities
    assert type(driver).__name__ == "Command"


async def test_the_words_are_handed_over_as_they_are(tmp_path: Path) -> None:
    driver = Command(on=("touch", str(tmp_path / "a; b $HOME")), tools=tools()).driver()
    assert isinstance(driver, SwitchesOn)
    await driver.on()
    assert (tmp_path / "a; b $HOME").exists()


@pytest.mark.parametrize(("word", "is_on"), [("on", True), ("ON\n", True), (" 1 ", True), ("off", False), ("0", False)])
async def test_the_state_is_a_word(word: str, is_on: bool) -> None:
    driver = Command(state=("printf", "%s", word), tools=tools()).driver()
    assert isinstance(driver, TellsPower)
    assert await driver.is_on() is is_on


@pytest.mark.parametrize("state", [("false",), ("true",), ("echo", "perhaps"), ("/nowhere/outlet",)])
async def test_a_state_that_is_not_sure_is_never_off(state: tuple[str, ...]) -> None:
    driver = Command(state=state, tools=tools()).driver()
    assert isinstance(driver, TellsPower)
    with pytest.raises(Fault, match="'state' of tk1-1 failed"):
        await driver.is_on()


async def test_a_command_that_fails_is_a_fault_that_names_the_board_and_what_it_said() -> None:
    driver = Command(on=("sh", "-c", "echo no such relay >&2; exit 3"), tools=tools()).driver()
    assert isinstance(driver, SwitchesOn)
    with pytest.raises(Fault, match=r"'on' of tk1-1 failed: the agent's log has what it said") as failed:
        await driver.on()
    assert (failed.value.code, failed.value.blame) == (Code.POWER_FAILED, Blame.BOARD)
    told = f"{failed.value} {failed.value.hint}"
    assert "relay" not in told, "words and arguments may hold secrets, and everybody reads why a board is set aside"


@pytest.mark.parametrize(
    "keys", [{}, {"on": TRUE, "timeout_s": 0.0}, {"off": TRUE, "settle_s": -1.0}, {"on": TRUE, "state": ("a", "b\0c")}]
)
def test_nonsense_is_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="should be"):
        Command(**keys, tools=tools())
