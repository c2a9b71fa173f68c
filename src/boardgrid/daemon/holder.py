"""Process 1 of the namespaces that servers live in where boards are real: it waits, and buries the dead."""

import asyncio
import contextlib
import os
import signal

from boardgrid.adapters.shell import SubprocessShell
from boardgrid.daemon.notice import tell_ready


async def hold(own_run: bool) -> None:
    """Until SIGTERM. With *own_run*, ``/run`` becomes these namespaces' own: servers have sockets there."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    if own_run:
        await SubprocessShell().run("mount", "-t", "tmpfs", "-o", "mode=0755,nosuid,nodev", "tmpfs", "/run")
    loop.add_signal_handler(signal.SIGCHLD, _bury)
    tell_ready()
    _bury()
    await stop.wait()


def _bury() -> None:
    """Orphans of these namespaces come to their process 1."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
