"""What the ports of the lab's bridge let through: the text of nft's rules, as a pure function of what is plugged in."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface

from boardgrid.lab.definition import Definition, Kind

# Two tables, each replaced whole in one transaction: there is no moment without rules.
#
# The bridge table takes every port at its word only for its own MAC and address, and lets boards talk to the server
# alone. It keeps no state, so it can be neither filled nor confused. The inet table says which services of the server
# boards reach; answers to what the server began (SSH, TFTP's data) are known by connection tracking, which the
# services themselves bypass: a board that floods them fills no table that others need.
_RULES = """\
table bridge boardgrid {{}}
delete table bridge boardgrid
table bridge boardgrid {{
\tset bound_macs {{
\t\ttype ifname . ether_addr{macs}
\t}}
\tset bound_addresses {{
\t\ttype ifname . ether_addr . ipv4_addr{addresses}
\t}}
\tset uplinks {{
\t\ttype ifname{uplinks}
\t}}
\tchain arriving {{
\t\ttype filter hook prerouting priority -300; policy drop;
\t\tiifname @uplinks accept
\t\tether type {{ 0x8100, 0x88a8 }} drop
\t\tiifname . ether saddr != @bound_macs drop
\t\tether type arp arp operation {{ request, reply }} iifname . arp saddr ether . arp saddr ip @bound_addresses \
arp daddr ip {server} accept
\t\tether type ip ip frag-off & 0x1fff != 0 drop
{lent_macs}\
\t\tether type ip ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept
\t\tether type ip iifname . ether saddr . ip saddr != @bound_addresses drop
\t\tether type ip ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept
\t\tether type ip ip daddr {server} accept
\t}}
\tchain among_boards {{
\t\ttype filter hook forward priority 0; policy drop;
\t\tiifname @uplinks accept
\t\toifname @uplinks accept
\t}}
\tchain link_local {{
\t\ttype filter hook input priority 0; policy accept;
\t\tiifname @uplinks accept
\t\tether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 drop
\t}}
}}
table inet boardgrid {{}}
delete table inet boardgrid
table inet boardgrid {{
\tchain untracked_in {{
\t\ttype filter hook prerouting priority -300; policy accept;
\t\tiifname "{interface}" tcp dport {{ {tcp} }} notrack
\t\tiifname "{interface}" udp dport {{ {udp} }} notrack
\t}}
\tchain untracked_out {{
\t\ttype filter hook output priority -300; policy accept;
\t\toifname "{interface}" tcp sport {{ {tcp} }} notrack
\t\toifname "{interface}" udp sport {{ {udp} }} notrack
\t}}
\tchain services {{
\t\ttype filter hook input priority 0; policy accept;
\t\tiifname != "{interface}" accept
\t\ttcp dport {{ {tcp} }} accept
\t\tudp dport {{ {udp} }} accept
\t\tct state established,related accept
\t\ticmp type echo-request accept
\t\tdrop
\t}}
\tchain routed {{
\t\ttype filter hook forward priority 0; policy drop;
\t}}
}}
"""
TCP_SERVICES = (111, 2049, 20048)  # portmapper, NFS, mountd
UDP_SERVICES = (67, 69, 111)  # DHCP, TFTP, portmapper


@dataclass(frozen=True, slots=True)
class Port:
    """A port of the bridge: the interface, and what is behind it."""

    interface: str
    definition: Definition


def ruleset(interface: str, server: IPv4Interface, ports: Sequence[Port]) -> str:
    """The rules for a bridge *interface* with these ports, for ``nft -f``."""
    bound = [port for port in ports if port.definition.kind is not Kind.UPLINK]
    return _RULES.format(
        interface=interface,
        server=server.ip,
        macs=_elements(f'"{port.interface}" . {port.definition.mac}' for port in bound),
        addresses=_elements(
            f'"{port.interface}" . {port.definition.mac} . {port.definition.address}' for port in bound
        ),
        lent_macs="".join(_no_lent_mac(port) for port in bound),
        uplinks=_elements(f'"{port.interface}"' for port in ports if port.definition.kind is Kind.UPLINK),
        tcp=", ".join(map(str, TCP_SERVICES)),
        udp=", ".join(map(str, UDP_SERVICES)),
    )


def _no_lent_mac(port: Port) -> str:
    """A board asks for an address in its own name: the MAC inside a DHCP message is the one that it has."""
    mac = port.definition.mac.replace(":", "")
    return f'\t\tiifname "{port.interface}" udp dport 67 @th,288,48 != 0x{mac} drop\n'


def _elements(elements: Iterable[str]) -> str:
    listed = ",\n\t\t\t".join(sorted(elements))
    return f"\n\t\telements = {{\n\t\t\t{listed},\n\t\t}}" if listed else ""
