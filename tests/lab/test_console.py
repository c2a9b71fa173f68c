"""A stranger's bytes as lines that can be shown."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boardgrid.lab.console import LINE_BYTES, LINES, Transcript, shown
from boardgrid.logs import SizedLog


@pytest.fixture
def transcript(tmp_path: Path) -> Transcript:
    return Transcript(SizedLog(tmp_path / "tk1-1.log", 10_000))


def test_a_line_may_come_in_pieces(transcript: Transcript) -> None:
    for piece in (b"U-Bo", b"ot 2023.01\r", b"\nDRAM:  256 MiB\r\n"):
        transcript.feed(piece)
    assert transcript.tail(10) == ("U-Boot 2023.01", "DRAM:  256 MiB")


def test_the_prompt_that_waits_is_the_last_line(transcript: Transcript) -> None:
    transcript.feed(b"one\ntwo\n=> ")
    assert transcript.tail(2) == ("two", "=>")
    assert transcript.tail(0) == ()


@pytest.mark.parametrize(
    ("printed", "line"),
    [
        (b"\x1b[1;31mred\x1b[0m", "red"),
        (b"\x1b]0;a title\x07login:", "login:"),
        (b"\x1b]52;c;cm0gLXJm\x1b\\done", "done"),
        (b"\x1bP+q544e\x1b\\done", "done"),
        (b"\x1b]0;never ended", ""),
        (b"a\x00b\x08c\x7fd", "abcd"),
        ("left\N{RIGHT-TO-LEFT OVERRIDE}to right".encode(), "leftto right"),
        (b"caf\xc3\xa9 \xff", "café \N{REPLACEMENT CHARACTER}"),
        (b"a\tb", "a    b"),
    ],
)
def test_what_moves_a_terminal_is_left_out(printed: bytes, line: str) -> None:
    assert shown(printed) == line


@given(st.binary(max_size=300))
def test_whatever_is_printed_is_shown_as_plain_text(printed: bytes) -> None:
    assert shown(printed).isprintable()


@pytest.mark.slow
def test_a_flood_without_line_breaks_is_cut_and_kept_small(transcript: Transcript) -> None:
    for _number in range(2000):
        transcript.feed(b"x" * 4096)
    lines = transcript.tail(LINES + 100)
    assert len(lines) <= LINES + 1
    assert max(len(line) for line in lines) <= LINE_BYTES


def test_the_log_file_stays_small(transcript: Transcript) -> None:
    for number in range(3000):
        transcript.feed(b"line %d\n" % number)
    assert transcript.log.path.stat().st_size <= 10_000
    assert "line 2999" in transcript.log.path.read_text()


def test_a_board_that_is_switched_on_begins_anew(transcript: Transcript) -> None:
    transcript.feed(b"old\nhalf a li")
    transcript.begin("switched on")
    transcript.feed(b"new\n")
    assert transcript.tail(10) == ("new",)
    assert "old" in transcript.log.path.read_text()
