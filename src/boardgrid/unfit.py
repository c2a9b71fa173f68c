"""Why a value that came in at a door does not fit, in words of our own: pydantic's speak of types of a program."""

from collections.abc import Mapping
from typing import Any

from boardgrid.messages import _

_MOST = 200  # characters
_TEXT, _WHOLE, _NUMBER = "should be text", "should be a whole number", "should be a number"
_TRUTH, _LIST, _TABLE = "should be true or false", "should be a list", "should have keys with values"
_SENTENCES = {
    "missing": "is missing",
    **dict.fromkeys(("extra_forbidden", "unexpected_keyword_argument"), "there is no such key"),
    "string_type": _TEXT,
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), _WHOLE),
    **dict.fromkeys(("float_type", "float_parsing"), _NUMBER),
    "finite_number": "should be a number that has an end",
    **dict.fromkeys(("bool_type", "bool_parsing"), _TRUTH),
    **dict.fromkeys(("list_type", "tuple_type", "set_type", "frozen_set_type"), _LIST),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type", "dataclass_type", "mapping_type"), _TABLE),
    **dict.fromkeys(("enum", "literal_error"), "should be {expected}"),
    "string_too_long": "has too many characters (the most is {max_length})",
    "string_too_short": "has too few characters (the least is {min_length})",
    "too_long": "has too many entries (the most is {max_length})",
    "too_short": "has too few entries (the least is {min_length})",
    "greater_than_equal": "should be {ge} or more",
    "less_than_equal": "should be {le} or less",
    "greater_than": "should be more than {gt}",
    "less_than": "should be less than {lt}",
    "ip_v4_address": "should be an IPv4 address, like 10.20.0.11",
    "value_error": "{error}",
}


def why(error: Mapping[str, Any]) -> str:
    """A clause that goes on behind the name of the field, of one of the errors that pydantic found."""
    sentence = _SENTENCES.get(error["type"])
    if sentence is None:
        said = str(error["msg"])
        return (said[:1].lower() + said[1:])[:_MOST]
    # What refuses a value may repeat all of it.
    return _(sentence).format_map(error.get("ctx", {}))[:_MOST]
