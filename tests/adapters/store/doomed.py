"""
A process that ends at the Nth change that it is about to make to a store, as if it were killed there.

    python -m tests.adapters.store.doomed N STORE MODULE
"""

import os
import runpy
import sys
import threading
from pathlib import Path

ENDED = 137  # its status

_PATHS = {"os.mkdir": 1, "os.rmdir": 1, "os.remove": 1, "os.truncate": 1, "os.rename": 2, "os.link": 2}
_PATH = (str, os.PathLike)
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def doom(at: int, store: str, *, any_thread: bool = False) -> None:
    """
    End this process there: nothing is cleaned up, no ``finally`` is run.

    What changes files counts, where they lie on the store's own disk or are told by no whole path, and so does each
    program that is started. A process that was forked off lives. With 0 this one does, too.
    """
    process, thread, left = os.getpid(), threading.get_ident(), at
    disk = Path(store).stat().st_dev

    def is_ours(path: str | os.PathLike[str]) -> bool:
        at = Path(path)
        if not at.is_absolute():
            return True
        try:
            return at.is_relative_to(store) and at.parent.stat().st_dev == disk
        except FileNotFoundError:
            return False

    def is_change(event: str, words: tuple[object, ...]) -> bool:
        if event == "open":
            path, _mode, flags = words
            return isinstance(path, _PATH) and isinstance(flags, int) and bool(flags & _WRITES) and is_ours(path)
        paths = [path for path in words[: _PATHS.get(event, 0)] if isinstance(path, _PATH)]
        return event in {"subprocess.Popen", "fcntl.ioctl"} or any(map(is_ours, paths))

    def see(event: str, words: tuple[object, ...]) -> None:
        nonlocal left
        # Other threads of the store's programs only tell how far they are, by the clock.
        if is_change(event, words) and os.getpid() == process and (any_thread or threading.get_ident() == thread):
            left -= 1
            if not left:
                os._exit(ENDED)  # by no signal: the first process of a namespace cannot kill itself

    if at:
        sys.addaudithook(see)


if __name__ == "__main__":
    number, folder, module = sys.argv[1:]
    sys.argv = [module]
    doom(int(number), folder)
    runpy.run_module(module, run_name="__main__")
