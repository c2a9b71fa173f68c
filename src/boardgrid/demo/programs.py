"""What the demo starts and waits for: each comes to an end."""

import signal
import subprocess
from collections.abc import Mapping, Sequence

from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault

_GRACE_S = 10.0


def ran(
    argv: Sequence[str],
    *,
    shown: str,
    within_s: float,
    hint: str,
    stdin: str = "",
    env: Mapping[str, str] | None = None,
) -> "subprocess.CompletedProcess[str]":
    """
    Run a program, with whatever status it ends.

    Raises:
        Fault: it took over *within_s*; the sentence calls it *shown*.
    """
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
    ) as process:
        try:
            out, err = process.communicate(stdin, timeout=within_s)
        except subprocess.TimeoutExpired as error:
            _interrupt(process)
            raise Fault(
                Code.PROGRAM_TIMEOUT,
                _("{program} took over {limit_s:g} s and was ended"),
                hint=hint,
                program=shown,
                limit_s=within_s,
            ) from error
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(argv, process.returncode, out, err)


def _interrupt(process: "subprocess.Popen[str]") -> None:
    """As Ctrl-C does: it may end first what it has started itself."""
    process.send_signal(signal.SIGINT)
    try:
        process.communicate(timeout=_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
