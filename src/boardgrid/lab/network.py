"""The lab's network: a bridge with the server's address, and a port for each board."""

import contextlib
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface
from pathlib import Path

from boardgrid.lab.definition import Definition, Kind
from boardgrid.lab.ruleset import Port, ruleset
from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault
from boardgrid.ports import Shell

WAKE, WAKE_PORT = "bgwake", "bgwakep"
# What the daemons of the lab expect below /run.
_RUN_FOLDERS = ("lock", "netns", "rpcbind", "ganesha", "nothing")
NOTHING = Path("/run/nothing")  # an empty folder, to be all that a machine sees
_SETTINGS = {
    "net/ipv4/tcp_retries2": "5",  # a board that was switched off never ends its connections: forget them in seconds
    "net/ipv4/ip_forward": "0",
    # No board's neighbour speaks IPv6, so no board can pose as their router.
    "net/ipv6/conf/all/disable_ipv6": "1",
    "net/ipv6/conf/default/disable_ipv6": "1",
    # Bridged frames are judged by the bridge's own rules alone, whatever modules this machine has loaded.
    "net/bridge/bridge-nf-call-iptables": "0",
    "net/bridge/bridge-nf-call-arptables": "0",
    "net/bridge/bridge-nf-call-ip6tables": "0",
}


def port_of(number: int) -> str:
    """The name of a bridge port: the kernel allows 15 letters, which a board's name may exceed."""
    return f"bgp{number}"


def free_end_of(number: int) -> str:
    """The other end of a cable without a board."""
    return f"bgc{number}"


@dataclass(frozen=True, slots=True)
class LabNetwork:
    interface: str
    server: IPv4Interface
    shell: Shell

    @property
    def _mac(self) -> str:
        return (b"\x02\0" + self.server.ip.packed).hex(":")

    async def begin(self) -> None:
        """Set up namespaces that are new and empty. Must run in namespaces of its own: it mounts over /run and /sys."""
        await self.shell.run("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/run")
        await self.shell.run("mount", "-t", "sysfs", "sysfs", "/sys")
        _prepare()
        await self._ip(
            "link set lo up",
            # An address of its own: else the bridge takes its ports' lowest, and boards lose it when that one goes.
            f"link add {self.interface} address {self._mac} type bridge forward_delay 0 mcast_snooping 0",
            f"address add {self.server} brd + dev {self.interface}",
            f"link add {WAKE} type veth peer name {WAKE_PORT}",
            f"link set {WAKE_PORT} master {self.interface} up",
            f"link set {WAKE} up",
        )
        await self._bridge(f"link set dev {WAKE_PORT} isolated on learning off flood off mcast_flood off")
        await self.bind([])
        # Not before its rules are there.
        await self._ip(f"link set {self.interface} up")

    async def bind(self, ports: Sequence[Port]) -> None:
        """Let each port speak for its own addresses, and none for any other. Replaces what was bound before."""
        rules = ruleset(self.interface, self.server, ports)
        await self.shell.run("nft", "-f", "-", stdin=rules.encode())

    async def plug(self, number: int, definition: Definition) -> None:
        """Make the port; it lets nothing through before it is bound."""
        port = port_of(number)
        if definition.is_board:
            await self._ip(f"tuntap add dev {port} mode tap")
        else:
            await self._ip(f"link add {port} type veth peer name {free_end_of(number)}")
        try:
            await self._ip(f"link set {port} master {self.interface}")
            if definition.kind is not Kind.UPLINK:
                # The bridge knows who is where, so nobody can make it believe otherwise or fill its table.
                await self._bridge(
                    f"link set dev {port} isolated on learning off flood off mcast_flood off",
                    f"fdb replace {definition.mac} dev {port} master static",
                )
            await self._ip(f"link set {port} up")
        except Fault:
            await self.unplug(number)
            raise

    async def unplug(self, number: int) -> None:
        """May be called for a port that is gone already: a cable goes with the namespace that its end was moved to."""
        if port_of(number) in {name for _index, name in socket.if_nameindex()}:
            await self._ip(f"link delete {port_of(number)}")

    async def _ip(self, *commands: str) -> None:
        await self._batch("ip", commands)

    async def _bridge(self, *commands: str) -> None:
        await self._batch("bridge", commands)

    async def _batch(self, program: str, commands: Sequence[str]) -> None:
        try:
            await self.shell.run(program, "-batch", "-", stdin="".join(f"{each}\n" for each in commands).encode())
        except Fault as error:
            raise Fault(
                Code.PROGRAM_FAILED, _("the lab's network could not be set up: {error}"), error=error
            ) from error


def _prepare() -> None:
    for name in _RUN_FOLDERS:
        Path("/run", name).mkdir()
    for setting, value in _SETTINGS.items():
        # What this kernel does not have needs no setting.
        with contextlib.suppress(FileNotFoundError):
            Path("/proc/sys", setting).write_text(value)
