"""Magic packets that cannot be sent; tests/world/test_lab.py sends real ones to a real listener."""

import pytest

from boardgrid.drivers.wol import WakeOnLan
from boardgrid.model.errors import Blame, Code, Fault
from boardgrid.ports import SwitchesOff, TellsPower
from tests.drivers.bench import a_site, tools


@pytest.mark.parametrize("raw", [False, True])
async def test_a_missing_network_is_the_sites_fault(raw: bool) -> None:
    driver = WakeOnLan(raw=raw, tools=tools(site=a_site("bg-none")))
    with pytest.raises(Fault, match="no magic packet for tk1-1 could be sent on bg-none") as failed:
        await driver.on()
    assert (failed.value.code, failed.value.blame) == (Code.POWER_FAILED, Blame.SITE)


def test_it_wakes_and_nothing_else() -> None:
    driver = WakeOnLan(tools=tools())
    assert not isinstance(driver, SwitchesOff)
    assert not isinstance(driver, TellsPower)


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="times"):
        WakeOnLan(times=0, tools=tools())
