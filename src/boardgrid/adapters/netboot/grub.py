"""
The boot method of UEFI boards: their firmware fetches GRUB, and GRUB a script that it runs. Pure.

Debian's signed ``grubnet*.efi`` asks for ``/grub/grub.cfg`` and for no name with a MAC in it; a GRUB that does asks for
this one last. A board sees its own TFTP folder alone, so one name is enough.
"""

import re
from collections.abc import Sequence

from boardgrid.adapters.netboot.checks import checked_fdt, checked_mac
from boardgrid.adapters.netboot.entry import Entry, Method
from boardgrid.model.board import Boot
from boardgrid.model.cmdline import checked

# By Debian's word for the architecture: what its packages grub-efi-*-signed call GRUB, and what firmware calls itself
# when it asks for it (RFC 4578, option 93).
LOADERS = {"amd64": "grubnetx64.efi", "arm64": "grubnetaa64.efi"}
CLIENTS = {"amd64": 7, "arm64": 11}

_RETRY_S = 5
_WORD = re.compile(r'(?:[^ "]|"[^"]*")+')


def _lines(entry: Entry) -> Sequence[str]:
    steps = [f"linux {_quoted(f'/{entry.label}/vmlinuz', *_words(entry.cmdline))}"]
    if entry.has_initrd:
        steps.append(f"initrd {_quoted(f'/{entry.label}/initrd')}")
    if entry.fdt:
        steps.append(f"devicetree {_quoted(f'/{entry.label}/dtbs/{checked_fdt(entry.fdt)}')}")
    # A file that did not arrive must not end at GRUB's prompt, where no board ever leaves by itself.
    return [*(f"if {step}; then" for step in steps), "boot", *("fi" for _step in steps), f"sleep {_RETRY_S}", "reboot"]


def _words(cmdline: str) -> Sequence[str]:
    """The words of a kernel command line, as the kernel parts them: GRUB puts quotes around those with a space."""
    return [word.replace('"', "") for word in _WORD.findall(checked(cmdline, Boot.GRUB))]


def _quoted(*words: str) -> str:
    """As a script has words of which no letter means anything."""
    return " ".join(f"'{word}'" for word in words)


def _file_name(mac: str) -> str:
    checked_mac(mac)
    return "grub.cfg"


GRUB = Method("grub", _file_name, _lines, loaders=LOADERS)
