"""Lines that dnsmasq 2.90 writes, and what boards would like to be taken for one."""

from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from boardgrid.adapters.sightings.lines import age_s, sighting
from boardgrid.ports import Sighting, Sign

BOARD = IPv4Address("10.20.0.11")
TFTP = Path("/srv/tftp")
MACS = {"52:54:00:00:00:01": BOARD}


def told(said: str) -> Sighting | None:
    return sighting(f"Nov  2 09:05:07 {said}", TFTP, MACS.get, 5.0)


def test_an_offered_address_is_a_board_that_asks() -> None:
    said = "dnsmasq-dhcp[12]: 1503012213 DHCPOFFER(br0) 10.20.0.11 52:54:00:00:00:01 "
    assert told(said) == Sighting(BOARD, Sign.DHCP, "10.20.0.11", 5.0)


def test_a_sent_file_is_told_as_the_board_asked_for_it() -> None:
    said = "dnsmasq-tftp[12]: sent /srv/tftp/10.20.0.11/holding/vmlinuz to 10.20.0.11"
    assert told(said) == Sighting(BOARD, Sign.TFTP, "holding/vmlinuz", 5.0)


def test_as_a_proxy_the_board_is_known_by_its_mac() -> None:
    assert told("dnsmasq-dhcp[12]: 77 PXE(br0) 52:54:00:00:00:01 proxy") == Sighting(BOARD, Sign.DHCP, str(BOARD), 5.0)
    assert told("dnsmasq-dhcp[12]: 77 PXE(br0) 52:54:00:00:00:99 proxy") is None


@pytest.mark.parametrize(
    "said",
    [
        "dnsmasq-dhcp[12]: 15 DHCPDISCOVER(br0) 52:54:00:00:00:01 ",
        "dnsmasq-dhcp[12]: 15 DHCPREQUEST(br0) 10.20.0.11 52:54:00:00:00:01 ",  # a renewal has these two alone
        "dnsmasq-dhcp[12]: 15 DHCPACK(br0) 10.20.0.11 52:54:00:00:00:01 tk1-1",
        "dnsmasq-dhcp[12]: 15 vendor class: 15 DHCPOFFER(br0) 10.20.0.11 52:54:00:00:00:01 ",
        "dnsmasq-dhcp[12]: 15 client provides name: dnsmasq-dhcp[12]: DHCPOFFER(br0) 10.20.0.11 52:54:00:00:00:01",
        "dnsmasq-dhcp[12]: 15 DHCPOFFER(br0) 10.20.0.999 52:54:00:00:00:01 ",
        "dnsmasq-tftp[12]: sent /srv/tftp/10.20.0.12/holding/vmlinuz to 10.20.0.11",
        "dnsmasq-tftp[12]: file /srv/tftp/10.20.0.11/x not found for 10.20.0.11",
        "dnsmasq-tftp[12]: error 0 TFTP Aborted received from 10.20.0.11",
        "dnsmasq[12]: started, version 2.90 DNS disabled",
        "",
    ],
)
def test_other_lines_tell_nothing(said: str) -> None:
    assert told(said) is None


def test_a_line_that_begins_otherwise_tells_nothing() -> None:
    assert sighting("x", TFTP, MACS.get, 0.0) is None
    assert sighting("\x00" * 50, TFTP, MACS.get, 0.0) is None


def test_the_age_of_a_line_is_told_to_the_second() -> None:
    now = datetime(2026, 11, 2, 9, 5, 10, 400000, tzinfo=UTC)
    assert age_s("Nov  2 09:05:07 dnsmasq[1]: x", now) == 3.4


def test_a_line_of_december_that_is_read_in_january_is_of_last_year() -> None:
    assert age_s("Dec 31 23:59:59 x", datetime(2027, 1, 1, 0, 0, 1, tzinfo=UTC)) == 2.0


def test_a_line_that_seems_to_come_from_the_future_is_young() -> None:
    assert age_s("Nov  2 09:05:12 x", datetime(2026, 11, 2, 9, 5, 10, tzinfo=UTC)) == 0.0


def test_a_line_without_a_time_has_no_age() -> None:
    assert age_s("Nov 33 99:99:99 x", datetime(2026, 11, 2, tzinfo=UTC)) is None
    assert age_s("", datetime(2026, 11, 2, tzinfo=UTC)) is None
