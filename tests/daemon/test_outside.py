"""An agent on the network of virtual boards has some of its programs run on the supervisor's."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from boardgrid.daemon.outside import handed_on, outside
from boardgrid.testing import FakeShell

_ASKS = """
import asyncio, os
from boardgrid.adapters.shell import SubprocessShell
from boardgrid.daemon.outside import outside

async def main():
    for shell in (SubprocessShell(), outside(SubprocessShell())):
        print((await shell.run("readlink", "/proc/self/ns/net")).strip())

asyncio.run(main())
"""


async def test_where_nothing_was_handed_on_programs_stay_where_they_are() -> None:
    shell = FakeShell()
    assert outside(shell, {}) is shell
    with handed_on(is_wanted=False) as (descriptors, words):
        assert (descriptors, words) == ([], {})


def test_a_descriptor_of_the_network_is_handed_on_and_closed_again() -> None:
    with handed_on(is_wanted=True) as (descriptors, words):
        [network] = descriptors
        assert os.fstat(network).st_ino == Path("/proc/self/ns/net").stat().st_ino
        assert list(words.values()) == [str(network)]
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(network)


@pytest.mark.slow
def test_programs_of_a_process_on_another_network_run_on_ours() -> None:
    with handed_on(is_wanted=True) as (descriptors, words):
        told = subprocess.run(
            ["unshare", "--net", "--pid", "--fork", "--mount-proc", sys.executable, "-c", _ASKS],
            pass_fds=descriptors, env={**os.environ, **words}, capture_output=True, text=True, check=True,
        )  # fmt: skip
    theirs, ours = told.stdout.splitlines()
    assert ours == str(Path("/proc/self/ns/net").readlink()) != theirs
