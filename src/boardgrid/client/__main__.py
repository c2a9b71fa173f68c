"""``python -m boardgrid.client``: the command line where its script is not on the path."""

import contextlib
import os
import sys

from boardgrid.client.complaint import ExitCode
from boardgrid.client.main import main

try:
    main()
except SystemExit as end:
    if end.code != ExitCode.INTERRUPTED:
        raise
    # Where Ctrl-C came as a module made its classes, which is code in a string, Python 3.11 notes that and ends a
    # program that it runs by -m by the signal, although we heard of it.
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    os._exit(ExitCode.INTERRUPTED)
