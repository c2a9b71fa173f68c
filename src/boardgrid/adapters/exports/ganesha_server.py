"""The programs that make up a ganesha: its port mapper, its bus and itself, as whoever supervises them starts them."""

import sys
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from urllib.parse import quote
from xml.sax.saxutils import escape

from boardgrid.adapters.exports.ganesha_config import Kept
from boardgrid.adapters.exports.offer import checked
from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault
from boardgrid.socketpath import check_socket_path

# Version 3 alone: a client of version 4 has state that holds a root busy after the fence. What a hostile board can make
# the server say goes to no log: it would fill the disk. A board that was switched off is noticed within 11 s.
# Most ACLs it takes for broken requests, and no option keeps it from that: with their program under a number that
# nobody asks for, boards hear that there is none, and do without.
_CONFIG = """\
NFS_CORE_PARAM {{
    Protocols = 3; NFS_Port = 2049; MNT_Port = 20048; Bind_addr = {address};
    Enable_UDP = false; Enable_NLM = false; Enable_RQUOTA = false; NFSACL_Program = 0x20000000;
    mount_path_pseudo = true;
    TCP_KEEPIDLE = 5; TCP_KEEPINTVL = 3; TCP_KEEPCNT = 2;
}}
NFS_KRB5 {{ Active_krb5 = false; }}
NFSV4 {{ Graceless = true; }}
LOG {{ Default_Log_Level = EVENT; COMPONENTS {{ NFS3 = CRIT; DISPATCH = CRIT; EXPORT = CRIT; RPC = CRIT; }} }}
"""

# Nobody but root, as whom server and agent run, may say anything on this bus.
_BUS = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>{address}</listen>
  <auth>EXTERNAL</auth>
  <policy user="root">
    <allow own="org.ganesha.nfsd"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
"""


@dataclass(frozen=True, slots=True)
class GaneshaServer:
    """
    Each of the three programs stays in the foreground and is started again when it ends, in any order: what it needs
    and is not there yet is waited for. Two rules: ganesha is ended too when *port_mapper* ends, which forgets whom it
    knew; and all three, as root, share one network namespace and one mount namespace with the agent, where ``/run`` is
    nobody else's and no other port mapper runs.
    """

    folder: Path
    address: IPv4Address  # where boards reach it
    bus: Path  # the D-Bus socket

    def write_config(self) -> None:
        """
        To be called before the first start; exports that are kept stay.

        Raises:
            Invalid: the folder or the socket is called what cannot be written into a config.
            Fault: the disk refused.
        """
        checked(self.folder)
        check_socket_path(checked(self.bus))
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.bus.parent.mkdir(parents=True, exist_ok=True)
            _write(self.config, _CONFIG.format(address=self.address))
            _write(self._bus_config, _BUS.format(address=escape(self.bus_address)))
        except OSError as error:
            raise Fault(
                Code.EXPORTS_FAILED, _("{folder} cannot be written: {error}"), folder=self.folder, error=error
            ) from error

    @property
    def config(self) -> Path:
        """All but the exports."""
        return self.folder / "server.conf"

    @property
    def log(self) -> Path:
        return self.folder / "ganesha.log"

    @property
    def kept(self) -> Kept:
        """What it offers once it is started."""
        return Kept(self.folder / "exports")

    @property
    def _bus_config(self) -> Path:
        return self.folder / "bus.conf"

    @property
    def port_mapper(self) -> tuple[str, ...]:
        return (sys.executable, "-m", "boardgrid.adapters.exports.port_mapper_start", str(self.address))

    @property
    def bus_daemon(self) -> tuple[str, ...]:
        return ("dbus-daemon", "--nofork", "--nopidfile", "--nosyslog", f"--config-file={self._bus_config}")

    @property
    def ganesha(self) -> tuple[str, ...]:
        """By way of a program that first leaves out what cannot be offered, then becomes ganesha."""
        words = map(str, (self.folder, self.address, self.bus))
        return (sys.executable, "-m", "boardgrid.adapters.exports.ganesha_start", *words)

    @property
    def bus_address(self) -> str:
        return f"unix:path={quote(str(self.bus))}"


def _write(file: Path, text: str) -> None:
    beside = file.with_suffix(".new")
    beside.write_text(text)
    beside.rename(file)
