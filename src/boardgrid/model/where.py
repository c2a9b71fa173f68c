"""
Where: an expression that asks for boards by their facts, ``ram_mb >= 2048 and tag("camera")``.

It is a small part of Python's expressions, so Python's own parser reads it; nothing is ever compiled or run. What was
read becomes functions of ours.

Logic has three values. A property that a board does not have, and what cannot be compared, is *unknown*; the opposite
of unknown is unknown; and a board fits where the whole is true. So a board never fits because of a property that it
does not have, however the expression is turned.
"""

import ast
import operator
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from keyword import iskeyword
from typing import Any
from unicodedata import combining, east_asian_width

from boardgrid.messages import _
from boardgrid.model.board import TAG, Property
from boardgrid.model.errors import Code, Invalid
from boardgrid.model.facts import GIVEN, Facts

LONGEST = 500  # characters, which bounds how deep anything in it can lie

_EXAMPLE = 'ram_mb >= 2048 and tag("camera")'
_SHOWN = 72  # characters of it beside a caret: a terminal's line

# What an expression is made of. Python has more: what is not here never reaches its parser.
_TOKEN = re.compile(
    r"""
    [ ]+
    | [A-Za-z_]\w*+ (?!["'])                # no f"", b"" or r""
    | (0|[1-9]\d*) (\.\d+)? (?![\w.])
    | "[^"\\]*" | '[^'\\]*'
    | [=!<>]= | [<>] | [()\[\],-]
    """,
    re.ASCII | re.VERBOSE,
)
_WORDS = frozenset(("and", "or", "not", "in", "True", "False"))
_WORD = re.compile(r"\w+|[=<>!&|]+|.", re.DOTALL)
_MEANT = {"=": "==", "===": "==", "is": "==", "<>": "!=", "=>": ">=", "=<": "<=", "&": "and", "&&": "and", "|": "or",
          "||": "or", "!": "not", "AND": "and", "OR": "or", "NOT": "not", "IN": "in"}  # fmt: skip

Truth = bool | None  # None: unknown
_Test = Callable[[Facts], Truth]
_Value = Callable[[Facts], Property | None]

_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}  # fmt: skip
# To Python True is 1; here a switch is no number.
_KIND = {str: "text", int: "number", float: "number", bool: "switch"}


@dataclass(frozen=True, slots=True)
class Where:
    """An expression that was understood. Two are equal where their text is; ``str`` is that text."""

    text: str
    _test: _Test = field(repr=False, compare=False)
    _names: Mapping[str, int] = field(repr=False, compare=False)  # of properties, and where each stands first

    @classmethod
    def parsed(cls, text: str) -> "Where":
        """
        Raises:
            Invalid: WHERE_INVALID, it is none; the hint holds the text with a caret under the place.
        """
        text = text.strip()
        _check_tokens(text)
        reading = _Reading(text)
        try:
            test = reading.test(ast.parse(text, mode="eval").body)
        except SyntaxError as error:
            raise _not_understood(text, error) from error
        except (RecursionError, MemoryError) as error:
            raise _refused(text, 0, _("the expression is nested too deep")) from error
        return cls(text, test, reading.names)

    def __str__(self) -> str:
        return self.text

    def fits(self, facts: Facts) -> bool:
        return self._test(facts) is True

    def check_names(self, known: Collection[str]) -> None:
        """
        Args:
            known: properties that boards of this farm have.

        Raises:
            Invalid: WHERE_INVALID, none has the property that is asked for.
        """
        known = {*known, *GIVEN}
        for name, column in self._names.items():
            if name in known:
                continue
            close = get_close_matches(name.lower(), sorted(known), n=1)
            raise _refused(
                self.text,
                column,
                _("no board has a property {name}"),
                _("did you mean {known}?") if close else _("boards have {known}"),
                name=name[:80],
                known=", ".join(close or sorted(known)[:20]),
            )


@dataclass(frozen=True, slots=True)
class _Reading:
    """From Python's syntax to what is asked of a board's facts."""

    text: str
    names: dict[str, int] = field(default_factory=dict)

    def test(self, node: ast.expr) -> _Test:
        match node:
            case ast.BoolOp(op=ast.And(), values=values):
                return _all(self.test(one) for one in values)
            case ast.BoolOp(values=values):
                return _any(self.test(one) for one in values)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return _not(self.test(operand))
            case ast.Compare(left=left, ops=ops, comparators=others):
                pairs = zip([left, *others], ops, others, strict=False)
                return _all(self._comparison(*pair) for pair in pairs)
            case ast.Call():
                return self._tag(node)
            case ast.Name() | ast.Constant(value=bool()):
                # A switch says by itself whether it is on.
                return _compared(self._value(node), operator.eq, lambda _facts: True)
            case _:
                raise self._refused(node, _("something that is true or false should stand here"), _EXAMPLE)

    def _comparison(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> _Test:
        match op:
            case ast.In():
                return self._among(left, right)
            case ast.NotIn():
                return _not(self._among(left, right))
            case _:
                return _compared(self._value(left), _COMPARE[type(op)], self._value(right))

    def _among(self, left: ast.expr, right: ast.expr) -> _Test:
        if not isinstance(right, ast.Tuple | ast.List) or not right.elts:
            raise self._refused(right, _("a list of values should stand here"), '["hdmi", "dp"]')
        value = self._value(left)
        return _any(_compared(value, operator.eq, self._literal(one)) for one in right.elts)

    def _tag(self, call: ast.Call) -> _Test:
        match call:
            case ast.Call(func=ast.Name(id="tag"), args=[ast.Constant(value=str(name))]) if TAG.fullmatch(name):
                return lambda facts: name in facts.tags
            case _:
                raise self._refused(call, _("all that can be called is tag, with one tag's name"), 'tag("camera")')

    def _value(self, node: ast.expr) -> _Value:
        match node:
            case ast.Name(id=name) if name not in {"true", "false"}:
                self.names.setdefault(name, self._column(node))
                return lambda facts: facts.properties.get(name)
            case _:
                return self._literal(node)

    def _literal(self, node: ast.expr) -> _Value:
        value: Property
        match node:
            case ast.Constant(value=str(text)):
                value = text
            case ast.Constant(value=bool(switch)):
                value = switch
            case ast.Name(id="true" | "false" as word):  # as inventories and JSON have it
                value = word == "true"
            case ast.Constant(value=int() | float() as number):
                value = number
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)) if (
                type(number) is not bool
            ):
                value = -number
            case ast.UnaryOp(op=ast.USub()) | ast.BinOp():
                raise self._refused(node, _("an expression does not calculate"))
            case _:
                raise self._refused(node, _("a property or a value should stand here"), _EXAMPLE)
        return lambda _facts: value

    def _refused(self, node: ast.expr, sentence: str, example: str = "") -> Invalid:
        hint = _("a good one looks like this: {example}") if example else ""
        return _refused(self.text, self._column(node), sentence, hint, example=example)

    def _column(self, node: ast.expr) -> int:
        return len(self.text.encode()[: node.col_offset].decode())  # Python counts bytes


# --- three values


def _compared(left: _Value, compare: Callable[[Any, Any], bool], right: _Value) -> _Test:
    def test(facts: Facts) -> Truth:
        one, other = left(facts), right(facts)
        kind = _KIND.get(type(one))
        return compare(one, other) if kind and kind == _KIND.get(type(other)) else None

    return test


def _not(test: _Test) -> _Test:
    return lambda facts: None if (truth := test(facts)) is None else not truth


def _all(tests: Iterable[_Test]) -> _Test:
    return _first(False, tests)


def _any(tests: Iterable[_Test]) -> _Test:
    return _first(True, tests)


def _first(decisive: bool, tests: Iterable[_Test]) -> _Test:
    """The one value that decides, whatever the others are; else unknown, if one is; else the other."""
    all_tests = tuple(tests)
    if len(all_tests) == 1:
        return all_tests[0]

    def test(facts: Facts) -> Truth:
        truth: Truth = not decisive
        for one in all_tests:
            found = one(facts)
            if found is decisive:
                return decisive
            if found is None:
                truth = None
        return truth

    return test


# --- complaints


def _check_tokens(text: str) -> None:
    if not text:
        raise Invalid(Code.WHERE_INVALID, _("the expression is empty"), hint=_EXAMPLE)
    if len(text) > LONGEST:
        raise Invalid(
            Code.WHERE_INVALID,
            _("an expression has at most {most} characters, and this one has {length}"),
            most=LONGEST,
            length=len(text),
        )
    at = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        word = token.group() if token else ""
        is_known = word.isprintable() and (word in _WORDS or not iskeyword(word))
        if token is None or not is_known:
            raise _no_token(text, at)
        at = token.end()


def _no_token(text: str, at: int) -> Invalid:
    word = _word(text, at)
    if word in {"'", '"'}:
        if (end := text.find(word, at + 1)) < 0:
            return _refused(text, at, _("the text that begins here does not end"))
        at = next(here for here in range(at, end) if text[here] == "\\" or not text[here].isprintable())
        word = text[at]
    meant = _MEANT.get(word, "")
    return _refused(
        text,
        at,
        _("{word} has no meaning in an expression"),
        _("write {meant}") if meant else "",
        word=word[:40] if word.isprintable() else ascii(word),
        meant=meant,
    )


def _not_understood(text: str, error: SyntaxError) -> Invalid:
    at = (error.offset or 0) - 1  # it counts characters; 0 is the end
    if not 0 <= at < len(text):
        return _refused(text, len(text), _("the expression breaks off"))
    word = _word(text, at)
    if word in "([" and error.msg.endswith("never closed"):
        return _refused(text, at, _("this {word} is never closed"), word=word)
    meant = _MEANT.get(word, "")
    hint = _("write {meant}") if meant else ""
    return _refused(text, at, _("{word} is not expected here"), hint, word=word[:40], meant=meant)


def _word(text: str, at: int) -> str:
    found = _WORD.match(text, at)
    return found.group() if found else ""


def _refused(text: str, at: int, sentence: str, hint: str = "", **facts: object) -> Invalid:
    begin = max(0, at - _SHOWN + 12)
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[begin : begin + _SHOWN])
    blanks = " " * sum(_cells(c) for c in shown[: at - begin])
    return Invalid(
        Code.WHERE_INVALID,
        sentence,
        hint="{shown}\n{blanks}^" + (f"\n{hint}" if hint else ""),
        shown=shown,
        blanks=blanks,
        **facts,
    )


def _cells(character: str) -> int:
    """How wide a terminal shows it."""
    if combining(character):
        return 0
    return 2 if east_asian_width(character) in "WF" else 1
