"""What people read comes in their language, where the package has a catalogue of it."""

import ast
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import boardgrid
from boardgrid.messages import bytes_text, larger_text

PACKAGE = Path(boardgrid.__file__).parent
HEADER = "Content-Type: text/plain; charset=UTF-8\nLanguage: fr\n"


def sentences(tree: ast.AST) -> Iterator[str]:
    """What goes through ``_``, and what is shown by way of it later: the titles of columns, and help."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"_", "Column"}:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value
        if isinstance(node, ast.FunctionDef) and node.decorator_list and (help_ := ast.get_docstring(node)):
            yield help_
        if isinstance(node, ast.keyword) and node.arg == "help" and isinstance(node.value, ast.Constant):
            yield str(node.value.value)


def compiled(catalogue: Mapping[str, str]) -> bytes:
    """The catalogue as msgfmt would write it."""
    pairs = sorted((key.encode(), text.encode()) for key, text in catalogue.items())
    count, words, told = len(pairs), b"", [b"", b""]
    start = 28 + 16 * count
    for column in (0, 1):
        for pair in pairs:
            told[column] += struct.pack("<2I", len(pair[column]), start + len(words))
            words += pair[column] + b"\0"
    return struct.pack("<7I", 0x950412DE, 0, count, 28, 28 + 8 * count, 0, 0) + told[0] + told[1] + words


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client, with a catalogue that puts each sentence in brackets."""
    folder = tmp_path_factory.mktemp("elsewhere")
    there = folder / "boardgrid"
    shutil.copytree(PACKAGE / "client", there / "client", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("__init__.py", "messages.py"):
        shutil.copy(PACKAGE / name, there / name)
    known = {one for file in (there / "client").rglob("*.py") for one in sentences(ast.parse(file.read_text("utf-8")))}
    catalogue = there / "locale/fr/LC_MESSAGES/boardgrid.mo"
    catalogue.parent.mkdir(parents=True)
    catalogue.write_bytes(compiled({one: f"<{one}>" for one in known} | {"": HEADER}))
    return folder


def told(folder: Path, *code: str) -> str:
    env = {**os.environ, "PYTHONPATH": str(folder), "LANGUAGE": "fr", "BOARDGRID_URL": "http://127.0.0.1:9"}
    done = subprocess.run(
        [sys.executable, *code], env={**env, "BOARDGRID_TOKEN": "x"}, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout + done.stderr


def test_a_catalogue_in_the_package_is_found(elsewhere: Path) -> None:
    assert "<--keep, --aside and --discard exclude each other>" in told(
        elsewhere, "-m", "boardgrid.client", "release", "--keep", "a", "--discard"
    )


@pytest.mark.slow
def test_a_complaint_without_a_hint_does_not_show_the_head_of_the_catalogue(elsewhere: Path) -> None:
    shown = told(elsewhere, "-m", "boardgrid.client", "release", "--keep", "a", "--discard")
    assert "Content-Type" not in shown
    assert len(shown.splitlines()) == 1


def test_help_is_translated(elsewhere: Path) -> None:
    shown = told(elsewhere, "-m", "boardgrid.client", "board", "remove", "--help")
    assert "<Have a board leave the farm" in shown
    assert "<Do not ask; a program must say so.>" in shown


@pytest.mark.slow
def test_the_titles_of_tables_and_their_words_are_translated(elsewhere: Path) -> None:
    code = """
from dataclasses import dataclass
from boardgrid.client.commands import board, image, site, status
from boardgrid.client.tables import Column, Output, Sheet
for sheet in (board.SHEET, image.SHEET, site.SHEET, status.SHEET):
    assert all(c.heading == f"<{c.title}>" for c in sheet.columns), sheet
Sheet(str, (Column("NAME", str), Column("STATE", bool))).show_all(["", "x"], Output.TABLE)
"""
    assert told(elsewhere, "-c", code).split() == ["<NAME>", "<STATE>", "<no>", "x", "<yes>"]


def test_another_language_is_english() -> None:
    env = {**os.environ, "LANGUAGE": "xx"}
    code = "from boardgrid.messages import _; print([_('yes'), _('')])"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "['yes', '']\n"


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (None, ""),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (99_960, "100 kB"),
        (999_400, "999 kB"),
        (999_600, "1.0 MB"),
        (13_300_000, "13.3 MB"),
        (16e12, "16.0 TB"),
        (5e15, "5000 TB"),
    ],
)
def test_a_size_is_told_in_the_unit_that_fits(size: float | None, text: str) -> None:
    assert bytes_text(size) == text


def test_what_is_too_large_never_reads_like_what_would_do() -> None:
    assert larger_text(5_000_000_001, 5_000_000_000) == "more than 5.0 GB"
    assert larger_text(5_100_000_000, 5_000_000_000) == "5.1 GB"
