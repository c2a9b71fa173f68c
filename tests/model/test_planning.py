"""What a board is wished to be, and whom it may be given to."""

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boardgrid.model.board import Board, BoardType
from boardgrid.model.next_step import Life, Seen, Tree, next_step
from boardgrid.model.planning import Standing
from boardgrid.model.wish import Deployed, Gone, Parked

BOARD = Board("tk1-1", "tk1", "lab", "52:54:00:00:00:01", IPv4Address("10.20.0.11"))
TYPE = BoardType("tk1", "armhf")


def _deployed() -> Deployed:
    return Deployed(uuid4(), uuid4(), uuid4(), 1 << 30, "tk1-1.lab.boardgrid", ("ssh-ed25519 AAAA",), None)


def _given(standing: Standing) -> Standing:
    return standing.deployed(_deployed()) if standing.is_offered else standing


STEPS: dict[str, Callable[[Standing], Standing]] = {
    "given": _given,
    "opened": Standing.opened,
    "parked": Standing.parked,
    "leaving": Standing.leaving,
    "reached": Standing.reached,
    "set aside": lambda one: one.set_aside("it smokes"),
    "fit": lambda one: one.set_aside(""),
    "declared": lambda one: one.declared(replace(one.board, kernel=one.board.kernel + "x")),
    "described": lambda one: one.declared(replace(one.board, tags=one.board.tags ^ {"camera"})),
}


@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=30))
def test_the_generation_rises_with_every_change_of_the_wish_and_never_falls(steps: list[str]) -> None:
    standing = Standing(BOARD)
    for step in steps:
        before, standing = standing, STEPS[step](standing)
        assert standing.generation >= before.generation
        is_same = (before.wish, before.board.plain) == (standing.wish, standing.board.plain)
        assert step != "described" or (standing.board.tags != before.board.tags and is_same)
        assert step != "described" or standing.generation == before.generation
        if not is_same:
            assert standing.generation > before.generation
            assert not standing.is_reached or step == "reached"


@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=30))
def test_a_board_is_offered_to_nobody_before_its_last_tenant_was_seen_gone(steps: list[str]) -> None:
    standing, tenant = Standing(BOARD), None
    for step in steps:
        standing = STEPS[step](standing)
        if isinstance(standing.wish, Deployed):
            tenant = standing.wish.deployment
        elif step == "reached":
            tenant = None
        assert standing.tenant == tenant
        assert not (standing.is_offered and tenant)


@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=30))
def test_only_a_new_deployment_restarts_a_board(steps: list[str]) -> None:
    """An open board runs its root; whatever else is done to its wish asks for no step."""
    standing = Standing(BOARD).deployed(_deployed()).opened()
    wish = standing.wish
    assert isinstance(wish, Deployed)
    seen = Seen(Tree(True, wish.deployment), frozenset({wish.root}), wish.deployment, life=Life.STRAYED)
    for step in steps:
        standing = STEPS[step](standing)
        if isinstance(standing.wish, Deployed) and standing.wish.deployment == wish.deployment:
            assert next_step(standing.wish, seen) is None


def test_a_board_that_is_not_offered_is_not_given_away() -> None:
    for standing in (
        Standing(BOARD).set_aside("it smokes"),
        Standing(BOARD).leaving(),
        Standing(BOARD).deployed(_deployed()),
        Standing(BOARD).deployed(_deployed()).parked(),
    ):
        with pytest.raises(ValueError, match="tk1-1 is not offered"):
            standing.deployed(_deployed())


def test_a_board_that_leaves_is_not_called_back() -> None:
    assert Standing(BOARD).leaving().parked().wish == Gone()


def test_the_agent_is_not_told_whether_people_may_have_a_board_nor_what_they_choose_it_by() -> None:
    fit, unfit = Standing(BOARD), Standing(BOARD).set_aside("it smokes")
    described = Standing(replace(BOARD, properties={"ram_mb": 2048}, tags=frozenset({"camera"})))
    type_ = replace(TYPE, properties={"usb3": True})
    assert fit.as_wish(TYPE) == unfit.as_wish(TYPE) == described.as_wish(type_.plain)


def test_a_new_standing_is_parked_and_clean() -> None:
    standing = Standing(BOARD)
    assert standing.wish == Parked() and standing.is_clean and standing.is_offered


def test_a_deployment_that_takes_longer_than_its_type_has_the_time_that_it_takes() -> None:
    slow = replace(_deployed(), boot_s=3600.0)
    assert Standing(BOARD).deployed(slow).as_wish(TYPE).type == replace(TYPE, boot_s=3600.0)
    assert Standing(BOARD).deployed(replace(slow, boot_s=1.0)).as_wish(TYPE).type == TYPE
