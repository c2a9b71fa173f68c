"""One virtual board with a real bootloader: it waits in the holding system, boots a root over NFS, and restarts."""

import asyncio
import gzip
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from uuid import uuid4

import pytest

from boardgrid.adapters.netboot.entry import static_address
from boardgrid.adapters.shell import SubprocessShell
from boardgrid.bootware.making import Workshop
from boardgrid.bootware.packages import DebianPackages
from boardgrid.bootware.uboot import write_flash
from boardgrid.model.board import Board
from boardgrid.model.errors import Fault
from boardgrid.ports import BootEntry, BootFiles, Sighting, Sign
from tests.world.exports_box import SERVER, Box, a_ganesha
from tests.world.netboot_box import SITE, TYPE, NetbootBox, a_netboot_box, a_virtual_board

pytestmark = [pytest.mark.world, pytest.mark.boards, pytest.mark.slow, pytest.mark.timeout(900)]

BOARD = a_virtual_board(1)
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "boardgrid/debian"
PATIENCE_S = 240  # a boot takes about ten seconds on a quiet machine
# A key as OpenSSH or as dropbear writes it, a file for one in an archive, a token.
_SECRETS = re.compile(
    rb"PRIVATE KEY|\0\0\0\x0bssh-ed25519\0\0\0\x40|[^/]etc/dropbear/dropbear_\w+_host_key\0|bg_[0-9a-f]{16}_"
)


@dataclass
class VirtualBoard:
    board: Board
    box: Box
    key: Path
    process: subprocess.Popen[bytes]

    @property
    def console(self) -> Path:
        return self.box.folder / "console"

    async def says(self, words: str) -> None:
        """Wait until its serial console has shown this, then begin a new page."""
        async with asyncio.timeout(PATIENCE_S):
            while words not in self._shown():
                assert self.process.poll() is None, self._shown()[-2000:]
                await asyncio.sleep(0.1)
        os.truncate(self.console, 0)

    def _shown(self) -> str:
        return self.console.read_text("utf-8", "replace") if self.console.exists() else ""

    async def ssh(self, *command: str) -> str:
        options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes", "ConnectTimeout=10")
        words = ["ssh", "-i", str(self.key), *(f"-o{option}" for option in options), f"root@{self.board.address}"]
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    return await self.box.run(*words, *command, timeout_s=60)
                except Fault:
                    await asyncio.sleep(0.2)

    async def restart(self) -> None:
        await self.ssh("(sleep 1; reboot) >/dev/null 2>&1 &")


@pytest.fixture
async def made(tmp_path: Path) -> Path:
    """The holding system, the tiny image, and the key that opens both."""
    await SubprocessShell().run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key"))
    workshop = Workshop(DebianPackages(SubprocessShell(), CACHE))
    await workshop.write_holding(tmp_path / "holding", (tmp_path / "key.pub").read_text().strip())
    await workshop.write_tiny(tmp_path / "tiny.tar")
    return tmp_path


@pytest.fixture
def site(made: Path) -> Iterator[NetbootBox]:
    with a_netboot_box(made / "holding") as box:
        yield box


@pytest.fixture
def virtual(site: NetbootBox, made: Path) -> Iterator[VirtualBoard]:
    box = site.box
    code, environment = write_flash(box.folder / "flash")
    for words in ("tuntap add t0 mode tap", "link set t0 master br0 up"):
        box.do("ip", *words.split())
    # The console is appended to, so that a page may be torn off under way.
    process = box.start(
        *("qemu-system-arm", "-M", "virt,highmem=off", "-cpu", "cortex-a15", "-accel", "tcg", "-m", "256"),
        *("-nodefaults", "-no-user-config", "-display", "none"),
        *("-netdev", "tap,id=n0,ifname=t0,script=no,downscript=no"),
        *("-device", f"virtio-net-device,netdev=n0,mac={BOARD.mac}"),
        *("-chardev", f"file,id=c0,path={box.folder / 'console'},append=on", "-serial", "chardev:c0"),
        *("-drive", f"if=pflash,format=raw,unit=0,file={code},readonly=on"),
        *("-drive", f"if=pflash,format=raw,unit=1,file={environment},readonly=on"),
        log=box.folder / "qemu.out",
    )
    yield VirtualBoard(BOARD, box, made / "key", process)
    process.kill()  # nsenter; the machine itself goes with the box
    process.wait(30)


async def seen_until(watched: AsyncIterator[Sighting], sign: Sign, what: str) -> list[Sign]:
    """The signs up to that one, each once, in their order."""
    signs: dict[Sign, None] = {}
    async with asyncio.timeout(PATIENCE_S):
        async for sighting in watched:
            assert sighting.board == BOARD.address
            signs[sighting.sign] = None
            if sighting.sign is sign and what in sighting.what:
                break
    return list(signs)


def unpacked_tiny(site: NetbootBox, made: Path, key: str) -> Path:
    """The tiny image as a plain folder, with that key let in and a host key made for it."""
    root = site.box.folder / "root"
    root.mkdir()
    site.box.do("mount", "-t", "tmpfs", "tmpfs", str(root))
    site.box.do("tar", "-C", str(root), "-xf", str(made / "tiny.tar"))
    site.box.write(root / "root/.ssh/authorized_keys", key)
    return root


async def test_a_board_waits_free_then_runs_its_root_and_restarts_cleanly(
    site: NetbootBox, virtual: VirtualBoard, made: Path
) -> None:
    # Nobody holds it.
    watched = site.sightings.watch()
    await site.netboot.hold(BOARD, TYPE)
    assert await seen_until(watched, Sign.TFTP, "holding/vmlinuz") == [Sign.DHCP, Sign.TFTP]
    await virtual.says("tk1-1 is free")
    assert "tk1-1" in await virtual.ssh("hostname")
    assert "boardgrid.hold" in await virtual.ssh("cat /proc/cmdline")

    # It is given a root; the server that offers it comes late.
    root = unpacked_tiny(site, made, (made / "key.pub").read_text())
    boot = made / "boot"
    boot.mkdir()
    await SubprocessShell().run("tar", "-C", str(boot), "--strip-components=1", "-xf", str(made / "tiny.tar"), "boot")
    files = BootFiles(next(boot.glob("vmlinuz-*")), next(boot.glob("initrd.img-*")))
    deployment, path = uuid4(), PurePosixPath("/r/first/boot")
    words = f"root=/dev/nfs rw nfsroot={SERVER}:{path},vers=3,proto=tcp {static_address(BOARD, SITE)}"
    await site.netboot.offer(BOARD, BootEntry(deployment, files, f"console=ttyAMA0 loglevel=4 {words}"))
    await virtual.restart()
    assert Sign.DHCP in await seen_until(watched, Sign.TFTP, f"{deployment}/vmlinuz")
    await virtual.says("could not be mounted (try 2), once more in 2 s")
    with a_ganesha(site.box) as ganesha:
        exports = ganesha.exports()
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    await exports.add(root, BOARD.address, path)
                    break
                except Fault:
                    await asyncio.sleep(0.1)
        assert Sign.NFS in await seen_until(watched, Sign.NFS, "")
        (port,) = {port for address, port in await site.sightings.nfs_peers() if address == BOARD.address}
        assert port < 1024
        await virtual.says("BoardGrid tiny: tiny is up")
        mounts = await virtual.ssh("cat /proc/mounts")
        assert f"{SERVER}:{path} / nfs rw,relatime,vers=3" in mounts
        assert f"tcp,timeo=600,retrans=2,sec=sys,mountaddr={SERVER}" in mounts
        assert "1\n" in await virtual.ssh("echo 1 > /dev/null; mknod /tmp/null c 1 3 && echo 1 > /tmp/null && echo 1")
        own = await virtual.ssh("dropbearkey -y -f /etc/dropbear/dropbear_ed25519_host_key")
        assert await told_key(virtual) in own
        await virtual.ssh("modprobe nfs && echo kept > /root/kept && sync")

        # It goes down by itself, root on NFS and all, and comes back with what was written.
        await virtual.restart()
        await seen_until(watched, Sign.DHCP, str(BOARD.address))
        await virtual.says("BoardGrid tiny: tiny is up")
        assert await virtual.ssh("cat /root/kept") == "kept\n"
        await virtual.box.run(*scp(virtual, "/etc/hosts"))
        assert "localhost" in await virtual.ssh("cat /root/copied")

    # Nothing that it was handed holds a secret.
    for file in (path for path in site.server.tftp.rglob("*") if path.is_file()):
        content = file.read_bytes()
        assert not _SECRETS.search(gzip.decompress(content) if file.name == "initrd" else content), file


async def told_key(virtual: VirtualBoard) -> str:
    """The board's host key as the agent sees it, which lives on the boards' network."""
    program = (
        "import asyncio, ipaddress, sys; from boardgrid.adapters.hostkeys import SshHostKeys; "
        "sys.stdout.write(asyncio.run(SshHostKeys().of(ipaddress.IPv4Address(sys.argv[1]), 60)))"
    )
    return await virtual.box.run(sys.executable, "-c", program, str(virtual.board.address), timeout_s=90)


def scp(virtual: VirtualBoard, file: str) -> list[str]:
    options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes")
    to = f"root@{virtual.board.address}:/root/copied"
    return ["scp", "-q", "-i", str(virtual.key), *(f"-o{option}" for option in options), file, to]
