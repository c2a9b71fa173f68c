"""The pieces of the demo. Each looks before it acts: a second demo is quick, and mends a first that broke off."""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Any

from boardgrid.adapters.shell import SubprocessShell
from boardgrid.client.complaint import Complaint
from boardgrid.client.login import login_for
from boardgrid.daemon.preparing import make_agent_key, make_ssh_key
from boardgrid.daemon.processes import Farm
from boardgrid.daemon.up import READY_WITHIN_S
from boardgrid.demo.props import Props
from boardgrid.demo.stage import Person, Stage
from boardgrid.demo.telling import Piece
from boardgrid.lab.client import LabClient
from boardgrid.lab.definition import Definition, Kind
from boardgrid.messages import _, bytes_text
from boardgrid.model.errors import Code, Conflict, Fault
from boardgrid.model.name import type_of

PXE_BOARD, FLASHED_BOARD, IMAGE = "tk1-1", "tk1-2", "tiny"
_MACS = {PXE_BOARD: "52:54:00:20:00:11", FLASHED_BOARD: "52:54:00:20:00:12"}
_LAST = {PXE_BOARD: 11, FLASHED_BOARD: 12}  # of their addresses
_PATH = "/NFSRoot1"  # what the flashed board always mounts
_CONSOLE = "ttyAMA0"
_BOOT_S = 180.0
_RESERVE_MOST = "15m"

_INVENTORY = """\
# The demo's boards. Change it and: boardgrid apply {file}

[board_types.tk1]
arch = "armhf"
console = "{console}"
cmdline = "quiet loglevel=4 panic=5"
boot_s = 120

[boards.tk1-1]  # asks the network what to boot: DHCP, then pxelinux files over TFTP
mac = "{macs[tk1-1]}"
address = "{addresses[tk1-1]}"
power = [{{ driver = "ssh" }}, {{ driver = "qemu" }}]

[boards.tk1-2]  # its bootloader was flashed once: it always mounts the same path
mac = "{macs[tk1-2]}"
address = "{addresses[tk1-2]}"
boot = "flashed"
nfs_path = "{path}"
kernel = "{release}"
power = [{{ driver = "ssh" }}, {{ driver = "qemu" }}]
"""

_UEFI_INVENTORY = """\
# The demo's {arch} board. Change it and: boardgrid apply {file}

[board_types.{type}]
arch = "{arch}"
console = "{console}"
cmdline = "quiet loglevel=4 panic=5"
boot_s = 180

[boards.{board}]  # its firmware asks the network what to boot: DHCP, then GRUB and its script over TFTP
mac = "{mac}"
address = "{address}"
boot = "grub"
power = [{{ driver = "ssh" }}, {{ driver = "qemu" }}]
"""


@dataclass(frozen=True, slots=True)
class Extra:
    """A board of another architecture, whose firmware is UEFI, and its image."""

    arch: str
    board: str
    kind: Kind
    console: str
    last: int  # of its addresses
    memory_mib: int = 256

    @property
    def image(self) -> str:
        return f"tiny-{self.arch}"

    @property
    def mac(self) -> str:
        return f"52:54:00:20:00:{self.last}"


EXTRAS = {
    one.arch: one
    for one in (
        Extra("arm64", "va1-1", Kind.UEFI, "ttyAMA0", 21),
        Extra("amd64", "pc1-1", Kind.PC, "ttyS0", 31, memory_mib=512),  # GRUB there has no room in less
    )
}


def make_key(stage: Stage) -> None:
    """The site's own SSH key is in what boards boot, so it comes first."""
    stage.layout.agent.mkdir(mode=0o700, exist_ok=True)
    stage.layout.holding.mkdir(exist_ok=True)
    asyncio.run(make_agent_key(stage.layout.agent_key))


def start_farm(stage: Stage, piece: Piece) -> None:
    """
    Raises:
        Conflict: a farm runs there and is not well.
        Fault: it did not start.
    """
    if not stage.state.is_locked():
        try:
            stage.server("up", "--detach")
        except Fault:
            # What an earlier demo had begun to start may have come up in this very moment.
            if not stage.state.is_locked():
                raise
    # Else an earlier demo's runs, or was left while it started.
    deadline = time.monotonic() + READY_WITHIN_S
    while (status := stage.state.status()) is None or not all(
        one.state == "ready" for one in status.processes.values()
    ):
        if not stage.state.is_locked():
            raise Fault(
                Code.PROGRAM_FAILED,
                _("the farm has ended again"),
                hint=_("its log is {log}"),
                log=stage.layout.log / "supervisor.log",
            )
        if time.monotonic() > deadline:
            late = [name for name, one in status.processes.items() if one.state != "ready"] if status else []
            raise Conflict(
                Code.STATE_LOCKED,
                _("the farm on {folder} is up, but these parts of it are not ready: {names}"),
                hint=_("make demo-down ends it"),
                folder=stage.folder,
                names=", ".join(late) or "-",
            )
        time.sleep(0.1)
    piece.says(f"API http://{status.api}, SSH {status.ssh}")


def admit_people(stage: Stage, piece: Piece) -> None:
    url = _url(stage)
    if not _is_logged_in(stage, stage.admin, url):
        token = stage.server("admin", "create", stage.admin.name, "--again")
        _log_in(stage, stage.admin, url, token)
    _admit_ada(stage, url, piece)
    for person in (stage.admin, stage.ada):
        _write_shortcut(stage, person)
    piece.says(_("admin, and ada with an SSH key of her own"))


def put_boards(stage: Stage, props: Props, piece: Piece) -> None:
    server, addresses = _network(stage)
    pxe = Definition(name=PXE_BOARD, kind=Kind.UBOOT, mac=_MACS[PXE_BOARD], address=addresses[PXE_BOARD])
    at = f"{addresses[FLASHED_BOARD]}:{server.ip}:{server.ip}:{server.netmask}:{FLASHED_BOARD}::off"
    flashed = Definition(
        name=FLASHED_BOARD,
        kind=Kind.FLASHED,
        mac=_MACS[FLASHED_BOARD],
        address=addresses[FLASHED_BOARD],
        kernel=str(props.kernel),
        initrd=str(props.initrd),
        cmdline=(
            f"console={_CONSOLE} quiet loglevel=4 panic=5 root=/dev/nfs rw"
            f" nfsroot={server.ip}:{_PATH},vers=3,proto=tcp ip={at}"
        ),
    )
    plugged = _plugged(stage, pxe, flashed)
    release = Path(plugged[FLASHED_BOARD].kernel).name.removeprefix("vmlinuz-")
    facts = {"macs": _MACS, "addresses": addresses, "console": _CONSOLE, "path": _PATH, "release": release}
    _declare(stage, "farm.toml", _INVENTORY, **facts)
    piece.says(_("{pxe} (U-Boot, DHCP, PXE), {flashed} (flashed)").format(pxe=PXE_BOARD, flashed=FLASHED_BOARD))


def put_extra(stage: Stage, extra: Extra, piece: Piece) -> None:
    server, _addresses = _network(stage)
    address = server.network.network_address + extra.last
    board = Definition(name=extra.board, kind=extra.kind, mac=extra.mac, address=address, memory_mib=extra.memory_mib)
    _plugged(stage, board)
    facts = {"arch": extra.arch, "type": type_of(extra.board), "board": extra.board, "console": extra.console}
    _declare(stage, f"{extra.arch}.toml", _UEFI_INVENTORY, mac=extra.mac, address=address, **facts)
    piece.says(_("{board} (UEFI, DHCP, GRUB)").format(board=extra.board))


def _network(stage: Stage) -> tuple[IPv4Interface, Mapping[str, IPv4Address]]:
    """The server there, and each board's address."""
    server = stage.config().site.server
    assert server is not None  # noqa: S101 - virtual farms have a default
    return server, {name: server.network.network_address + last for name, last in _LAST.items()}


def _plugged(stage: Stage, *boards: Definition) -> Mapping[str, Definition]:
    held = {one["name"] for one in _json(stage, stage.admin, "board", "list") if one["reservation"]}
    return asyncio.run(_plug(LabClient(Farm.of(stage.config()).lab_socket), boards, held))


def _declare(stage: Stage, name: str, inventory: str, **facts: object) -> None:
    file = stage.folder / name
    _refresh(file, stage.props / name, inventory.format(file=file, **facts))
    stage.boardgrid(stage.admin, "apply", str(file), "--yes")


def _refresh(file: Path, copy: Path, text: str) -> None:
    """Have *text* in *file*, unless somebody has changed there what a demo wrote last and keeps a *copy* of."""
    if file.exists() and file.read_text() not in (text, copy.read_text() if copy.exists() else text):
        return
    for path in (file, copy):  # in this order: a demo that breaks off here finds its own words in the file
        beside = path.with_suffix(".new")
        beside.write_text(text)
        beside.replace(path)


async def _plug(lab: LabClient, definitions: Sequence[Definition], held: Collection[str]) -> Mapping[str, Definition]:
    """The boards as they are then; one that somebody holds stays as it is until a demo after that."""
    plugged = {sight.definition.name: sight.definition for sight in await lab.all()}
    for wanted in definitions:
        there = plugged.get(wanted.name)
        if there == wanted or (there and wanted.name in held):
            continue
        if there:
            await lab.off(wanted.name)  # nobody takes the flash out of a board that runs
        plugged[wanted.name] = (await lab.define(wanted)).definition
    return plugged


def import_image(stage: Stage, name: str, archive: Path, piece: Piece) -> None:
    images = [one for one in _json(stage, stage.ada, "image", "list") if one["name"] == name]
    ready = [one for one in images if one["state"] == "ready"]
    imported = stage.props / f"imported-{name}"  # says what was, last
    if not ready or not imported.exists() or imported.read_text() != archive.name:
        ready = [_json(stage, stage.admin, "image", "import", name, str(archive), "--shared")]
        imported.write_text(archive.name)
    newest = max(ready, key=lambda one: int(one["version"]))
    manifest = newest["manifest"]
    piece.says(
        _("{ref}, {arch}, {size} in {files} files").format(
            ref=newest["ref"], arch=manifest["arch"], size=bytes_text(manifest["size_bytes"]), files=manifest["files"]
        )
    )


def reserve(stage: Stage, piece: Piece) -> None:
    mine = _reservation(stage)
    if mine and _is_open(mine):
        piece.says(_("{board} is ada's already").format(board=PXE_BOARD))
        _have_it_answer(stage, piece)
        return
    if mine:  # an earlier demo broke off while this was under way
        stage.boardgrid(stage.ada, "release", str(mine["number"]), "--discard")
    piece.says(_("boardgrid reserve {board} --image {image} --for 2h").format(board=PXE_BOARD, image=IMAGE))
    # What keeps a site from working is told meanwhile, and may never end.
    words = ("reserve", PXE_BOARD, "--image", IMAGE, "--for", "2h", "--timeout", _RESERVE_MOST)
    stage.watched(stage.ada, words, piece.line)


def _reservation(stage: Stage) -> Mapping[str, Any] | None:
    """Ada's of the board, while it runs."""
    told = _json(stage, stage.ada, "status")
    return next((one for one in told if one["board"] == PXE_BOARD and one["state"] == "running"), None)


def _is_open(reservation: Mapping[str, Any]) -> bool:
    return bool(reservation["deployment"] and reservation["deployment"]["state"] == "open")


def _have_it_answer(stage: Stage, piece: Piece) -> None:
    """A farm that was ended took its virtual boards with it; their roots wait for them."""
    with contextlib.suppress(Fault):
        _on_board(stage, "true")
        return
    piece.line(_("boardgrid power cycle {board}  (it does not answer: the farm was down)").format(board=PXE_BOARD))
    stage.boardgrid(stage.ada, "power", "cycle", PXE_BOARD)
    deadline = time.monotonic() + _BOOT_S
    while True:
        try:
            _on_board(stage, "true")
        except Fault:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)
        else:
            return


def log_in(stage: Stage, piece: Piece) -> None:
    piece.says(_("boardgrid ssh {board}").format(board=PXE_BOARD))
    for command in ("uname -a", "cat /etc/boardgrid/deployment", "grep ' / ' /proc/mounts | cut -d, -f1-3"):
        piece.line(f"$ {command}")
        for line in _on_board(stage, command).splitlines():
            piece.line(f"  {line}")


def _on_board(stage: Stage, command: str) -> str:
    options = ("-o", "ConnectTimeout=10")
    return stage.boardgrid(stage.ada, "ssh", "-i", str(stage.ada.key), PXE_BOARD, *options, "--", command)


# --- people


def _url(stage: Stage) -> str:
    status = stage.state.status()
    if status is None:
        raise Fault(Code.PROGRAM_FAILED, _("the farm on {folder} does not run"), folder=stage.folder)
    return f"http://{status.api}"


def _json(stage: Stage, person: Person, *words: str, stdin: str = "") -> Any:
    return json.loads(stage.boardgrid(person, *words, "-o", "json", stdin=stdin))


def _admit_ada(stage: Stage, url: str, piece: Piece) -> None:
    """What she has lost of key and token is replaced; she herself stays, for what is hers hangs on her account."""
    ada, key = stage.ada, _public_key(stage.ada)
    known = {user["name"]: user["ssh_keys"] for user in _json(stage, stage.admin, "user", "list")}
    if ada.name not in known:
        added = _json(stage, stage.admin, "user", "add", ada.name, "--ssh-key", "-", stdin=key)
        _log_in(stage, ada, url, added["token"])
        return
    if not _is_logged_in(stage, ada, url):
        _log_in(stage, ada, url, _json(stage, stage.admin, "user", "token", ada.name)["token"])
    if key not in known[ada.name]:
        piece.says(_("admin, and ada with another SSH key: hers was lost"))
        mine = _reservation(stage)
        if mine and _is_open(mine):  # before the key: a demo that breaks off between the two comes by here again
            piece.line(_("boardgrid release {board} --aside  (it lets in the lost key alone)").format(board=PXE_BOARD))
            stage.boardgrid(ada, "release", str(mine["number"]), "--aside")
        stage.boardgrid(stage.admin, "user", "keys", ada.name, "--ssh-key", "-", stdin=key)


def _public_key(person: Person) -> str:
    """As the farm keeps it, of a key that is made where there is none."""
    person.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    asyncio.run(make_ssh_key(person.key, f"{person.name}@demo"))
    public = asyncio.run(SubprocessShell().run("ssh-keygen", "-y", "-f", str(person.key)))
    return " ".join(public.split()[:2])


def _is_logged_in(stage: Stage, person: Person, url: str) -> bool:
    """Also where the farm has another port than it had: the token is still good, and tried there alone."""
    try:
        _log_in(stage, person, url, login_for(None, person.environment).token)
    except (Complaint, Fault):
        return False
    return True


def _log_in(stage: Stage, person: Person, url: str, token: str) -> None:
    person.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    stage.boardgrid(person, "login", url, "--token-stdin", stdin=token.strip() + "\n")


def _write_shortcut(stage: Stage, person: Person) -> None:
    """A command that is ``boardgrid`` as this person, for whoever tries the demo on."""
    program = Path(sys.executable).with_name("boardgrid")
    lines = ["#!/bin/sh", f"# boardgrid, as {person.name} of this demo", f"export XDG_CONFIG_HOME='{person.home}'"]
    if person.key.exists():
        dials = "ssh | put | get | run | customise"
        lines.append(f'case $1 in {dials}) c=$1; shift; set -- "$c" --identity \'{person.key}\' "$@" ;; esac')
    lines.append(f"exec '{program}' \"$@\"")
    shortcut = stage.folder / person.name
    shortcut.write_text("\n".join(lines) + "\n")
    shortcut.chmod(0o755)
