"""The inventory: what an admin declares of boards and types, and how it differs from what is recorded."""

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from ipaddress import IPv4Address
from pathlib import PurePosixPath
from typing import Literal

from boardgrid.messages import _
from boardgrid.model.board import PROPERTY, TAG, Board, BoardType, Boot, DriverSpec, Property, Site
from boardgrid.model.errors import Code, Invalid
from boardgrid.model.facts import RESERVED
from boardgrid.model.name import checked, type_of


@dataclass(frozen=True, slots=True)
class BoardDeclared:
    """A board as an admin declares it. Its type is in its name; whether it is fit is no declaration."""

    name: str
    mac: str
    address: IPv4Address
    site: str = ""  # empty: the farm's only site
    boot: Boot = Boot.PXELINUX
    nfs_path: PurePosixPath | None = None
    kernel: str = ""
    power: tuple[DriverSpec, ...] = ()
    properties: Mapping[str, Property] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs. An inventory adds and changes; it never removes."""

    act: Literal["add", "change"]
    kind: Literal["board type", "board"]
    name: str
    fields: Mapping[str, tuple[object, object]] = field(default_factory=dict)  # by field: what it was and will be


def difference(declared: BoardType | Board, recorded: BoardType | Board | None) -> Change | None:
    """How *declared* differs from what is recorded of it; None: not at all."""
    kind: Literal["board type", "board"] = "board" if isinstance(declared, Board) else "board type"
    names = [one.name for one in fields(declared) if one.name not in {"name", "set_aside"}]
    told = {
        name: (None if recorded is None else getattr(recorded, name), getattr(declared, name))
        for name in names
        if recorded is None or getattr(recorded, name) != getattr(declared, name)
    }
    if recorded is not None and not told:
        return None
    return Change("add" if recorded is None else "change", kind, declared.name, told)


def unique(board: Board) -> list[tuple[object, ...]]:
    """What only one board can have; the last of each is what to tell."""
    facts: list[tuple[object, ...]] = [("mac", board.mac), ("address", board.site, board.address)]
    if board.nfs_path is not None:
        # One path, one export: the bootloaders of two boards cannot ask for the same one.
        facts.append(("nfs_path", board.site, board.nfs_path))
    return facts


# What a board's boot hangs on: it stays as it is while somebody has the board.
BOOT_FACTS = ("mac", "address", "boot", "nfs_path")

# Printable ASCII on one line: these words are written into boot files. What the farm adds to a command line (root,
# address) takes up to some 300 of the 1023 characters that a 32-bit ARM kernel keeps.
_CMDLINE = re.compile(r"(?!.{601})([!-~]([ -~]*[!-~])?)?")
_CONSOLE = re.compile(r"(?!.{81})[!-~]*")
_ONE_LINE = re.compile(r"[ -~]*")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_ARCH = re.compile(r"[a-z][a-z0-9-]{1,30}")
_DRIVER = re.compile(r"[a-z][a-z0-9_-]{0,30}")
_OPTION = re.compile(r"[a-z][a-z0-9_]{0,40}")
_PATH = re.compile(r"(/[A-Za-z0-9][A-Za-z0-9._-]*)+")
_FDT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._,+-]*(/[A-Za-z0-9][A-Za-z0-9._,+-]*){0,3}")
_MODULE = re.compile(r"[A-Za-z0-9_-]{0,60}")
_SURROGATE = re.compile("[\ud800-\udfff]")  # no text: half of a character
_LONGEST = 1000
_DEEPEST = 4  # tables and lists in an option of a driver
_BOOT_MOST_S = 3600
_LABELS_MOST = 50  # properties, or tags
_TEXT_MOST = 200
_NUMBER_MOST = 1 << 53  # JSON's integers end there for many programs


def checked_type(declared: BoardType) -> BoardType:
    """
    Return *declared* if boards of such a type can be.

    Raises:
        Invalid: they cannot; the sentence names the field.
    """
    checked("board type", declared.name)
    what = _("board type {name}").format(name=declared.name)
    _check(what, "arch", declared.arch, _ARCH, "armhf")
    _check(what, "console", declared.console, _CONSOLE, "ttyS0,115200n8")
    _check(what, "cmdline", declared.cmdline, _CMDLINE, "fbcon=map:1")
    if declared.fdt:
        _check(what, "fdt", declared.fdt, _FDT, "nvidia/tegra124-jetson-tk1.dtb")
    _check(what, "network", declared.network, _MODULE, "dwmac-sun8i")
    if not 1 <= declared.boot_s <= _BOOT_MOST_S:
        raise _refused(what, "boot_s", declared.boot_s, "120")
    _check_properties(what, declared.properties)
    return declared


def checked_board(declared: BoardDeclared, site: Site) -> Board:
    """
    The board that is declared, if it can be at this site.

    Raises:
        Invalid: it cannot; the sentence names the field.
    """
    checked("board", declared.name)
    mac = declared.mac.strip().lower().replace("-", ":")
    _check(declared.name, "mac", mac, _MAC, "52:54:00:12:34:56")
    if int(mac[:2], 16) & 1:
        raise _refused(declared.name, "mac", mac, _("one board's own address, with an even first byte"))
    _check_address(declared.name, declared.address, site)
    _check(declared.name, "kernel", declared.kernel, _ONE_LINE, "3.10.40-gdacac96")
    match declared.boot:
        case Boot.FLASHED:
            if declared.nfs_path is None:
                raise _refused(declared.name, "nfs_path", "", "/NFSRoot1")
            _check(declared.name, "nfs_path", str(declared.nfs_path), _PATH, "/NFSRoot1")
        case Boot.PXELINUX | Boot.GRUB:
            if declared.nfs_path is not None:
                # It would look as if it meant something.
                raise _refused(declared.name, "nfs_path", declared.nfs_path, _("none, where a board asks what to boot"))
    for spec in declared.power:
        _check(declared.name, "power.driver", spec.driver, _DRIVER, "wol")
        for option, value in spec.options.items():
            _check(declared.name, "power", option, _OPTION, "outlet")
            _check_option(declared.name, option, value)
    _check_properties(declared.name, declared.properties)
    _check_tags(declared.name, declared.tags)
    return Board(
        name=declared.name,
        type=type_of(declared.name),
        site=site.name,
        mac=mac,
        address=declared.address,
        boot=declared.boot,
        nfs_path=declared.nfs_path,
        kernel=declared.kernel,
        power=declared.power,
        properties=declared.properties,
        tags=declared.tags,
    )


def described(board: Board, properties: Mapping[str, Property | None], tags: Mapping[str, bool]) -> Board:
    """
    The board with these *properties*, without those that are None; with the *tags* that are true, without the others.

    Raises:
        Invalid: they cannot be; the sentence names one.
    """
    left = {name: value for name, value in {**board.properties, **properties}.items() if value is not None}
    kept = frozenset(tag for tag, has in {**dict.fromkeys(board.tags, True), **tags}.items() if has)
    _check_properties(board.name, left)
    _check_tags(board.name, kept)
    return replace(board, properties=left, tags=kept)


def _check_properties(what: str, properties: Mapping[str, object]) -> None:
    _check_count(what, "properties", len(properties))
    for name, value in properties.items():
        if name in RESERVED:
            raise Invalid(
                Code.INVENTORY_INVALID,
                _("{what}: no property can be called {name}: in an expression that word has its meaning already"),
                hint=_("choose another name"),
                what=what,
                name=name,
            )
        _check(what, "properties", name, PROPERTY, "ram_mb")
        match value:
            case str() if len(value) <= _TEXT_MOST and value.isprintable():
                pass
            case float() if math.isfinite(value):
                pass
            case int() if abs(value) <= _NUMBER_MOST:  # a bool is one, too
                pass
            case _:
                example = _("2048, 1.5, true, or a text of at most {most} characters").format(most=_TEXT_MOST)
                raise _refused(what, f"properties.{name}", ascii(value), example)


def _check_tags(what: str, tags: Collection[str]) -> None:
    _check_count(what, "tags", len(tags))
    for tag in sorted(tags):
        _check(what, "tags", tag, TAG, "camera")


def _check_count(what: str, field_name: str, count: int) -> None:
    if count > _LABELS_MOST:
        raise Invalid(
            Code.INVENTORY_INVALID,
            _("{what} has {count} {field}, and {most} are the most"),
            what=what,
            count=count,
            field=field_name,
            most=_LABELS_MOST,
        )


def _check_option(board: str, option: str, value: object) -> None:
    """It is kept as JSON, and must come back from there as it was."""
    room = _LONGEST
    left = [(value, 0)]  # and how deep it lies
    while left and room >= 0:
        one, depth = left.pop()
        match one:
            case None | bool():
                room -= 1
            case int() if abs(one) < 1 << 63:
                room -= 1
            case float() if math.isfinite(one):
                room -= 1
            case str() if not _SURROGATE.search(one):
                room -= 1 + len(one)
            case list() | tuple() if depth < _DEEPEST:
                room -= 1
                left += [(item, depth + 1) for item in one]
            case dict() if depth < _DEEPEST:
                room -= 1
                left += [(item, depth + 1) for pair in one.items() for item in pair]
            case _:
                raise _refused(board, f"power.{option}", ascii(one)[:80], '7, "outlet-7" or ["outlet", "on", "7"]')
    if room < 0:
        raise _refused(board, f"power.{option}", "...", _("something shorter"))


def _check_address(board: str, address: IPv4Address, site: Site) -> None:
    if site.server is None:
        return  # its agent has not told yet
    net = site.server.network
    if address not in net or address in {net.network_address, net.broadcast_address, site.server.ip}:
        raise Invalid(
            Code.ADDRESS_INVALID,
            _("{board} cannot have the address {address}: the server of site {site} is {server}"),
            hint=_("choose a free one between {first} and {last}, but the server's own"),
            board=board,
            address=address,
            site=site.name,
            server=site.server,
            first=net.network_address + 1,
            last=net.broadcast_address - 1,
        )


def _check(what: str, field_name: str, value: str, rule: re.Pattern[str], example: str) -> None:
    if len(value) > _LONGEST or not rule.fullmatch(value):
        raise _refused(what, field_name, value, example)


def _refused(what: str, field_name: str, value: object, example: object) -> Invalid:
    return Invalid(
        Code.INVENTORY_INVALID,
        _("{what}: {field} cannot be {value!r}"),
        hint=_("a good one looks like this: {example}"),
        what=what,
        field=field_name,
        value=str(value)[:80],
        example=example,
    )
