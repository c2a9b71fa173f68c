"""Groups, projects, quotas, access and maintenance at the command line, against the real API on a real database."""

import asyncio

from boardgrid.client.farm import Farm
from tests.api.door import Door
from tests.client.conftest import Ask


async def test_a_group_is_made_joined_left_and_removed(ask: Ask) -> None:
    assert (await ask("group", "add", "vision", "ada")).code == 0
    assert (await ask("group", "join", "vision", "bob", "root")).out.split()[-3:] == ["ada", "bob", "root"]
    assert (await ask("group", "leave", "vision", "root")).code == 0
    assert (await ask("group", "show", "vision", "-o", "json", who="user")).json["members"] == ["ada", "bob"]
    assert (await ask("group", "list", "-o", "name", who="bob")).out == "vision\n"
    assert (await ask("group", "add", "mine", who="user")).code == 4
    assert (await ask("group", "remove", "vision", "--yes")).code == 0
    assert "you are in no group" in (await ask("group", "list", who="bob")).err


async def test_a_projects_manager_lets_others_in(ask: Ask) -> None:
    assert (await ask("project", "add", "robots", "--manager", "ada", "--image", "tiny")).code == 0
    assert (await ask("project", "join", "robots", "bob", who="user")).code == 0
    assert (await ask("project", "join", "robots", who="user")).code == 2
    shown = (await ask("project", "show", "robots", "-o", "json", who="bob")).json
    assert (shown["members"], shown["image"]) == ({"ada": "manager", "bob": "member"}, "tiny")
    assert (await ask("project", "leave", "robots", "ada", who="bob")).code == 4
    assert (await ask("project", "describe", "robots", "--description", "they walk", who="user")).code == 0
    assert (await ask("project", "describe", "robots", who="user")).code == 2
    assert "they walk" in (await ask("project", "list", who="bob")).out
    assert (await ask("project", "leave", "robots", "bob", who="user")).code == 0
    assert "you are in no project" in (await ask("project", "list", who="bob")).err
    assert (await ask("project", "remove", "robots", "--yes")).code == 0


async def test_limits_are_changed_one_by_one_and_each_sees_their_own(ask: Ask) -> None:
    await ask("group", "add", "vision", "ada")
    assert (await ask("quota", "set", "--everyone", "--boards", "2", "--longest", "12h", "--ahead", "30d")).code == 0
    words = [
        "--hours",
        "20",
        "--longest-of",
        "tk1=4h",
        "--images",
        "20GB",
        "--volumes",
        "50GB",
        "--waiting",
        "3",
        "--awaited",
        "1",
    ]
    told = (await ask("quota", "set", "--group", "vision", *words, "-o", "json")).json
    assert told == {
        "boards": None, "board_hours": 20.0, "waiting": 3, "longest_s": None, "longest_of_s": {"tk1": 14400.0},
        "ahead_s": None, "awaited_images": 1, "image_bytes": 20_000_000_000, "volume_bytes": 50_000_000_000,
    }  # fmt: skip
    shown = (await ask("quota", who="user")).out
    for line in ("boards at once          0     2", "longest with tk1", "20.0 GB", "30 d"):
        assert line in shown
    assert "longest with tk1" not in (await ask("quota", who="bob")).out
    [own] = (await ask("quota", "-o", "json", who="user")).json
    assert (own["limits"]["board_hours"], own["boards"]) == (20.0, 0)
    words = [
        "--hours",
        "none",
        "--longest-of",
        "tk1=none",
        "--images",
        "none",
        "--volumes",
        "none",
        "--waiting",
        "none",
    ]
    await ask("quota", "set", "--group", "vision", *words, "--awaited", "none")
    assert (await ask("rule", "list", "-o", "json", who="user")).json["groups"] == {}, "nothing is said of it any more"


async def test_what_is_no_limit_is_refused(ask: Ask) -> None:
    for words in (
        "--boards 2",
        "--everyone",
        "--everyone --user ada --boards 2",
        "--everyone --boards two",
        "--everyone --boards 1.5",
        "--everyone --boards -1",
        "--everyone --longest none",
        "--everyone --images much",
        "--everyone --longest-of tk1",
    ):
        assert (await ask("quota", "set", *words.split())).code == 2, words


async def test_boards_are_kept_for_a_group_and_opened_again(ask: Ask) -> None:
    await ask("group", "add", "vision", "ada")
    assert (await ask("rule", "access", "number == 1", "--group", "vision")).code == 0
    assert "have alone" in (await ask("rule", "list", who="bob")).out
    words = ["reserve", "tk1-1", "--image", "tiny", "--for", "1h", "--no-wait"]
    refused = await ask(*words, who="bob")
    assert refused.code == 4 and "tk1-1 is for the members of vision alone (board.forbidden)" in refused.err
    assert (await ask("rule", "access", "number == 1")).code == 2
    assert (await ask("rule", "access", "number == 1", "--open")).code == 0
    assert (await ask("rule", "access", "number == 1", "--open")).code == 2
    assert (await ask(*words, who="bob")).code == 0


async def test_a_reservation_counts_on_a_project_through_the_client(ask: Ask, door: Door, url: str) -> None:
    await ask("project", "add", "robots", "ada", "--image", "tiny")
    assert (await ask("rule", "project", "--needed")).code == 0
    with Farm(url, door.tokens["user"]) as farm:
        made = await asyncio.to_thread(farm.book, "tk1", for_s=3600, project="robots")
    assert made.project == "robots"


async def test_boards_are_kept_free_and_given_back(ask: Ask, door: Door) -> None:
    window = ["--from", "2026-03-02T08:00+01:00", "--to", "2026-03-02T12:00+01:00"]
    added = await ask("maintenance", "add", "tk1-1", *window, "--reason", "new fans", "-o", "json")
    assert added.json["boards"] == ["tk1-1"] and added.json["start"] == "2026-03-02T07:00:00Z"
    assert "new fans" in (await ask("maintenance", "list", who="user")).out
    assert "new fans" in (await ask("board", "show", "tk1-1", who="user")).out
    assert (await ask("maintenance", "remove", "1", who="user")).code == 4
    assert (await ask("maintenance", "remove", "1")).code == 0
    assert "no board is kept free" in (await ask("maintenance", "list", who="user")).err
    assert (await ask("maintenance", "add", "tk1-1", "--to", "noon", "--reason", "why")).code == 2
    door.house.reserve()
    words = ["maintenance", "add", "--type", "tk1", "--to", "2026-03-01T13:00Z", "--reason", "fire"]
    blocked = await ask(*words)
    assert blocked.code == 5 and "1 of ada (tk1-1) runs until" in blocked.err and "--force" in blocked.err
    assert (await ask(*words, "--force")).code == 0


async def test_a_board_is_set_aside_and_made_fit(ask: Ask) -> None:
    assert (await ask("board", "aside", "tk1-1", "--reason", "its fan is loud")).code == 0
    assert "its fan is loud" in (await ask("board", "list", who="user")).out
    assert (await ask("board", "fit", "tk1-1")).code == 0
    assert (await ask("board", "aside", "tk1-1", "--reason", "why", who="user")).code == 4


async def test_who_is_in_one_project_names_neither_it_nor_its_image(ask: Ask, door: Door) -> None:
    assert (await ask("reserve", "--type", "tk1", "--no-wait", who="user")).code == 2
    assert (await ask("project", "add", "robots", "ada", "--image", "tiny")).code == 0
    assert (await ask("rule", "project", "--needed")).code == 0
    made = await ask("reserve", "--type", "tk1", "--no-wait", "-o", "json", who="user")
    assert (made.code, made.json["image"].split(":")[0], made.json["project"]) == (0, "tiny", "robots")
