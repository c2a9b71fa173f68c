"""What the farm's processes say."""

import json
import subprocess
import sys

_PROGRAM = """
import structlog
from boardgrid import logs
logs.log_to_stderr()

def login(password):
    raise ZeroDivisionError("a bug")

try:
    login("swordfish".upper())
except ZeroDivisionError:
    structlog.get_logger().exception("request.bug")
"""


def test_a_bug_is_logged_whole_but_for_what_variables_held() -> None:
    said = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, timeout=60, check=True
    ).stderr
    logged = json.loads(said)
    assert logged["exception"][0]["exc_type"] == "ZeroDivisionError"
    assert [frame["name"] for frame in logged["exception"][0]["frames"]] == ["<module>", "login"]
    assert "SWORDFISH" not in said
