"""Which processes a farm is made of, and who needs whom."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import boardgrid
from boardgrid.adapters.exports.ganesha import GaneshaExports
from boardgrid.adapters.exports.ganesha_server import GaneshaServer
from boardgrid.adapters.netboot.dnsmasq import DnsmasqServer
from boardgrid.adapters.shell import SubprocessShell
from boardgrid.daemon.config import Config, NfsServer
from boardgrid.daemon.identity import Identity, identity_of
from boardgrid.daemon.layout import Layout
from boardgrid.daemon.notice import Notice
from boardgrid.daemon.process import BOX, LAB, PEN, Process
from boardgrid.daemon.sockets import Door
from boardgrid.lab.client import LabClient
from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault, Invalid

_GREETING_S = 5.0
_HAS_NFSD = Path("/proc/fs/nfsd")


Waits = Callable[[], Awaitable[object]]


async def _nothing() -> None: ...


def own_program(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "boardgrid.daemon.main", *words)


def code() -> tuple[Path, ...]:
    """Where our own program lies: who should run it must be able to read these."""
    return (Path(boardgrid.__file__).parents[1], Path(sys.prefix), Path(sys.base_prefix))


@dataclass(frozen=True, slots=True)
class Farm:
    """A farm on one machine, as its config wants it."""

    config: Config
    layout: Layout
    controller: Identity
    gateway: Identity

    @classmethod
    def of(cls, config: Config) -> "Farm":
        """
        Raises:
            Invalid: a user that this machine does not have, or one for both.
        """
        layout = Layout(config.state)
        controller = identity_of(config.controller.user, layout.controller, f"{config.file}: controller.user")
        gateway = identity_of(config.gateway.user, layout.gateway, f"{config.file}: gateway.user", besides=controller)
        return cls(config, layout, controller, gateway)

    @property
    def uses_ganesha(self) -> bool:
        match self.config.agent.nfs:
            case NfsServer.GANESHA:
                return True
            case NfsServer.KNFSD:
                return False
            case NfsServer.AUTO:
                # The kernel's server serves the machine's own network, where no virtual board is.
                return self.config.lab.virtual or not _HAS_NFSD.exists()

    @property
    def ganesha(self) -> GaneshaServer:
        server = self.config.site.server
        assert server is not None  # noqa: S101 - the config is not read without it
        return GaneshaServer(self.layout.nfs, server.ip, self.config.socket("bus"))

    @property
    def dnsmasq(self) -> DnsmasqServer:
        layout = self.layout
        return DnsmasqServer(
            site=self.config.site,
            tftp=layout.tftp,
            hosts=layout.dhcp / "hosts",
            opts=layout.dhcp / "opts",
            leases=layout.dhcp / "leases",
            log=layout.log / "dnsmasq-requests.log",
            pid_file=layout.run / "dnsmasq.pid",
        )

    @property
    def controller_needs(self) -> tuple[Path, ...]:
        login = self.config.login
        files = (login.ldap.bind_password_file, login.ldap.ca, login.oidc.client_secret_file, login.oidc.ca)
        told = (file for file in files if file is not None and file.exists())
        return (*code(), self.config.file, *told, self.layout.controller, self.layout.run)

    def processes(self, api: Door, local: Door, ssh: Door, prepared: Waits = _nothing) -> list[Process]:
        """
        All of them. The controller, and who waits for it, starts when *prepared* returns.

        Raises:
            Invalid: the config wants what does not go together.
        """
        if self.config.lab.virtual and not self.uses_ganesha:
            raise Invalid(
                Code.CONFIG_INVALID,
                _('{file}: agent.nfs: virtual boards have a network of their own, so they need "ganesha"'),
                file=self.config.file,
            )
        holder = self._lab() if self.config.lab.virtual else self._box()
        servers = [holder, *(self._ganesha() if self.uses_ganesha else []), self._dnsmasq()]
        return [
            *servers,
            self._controller(api, local, prepared),
            replace(
                self._ours(
                    "agent", after=(*(each.name for each in servers), "controller"), by_servers=True, stop_s=15.0
                ),
                has_way_out=self.config.lab.virtual,
            ),
            self._gateway(ssh),
        ]

    @property
    def _holder_name(self) -> str:
        return "lab" if self.config.lab.virtual else "box"

    @property
    def _namespaces(self) -> tuple[str, ...]:
        """
        Where the servers live. At the least they have a first process, which never becomes another user: the kernel
        forgets for dnsmasq, which does, that it was to die with the supervisor.
        """
        if self.config.lab.virtual:
            return LAB
        # The kernel's server finds the roots only where the machine mounts them.
        return BOX if self.uses_ganesha else PEN

    def _box(self) -> Process:
        notice = Notice(self.config.socket("box.ready"))
        own_run = ("--own-run",) if "mount" in self._namespaces else ()
        return Process(
            name="box",
            argv=own_program("box", "--config", str(self.config.file), *own_run),
            env=notice.environment,
            namespaces=self._namespaces,
            prepare=notice.listen,
            ready=notice.is_ready,
            stop_s=5.0,
        )

    def _lab(self) -> Process:
        site, socket = self.config.site, self.lab_socket

        async def is_ready(_pid: int) -> bool:
            try:
                await LabClient(socket).about()
            except Fault:
                return False
            return True

        return Process(
            name="lab",
            argv=(
                *(sys.executable, "-m", "boardgrid.lab", "--folder", str(self.layout.lab), "--socket", str(socket)),
                *("--server", str(site.server), "--interface", site.interface),
            ),
            namespaces=self._namespaces,
            ready=is_ready,
            stop_s=10.0,
        )

    @property
    def lab_socket(self) -> Path:
        """Where virtual boards are defined and switched."""
        return self.config.socket("lab.sock")

    def _ganesha(self) -> list[Process]:
        server = self.ganesha

        async def write_config() -> None:
            await asyncio.to_thread(server.write_config)

        exports = GaneshaExports(server, SubprocessShell(), timeout_s=2.0)

        async def is_ready(_pid: int) -> bool:
            return await exports.is_ready()

        async def maps(pid: int) -> bool:
            # As that process sees it, in whose /run the socket lies.
            return await _answers(Path(f"/proc/{pid}/root/run/rpcbind.sock"))

        async def has_bus(_pid: int) -> bool:
            return await _answers(server.bus)

        inside, namespaces = self._holder_name, self._namespaces
        return [
            Process(
                name="rpcbind", argv=server.port_mapper, inside=inside, namespaces=namespaces, ready=maps, stop_s=2.0
            ),
            Process(
                name="dbus",
                argv=server.bus_daemon,
                inside=inside,
                namespaces=namespaces,
                prepare=write_config,
                ready=has_bus,
                stop_s=2.0,
            ),
            Process(
                name="ganesha",
                argv=server.ganesha,
                inside=inside,
                namespaces=namespaces,
                prepare=write_config,
                ready=is_ready,
                bound_to=("rpcbind", "dbus"),
                stop_s=5.0,
            ),
        ]

    def _dnsmasq(self) -> Process:
        server = self.dnsmasq

        async def is_ready(_pid: int) -> bool:
            return server.is_ready()

        async def forget() -> None:
            # What it says in its log tells that it is ready: an earlier one's words must not be taken for it.
            server.pid_file.unlink(missing_ok=True)
            if server.log.exists():
                server.log.rename(server.log.with_name(f"{server.log.name}.1"))

        return Process(
            name="dnsmasq",
            argv=own_program("dnsmasq", "--config", str(self.config.file)),
            becomes=identity_of(server.user, self.layout.dhcp, "dnsmasq"),
            needs=(*code(), self.layout.state),
            inside=self._holder_name,
            namespaces=self._namespaces,
            prepare=forget,
            ready=is_ready,
            stop_s=2.0,
        )

    def _controller(self, api: Door, local: Door, prepared: Waits) -> Process:
        declared = self._ours(
            "controller", identity=self.controller, doors=(api, local), needs=self.controller_needs, stop_s=8.0
        )

        async def prepare() -> None:
            await prepared()
            await declared.prepare()

        return replace(declared, prepare=prepare)

    def _gateway(self, ssh: Door) -> Process:
        async def speaks(_pid: int) -> bool:
            return await _speaks_ssh(ssh.address)

        declared = self._ours(
            "gateway",
            identity=self.gateway,
            doors=(ssh,),
            needs=(*code(), self.config.file, self.layout.gateway, self.layout.run),
            after=("controller",),
            by_servers=True,
        )
        return replace(declared, ready=speaks)

    def _ours(
        self,
        name: str,
        *,
        identity: Identity | None = None,
        doors: tuple[Door, ...] = (),
        needs: tuple[Path, ...] = (),
        after: tuple[str, ...] = (),
        by_servers: bool = False,
        stop_s: float = 5.0,
    ) -> Process:
        notice = Notice(self.config.socket(f"{name}.ready"), identity)
        # In a pen there is nothing to share, and numbers of processes that are not those of the machine's /proc.
        is_inside = by_servers and self._namespaces != PEN
        return Process(
            name=name,
            argv=own_program(name, "--config", str(self.config.file)),
            env=notice.environment,
            identity=identity,
            needs=needs,
            doors=doors,
            inside=self._holder_name if is_inside else "",
            namespaces=self._namespaces if is_inside else (),
            after=after,
            prepare=notice.listen,
            ready=notice.is_ready,
            stop_s=stop_s,
        )


async def _answers(path: Path) -> bool:
    try:
        _reader, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return False
    writer.close()
    return True


async def _speaks_ssh(address: str) -> bool:
    """The supervisor holds the door, so a connection alone says nothing: somebody must greet."""
    host, _colon, port = address.rpartition(":")
    try:
        async with asyncio.timeout(_GREETING_S):
            reader, writer = await asyncio.open_connection(host, int(port))
            try:
                return (await reader.read(4)) == b"SSH-"
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
