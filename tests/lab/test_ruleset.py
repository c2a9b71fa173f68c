"""What boards may say to the server, and to nobody else; tests/world/test_lab.py tries it with real neighbours."""

from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

from boardgrid.lab.definition import Definition, Kind
from boardgrid.lab.ruleset import Port, ruleset

SERVER = IPv4Interface("10.77.0.1/24")
GOLDEN = Path(__file__).with_name("ruleset.golden")

PORTS = (
    Port(
        "bgp1",
        Definition(name="tk1-1", kind=Kind.UBOOT, mac="52:54:00:00:00:21", address=IPv4Address("10.77.0.21")),
    ),
    Port(
        "bgp2",
        Definition(name="tk1-2", kind=Kind.CABLE, mac="52:54:00:00:00:22", address=IPv4Address("10.77.0.22")),
    ),
    Port("bgp3", Definition(name="admin-1", kind=Kind.UPLINK)),
)


def test_the_rules_are_those_that_were_looked_at() -> None:
    """Whoever changes a rule changes the golden file too, and a reader of the change sees what boards may do then."""
    assert ruleset("br0", SERVER, PORTS) == GOLDEN.read_text()


def test_the_order_of_the_ports_changes_nothing() -> None:
    assert sorted(ruleset("br0", SERVER, PORTS)) == sorted(ruleset("br0", SERVER, PORTS[::-1]))


def test_a_network_without_boards_lets_nothing_through() -> None:
    rules = ruleset("br0", SERVER, ())
    assert "elements" not in rules
    assert rules.count("policy drop") == ruleset("br0", SERVER, PORTS).count("policy drop")
