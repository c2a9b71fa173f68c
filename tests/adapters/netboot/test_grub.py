"""The script that GRUB runs, and what may stand in it."""

from uuid import UUID

import pytest

from boardgrid.adapters.netboot.entry import HOLDING, UNKNOWN, Entry, told_deployment
from boardgrid.adapters.netboot.grub import GRUB
from boardgrid.model.errors import Code, Invalid

DEPLOYMENT = UUID("0192f3a1-0000-7000-8000-000000000001")
ENTRY = Entry("va1-1", str(DEPLOYMENT), "root=/dev/nfs rw nfsroot=10.20.0.1:/r/x,vers=3", has_initrd=True)


def linux(cmdline: str) -> str:
    """The line that loads the kernel."""
    return GRUB.text(Entry("va1-1", HOLDING, cmdline, has_initrd=False)).splitlines()[1]


def test_a_file_that_did_not_arrive_ends_in_another_try_and_never_at_a_prompt() -> None:
    assert (
        GRUB.text(ENTRY)
        == f"""\
# BoardGrid: va1-1 boots {DEPLOYMENT}
if linux '/{DEPLOYMENT}/vmlinuz' 'root=/dev/nfs' 'rw' 'nfsroot=10.20.0.1:/r/x,vers=3'; then
if initrd '/{DEPLOYMENT}/initrd'; then
boot
fi
fi
sleep 5
reboot
"""
    )


def test_a_device_tree_and_an_initrd_are_loaded_only_where_there_is_one() -> None:
    text = GRUB.text(Entry("va1-1", HOLDING, "", has_initrd=False, fdt="nvidia/orin.dtb"))
    assert "if devicetree '/holding/dtbs/nvidia/orin.dtb'; then\n" in text
    assert "initrd" not in text
    assert "if linux '/holding/vmlinuz'; then\n" in text


def test_its_first_line_tells_whose_it_is() -> None:
    assert told_deployment(GRUB.text(ENTRY), "va1-1") == DEPLOYMENT
    assert told_deployment(GRUB.text(ENTRY), "va1-2") == UNKNOWN


@pytest.mark.parametrize("word", ["a$prefix", "a;reboot", "a&b|c", "{x}", "#a", "a=*", "<x>", "a`b`", "$(x)", "x[1]"])
def test_no_letter_of_a_word_means_anything_to_grub(word: str) -> None:
    assert linux(f"quiet {word} rw") == f"if linux '/holding/vmlinuz' 'quiet' '{word}' 'rw'; then"


def test_words_are_parted_where_the_kernel_parts_them() -> None:
    # GRUB puts the double quotes back around what has a space in it.
    assert linux('a  dyndbg="file a.c +p; file b.c +p" b') == (
        "if linux '/holding/vmlinuz' 'a' 'dyndbg=file a.c +p; file b.c +p' 'b'; then"
    )


@pytest.mark.parametrize("cmdline", ["a'; reboot; echo 'b", "a\\b", 'a="b', "'", "a\nreboot", "a\rb", "é", "x" * 1024])
def test_a_command_line_that_would_arrive_as_another_is_refused(cmdline: str) -> None:
    with pytest.raises(Invalid) as refused:
        linux(cmdline)
    assert refused.value.code is Code.REQUEST_INVALID


@pytest.mark.parametrize("fdt", ["../x.dtb", "a'b", "a b", "a\nb", "$a"])
def test_a_device_tree_is_a_plain_name(fdt: str) -> None:
    with pytest.raises(Invalid, match="is no name of a device tree"):
        GRUB.text(Entry("va1-1", HOLDING, "", has_initrd=False, fdt=fdt))
