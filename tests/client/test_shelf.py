"""Boards, types, sites, users and inventories, as an admin meets them on the command line."""

import json
from pathlib import Path

import pytest

from tests.client.conftest import Run
from tests.client.fake_farm import FakeFarm, Refused

INVENTORY = """
[board_types.tk1]
arch = "armhf"

[boards.tk1-1]
mac = "02:00:00:00:00:01"
address = "10.20.0.11"
power = [{ driver = "ssh" }, { driver = "command", on = ["outlet", "on", "1"] }]
"""


def test_a_board_is_added_shown_and_removed(farm: FakeFarm, run: Run) -> None:
    farm.types["tk1"] = {"name": "tk1", "arch": "armhf"}
    added = run("board", "add", "tk1-1", "--mac", "02:00:00:00:00:01", "--address", "10.20.0.11")
    assert added.code == 0
    assert "tk1-1" in run("board", "list").out
    assert "02:00:00:00:00:01" in run("board", "show", "tk1-1").out
    assert run("board", "remove", "tk1-1", "--yes").code == 0
    assert farm.boards == {}


def test_only_what_was_given_is_sent_so_that_the_farm_has_its_defaults(farm: FakeFarm, run: Run) -> None:
    run("board", "add", "tk1-2", "--mac", "02:00:00:00:00:02", "--address", "10.20.0.12", "--boot", "flashed",
        "--nfs-path", "/NFSRoot1", "--power", "ssh", "--power",
        '{driver = "command", on = ["outlet", "on"]}')  # fmt: skip
    board = farm.boards["tk1-2"]
    assert (board["boot"], board["nfs_path"]) == ("flashed", "/NFSRoot1")
    assert board["power"] == [{"driver": "ssh"}, {"driver": "command", "on": ["outlet", "on"]}]


@pytest.mark.parametrize("text", ["", "{on = 1}", "driver = ", '{driver = "x"', 'driver = "x" }, y = {', '"'])
def test_what_is_no_power_driver_is_refused_with_an_example(run: Run, text: str) -> None:
    ended = run("board", "add", "tk1-1", "--mac", "x", "--address", "y", "--power", text)
    assert ended.code == 2
    assert "is no power driver" in ended.err
    assert "it looks like wol" in ended.err


def test_adding_what_is_there_changes_nothing_unless_it_is_said(farm: FakeFarm, run: Run) -> None:
    farm.board("tk1-1", mac="02:00:00:00:00:01")
    again = run("board", "add", "tk1-1", "--mac", "02:00:00:00:00:ff", "--address", "10.20.0.11")
    assert again.code == 5
    assert "there is a board tk1-1 already" in again.err
    assert "--replace changes it" in again.err
    assert farm.asked == [("PUT", "boards/tk1-1")], "only the farm knows what is there at that moment"
    assert farm.boards["tk1-1"]["mac"] == "02:00:00:00:00:01"
    run("board", "add", "tk1-1", "--mac", "02:00:00:00:00:ff", "--address", "10.20.0.11", "--replace")
    assert farm.boards["tk1-1"]["mac"] == "02:00:00:00:00:ff"


def test_a_board_is_described_as_an_inventory_would(farm: FakeFarm, run: Run) -> None:
    words = ["ram_mb=2048", "load = 1.5", "usb3=true", "panel=hdmi", 'rev="1.0"', "from=2026-01-01", "url=a=b", "n=nan"]
    given = [part for word in words for part in ("--property", word)]
    ended = run("board", "add", "tk1-1", "--mac", "x", "--address", "y", *given, "--tag", "camera", "--tag", "can")
    assert ended.code == 0
    assert farm.boards["tk1-1"]["tags"] == ["camera", "can"]
    assert farm.boards["tk1-1"]["properties"] == {
        "ram_mb": 2048, "load": 1.5, "usb3": True, "panel": "hdmi", "rev": "1.0", "from": "2026-01-01", "url": "a=b",
        "n": "nan",
    }  # fmt: skip
    run("board-type", "add", "tk1", "--arch", "armhf", "--property", "ram_mb=2048")
    assert farm.types["tk1"]["properties"] == {"ram_mb": 2048}


@pytest.mark.parametrize("text", ["", "ram_mb", "ram_mb=", "=1", " = "])
def test_what_is_no_property_is_refused_with_an_example(run: Run, text: str) -> None:
    ended = run("board", "add", "tk1-1", "--mac", "x", "--address", "y", "--property", text)
    assert ended.code == 2
    assert "is no property" in ended.err and "it looks like ram_mb=2048" in ended.err


def test_a_board_shows_what_it_can_be_chosen_by_and_a_list_stays_narrow(farm: FakeFarm, run: Run) -> None:
    tags = [f"camera-{n}" for n in range(9)]
    farm.board("tk1-1", tags=tags, facts={"type": "tk1", "ram_mb": 2048, "usb3": True, "panel": "hd\x1bmi"})
    shown = run("board", "show", "tk1-1").out
    assert " ".join(tags) in shown
    assert 'panel="hd\\u001bmi" ram_mb=2048 type="tk1" usb3=true' in shown
    assert "camera-0 camera-1 cam..." in run("board", "list").out and "ram_mb" not in run("board", "list").out


def test_some_of_what_a_board_is_chosen_by_is_changed(farm: FakeFarm, run: Run) -> None:
    farm.board("tk1-1")
    words = ["--property", "ram_mb=2048", "--no-property", "panel", "--tag", "camera", "--no-tag", "can"]
    assert run("board", "describe", "tk1-1", *words).code == 0
    assert farm.boards["tk1-1"]["description"] == {
        "properties": {"ram_mb": 2048, "panel": None}, "tags": {"camera": True, "can": False}
    }  # fmt: skip
    assert "say what to change" in run("board", "describe", "tk1-1").err


def test_an_expression_with_a_mistake_is_shown_with_a_caret_under_it(farm: FakeFarm, run: Run) -> None:
    hint = "'\u00e9' == panell\n       ^\ndid you mean panel?\x1b[2J"
    farm.refuse_where = Refused(422, "where.invalid", "no board has a property panell", hint)
    ended = run("board", "list", "--where", "'\u00e9' == panell")
    assert ended.code == 2
    assert ended.err.splitlines() == [
        "error: no board has a property panell (where.invalid)",
        "  '\u00e9' == panell",
        "         ^",
        "  did you mean panel?\N{REPLACEMENT CHARACTER}[2J",
    ]
    assert json.loads(run("board", "list", "--where", "x", "-o", "json").err)["hint"] == hint


def test_an_empty_list_says_whether_there_is_no_board_or_no_such_board(run: Run) -> None:
    assert "there is no board yet" in run("board", "list").err
    assert "there is no such board" in run("board", "list", "--tag", "camera").err


def test_a_board_that_was_set_aside_is_made_fit(farm: FakeFarm, run: Run) -> None:
    farm.board("tk1-1", state="set_aside", set_aside="its outlet did not answer")
    assert "its outlet did not answer" in run("board", "list").out
    assert "tk1-1 is fit again" in run("board", "fit", "tk1-1").err
    assert farm.boards["tk1-1"]["state"] == "free"


def test_board_types_are_added_listed_and_removed(farm: FakeFarm, run: Run) -> None:
    assert run("board-type", "add", "tk1", "--arch", "armhf", "--console", "ttyS0,115200n8").code == 0
    assert farm.types["tk1"]["console"] == "ttyS0,115200n8"
    assert run("board-type", "list", "-o", "name").out == "tk1\n"
    assert "armhf" in run("board-type", "show", "tk1").out
    assert run("board-type", "add", "tk1", "--arch", "arm64").code == 5
    assert run("board-type", "remove", "tk1", "--yes").code == 0
    assert farm.types == {}


def test_sites_are_listed_with_their_trouble(farm: FakeFarm, run: Run) -> None:
    farm.sites.append(
        {"name": "lab", "domain": "boardgrid", "agent_seen_s": 3.0, "store_bytes": 2e9, "free_bytes": 1.5e9}
        | {"store_bytes": 2 * 10**9, "free_bytes": 15 * 10**8, "trouble": "the NFS server does not answer"}
        | {"gateway": {"host": "127.0.0.1", "port": 2222, "host_key": "ssh-ed25519 AAAA"}}
    )
    shown = run("site", "list").out
    assert "127.0.0.1:2222" in shown
    assert "1.5 GB" in shown
    assert "heard 3 s ago" in shown
    assert "the NFS server does not answer" in shown


def test_the_token_of_a_new_user_is_printed_alone_on_standard_output(farm: FakeFarm, run: Run, tmp_path: Path) -> None:
    key = tmp_path / "grace.pub"
    key.write_text("# hers\nssh-ed25519 AAAAgrace grace@home\n\n")
    ended = run("user", "add", "grace", "--ssh-key", str(key), "--admin")
    assert ended.out == "bg_fedcba9876543210_grace\n"
    assert "shown only now" in ended.err
    assert farm.users["grace"] == {"name": "grace", "role": "admin", "ssh_keys": ["ssh-ed25519 AAAAgrace grace@home"]}
    assert "bg_fedcba" in run("user", "add", "linus", "-o", "json").json["token"]


def test_users_are_listed_shown_and_removed(farm: FakeFarm, run: Run) -> None:
    farm.users["grace"] = {"name": "grace", "role": "user", "ssh_keys": ["ssh-ed25519 AAAA", "odd key"]}
    assert run("user", "list", "-o", "name").out == "ada\ngrace\n"
    assert "SHA256:cJ6AyISHokEeHuTfufIqhhSS0gxHZRUMDHlKvXD4FHw, odd key" in run("user", "show", "grace").out
    assert run("user", "remove", "grace", "--yes").code == 0
    assert set(farm.users) == {"ada"}


@pytest.mark.parametrize(
    "argv",
    [
        ["board", "remove", "tk1-1"],
        ["board-type", "remove", "tk1"],
        ["image", "remove", "tiny:1"],
        ["root", "discard", "before"],
        ["user", "remove", "ada"],
    ],
    ids=" ".join,
)
def test_where_nobody_can_be_asked_nothing_goes_unless_it_is_said(farm: FakeFarm, run: Run, argv: list[str]) -> None:
    farm.board("tk1-1")
    farm.types["tk1"] = {"name": "tk1", "arch": "armhf"}
    farm.image("tiny")
    farm.root("before")
    unsaid = run(*argv)
    assert unsaid.code == 2
    assert "nobody is there to be asked, so nothing was done" in unsaid.err
    assert farm.asked == []
    assert run(*argv, "--yes").code == 0


def test_a_token_and_keys_are_replaced(farm: FakeFarm, run: Run, tmp_path: Path) -> None:
    ended = run("user", "token", "ada")
    assert (ended.out, "old ones have ended" in ended.err) == ("bg_new_ada\n", True)
    assert run("user", "token", "ada", "-o", "json").json["token"] == "bg_new_ada"
    key = tmp_path / "ada.pub"
    key.write_text("ssh-ed25519 AAAAnew\n")
    assert run("user", "keys", "ada", "--ssh-key", str(key)).code == 0
    assert farm.users["ada"]["ssh_keys"] == ["ssh-ed25519 AAAAnew"]
    assert run("user", "keys", "ada").code != 0  # nobody loses all keys for want of a word
    assert run("user", "keys", "ada", "--none").code == 0
    assert farm.users["ada"]["ssh_keys"] == []


def test_a_private_key_never_leaves_for_the_farm(farm: FakeFarm, run: Run, tmp_path: Path) -> None:
    key = tmp_path / "id_ed25519"
    key.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n")
    ended = run("user", "add", "grace", "--ssh-key", str(key))
    assert ended.code == 2
    assert "id_ed25519.pub" in ended.err
    assert farm.asked == []


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00"])
def test_a_key_file_that_cannot_be_used_is_named(run: Run, tmp_path: Path, content: bytes | None) -> None:
    key = tmp_path / "key.pub"
    if content is not None:
        key.write_bytes(content)
    ended = run("user", "add", "grace", "--ssh-key", str(key))
    assert ended.code == 2
    assert str(key) in ended.err


def test_an_inventory_shows_its_difference_before_it_is_applied(farm: FakeFarm, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "farm.toml"
    file.write_text(INVENTORY)
    shown = run("apply", str(file), "--dry-run")
    assert "+ board type tk1" in shown.out
    assert '    address: "10.20.0.11"' in shown.out
    assert farm.boards == {}

    unsaid = run("apply", str(file))
    assert unsaid.code == 2
    assert "+ board tk1-1" in unsaid.err
    assert "--yes" in unsaid.err
    assert farm.boards == {}

    assert "2 changes were applied" in run("apply", str(file), "--yes").err
    assert farm.boards["tk1-1"]["power"][1]["on"] == ["outlet", "on", "1"]
    assert "as" in run("apply", str(file)).err

    file.write_text(INVENTORY.replace("10.20.0.11", "10.20.0.99"))
    changed = run("apply", str(file), "--dry-run")
    assert '    address: "10.20.0.11" -> "10.20.0.99"' in changed.out
    assert run("apply", str(file), "--dry-run", "-o", "json").json["changes"][0]["act"] == "change"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("boards = 3", "no table"),
        ("[board.tk1-1]", "it has a table board"),
        ("[boards", "Expected"),
        ("[board_types.tk1]\nboot_s = inf", "it has Infinity where a number should be"),
    ],
)
def test_what_is_no_inventory_is_refused_before_the_farm_is_asked(
    farm: FakeFarm, run: Run, tmp_path: Path, text: str, why: str
) -> None:
    file = tmp_path / "farm.toml"
    file.write_text(text)
    ended = run("apply", str(file))
    assert ended.code == 2
    assert f"{file} is no inventory" in ended.err
    assert why in ended.err
    assert farm.asked == []


def test_lists_come_as_a_table_as_json_and_as_names_wherever_the_option_stands(farm: FakeFarm, run: Run) -> None:
    farm.board("tk1-1")
    farm.board("tk1-2", state="open", reservation={"number": 7, "user": "grace", "until": "2026-01-01T12:00:00Z"})
    table = run("board", "list").out.splitlines()
    assert table[0].split()[:3] == ["NAME", "SITE", "STATE"]
    assert [line.split()[0] for line in table[1:]] == ["tk1-1", "tk1-2"]
    assert "grace" in table[2]
    listed = run("-o", "json", "board", "list").json
    assert listed == run("board", "-o", "json", "list").json == run("board", "list", "-o", "json").json
    assert listed[1]["reservation"] == {"number": 7, "user": "grace", "until": "2026-01-01T12:00:00Z"}
    assert run("-o", "json", "board", "list", "-o", "name").out == "tk1-1\ntk1-2\n"


def test_an_empty_list_is_valid_for_programs_and_explained_to_people(run: Run) -> None:
    assert run("board", "list", "-o", "json").json == []
    assert "boardgrid board add" in run("board", "list").err
    assert run("board", "list").out == ""


def test_what_strangers_wrote_cannot_steer_the_terminal(farm: FakeFarm, run: Run) -> None:
    said = "\x1b]0;owned\x07 \x1b[2J \u202e gone\nover \x9b31m \x7f \U000e0001 K\u00fchlung"
    farm.board("tk1-1", set_aside=said)
    shown = run("board", "list").out
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "\u202e" not in shown
    assert len(shown.splitlines()) == 2
    # JSON keeps what was said, in escapes where a terminal could obey it.
    listed = run("board", "list", "-o", "json").out
    assert json.loads(listed)[0]["set_aside"] == said
    assert all(c.isprintable() or c == "\n" for c in listed)
    assert "K\u00fchlung" in listed


def test_a_field_of_a_newer_farm_is_passed_over(farm: FakeFarm, run: Run) -> None:
    farm.board("tk1-1", colour="red", state="napping")
    assert "napping" in run("board", "list").out
