"""Rosters as spreadsheets have them: CSV to the rows that the farm takes, and back."""

import csv
import io
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from boardgrid.client.answers import RosterLine
from boardgrid.client.complaint import REQUEST_INVALID, Complaint
from boardgrid.client.reading import unreadable
from boardgrid.messages import _

ROWS_MOST = 1000  # the farm takes no more
_BYTES_MOST = 1 << 20
_TOLD_MOST = 50
_KNOWN = ("name", "part", "team", "email")


@dataclass(frozen=True, slots=True)
class Roster:
    rows: Sequence[dict[str, str | int]]  # as the farm takes them
    emails: dict[str, str]  # by name
    unused: tuple[str, ...]  # columns that mean nothing here


def read(file: str) -> Roster:
    """
    The roster in a file; "-" is standard input.

    Raises:
        Complaint: it cannot be read, or is none; with the lines that are wrong, all of them.
    """
    try:
        if file == "-":
            data = sys.stdin.buffer.read(_BYTES_MOST + 1)
        else:
            with Path(file).expanduser().open("rb") as opened:
                data = opened.read(_BYTES_MOST + 1)
    except OSError as error:
        raise unreadable(file, error) from error
    if len(data) > _BYTES_MOST:
        raise _complaint(file, _("it is larger than any roster"))
    try:
        # Spreadsheets put a mark of three bytes at its begin.
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _complaint(file, _("it is not UTF-8"), _('save it as "CSV UTF-8"')) from error
    return _parsed(file, text)


def written(lines: Iterable[RosterLine]) -> str:
    """As :func:`read` takes it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("name", "part", "team"))
    writer.writerows((line.name, line.part, line.team) for line in lines)
    return out.getvalue()


def _parsed(file: str, text: str) -> Roster:
    records, mistakes = _records(text)
    if not records:
        raise _complaint(file, mistakes[0] if mistakes else _("it is empty"))
    _line, header = records.pop(0)
    columns = [cell.lower() for cell in header]
    if "name" not in columns or len({one for one in columns if one in _KNOWN}) < sum(one in _KNOWN for one in columns):
        raise _complaint(
            file,
            _("its first line should name each column once: name, and if you like part, team and email"),
        )
    rows, emails = list[dict[str, str | int]](), dict[str, str]()
    for line, cells in records:
        if any(cells[len(columns) :]):
            mistakes.append(_("line {line}: it has more cells than the first line").format(line=line))
        row = dict(zip(columns, [*cells, *[""] * len(columns)], strict=False))
        told: dict[str, str | int] = {key: row[key] for key in ("name", "team") if key in row}
        rows.append(told | {"part": row.get("part", "").lower(), "line": line})
        emails[row["name"]] = row.get("email", "")
    if len(rows) > ROWS_MOST:
        count, most = len(rows), ROWS_MOST
        raise _complaint(file, _("it has {count} rows, and {most} may be").format(count=count, most=most))
    if mistakes:
        more = len(mistakes) - _TOLD_MOST
        told_of = mistakes[:_TOLD_MOST] + ([_("and {count} more").format(count=more)] if more > 0 else [])
        raise _complaint(file, "; ".join(told_of))
    if not rows:
        raise _complaint(file, _("there is nobody in it"))
    return Roster(rows, emails, tuple(cell for cell in header if cell and cell.lower() not in _KNOWN))


def _records(text: str) -> tuple[list[tuple[int, list[str]]], list[str]]:
    """The cells of each record that has any, with the line where it begins; and why there are no more."""
    found = list[tuple[int, list[str]]]()
    first = text.lstrip().partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True)
    begin = 1
    try:
        for record in reader:
            cells = [cell.strip() for cell in record]
            if any(cells):
                found.append((begin, cells))
            begin = reader.line_num + 1
    except csv.Error as error:
        return found, [_("line {line}: {why}").format(line=begin, why=error)]
    return found, []


def _complaint(file: str, why: str, hint: str = "") -> Complaint:
    shown = _("standard input") if file == "-" else file
    return Complaint(REQUEST_INVALID, _("{file}: {why}").format(file=shown, why=why), hint=hint)
