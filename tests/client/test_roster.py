"""Rosters and links at the command line, against the real API on a real database; and what spreadsheets write."""

from pathlib import Path

import pytest

from boardgrid.client.answers import RosterLine
from boardgrid.client.complaint import Complaint
from boardgrid.client.roster import Roster, read, written
from tests.api.door import Door
from tests.client.conftest import Ask

PASSWORD = "correct horse battery"
KEY_C = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGNjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2Nj"


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    return tmp_path / "class.csv"


def parsed(file: Path, data: str | bytes) -> Roster:
    file.write_bytes(data.encode() if isinstance(data, str) else data)
    return read(str(file))


def wrong(file: Path, data: str | bytes) -> str:
    with pytest.raises(Complaint) as complaint:
        parsed(file, data)
    return complaint.value.detail.removeprefix(f"{file}: ")


# --- files


@pytest.mark.parametrize("between", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_what_a_spreadsheet_writes_is_read(csv: Path, between: str, end: str, mark: bytes) -> None:
    lines = ["Name,TEAM,email,Matricule", " ada ,red,ada@example.org,1", ",,,", '"bob","","",2', "eve"]
    text = end.join(line.replace(",", between) for line in lines)
    roster = parsed(csv, mark + text.encode())
    assert roster.rows == [
        {"name": "ada", "team": "red", "part": "", "line": 2},
        {"name": "bob", "team": "", "part": "", "line": 4},
        {"name": "eve", "team": "", "part": "", "line": 5},
    ]
    assert roster.emails["ada"] == "ada@example.org" and roster.unused == ("Matricule",)


def test_a_column_that_is_not_there_changes_nothing(csv: Path) -> None:
    assert parsed(csv, "name\nada\n").rows == [{"name": "ada", "part": "", "line": 2}]
    assert parsed(csv, "part,name\nManager,ada\n").rows == [{"name": "ada", "part": "manager", "line": 2}]


def test_lines_are_counted_where_a_cell_has_several(csv: Path) -> None:
    rows = parsed(csv, 'name,remark\nada,"two\nlines"\n\nbob,\n').rows
    assert [row["line"] for row in rows] == [2, 5]


def test_what_is_written_is_read_as_the_same(csv: Path) -> None:
    text = written([RosterLine("ada", "manager", "red"), RosterLine("bob", "member")])
    assert text == "name,part,team\nada,manager,red\nbob,member,\n"
    assert parsed(csv, text).rows == [
        {"name": "ada", "team": "red", "part": "manager", "line": 2},
        {"name": "bob", "team": "", "part": "member", "line": 3},
    ]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("", "it is empty"),
        ("\n\n", "it is empty"),
        ("name,team\n", "there is nobody in it"),
        ("ada\nbob\n", "its first line should name each column once: name, and if you like part, team and email"),
        ("name,team,Team\nada,a,b\n", "its first line should name each column once"),
        ("name\nada,red\nbob\neve,x\n", "line 2: it has more cells than the first line; line 4: it has more cells"),
        ('name,team\nada,"red"x\n', "line 2: "),
        ('name,team\nada,red\nbob,"red', "line 3: unexpected end of data"),
        ("name\nJos\xe9\n".encode("latin-1"), "it is not UTF-8"),
        ("name\nada\n".encode("utf-16"), "it is not UTF-8"),
        ("name\n" + "x,y\n" * 500, "and 450 more"),
        ("name\n" + "x\n" * 1001, "it has 1001 rows, and 1000 may be"),
        (b"name\n" + b"x" * (1 << 20), "it is larger than any roster"),
    ],
)  # fmt: skip
def test_what_is_no_roster_is_told_with_all_its_lines(csv: Path, data: str | bytes, why: str) -> None:
    assert why in wrong(csv, data)


def test_a_file_that_is_not_there_is_named(csv: Path) -> None:
    with pytest.raises(Complaint, match="cannot be read: No such file"):
        read(str(csv))


# --- the command line


async def test_a_teacher_brings_a_class_in_and_hands_out_codes(ask: Ask) -> None:
    await ask("project", "add", "course", "--manager", "ada", "--image", "tiny")
    csv = "name;team;email\nbob;red;bob@example.org\neve;red;eve@example.org\n"
    told = await ask("project", "roster", "course", "-", who="user", stdin=csv)
    assert told.code == 3 and "eve (line 3)" in told.err and "--new-accounts" in told.err
    done = await ask("project", "roster", "course", "-", stdin=csv)
    [_head, line] = done.out.splitlines()
    assert line.split()[:3] == ["eve", "red", "eve@example.org"]
    assert "came in: bob" in done.err and "1 have no account yet" in done.err
    code = line.split()[3]
    again = await ask("project", "roster", "course", "-", "-o", "json", "--replace", stdin=csv)
    assert (again.json["invited"], again.json["kept"], again.json["stayed"]) == ([], ["eve"], ["ada"])
    joined = await ask(
        "accept", (await ask("whoami", "-o", "json")).json["farm"], "--code-stdin", stdin=f"{code}\n{PASSWORD}\n"
    )
    assert joined.code == 0, joined.err
    shown = (await ask("project", "show", "course", "-o", "json", who="user")).json
    assert shown["teams"] == {"red": ["bob", "eve"]}


async def test_a_roster_is_printed_as_it_is_brought_in(ask: Ask) -> None:
    await ask("project", "add", "course", "bob", "--manager", "ada")
    assert (await ask("project", "join", "course", "bob", "--team", "red", who="user")).out.count("red: bob") == 1
    printed = await ask("project", "roster", "course", who="bob")
    assert printed.out == "name,part,team\nada,manager,\nbob,member,red\n"
    same = await ask("project", "roster", "course", "-", "--replace", who="user", stdin=printed.out)
    assert (same.code, same.out) == (0, "") and "nothing changed" in same.err
    assert (await ask("project", "roster", "course", "-o", "name")).out == "ada\nbob\n"
    assert (await ask("project", "roster", "course", "-o", "json")).json[1]["team"] == "red"
    assert (await ask("project", "roster", "course", "--replace")).code == 2


async def test_mistakes_in_a_roster_are_told_by_their_lines(ask: Ask) -> None:
    await ask("project", "add", "course", "--manager", "ada")
    csv = "name,part\nbob,boss\n\nBOB,\n"
    told = await ask("project", "roster", "course", "-", who="user", stdin=csv)
    assert told.code == 2
    assert "line 2: the part 'boss' is neither member nor manager; line 4: 'BOB' is no name for a user" in told.err


async def test_who_has_the_code_of_a_link_comes_in(ask: Ask) -> None:
    await ask("project", "add", "course", "--manager", "ada")
    made = await ask("project", "link", "course", "--for", "7d", "--most", "1", "--team", "red", who="user")
    code = made.out.strip()
    assert code.startswith("bgj_") and "boardgrid project enter CODE" in made.err and "accept" not in made.err
    entered = await ask("project", "enter", code, who="bob")
    assert entered.code == 0 and "you are in project course now" in entered.err and "red: bob" in entered.out
    again = await ask("project", "enter", code, "-o", "json", who="bob")
    assert "already" in again.err and again.json["is_new"] is False
    refused = await ask("project", "enter", code)
    assert refused.code == 4 and code not in refused.err
    listed = await ask("project", "links", "course", who="user")
    assert "1 of 1" in listed.out and "bgj_" not in listed.out
    [link] = (await ask("project", "links", "course", "-o", "json", who="user")).json
    assert (link["made_by"], link["used"], link["is_good"], link["code"]) == ("ada", 1, False, None)
    assert (await ask("project", "unlink", "course", link["id"], who="user")).code == 0
    assert "there is no link into course" in (await ask("project", "links", "course", who="user")).err
    assert (await ask("project", "link", "course", "--new-accounts", who="user")).code == 4
    assert (await ask("project", "link", "course", "--most", "0", who="user")).code == 2


async def test_a_stranger_makes_an_account_with_the_code_of_a_link(
    ask: Ask, url: str, door: Door, tmp_path: Path
) -> None:
    await ask("project", "add", "course")
    made = await ask("project", "link", "course", "--new-accounts", "-o", "json")
    key = tmp_path / "eve.pub"
    key.write_text(f"{KEY_C}\n")
    words = ("accept", url, "--name", "eve", "--ssh-key", str(key), "--code-stdin")
    joined = await ask(*words, who="nobody", stdin=f"{made.json['code']}\n\n")
    assert joined.code == 0, joined.err
    assert door.house.farm.projects.project(door.house.admin, "course").members == {"eve": "member"}
