"""Expressions that ask for boards: what they mean, what is none, and where its mistake is shown."""

from collections.abc import Callable
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boardgrid.model.board import Board, BoardType, Property
from boardgrid.model.errors import Code, Invalid
from boardgrid.model.facts import GIVEN, Facts, facts_of
from boardgrid.model.where import LONGEST, Where

FACTS = Facts({"ram_mb": 2048, "load": 1.5, "usb3": True, "panel": "hdmi"}, frozenset({"camera"}))


def fits(text: str, facts: Facts = FACTS) -> bool:
    return Where.parsed(text).fits(facts)


def refused(text: str) -> Invalid:
    with pytest.raises(Invalid) as error:
        Where.parsed(text)
    assert error.value.code is Code.WHERE_INVALID
    error.value.hint.encode()  # it is answered as JSON
    return error.value


@pytest.mark.parametrize(
    "text",
    [
        "ram_mb == 2048",
        "ram_mb == 2048.0",
        "1024 < ram_mb <= 2048",
        "2048 >= ram_mb > load > -1",
        'panel in ("hdmi", "dp")',
        "ram_mb not in [512, 1024]",
        'panel != "dp" and tag("camera") and not tag("broken")',
        "usb3",
        "usb3 == True",
        "usb3 == true and usb3 != false",
        "missing or usb3",
        "false or not False",
        "usb3 or ram_mb > 4096 and missing",
        "panel < '\u00e9'",
        f"ram_mb < {'9' * 400}",
        f"ram_mb < {'9' * 400}.0",
        "not " * 123 + "false",
        "  usb3\n",
    ],
)
def test_a_board_fits(text: str) -> None:
    assert fits(text)


@pytest.mark.parametrize(
    "text",
    [
        "not usb3",
        "missing",
        "not missing",
        "missing == 1",
        "missing != 1",
        "not missing == 1",
        "missing not in (1, 2)",
        "missing == missing",
        "missing and usb3",
        'ram_mb < "a"',
        'not ram_mb < "a"',
        "usb3 == 1",
        "usb3 != 1",
        "ram_mb",
        "panel",
        'ram_mb in (1, "2048")',
        'ram_mb not in (1, "2048")',
    ],
)
def test_what_is_unknown_never_fits_however_it_is_turned(text: str) -> None:
    assert not fits(text)


def test_its_own_properties_win_over_its_types_and_what_every_board_has_over_both() -> None:
    type_ = BoardType("tk1", "armhf", properties={"ram_mb": 2048, "panel": "none"})
    own: dict[str, Property] = {"panel": "hdmi", "arch": "x"}
    board = Board("tk1-12", "tk1", "lab", "52:54:00:00:00:01", IPv4Address("10.20.0.11"), properties=own)
    facts = facts_of(board, type_)
    assert facts.properties.keys() == {"ram_mb", "panel", *GIVEN}
    assert fits('ram_mb == 2048 and panel == "hdmi"', facts)
    assert fits('board == "tk1-12" and number == 12 and type == "tk1" and site == "lab" and arch == "armhf"', facts)


def test_two_are_equal_where_their_text_is() -> None:
    assert Where.parsed("usb3 ") == Where.parsed("usb3") != Where.parsed("not usb3")
    assert len({Where.parsed("usb3"), Where.parsed("usb3")}) == 1
    assert str(Where.parsed(" usb3 ")) == "usb3"


# --- mistakes


@pytest.mark.parametrize(
    ("text", "caret", "sentence", "hint"),
    [
        ("ram_mb = 2048", 7, "= has no meaning", "write =="),
        ("a => 1", 2, "=> has no meaning", "write >="),
        ("a <> 1", 2, "<> is not expected here", "write !="),
        ("a && b", 2, "&& has no meaning", "write and"),
        ("a OR b", 2, "OR is not expected here", "write or"),
        ("a is 1", 2, "is has no meaning", "write =="),
        ("lambda: 1", 0, "lambda has no meaning", ""),
        ("a == 5GB", 5, "5GB has no meaning", ""),
        ("a == 010", 5, "010 has no meaning", ""),
        ("1in a", 0, "1in has no meaning", ""),
        ("a.b", 1, ". has no meaning", ""),
        ("a # b", 2, "# has no meaning", ""),
        ("\u00e9 == 1", 0, "\u00e9 has no meaning", ""),
        ("\uff52am == 1", 0, "\uff52am has no meaning", ""),  # Python would take it for ram
        ("a\0b", 1, "x00", ""),
        ("a == 'b\tc'", 7, "t' has no meaning", ""),
        ("a == '\ud800'", 6, "ud800", ""),
        ("a == '\\n'", 6, "has no meaning", ""),
        ("f'{a}'", 0, "f has no meaning", ""),
        ("a == 'b", 5, "does not end", ""),
        ("a and", 5, "breaks off", ""),
        ("(a and (b)", 0, "never closed", ""),
        ("a b", 2, "b is not expected here", ""),
        ("'\u00e9' == a b", 9, "b is not expected here", ""),
        ("'\u00e9' == 1 and a - 1 == 2", 13, "does not calculate", ""),
        ("-a == 1", 0, "does not calculate", ""),
        ("--1 == a", 0, "does not calculate", ""),
        ("a in b", 5, "a list of values", '["hdmi", "dp"]'),
        ("a in ()", 5, "a list of values", '["hdmi", "dp"]'),
        ("a in (1, b)", 9, "a value should stand here", ""),
        ("a == (1, 2)", 5, "a value should stand here", ""),
        ("a and 3", 6, "true or false", ""),
        ("a[1]", 0, "true or false", ""),
        ("usb3 and rag('a')", 9, "tag", 'tag("camera")'),
        ("tag(camera)", 0, "tag", 'tag("camera")'),
        ("tag('A b')", 0, "tag", 'tag("camera")'),
    ],
)
def test_the_caret_stands_under_the_mistake(text: str, caret: int, sentence: str, hint: str) -> None:
    error = refused(text)
    shown, pointer, *rest = error.hint.split("\n")
    assert pointer == " " * caret + "^"
    assert len(shown) == len(text)
    assert sentence in error.detail
    assert hint in " ".join(rest)


def test_the_caret_lines_up_under_letters_of_every_width() -> None:
    # Two wide ones, and an accent that lies upon its letter.
    assert refused("'\u65e5\u672ce\u0301' = a").hint.split("\n")[1] == " " * 8 + "^"


def test_of_a_long_expression_the_line_with_the_mistake_is_shown() -> None:
    shown, pointer, _hint = refused("usb3 and " * 40 + "a = 1").hint.split("\n")
    assert len(shown) <= 80 and shown[len(pointer) - 1] == "="


@pytest.mark.parametrize(
    "text", ["", " ", "a" * (LONGEST + 1), "(" * LONGEST, "-" * LONGEST, "[" * LONGEST, "(a," * 160, "not " * 124]
)
def test_what_is_empty_long_or_deep_is_refused_like_any_other(text: str) -> None:
    assert refused(text)


def test_a_name_that_no_board_has_is_refused_with_the_nearest_that_one_has() -> None:
    where = Where.parsed("usb3 and RAM_Mb >= 2048")
    with pytest.raises(Invalid, match="no board has a property RAM_Mb") as error:
        where.check_names({"usb3", "ram_mb"})
    assert error.value.code is Code.WHERE_INVALID
    assert error.value.hint == "usb3 and RAM_Mb >= 2048\n         ^\ndid you mean ram_mb?"
    with pytest.raises(Invalid) as error:
        Where.parsed("colour").check_names(())
    assert error.value.hint.endswith("boards have arch, board, number, site, type")


def test_what_every_board_has_needs_no_board_to_be_known() -> None:
    Where.parsed('type == "tk1" and number < 3 and board and site and arch').check_names(())


# --- what holds for all of them

TOKENS = (
    *"abc()[],<>=-!&|#.'\"\\ \n\t\0{}:@1",
    *("ram_mb", "True", "false", "tag('x')", " and ", " or ", " not ", " in ", "==", "!=", "<=", "1.5", "'x'"),
    *(" is ", "lambda", "f'", "\u00e9", "\ud800", "\uff52", ":=", "**", " if ", " else ", "await ", "yield "),
)


@given(st.text() | st.lists(st.sampled_from(TOKENS), max_size=60).map("".join))
def test_whatever_somebody_writes_is_an_expression_or_is_refused(text: str) -> None:
    try:
        where = Where.parsed(text)
    except Invalid as error:
        assert error.code is Code.WHERE_INVALID and error.detail
    else:
        assert where.fits(FACTS) in {True, False}
        assert Where.parsed(where.text) == where


Truth = bool | None
Meant = tuple[str, Callable[[Facts], Truth]]  # what is written, and what it should come to

NAMES = ("a", "b", "c", "d")
VALUES = st.one_of(
    st.integers(-3, 3), st.sampled_from([0.5, -1.5, 2.0]), st.booleans(), st.sampled_from(["", "x", "y", "\u00e9"])
)


def _written(value: Property) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value)


def _compare(sign: str, one: object, other: object) -> Truth:
    """By the tables of the reference, one kind after the other."""
    if isinstance(one, bool) != isinstance(other, bool) or isinstance(one, str) != isinstance(other, str):
        return None
    if one is None or other is None:
        return None
    assert isinstance(one, str | float | int) and isinstance(other, str | float | int)
    is_less, is_same = one < other, one == other  # type: ignore[operator]  # they are alike
    return {
        "==": is_same, "!=": not is_same, "<": is_less, "<=": is_less or is_same, ">": not is_less and not is_same,
        ">=": not is_less,
    }[sign]  # fmt: skip


def _opposite(truth: Truth) -> Truth:
    return None if truth is None else not truth


def _both(one: Truth, other: Truth) -> Truth:
    if one is False or other is False:
        return False
    return None if one is None or other is None else True


def _either(one: Truth, other: Truth) -> Truth:
    return _opposite(_both(_opposite(one), _opposite(other)))


def _comparison(name: str, sign: str, value: Property) -> Meant:
    return f"{name} {sign} {_written(value)}", lambda facts: _compare(sign, facts.properties.get(name), value)


def _between(low: Property, sign: str, name: str, other: str) -> Meant:
    def meant(facts: Facts) -> Truth:
        one, two = facts.properties.get(name), facts.properties.get(other)
        return _both(_compare(sign, low, one), _compare(sign, one, two))

    return f"{_written(low)} {sign} {name} {sign} {other}", meant


def _member(name: str, values: list[Property], has_not: bool) -> Meant:
    def meant(facts: Facts) -> Truth:
        truth: Truth = False
        for value in values:
            truth = _either(truth, _compare("==", facts.properties.get(name), value))
        return _opposite(truth) if has_not else truth

    listed = ", ".join(map(_written, values))
    return f"{name} {'not ' if has_not else ''}in [{listed}]", meant


def _switch(name: str) -> Meant:
    def meant(facts: Facts) -> Truth:
        found = facts.properties.get(name)
        return found if isinstance(found, bool) else None

    return name, meant


signs = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
names = st.sampled_from(NAMES)
leaves: st.SearchStrategy[Meant] = st.one_of(
    st.builds(_comparison, names, signs, VALUES),
    st.builds(_between, VALUES, signs, names, names),
    st.builds(_member, names, st.lists(VALUES, min_size=1, max_size=3), st.booleans()),
    names.map(_switch),
    names.map(lambda name: (f"tag('{name}')", lambda facts: name in facts.tags)),
)


def _grown(smaller: st.SearchStrategy[Meant]) -> st.SearchStrategy[Meant]:
    return st.one_of(
        smaller.map(lambda one: (f"not ({one[0]})", lambda facts: _opposite(one[1](facts)))),
        st.tuples(smaller, smaller).map(
            lambda two: (f"({two[0][0]}) and ({two[1][0]})", lambda facts: _both(two[0][1](facts), two[1][1](facts)))
        ),
        st.tuples(smaller, smaller).map(
            lambda two: (f"({two[0][0]}) or ({two[1][0]})", lambda facts: _either(two[0][1](facts), two[1][1](facts)))
        ),
    )


expressions = st.recursive(leaves, _grown, max_leaves=6).filter(lambda one: len(one[0]) < LONGEST - 50)
all_facts = st.builds(Facts, st.dictionaries(names, VALUES), st.frozensets(names))


@given(expressions, all_facts)
def test_a_board_fits_where_the_rules_say_so(meant: Meant, facts: Facts) -> None:
    text, truth = meant
    assert fits(text, facts) is (truth(facts) is True)
    assert fits(f"not ({text})", facts) is (truth(facts) is False)


@given(expressions, expressions, all_facts)
def test_the_laws_of_logic_hold_with_a_third_value(one: Meant, other: Meant, facts: Facts) -> None:
    a, b = f"({one[0]})", f"({other[0]})"
    same = [
        (f"not not {a}", a),
        (f"{a} and {a}", a),
        (f"{a} or {a} and {b}", a),
        (f"not ({a} and {b})", f"not {a} or not {b}"),
        (f"not ({a} or {b})", f"not {a} and not {b}"),
        (f"{a} and {b}", f"{b} and {a}"),
        (f"{a} and not {a}", "false"),
    ]
    for left, right in same:
        if max(len(left), len(right)) <= LONGEST - 10:
            # Both: what is not true is false or unknown.
            assert fits(left, facts) is fits(right, facts)
            if right != "false":
                assert fits(f"not ({left})", facts) is fits(f"not ({right})", facts)
