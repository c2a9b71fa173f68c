"""A root is made one deployment's own, and a hostile tree makes nothing else so."""

import asyncio
import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import asyncssh
import pytest

from boardgrid.adapters.shell import SubprocessShell
from boardgrid.model.errors import Blame, Code, Fault, Invalid
from boardgrid.model.image import RootSource
from boardgrid.ports import Persona
from tests.adapters.store.bench import MIB, Bench, a_persona
from tests.adapters.store.own_mounts import unmount_below
from tests.adapters.store.trees import a_deep_folder, listing

pytestmark = pytest.mark.world

SIZE = 64 * MIB


@pytest.fixture(scope="module")
def shelf(alone: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, UUID]:
    """A store with one image, for all tests of this file: each has a root of its own."""
    folder = tmp_path_factory.mktemp("shelf")
    for name in ("store", "imports"):
        (folder / name).mkdir()
    return folder, asyncio.run(Bench(folder / "store", folder / "imports").image())


@pytest.fixture
def bench(shelf: tuple[Path, UUID]) -> Iterator[Bench]:
    folder, _image = shelf
    yield Bench(folder / "store", folder / "imports")
    unmount_below(folder / "store")


@pytest.fixture
def image(shelf: tuple[Path, UUID]) -> UUID:
    return shelf[1]


Change = Callable[[Path], object]


@dataclass
class Cloner:
    """Makes roots, and changes them as whoever is root on a board can, or made the image."""

    bench: Bench
    image: UUID

    async def __call__(self, change: Change = lambda tree: None) -> UUID:
        root = uuid4()
        await self.bench.roots.clone(root, self.image, SIZE)
        change(self.bench.roots.path(root))
        return root


@pytest.fixture
def a_root(bench: Bench, image: UUID) -> Cloner:
    return Cloner(bench, image)


def mode(path: Path) -> int:
    return path.lstat().st_mode & 0o7777


async def test_a_personal_root_has_what_its_deployment_needs(bench: Bench, a_root: Cloner) -> None:
    root, persona = await a_root(), a_persona()
    key = await bench.roots.personalise(root, persona)
    tree = bench.roots.path(root)
    assert (tree / "etc/hostname").read_text() == "tk1-1\n"
    assert "127.0.1.1\ttk1-1.lab.boardgrid tk1-1\n" in (tree / "etc/hosts").read_text()
    assert len((tree / "etc/machine-id").read_text()) == 33
    assert (
        tree / "root/.ssh/authorized_keys"
    ).read_text() == "ssh-ed25519 AAAAada boardgrid\nssh-ed25519 AAAAagent boardgrid\n"
    assert [mode(tree / "root" / name) for name in (".", ".ssh", ".ssh/authorized_keys")] == [0o700, 0o700, 0o600]
    assert (tree / "etc/boardgrid/deployment").read_text() == "BOARD=tk1-1\n"
    assert (tree / "etc/ssh/ssh_host_ed25519_key.pub").read_text() == f"{key}\n"
    assert mode(tree / "etc/ssh/ssh_host_ed25519_key") == 0o600
    assert mode(tree / "etc/dropbear/dropbear_ed25519_host_key") == 0o600


async def test_openssh_and_dropbear_have_one_key_and_it_is_the_one_that_is_told(bench: Bench, a_root: Cloner) -> None:
    root = await a_root()
    key = await bench.roots.personalise(root, a_persona())
    tree = bench.roots.path(root)
    openssh = asyncssh.read_private_key(tree / "etc/ssh/ssh_host_ed25519_key")
    assert openssh.export_public_key().decode().split()[:2] == key.split()
    dropbear = (tree / "etc/dropbear/dropbear_ed25519_host_key").read_bytes()
    assert dropbear[:19] == b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x40"
    assert dropbear[19:51] == openssh.export_private_key("pkcs8-der")[-32:]
    assert dropbear[51:] == openssh.public_data[-32:]


async def test_dropbear_reads_its_key(bench: Bench, a_root: Cloner) -> None:
    root = await a_root()
    key = await bench.roots.personalise(root, a_persona())
    file = str(bench.roots.path(root) / "etc/dropbear/dropbear_ed25519_host_key")
    assert key in await SubprocessShell().run("dropbearkey", "-y", "-f", file)


async def test_keys_of_the_image_and_of_an_earlier_deployment_are_gone(bench: Bench, a_root: Cloner) -> None:
    def change(tree: Path) -> None:
        (tree / "etc/ssh/ssh_host_rsa_key").write_text("known to everyone")
        (tree / "etc/ssh/sshd_config").write_text("Port 22\n")
        (tree / "etc/dropbear").mkdir()
        (tree / "etc/dropbear/dropbear_rsa_host_key").write_text("known to everyone")

    root = await a_root(change)
    await bench.roots.personalise(root, a_persona())
    tree = bench.roots.path(root)
    first = (tree / "etc/machine-id").read_text(), (tree / "etc/ssh/ssh_host_ed25519_key").read_text()
    other = Persona(uuid4(), "tk1-2.lab.boardgrid", ("ssh-ed25519 AAAAgrace",), {"BOARD": "tk1-2"})
    await bench.roots.personalise(root, other)
    second = (tree / "etc/machine-id").read_text(), (tree / "etc/ssh/ssh_host_ed25519_key").read_text()
    assert first[0] != second[0]
    assert first[1] != second[1]
    assert sorted(entry.name for entry in (tree / "etc/ssh").iterdir()) == [
        "ssh_host_ed25519_key",
        "ssh_host_ed25519_key.pub",
        "sshd_config",
    ]
    assert [entry.name for entry in (tree / "etc/dropbear").iterdir()] == ["dropbear_ed25519_host_key"]
    assert (tree / "root/.ssh/authorized_keys").read_text() == "ssh-ed25519 AAAAgrace boardgrid\n"
    assert (tree / "etc/hosts").read_text().count("127.0.1.1") == 1


async def test_the_same_deployment_keeps_its_key(bench: Bench, a_root: Cloner) -> None:
    root, persona = await a_root(), a_persona()
    key = await bench.roots.personalise(root, persona)
    assert await bench.after().roots.personalise(root, persona) == key


async def test_the_network_that_the_root_comes_over_is_left_alone(bench: Bench, a_root: Cloner) -> None:
    def change(tree: Path) -> None:
        (tree / "etc/network/interfaces.d").mkdir(parents=True)
        (tree / "etc/network/interfaces").write_text("auto eth0\niface eth0 inet dhcp\niface eth1 inet dhcp\n")
        (tree / "etc/network/interfaces.d/lan").write_text("iface end0 inet static\n  address 10.0.0.9/24\n")
        (tree / "etc/NetworkManager").mkdir()
        (tree / "etc/systemd/network").mkdir(parents=True)
        (tree / "etc/fstab").write_text("# disks\n/dev/mmcblk0p1 / ext4 defaults 0 1\ntmpfs /tmp tmpfs defaults 0 0\n")

    root = await a_root(change)
    await bench.roots.personalise(root, a_persona())
    tree = bench.roots.path(root)
    text = (tree / "etc/network/interfaces").read_text()
    assert text == "auto eth0\niface eth0 inet manual\niface eth1 inet dhcp\n"
    assert "iface end0 inet manual\n" in (tree / "etc/network/interfaces.d/lan").read_text()
    assert "unmanaged-devices" in (tree / "etc/NetworkManager/conf.d/90-boardgrid.conf").read_text()
    assert "Unmanaged=yes" in (tree / "etc/systemd/network/00-boardgrid.network").read_text()
    fstab = (tree / "etc/fstab").read_text().splitlines()
    assert fstab[0] == "# disks"
    assert fstab[1].startswith("# ")
    assert fstab[2].startswith("tmpfs /tmp")


async def test_a_tree_without_network_scripts_gets_none(bench: Bench, a_root: Cloner) -> None:
    root = await a_root()
    await bench.roots.personalise(root, a_persona())
    names = {entry.name for entry in (bench.roots.path(root) / "etc").iterdir()}
    assert names == {"boardgrid", "dropbear", "hostname", "hosts", "machine-id", "os-release", "ssh"}


async def test_root_may_live_elsewhere(bench: Bench, a_root: Cloner) -> None:
    root = await a_root(lambda tree: (tree / "etc/passwd").write_text("root:x:0:0:root:/home/root:/bin/sh\n"))
    await bench.roots.personalise(root, a_persona())
    assert mode(bench.roots.path(root) / "home/root/.ssh/authorized_keys") == 0o600


async def test_what_people_wrote_in_another_encoding_stays_as_it_is(bench: Bench, a_root: Cloner) -> None:
    root = await a_root(lambda tree: (tree / "etc/hosts").write_bytes(b"10.0.0.1 caf\xe9\x0cx\n127.0.1.1 old\n"))
    await bench.roots.personalise(root, a_persona())
    hosts = (bench.roots.path(root) / "etc/hosts").read_bytes()
    assert hosts == b"10.0.0.1 caf\xe9\x0cx\n127.0.1.1\ttk1-1.lab.boardgrid tk1-1\n"


async def test_a_file_that_is_longer_than_any_that_people_write_is_left_alone(bench: Bench, a_root: Cloner) -> None:
    names = b"0.0.0.0 ads.example.com\n" * 80_000 + b"10.1.1.1 mine\n"
    root = await a_root(lambda tree: (tree / "etc/hosts").write_bytes(names))
    await bench.roots.personalise(root, a_persona())
    assert (bench.roots.path(root) / "etc/hosts").read_bytes() == names


# --- hostile trees


@pytest.mark.parametrize("home", [b"/ro\0ot", b"/" + b"a/" * 3000, b"/r\xffx", b"/../../home", b"/.", b"relative"])
async def test_a_home_that_nobody_has_is_not_used(bench: Bench, a_root: Cloner, home: bytes) -> None:
    root = await a_root(lambda tree: (tree / "etc/passwd").write_bytes(b"root:x:0:0:root:" + home + b":/bin/sh\n"))
    await bench.roots.personalise(root, a_persona())
    assert (bench.roots.path(root) / "root/.ssh/authorized_keys").exists()
    await bench.images.build(uuid4(), RootSource(root))


@pytest.mark.parametrize(
    "text", [b"\n" * 200_000, b" " * 200_000, b"iface" + b" \t" * 100_000, b"iface eth0 \n" * 9999]
)
async def test_no_network_script_takes_long(bench: Bench, a_root: Cloner, text: bytes) -> None:
    def change(tree: Path) -> None:
        (tree / "etc/network").mkdir()
        (tree / "etc/network/interfaces").write_bytes(text)

    root = await a_root(change)
    async with asyncio.timeout(10):
        await bench.roots.personalise(root, a_persona())
    assert (bench.roots.path(root) / "etc/network/interfaces").read_bytes() == text


@pytest.mark.parametrize("name", ["etc/ssh/ssh_host_x", "etc/boardgrid/x", "etc/.machine-id.boardgrid"])
async def test_a_folder_however_deep_hinders_neither_a_deployment_nor_keeping(
    bench: Bench, a_root: Cloner, name: str
) -> None:
    def change(tree: Path) -> None:
        (tree / name).parent.mkdir(exist_ok=True)
        a_deep_folder(tree / name, 1500)

    root, other = await a_root(change), await a_root()
    await bench.roots.personalise(root, a_persona())
    await bench.roots.personalise(other, a_persona())
    change(bench.roots.path(other))
    (bench.roots.path(other) / "etc/machine-id").write_text("its user's\n")  # so that the farm has to write there
    await bench.images.build(uuid4(), RootSource(other))


async def test_a_strangers_name_is_told_as_text(bench: Bench, a_root: Cloner) -> None:
    home = "r\u00f6\u00f6t"

    def change(tree: Path) -> None:
        (tree / "etc/passwd").write_text(f"root:x:0:0:root:/{home}/x:/bin/sh\n")
        (tree / home).write_text("no folder")

    root = await a_root(change)
    with pytest.raises(Fault, match=home) as raised:
        await bench.roots.personalise(root, a_persona())
    assert (raised.value.code, raised.value.blame) == (Code.ROOT_UNFIT, Blame.IMAGE)


def link(name: str, target: str) -> Callable[[Path], None]:
    def change(tree: Path) -> None:
        at = tree / name
        if at.is_dir() and not at.is_symlink():
            shutil.rmtree(at)
        at.unlink(missing_ok=True)
        at.parent.mkdir(parents=True, exist_ok=True)
        at.symlink_to(target)

    return change


@pytest.mark.parametrize(
    "name", ["etc", "root", "root/.ssh", "etc/ssh", "etc/dropbear", "etc/boardgrid", "etc/network"]
)
@pytest.mark.parametrize("target", ["{canary}", "../../../../../../../../../{canary}", "loop"])
async def test_a_folder_that_leads_out_changes_nothing_outside(
    bench: Bench, a_root: Cloner, tmp_path: Path, name: str, target: str
) -> None:
    canary = tmp_path / "canary"
    for folder in (".ssh", "ssh", "interfaces.d"):
        (canary / folder).mkdir(parents=True)
    for file in ("ssh/ssh_host_rsa_key", "hostname", "authorized_keys", "interfaces"):
        (canary / file).write_text("iface eth0 inet dhcp\n")
    before = listing(canary)
    aim = target.format(canary=canary) if "canary" in target else name.rpartition("/")[2]
    root, refused = await a_root(link(name, aim)), None
    try:
        await bench.roots.personalise(root, a_persona())
    except Fault as error:
        refused = error
    assert listing(canary) == before
    if refused:
        assert (refused.code, refused.blame) == (Code.ROOT_UNFIT, Blame.IMAGE)
        assert (await bench.roots.all())[root].personal is None
    else:
        assert (bench.roots.path(root) / "etc").is_dir()


FILES = [
    "etc/hostname",
    "etc/hosts",
    "etc/machine-id",
    "etc/fstab",
    "etc/passwd",
    "etc/ssh/ssh_host_ed25519_key",
    "root/.ssh/authorized_keys",
    "etc/boardgrid/deployment",
]


@pytest.mark.parametrize("name", FILES)
async def test_a_file_that_leads_out_is_replaced_and_its_target_untouched(
    bench: Bench, a_root: Cloner, tmp_path: Path, name: str
) -> None:
    canary = tmp_path / "canary"
    canary.write_text("/dev/sda / ext4 defaults 0 1\n")
    root = await a_root(link(name, str(canary)))
    await bench.roots.personalise(root, a_persona())
    assert canary.read_text() == "/dev/sda / ext4 defaults 0 1\n"


@pytest.mark.parametrize("name", FILES)
async def test_a_pipe_in_the_place_of_a_file_holds_nobody_up(bench: Bench, a_root: Cloner, name: str) -> None:
    def change(tree: Path) -> None:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).unlink(missing_ok=True)
        os.mkfifo(tree / name)

    root = await a_root(change)
    assert await bench.roots.personalise(root, a_persona())


async def test_a_tree_whose_etc_is_a_file_is_told_so_and_blames_its_image(bench: Bench, a_root: Cloner) -> None:
    def change(tree: Path) -> None:
        shutil.rmtree(tree / "etc")
        (tree / "etc").write_text("no folder")

    root = await a_root(change)
    with pytest.raises(Fault, match="etc") as raised:
        await bench.roots.personalise(root, a_persona())
    assert (raised.value.code, raised.value.blame) == (Code.ROOT_UNFIT, Blame.IMAGE)
    assert (await bench.roots.all())[root].personal is None


def fill_up(tree: Path) -> None:
    for size in (MIB, 4096):
        with contextlib.suppress(OSError):
            for number in range(10_000):
                with (tree / f"fill-{size}-{number}").open("wb") as file:
                    file.write(bytes(size))
                    file.flush()
                    os.fsync(file.fileno())


async def test_a_root_without_room_is_told_so_and_blames_its_image(bench: Bench, a_root: Cloner) -> None:
    root = await a_root()
    fill_up(bench.roots.path(root))
    with pytest.raises(Fault, match="No space") as raised:
        await bench.roots.personalise(root, a_persona())
    assert (raised.value.code, raised.value.blame) == (Code.ROOT_UNFIT, Blame.IMAGE)


@pytest.mark.parametrize("field", ["hostname", "key", "fact"])
async def test_nothing_can_smuggle_in_a_line(bench: Bench, a_root: Cloner, field: str) -> None:
    root, evil = await a_root(), "x\nssh-ed25519 AAAAevil"
    persona = Persona(
        uuid4(),
        evil if field == "hostname" else "tk1-1",
        (evil,) if field == "key" else (),
        {"A": evil} if field == "fact" else {},
    )
    with pytest.raises(Invalid):
        await bench.roots.personalise(root, persona)


@dataclass
class Looking:
    """A shell that looks at which of root's powers a program of ours would have had, and then runs it."""

    powers: str = ""

    async def run(self, *argv: str, timeout_s: float = 30, stdin: bytes = b"") -> str:
        if sys.executable in argv and "boardgrid.adapters.store.persona" in argv:
            before = argv[: argv.index(sys.executable)]
            self.powers = await SubprocessShell().run(*before, "grep", "CapEff", "/proc/self/status")
        return await SubprocessShell().run(*argv, timeout_s=timeout_s, stdin=stdin)


async def test_what_writes_into_a_tree_can_neither_mount_nor_make_devices(bench: Bench, a_root: Cloner) -> None:
    root, shell = await a_root(), Looking()
    await bench.after(shell=shell).roots.personalise(root, a_persona())
    assert int(shell.powers.split()[1], 16) == 0b1011  # chown, dac_override, fowner


# --- kept


async def test_a_kept_root_has_nothing_of_its_deployment_and_all_of_its_user(bench: Bench, a_root: Cloner) -> None:
    root, kept, again = await a_root(), uuid4(), uuid4()
    await bench.roots.personalise(root, a_persona())
    tree = bench.roots.path(root)
    (tree / "usr/lib/made").write_text("by its user")
    (tree / "usr/lib/made-too").hardlink_to(tree / "usr/lib/made")
    (tree / "etc/os-release").unlink()
    before = listing(tree)

    await bench.images.build(kept, RootSource(root))
    assert listing(tree) == before

    await bench.roots.clone(again, kept, SIZE)
    new = bench.roots.path(again)
    assert (new / "usr/lib/made-too").read_text() == "by its user"
    assert (new / "usr/lib/made").stat().st_nlink == 2
    assert not (new / "etc/os-release").exists()
    assert not (new / "etc/machine-id").exists(), "its image has none"
    assert list((new / "etc/ssh").iterdir()) == []
    assert not (new / "etc/dropbear").exists()
    assert not (new / "root/.ssh/authorized_keys").exists()
    assert not (new / "etc/boardgrid").exists()
    assert mode(new) == mode(tree)


async def test_a_root_that_was_put_away_is_kept_and_put_away_again(bench: Bench, a_root: Cloner) -> None:
    root, kept = await a_root(), uuid4()
    await bench.roots.unmount(root)
    await bench.images.build(kept, RootSource(root))
    assert not (await bench.roots.all())[root].is_mounted


@pytest.mark.parametrize("name", ["lost+found.txt", "lost+found-2026", "lost+found/thesis"])
async def test_a_file_that_no_image_can_hold_is_never_lost_without_a_word(
    bench: Bench, a_root: Cloner, name: str
) -> None:
    root, kept = await a_root(), uuid4()
    file = bench.roots.path(root) / "home" / name
    file.parent.mkdir(parents=True)
    file.write_text("its user's")
    with pytest.raises(Invalid, match=r"home/lost\+found") as raised:
        await bench.images.build(kept, RootSource(root))
    assert raised.value.code is Code.ARCHIVE_REFUSED
    assert kept not in bench.stored()
    assert file.read_text() == "its user's"


async def test_a_kept_root_is_held_to_the_limits_of_images(bench: Bench, a_root: Cloner) -> None:
    root = await a_root()
    with (bench.roots.path(root) / "hole").open("wb") as file:
        file.truncate(8 << 30)
    with pytest.raises(Invalid, match="hole") as raised:
        await bench.images.build(uuid4(), RootSource(root))
    assert raised.value.code is Code.IMAGE_TOO_LARGE


async def test_what_users_attached_to_their_files_is_kept(bench: Bench, a_root: Cloner) -> None:
    root, kept, again = await a_root(), uuid4(), uuid4()
    tree = bench.roots.path(root)
    os.setxattr(tree, "user.note", b"of the top")
    os.setxattr(tree / "etc", "user.note", b"of a folder that is scrubbed")
    await bench.roots.personalise(root, a_persona())
    await bench.images.build(kept, RootSource(root))
    await bench.roots.clone(again, kept, SIZE)
    assert os.getxattr(bench.roots.path(again), "user.note") == b"of the top"
    assert os.getxattr(bench.roots.path(again) / "etc", "user.note") == b"of a folder that is scrubbed"


async def test_a_capture_that_is_cancelled_leaves_the_root_mounted_for_who_came_meanwhile(
    bench: Bench, a_root: Cloner
) -> None:
    root = await a_root()
    await bench.roots.unmount(root)
    capture = asyncio.ensure_future(bench.images.build(uuid4(), RootSource(root)))
    while not (await bench.roots.all())[root].is_mounted:  # noqa: ASYNC110 - another program's work is waited for
        await asyncio.sleep(0.01)
    deployment = asyncio.ensure_future(bench.roots.clone(root, a_root.image, SIZE))
    await asyncio.sleep(0)
    capture.cancel()
    await asyncio.wait([capture, deployment])
    assert capture.cancelled()
    assert (await bench.roots.all())[root].is_mounted


async def test_a_hostile_root_gets_none_of_the_servers_files(bench: Bench, a_root: Cloner, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    (canary / "ssh").mkdir(parents=True)
    (canary / "ssh/ssh_host_rsa_key").write_text("the server's own")
    (canary / "machine-id").write_text("the server's own")
    root, kept = await a_root(), uuid4()
    tree = bench.roots.path(root)
    shutil.rmtree(tree / "etc")
    (tree / "etc").symlink_to(canary)
    (tree / "boot").rename(tree / "old")
    (tree / "boot").symlink_to(canary)
    before = listing(canary)
    manifest = await bench.images.build(kept, RootSource(root))
    assert listing(canary) == before
    assert manifest.kernels == ()
