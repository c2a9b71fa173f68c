"""Which options of overlayfs are used is found out from the kernel."""

import json
import subprocess
import sys

import pytest

from boardgrid.adapters.store.complaint import heard
from boardgrid.model.errors import Code, Fault

pytestmark = pytest.mark.world


def tried(*needed: str, optional: tuple[str, ...] = ()) -> list[str]:
    words = ["unshare", "--mount", "--propagation", "private", sys.executable, "-m", "boardgrid.adapters.store.overlay"]
    order = json.dumps({"needed": needed, "optional": optional}).encode()
    ran = subprocess.run(words, input=order, capture_output=True, check=True)
    options: list[str] = heard(ran.stdout.decode())["options"]
    return options


def test_what_the_kernel_knows_is_used() -> None:
    needed = ("index=on", "nfs_export=on", "redirect_dir=on", "xino=on")
    assert tried(*needed, optional=("metacopy=off",)) == [*needed, "metacopy=off"]


def test_what_is_not_needed_is_left_out_where_the_kernel_does_not_know_it() -> None:
    assert tried("index=on", optional=("of_tomorrow=on",)) == ["index=on"]


def test_what_is_needed_and_not_known_is_named() -> None:
    with pytest.raises(Fault, match=r"lacks of_tomorrow=on$") as raised:
        tried("index=on", "of_tomorrow=on")
    assert raised.value.code is Code.STORE_DAMAGED


def test_what_the_kernel_takes_and_does_not_do_is_named() -> None:
    """It turns nfs_export off by itself where metacopy is on, and only its log says so."""
    with pytest.raises(Fault, match="lacks nfs_export=on"):
        tried("nfs_export=on", "index=off")
