"""How a program of the store tells its caller what went wrong: one JSON object on standard output."""

import json
import sys
from collections.abc import Callable
from typing import Any

from boardgrid.adapters.store.workroom import let_go_of_others
from boardgrid.model.errors import Blame, Code, Conflict, FarmError, Fault, Invalid, NotFound

MOUNTS = "mounts"  # in an order: what a program in a mount namespace of its own keeps of those that are in the store

_KINDS: dict[str, type[FarmError]] = {kind.__name__: kind for kind in (Invalid, NotFound, Conflict, Fault)}


def answer(work: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Read an order, do the work, write down what came of it. Anything but a FarmError ends in a traceback."""
    order = json.load(sys.stdin)
    if mounts := order.pop(MOUNTS, None):
        let_go_of_others(**mounts)  # here, so that no program can forget it
    try:
        said = {"done": work(order)}
    except FarmError as error:
        blame = error.blame if isinstance(error, Fault) else None
        said = {
            "failed": {
                "kind": type(error).__name__,
                "code": error.code,
                "detail": error.detail,
                "hint": error.hint,
                "blame": blame,
            }
        }
    json.dump(said, sys.stdout)


def heard(printed: str) -> dict[str, Any]:
    """
    What the program answered.

    Raises:
        FarmError: what it raised.
    """
    said: dict[str, Any] = json.loads(printed)
    if "failed" not in said:
        done: dict[str, Any] = said["done"]
        return done
    failed = said["failed"]
    kind, code, detail, hint = _KINDS[failed["kind"]], Code(failed["code"]), failed["detail"], failed["hint"]
    if kind is Fault:
        raise Fault(code, detail, hint=hint, blame=Blame(failed["blame"]))
    raise kind(code, detail, hint=hint)
