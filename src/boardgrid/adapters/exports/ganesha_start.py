"""
Becomes ganesha, once it is known what it may offer.

Started as ``python -m boardgrid.adapters.exports.ganesha_start FOLDER ADDRESS BUS`` where the roots are mounted. After
the machine was restarted, or roots were unmounted, exports are kept whose trees are bare mount points. They would offer
the file system below, where everybody's files lie: they are forgotten here, and the agent makes them anew.
"""

import os
import socket
import sys
import time
from ipaddress import IPv4Address
from pathlib import Path

from boardgrid.adapters.exports.ganesha_config import Block, Kept
from boardgrid.adapters.exports.ganesha_server import GaneshaServer
from boardgrid.messages import _
from boardgrid.model.errors import FarmError
from boardgrid.mounts import mount_points

PORT_MAPPER = Path("/run/rpcbind.sock")
RUN = Path("/run/ganesha")  # on a memory disk: a server that was killed comes back on a full disk as well
MOUNT_TABLE = Path("/etc/mtab")  # a link that each Debian makes when it starts, and a bare chroot has not
LOG_BYTES = 5_000_000


def offered(kept: Kept) -> list[Block]:
    """What is kept and mounted; what is not mounted is forgotten, and what an earlier server was to end."""
    for block in kept.ending():
        kept.forget_ended(block)
    blocks = kept.all()
    mounted = mount_points()  # after the files: a file is later than its mount
    for block in blocks:
        if str(block.export.tree) not in mounted:
            kept.forget(block)
    return [block for block in blocks if str(block.export.tree) in mounted]


def answers(path: Path, until: float) -> bool:
    """Whether something listens on this Unix socket, before the monotonic clock says *until*."""
    while True:
        with socket.socket(socket.AF_UNIX) as knock:
            try:
                knock.connect(str(path))
            except OSError:
                if time.monotonic() > until:
                    return False
            else:
                return True
        time.sleep(0.02)


def prepare(server: GaneshaServer, wait_s: float = 10.0) -> list[str]:
    """
    Return the words that start ganesha, for which all is ready then.

    Raises:
        OSError: what it needs is not there, or cannot be written.
    """
    if not MOUNT_TABLE.exists():
        raise FileNotFoundError(
            _("it looks its trees up in {path}, which is not there; make it: ln -s ../proc/self/mounts {path}").format(
                path=MOUNT_TABLE
            )
        )
    until = time.monotonic() + wait_s
    for path in (PORT_MAPPER, server.bus):
        if not answers(path, until):
            raise FileNotFoundError(_("nothing answers on {path}, which ganesha needs").format(path=path))
    if server.log.exists() and server.log.stat().st_size > LOG_BYTES:
        server.log.rename(server.log.with_suffix(".old"))
    RUN.mkdir(exist_ok=True)
    config = RUN / "ganesha.conf"
    config.write_text(server.config.read_text() + "".join(map(str, offered(server.kept))))
    return ["ganesha.nfsd", "-F", "-L", str(server.log), "-f", str(config), "-p", str(RUN / "ganesha.pid")]


def main(folder: str, address: str, bus: str) -> None:
    server = GaneshaServer(Path(folder), IPv4Address(address), Path(bus))
    try:
        argv = prepare(server)
        environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": server.bus_address}
        os.execvpe(argv[0], argv, environment)  # noqa: S606 - whoever watches this process watches ganesha from now on
    except (OSError, FarmError) as error:
        sys.exit(_("ganesha cannot be started: {error}").format(error=error))


if __name__ == "__main__":
    main(*sys.argv[1:])
