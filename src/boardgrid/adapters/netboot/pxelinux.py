"""The boot method of U-Boot and its kin: a file in the language of pxelinux, called by the board's MAC. Pure."""

from collections.abc import Sequence

from boardgrid.adapters.netboot.checks import checked_fdt, checked_mac
from boardgrid.adapters.netboot.entry import Entry, Method
from boardgrid.model.board import Boot
from boardgrid.model.cmdline import checked


def _lines(entry: Entry) -> Sequence[str]:
    lines = [
        "default boardgrid",
        "prompt 0",
        "timeout 1",
        "label boardgrid",
        f"  kernel {entry.label}/vmlinuz",
    ]
    if entry.has_initrd:
        lines.append(f"  initrd {entry.label}/initrd")
    if entry.fdt:
        lines.append(f"  fdt {entry.label}/dtbs/{checked_fdt(entry.fdt)}")
    lines.append(f"  append {checked(entry.cmdline, Boot.PXELINUX)}".rstrip())
    return lines


def _file_name(mac: str) -> str:
    """The board's Ethernet address, with the type of that network in front."""
    return "01-" + checked_mac(mac).replace(":", "-")


PXELINUX = Method("pxelinux.cfg", _file_name, _lines, default="default")
