"""The decision about the next step, by its properties."""

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boardgrid.model.kit import BootKit
from boardgrid.model.next_step import Life, Seen, Step, Tree, has_yet, next_step
from boardgrid.model.wish import Deployed, Gone, Parked, VolumeMount, Wish

ROOT, OTHER, DEPLOYMENT, FORMER, VOLUME = (UUID(int=number) for number in range(1, 6))
WISH = Deployed(DEPLOYMENT, ROOT, UUID(int=9), 1 << 30, "tk1-1.lab", (), None)
WITH_VOLUME = replace(WISH, volumes=(VolumeMount(VOLUME, "/data"),))

trees = st.none() | st.builds(Tree, st.booleans(), st.sampled_from([None, DEPLOYMENT, FORMER]), st.just("key"))
seens = st.builds(
    Seen,
    tree=trees,
    exported=st.frozensets(st.sampled_from([ROOT, OTHER, VOLUME])),
    entry=st.sampled_from([None, DEPLOYMENT, FORMER]),
    has_kits=st.booleans(),
    has_entries=st.booleans(),
    is_introduced=st.booleans(),
    has_files=st.booleans(),
    can_stop=st.booleans(),
    can_cut=st.booleans(),
    can_restart=st.booleans(),
    life=st.sampled_from(Life),
)


def looked(wish: Wish, seen: Seen) -> Seen:
    """As the agent sees it, which knows which volumes of the wish are not offered."""
    return replace(seen, detached=volumes_of(wish) - seen.exported)


def volumes_of(wish: Wish) -> frozenset[UUID]:
    return frozenset(one.volume for one in wish.volumes) if isinstance(wish, Deployed) else frozenset()


AGAIN = replace(WISH, is_kept=True, is_again=True, kit=BootKit(UUID(int=7)), is_once=True)
wishes = st.sampled_from(
    [
        *(WISH, replace(WISH, opened=True), replace(WISH, is_kept=True)),
        *(WITH_VOLUME, replace(WITH_VOLUME, opened=True)),
        *(AGAIN, replace(AGAIN, opened=True)),
        *(Parked(), Gone()),
    ]
)


def done(step: Step, wish: Wish, seen: Seen) -> Seen:
    """What is seen after a step did its work."""
    match step:
        case Step.CLONE:
            assert seen.tree is None, "no root is made anew"
            return replace(seen, tree=Tree(is_mounted=True))
        case Step.FETCH:
            return replace(seen, has_kits=True)
        case Step.MOUNT:
            assert seen.tree is not None
            return replace(seen, tree=replace(seen.tree, is_mounted=True))
        case Step.PERSONALISE:
            return replace(seen, tree=Tree(is_mounted=True, personal=DEPLOYMENT))
        case Step.ATTACH:
            return replace(seen, exported=seen.exported | volumes_of(wish))
        case Step.EXPORT:
            assert isinstance(wish, Deployed)
            entry = wish.entry if seen.has_entries else None
            return replace(seen, exported=seen.exported | {ROOT}, entry=entry, has_files=True)
        case Step.HOLD:
            return replace(seen, entry=None, has_files=True, is_introduced=True)
        case Step.FENCE:
            keeps = isinstance(wish, Deployed) and seen.tree is not None and seen.tree.personal == DEPLOYMENT
            return replace(seen, exported=seen.exported & {ROOT, *volumes_of(wish)} if keeps else frozenset())
        case Step.STOP | Step.RESTART | Step.BOOT:
            up = Life.RUNNING if isinstance(wish, Deployed) else Life.OFF
            return replace(seen, life={Step.STOP: Life.OFF, Step.RESTART: Life.BOOTING, Step.BOOT: up}[step])
        case Step.FORGET:
            return replace(seen, has_files=False)
        case Step.GIVE_UP:
            raise AssertionError("that is an end, not a step")


@given(wishes, seens)
def test_from_anywhere_the_loop_ends_where_it_was_wished_or_gives_up(wish: Wish, seen: Seen) -> None:
    taken = []
    while (step := next_step(wish, seen := looked(wish, seen))) and step is not Step.GIVE_UP:
        taken.append(step)
        seen = done(step, wish, seen)
        assert len(taken) < 13, taken
    if isinstance(wish, Deployed) and wish.must_exist and seen.tree is None:
        assert step is Step.GIVE_UP, "no root is made in the place of one that has its user's files"
    elif isinstance(wish, Deployed):
        assert seen.exported == {ROOT, *volumes_of(wish)}
        assert seen.tree == Tree(is_mounted=True, personal=DEPLOYMENT, host_key=seen.tree.host_key if seen.tree else "")
    else:
        assert not seen.exported


@given(wishes, seens)
def test_nothing_is_written_into_a_root_that_a_board_has_mounted(wish: Wish, seen: Seen) -> None:
    if next_step(wish, seen) is Step.PERSONALISE:
        assert ROOT not in seen.exported


@given(seens)
def test_what_its_user_brought_is_here_before_their_root_is_taken_from_the_board(seen: Seen) -> None:
    is_others = bool(seen.exported - {ROOT})
    if next_step(AGAIN, seen) in {Step.FENCE, Step.PERSONALISE, Step.RESTART} and not is_others:
        assert seen.has_kits or (seen.tree is not None and seen.tree.personal == DEPLOYMENT)


@given(wishes, seens)
def test_no_board_is_restarted_while_a_former_root_is_offered_to_it(wish: Wish, seen: Seen) -> None:
    if next_step(wish, seen) in {Step.RESTART, Step.BOOT}:
        assert not seen.exported - {ROOT, *volumes_of(wish)}


@given(seens)
def test_a_board_that_is_new_here_gets_the_holding_entry_before_its_root(seen: Seen) -> None:
    assert next_step(WISH, replace(seen, is_introduced=False, exported=seen.exported & {ROOT})) is Step.HOLD


@given(wishes, seens)
def test_what_was_a_former_users_is_taken_back_before_anything_that_may_fail(wish: Wish, seen: Seen) -> None:
    former = seen.exported - {ROOT, *volumes_of(wish)} if isinstance(wish, Deployed) else seen.exported
    if former:
        assert next_step(wish, seen) is Step.FENCE


@given(seens)
def test_an_open_board_is_never_touched(seen: Seen) -> None:
    step = next_step(replace(WISH, opened=True), seen)
    assert step not in {Step.RESTART, Step.STOP, Step.BOOT}
    assert step is not Step.GIVE_UP or seen.tree is None


@given(seens)
def test_the_board_is_touched_only_when_its_new_root_is_ready(seen: Seen) -> None:
    if next_step(WISH, seen) in {Step.STOP, Step.RESTART, Step.BOOT}:
        assert seen.tree == Tree(is_mounted=True, personal=DEPLOYMENT, host_key="key")


@given(seens)
def test_both_roots_are_never_offered_under_the_one_path_of_a_flashed_board(seen: Seen) -> None:
    if next_step(WISH, seen) is Step.EXPORT and not seen.has_entries:
        assert not seen.exported - {ROOT}


@given(seens)
def test_a_volume_is_offered_to_nothing_that_a_root_would_not_be_offered_to(seen: Seen) -> None:
    """On a flashed board that nobody switched off its former user may still be at work."""
    seen = looked(WITH_VOLUME, seen)
    if next_step(WITH_VOLUME, seen) is Step.ATTACH:
        bare = replace(seen, exported=frozenset[UUID](), detached=frozenset[UUID](), entry=None)
        assert next_step(WISH, bare) is Step.EXPORT


@given(seens)
def test_a_board_comes_up_without_a_volume_that_cannot_be_had(seen: Seen) -> None:
    without = replace(seen, exported=seen.exported - {VOLUME}, detached=frozenset[UUID]())
    assert next_step(WITH_VOLUME, without) is next_step(WISH, without)


@pytest.mark.parametrize("wish", [Parked(), Gone()])
def test_a_board_is_taken_back_only_when_it_is_off(wish: Wish) -> None:
    for life in (Life.UNKNOWN, Life.RUNNING, Life.STRAYED, Life.BOOTING):
        assert next_step(wish, Seen(life=life, can_stop=True, can_restart=True)) is Step.STOP


@given(seens)
def test_a_board_that_boots_by_the_network_is_parked_only_off_or_after_a_restart(seen: Seen) -> None:
    if seen.has_entries and next_step(Parked(), seen) is None:
        assert seen.life is Life.OFF


@given(seens)
def test_a_flashed_board_that_an_outlet_can_restart_is_not_left_with_what_runs_on_it(seen: Seen) -> None:
    if not seen.has_entries and seen.can_cut and next_step(Parked(), seen) is None:
        assert seen.life in {Life.OFF, Life.BOOTING}


@given(seens)
def test_a_board_that_leaves_is_fenced_and_then_waited_for_no_longer(seen: Seen) -> None:
    assert next_step(Gone(), seen) in {Step.FENCE, Step.STOP, Step.FORGET, None}


@given(seens)
def test_a_board_boots_only_when_the_network_knows_it_as_it_is(seen: Seen) -> None:
    if next_step(WISH, seen) in {Step.RESTART, Step.BOOT}:
        assert seen.is_introduced


def test_a_board_has_the_deployment_before_as_long_as_nothing_was_done_for_the_next_one() -> None:
    seen = Seen(Tree(True, FORMER), frozenset({ROOT}))
    assert has_yet(WISH, seen) == FORMER
    for changed in (Seen(), replace(seen, exported=frozenset()), replace(seen, tree=Tree(True, DEPLOYMENT))):
        assert has_yet(WISH, changed) is None
    assert has_yet(Parked(), seen) is None


@pytest.mark.parametrize("is_open", [False, True])
def test_a_volume_that_is_not_offered_beside_its_root_is_offered_again(is_open: bool) -> None:
    wish = replace(WITH_VOLUME, opened=is_open)
    seen = Seen(tree=Tree(is_mounted=True, personal=DEPLOYMENT), exported=frozenset({ROOT}), is_introduced=True)
    assert next_step(wish, looked(wish, seen)) is Step.ATTACH
