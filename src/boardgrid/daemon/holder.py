"""Process 1 of namespaces that agent and NFS server share where boards are real: it waits, and buries the dead."""

import asyncio
import contextlib
import os
import signal

from boardgrid.adapters.shell import SubprocessShell
from boardgrid.daemon.notice import tell_ready


async def hold() -> None:
    """Until SIGTERM. ``/run`` becomes these namespaces' own: NFS server and port mapper have their sockets there."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
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
