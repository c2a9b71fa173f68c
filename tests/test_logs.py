"""What is logged tells where a bug is, and none of the secrets that were at hand there."""

import json
import subprocess
import sys

_PROGRAM = """
import psycopg, structlog
from boardgrid import logs
from boardgrid.model.user import Secret
from boardgrid.postgresql import Postgres

logs.log_to_stderr()
try:
    psycopg.connect(Postgres(Secret("postgresql://farm:hush@/farm?host=/nowhere")).conninfo("test").reveal())
except psycopg.OperationalError as error:
    try:
        raise RuntimeError("a bug") from error
    except RuntimeError:
        structlog.get_logger().exception("test.bug")
"""


def test_a_traceback_names_each_line_and_shows_no_password() -> None:
    done = subprocess.run((sys.executable, "-c", _PROGRAM), capture_output=True, text=True, timeout=60, check=True)
    said = json.loads(done.stderr)
    assert [one["exc_type"] for one in said["exception"]] == ["RuntimeError", "OperationalError"]
    assert "hush" not in done.stderr
