"""What is asked for, as one writes it: ``tk1-1``, ``2 tk1``, ``2 tk1 (ram_mb >= 2048)``, ``(tag("camera"))``."""

from collections.abc import Iterable

from boardgrid.client.answers import Group
from boardgrid.client.complaint import REQUEST_INVALID, Complaint
from boardgrid.messages import _


def group(text: str) -> Group:
    """
    A number if it is not one, then a board or a board type, then what must hold of it in brackets.

    Raises:
        Complaint: it is not written so. Whether there are such boards is the farm's to say.
    """
    text = text.strip()
    before, _bracket, where = text.removesuffix(")").partition("(") if text.endswith(")") else (text, "", "")
    words = before.split()
    count = int(words.pop(0)) if words and words[0].isascii() and words[0].isdecimal() and len(words[0]) < 10 else 1
    is_apart = not before or before[-1].isspace() or not where
    if len(words) > 1 or not (words or where.strip()) or not is_apart:
        raise Complaint(
            REQUEST_INVALID,
            _("{text!r} is nothing that can be reserved").format(text=text[:80]),
            hint=_("it looks like tk1-1, tk1, '2 tk1' or '2 tk1 (ram_mb >= 2048)'"),
        )
    name = words[0] if words else ""
    # The name of a type has no dash, that of a board has one.
    return Group(count, board=name, where=where) if "-" in name else Group(count, type=name, where=where)


def body_of(groups: Iterable[Group]) -> dict[str, object]:
    """The part of a request that says what it is for."""
    told = [
        {key: value for key in ("count", "board", "type", "where") if (value := getattr(one, key)) not in {"", 1}}
        for one in groups
    ]
    return told[0] if len(told) == 1 else {"groups": told}
