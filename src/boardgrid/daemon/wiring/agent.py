"""The agent of a site: every port of its world, and the lock that makes it the only one who acts."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import structlog

from boardgrid.adapters.admission import SshAdmission
from boardgrid.adapters.clock import BootClock
from boardgrid.adapters.controller import AgentDoor
from boardgrid.adapters.downloads import HttpDownloads
from boardgrid.adapters.driverbook import DriverBook
from boardgrid.adapters.exports.ganesha import GaneshaExports
from boardgrid.adapters.exports.knfsd import KernelExports
from boardgrid.adapters.hostkeys import SshHostKeys
from boardgrid.adapters.netboot.files import NetbootFiles
from boardgrid.adapters.netboot.hosts import DhcpHosts
from boardgrid.adapters.shell import SubprocessShell
from boardgrid.adapters.sightings import NetworkSightings
from boardgrid.adapters.store.images import StoredImages
from boardgrid.adapters.store.kits import StoredKits
from boardgrid.adapters.store.roots import StoredRoots
from boardgrid.adapters.store.store import Store
from boardgrid.adapters.store.volumes import StoredVolumes
from boardgrid.agent.agent import Agent
from boardgrid.agent.site import Pace, World
from boardgrid.bootware.kitchen import DebianKitchen
from boardgrid.daemon.config import Config
from boardgrid.daemon.layout import Layout
from boardgrid.daemon.notice import tell_ready
from boardgrid.daemon.outside import from_outside, handed_network, outside
from boardgrid.daemon.processes import Farm
from boardgrid.daemon.wiring.door import http_to_controller
from boardgrid.model.imports import Imports
from boardgrid.ports import Shell

log = structlog.get_logger()

_LOOK_EVERY_S = 0.05


async def run(config: Config) -> None:
    """Until cancelled."""
    store = Layout(config.state).store
    store.mkdir(mode=0o700, parents=True, exist_ok=True)
    clock = BootClock()
    with _opened(store / "lock") as lock:
        await _take(lock, clock)
        async with http_to_controller(config, Layout(config.state).agent) as http:
            world = world_of(config, SubprocessShell(inherit=(lock,)), clock, AgentDoor(http))
            tell_ready()
            await Agent(world).run()


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield lock
    finally:
        os.close(lock)


async def _take(lock: int, clock: BootClock) -> None:
    """
    Wait for the lock on the store.

    Every program that an agent runs for a step inherits it, so the agent that comes after a killed one begins when the
    last of those programs has ended.
    """
    is_told = False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not is_told:
                log.info("store.awaited", why="a program of the agent before this one still works on it")
                is_told = True
            await clock.sleep(_LOOK_EVERY_S)
        else:
            return


def world_of(config: Config, shell: Shell, clock: BootClock, controller: AgentDoor) -> World:
    farm = Farm.of(config)
    layout, site, dnsmasq = farm.layout, config.site, farm.dnsmasq
    roots = StoredRoots(store := Store(layout.store, shell, promise=not config.agent.overcommit))
    parts = config.agent.holding or layout.holding
    network = handed_network()
    kitchen = DebianKitchen(outside(shell, network), config.agent.packages or layout.packages)
    hosts = DhcpHosts(dnsmasq.hosts, dnsmasq.pid_file)
    return World(
        instance=_instance(layout.store),
        public_key=_public_line(layout.agent_key),
        facts=site,
        imports=Imports(tuple(map(str, config.agent.import_dirs)), tuple(config.agent.import_urls)),
        images=StoredImages(
            store,
            roots,
            controller,
            from_outside(HttpDownloads(config.agent.import_urls, config.agent.import_networks), network),
            kitchen,
            import_dirs=config.agent.import_dirs,
            boot_parts=parts,
        ),
        roots=roots,
        volumes=StoredVolumes(store),
        kits=StoredKits(store, roots, controller, parts),
        exports=GaneshaExports(farm.ganesha, shell) if farm.uses_ganesha else KernelExports(shell, layout.store),
        netboot=NetbootFiles(shell, site, layout.tftp, hosts, parts),
        sightings=NetworkSightings(clock, dnsmasq.log, layout.tftp, hosts.address_of),
        host_keys=SshHostKeys(),
        admission=SshAdmission(layout.agent_key),
        drivers=DriverBook(
            site, shell, clock, ssh_key=layout.agent_key, lab=farm.lab_socket if config.lab.virtual else None
        ),
        controller=controller,
        clock=clock,
        pace=Pace(window=config.agent.window),
    )


def _instance(store: Path) -> UUID:
    """The store's own id, made with it: an agent that comes back need not wait for its own lease."""
    path = store / "instance"
    with contextlib.suppress(FileNotFoundError, ValueError):
        return UUID(path.read_text().strip())
    made = uuid4()
    beside = path.with_suffix(".new")
    beside.write_text(str(made))
    beside.replace(path)
    return made


def _public_line(key: Path) -> str:
    return " ".join(key.with_name(f"{key.name}.pub").read_text().split()[:2])
