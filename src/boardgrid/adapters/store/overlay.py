"""
Tries out, on throw-away overlays, which options those of roots can have on this kernel: a program.

It has a mount namespace of its own, so that nothing of it stays. See :func:`tried`.
"""

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from boardgrid.adapters.store.complaint import answer
from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault
from boardgrid.mounts import mount_options

_PARAMETERS = Path("/sys/module/overlay/parameters")
_CALLED = {"xino": "xino_auto"}  # where the module's parameter has another name


def tried(order: dict[str, Any]) -> dict[str, Any]:
    """
    Args:
        order: ``needed`` and ``optional``, lists of options of overlayfs, such as ``index=on``.

    Returns:
        ``options``: the needed ones, and those of the optional ones that the kernel knows.

    Raises:
        Fault: a needed one is unknown to the kernel, or without effect.
    """
    needed, optional = order["needed"], order["optional"]
    with tempfile.TemporaryDirectory() as folder:
        _mount_memory(folder)
        try:
            options = [*needed, *(option for option in optional if _effects(folder, [option]) is not None)]
            effects = _effects(folder, options)
            if effects is None:
                unknown = [option for option in needed if _effects(folder, [option]) is None]
                raise _unfit(unknown or options)
            if idle := [option for option in needed if option not in effects and not _is_default(option)]:
                raise _unfit(idle)
        finally:
            _unmount(folder)
    return {"options": options}


def _effects(folder: str, options: Sequence[str]) -> list[str] | None:
    """What the kernel says of an overlay with these options; None where it refuses them."""
    with tempfile.TemporaryDirectory(dir=folder) as layers:
        for name in ("lower", "upper", "work", "joined"):
            Path(layers, name).mkdir()
        _mount_memory(f"{layers}/lower")  # a file system of its own, as an image is: within one, xino means nothing
        words = ",".join(["lowerdir=lower,upperdir=upper,workdir=work", *options])
        mount = ["mount", "--types", "overlay", "--options", words, "overlay", "joined"]
        try:
            if subprocess.run(mount, check=False, capture_output=True, stdin=subprocess.DEVNULL, cwd=layers).returncode:
                return None
            at = f"{layers}/joined"
            told = mount_options(at)
            _unmount(at)
        finally:
            _unmount(f"{layers}/lower")
        return told


def _mount_memory(at: str) -> None:
    subprocess.run(["mount", "--types", "tmpfs", "tmpfs", at], check=True, stdin=subprocess.DEVNULL)


def _unmount(at: str) -> None:
    subprocess.run(["umount", at], check=True, stdin=subprocess.DEVNULL)


def _is_default(option: str) -> bool:
    """The kernel does not tell what all overlays have."""
    name, _equals, value = option.partition("=")
    try:
        usual = (_PARAMETERS / _CALLED.get(name, name)).read_text().strip()
    except FileNotFoundError:
        return False
    return usual == {"on": "Y", "off": "N"}.get(value)


def _unfit(options: Sequence[str]) -> Fault:
    return Fault(
        Code.STORE_DAMAGED,
        _("this machine's kernel cannot join roots as they must be: its overlayfs lacks {options}"),
        hint=_("run the site on Debian 12's kernel, or one that is newer"),
        options=", ".join(options),
    )


if __name__ == "__main__":
    answer(tried)
