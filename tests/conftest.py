"""What holds for all tests."""

import gc
import signal

import pytest
from hypothesis import HealthCheck, settings

# Whoever started the tests may have had them ignore signals (nohup, a shell's background job). That is inherited, and
# tests are about programs that are told to end.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
for number in (signal.SIGQUIT, signal.SIGHUP):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)
# Told to end, they clean up as at Ctrl-C: a farm that a test brought up outlives a pytest that just vanishes.
signal.signal(signal.SIGTERM, signal.default_int_handler)

# A machine that is busy with other things is no fault of what is tested.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

# A test that asks for `engine`, or for a house, a door or records that stand on it, runs on both. `make quick` leaves
# PostgreSQL out; for it alone: pytest -m slow -k postgresql
ENGINES = ("sqlite", pytest.param("postgresql", marks=pytest.mark.slow))


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Which database the records lie in."""
    chosen: str = request.param
    return chosen


def pytest_collection_finish() -> None:
    """All these tests and what they import stay until the end: the collector need not look at them ever again."""
    gc.freeze()
