"""
A deployed board for tests: the fixture ``board``.

    def test_it_boots(board):
        assert "Linux" in board.run("uname").stdout

It is loaded with every run of pytest where boardgrid is installed, so it imports nothing of ours until a test asks.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from boardgrid.client.open_board import OpenBoard

_OPTIONS = {
    "type": ("TYPE", "which board: a type, a board, or 'tk1 (ram_mb >= 2048)'"),
    "image": ("REF", "what it boots"),
    "for": ("SPAN", "how long it is reserved at most; an hour if not given"),
    "queue-timeout": ("SPAN", "wait no longer than this for its turn"),
    "identity": ("FILE", "the private key to log in with; else what the configuration of ssh says"),
    "scope": ("SCOPE", "how long a board is kept: session (the default), package, module, class, function"),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("boardgrid", "a board of a BoardGrid farm, for the fixture `board`")
    for name, (metavar, told) in _OPTIONS.items():
        group.addoption(f"--boardgrid-{name}", metavar=metavar, help=told)
        parser.addini(f"boardgrid_{name.replace('-', '_')}", told)


def _said(config: pytest.Config, name: str) -> str:
    key = f"boardgrid_{name.replace('-', '_')}"
    return str(config.getoption(key) or config.getini(key) or "")


def _scope(fixture_name: str, config: pytest.Config) -> Any:
    return _said(config, "scope") or "session"


@pytest.fixture(scope=_scope)
def board(pytestconfig: pytest.Config) -> "Iterator[OpenBoard]":
    """A board of the farm that one is logged in to: deployed, open, and given back at the end."""
    what, image = _said(pytestconfig, "type"), _said(pytestconfig, "image")
    if not what or not image:
        pytest.skip("no board was asked for: --boardgrid-type TYPE --boardgrid-image REF")
    from boardgrid.client import connect  # noqa: PLC0415 - see above
    from boardgrid.client.complaint import Complaint  # noqa: PLC0415
    from boardgrid.client.duration import seconds  # noqa: PLC0415
    from boardgrid.client.stay import Terms  # noqa: PLC0415

    try:
        for_s, within = seconds(_said(pytestconfig, "for") or "1h"), _said(pytestconfig, "queue-timeout")
        identity = _said(pytestconfig, "identity") or None
        terms = Terms(queue_timeout_s=seconds(within) if within else None, identity=identity)
        with connect() as farm, farm.reserve(what, image=image, for_s=for_s, how=terms) as [there]:
            yield there
    except Complaint as error:
        hint = f"\n{error.hint}" if error.hint else ""
        pytest.fail(f"{error.detail} ({error.code}){hint}", pytrace=False)
