"""Properties and tags of boards, as one writes and reads them at the command line."""

import json
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from boardgrid.client.complaint import REQUEST_INVALID, Complaint
from boardgrid.messages import _

_NO_NUMBERS = {sign + word for sign in ("", "+", "-") for word in ("inf", "nan")}  # to TOML they are


def properties(given: Iterable[str]) -> dict[str, Any]:
    """
    ``ram_mb=2048``: its value as in an inventory. What is no number, ``true`` or ``false`` is a text without quotes,
    too.

    Raises:
        Complaint: one has no name or no value.
    """
    return dict(_property(text) for text in given)


def _property(text: str) -> tuple[str, Any]:
    name, _equals, value = text.partition("=")
    if not name.strip() or not value.strip():
        raise Complaint(
            REQUEST_INVALID,
            _("{text!r} is no property").format(text=text),
            hint=_("it looks like ram_mb=2048, usb3=true or panel=hdmi"),
        )
    return name.strip(), _value(value.strip())


def _value(text: str) -> Any:
    try:
        read = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    is_one = read.keys() == {"value"} and isinstance(read["value"], str | int | float) and text not in _NO_NUMBERS
    return read["value"] if is_one else text


def properties_text(known: Mapping[str, Any] | None) -> str:
    """As an expression would have them: ``panel="hdmi" ram_mb=2048``."""
    return " ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in sorted((known or {}).items()))
