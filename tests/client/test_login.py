"""Which farm and as whom: profiles, the environment, and what is told to who has neither."""

import json
import stat
from pathlib import Path

import pytest

from boardgrid.client.complaint import Complaint
from boardgrid.client.login import Login, login_for, profiles_file, store
from tests.client.conftest import Run
from tests.client.fake_farm import CODE, PASSWORD, TOKEN, FakeFarm

NOBODY = {"BOARDGRID_URL": "", "BOARDGRID_TOKEN": ""}


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    return {"XDG_CONFIG_HOME": str(tmp_path / "config")}


def test_a_login_is_tried_and_stored_for_its_user_alone(farm: FakeFarm, run: Run, home: dict[str, str]) -> None:
    ended = run("login", f"{farm.url}/api/v1/", "--token-stdin", stdin=f"{TOKEN}\n", **NOBODY)
    assert ended.code == 0
    assert f"logged in to {farm.url} as ada (admin)" in ended.err
    path = profiles_file(home)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert TOKEN not in ended.out + ended.err
    shown = run("whoami", **NOBODY)
    assert "ada" in shown.out
    assert farm.url in shown.out
    assert run("whoami", "-o", "json", **NOBODY).json["role"] == "admin"


def test_a_token_that_is_refused_is_not_stored(farm: FakeFarm, run: Run, home: dict[str, str]) -> None:
    ended = run("login", farm.url, "--token-stdin", stdin="bg_0_wrong\n", **NOBODY)
    assert ended.code == 4
    assert "this token opens nothing here (token.refused)" in ended.err
    assert "an admin of the farm gives you" in ended.err
    assert not profiles_file(home).exists()


def test_profiles_stand_beside_each_other(farm: FakeFarm, run: Run, home: dict[str, str]) -> None:
    store("other", Login("http://other", "bg_1_x"), home)
    run("login", farm.url, "--profile", "lab", "--token-stdin", stdin=TOKEN, **NOBODY)
    assert set(json.loads(profiles_file(home).read_text())) == {"other", "lab"}
    assert run("whoami", "--profile", "lab", **NOBODY).code == 0
    assert run("--profile", "lab", "whoami", **NOBODY).code == 0
    assert run("whoami", **NOBODY, BOARDGRID_PROFILE="lab").code == 0
    missing = run("whoami", **NOBODY)
    assert missing.code == 4
    assert "you are not logged in to a farm" in missing.err
    assert "`boardgrid login URL`" in missing.err
    assert "there is no profile lba" in run("whoami", "--profile", "lba", **NOBODY).err


def test_the_environment_wins(home: dict[str, str]) -> None:
    store("default", Login("http://stored", "stored"), home)
    assert login_for(None, home) == Login("http://stored", "stored")
    assert login_for(None, {**home, "BOARDGRID_TOKEN": "other"}) == Login("http://stored", "other")
    assert login_for(None, {**home, "BOARDGRID_URL": "http://x", "BOARDGRID_TOKEN": "y"}) == Login("http://x", "y")
    assert login_for(None, {**home, "BOARDGRID_URL": "http://stored/"}).token == "stored"


def test_a_stored_token_never_goes_to_another_farm(home: dict[str, str]) -> None:
    store("default", Login("http://stored", "stored"), home)
    with pytest.raises(Complaint, match="there is no token for http://evil"):
        login_for(None, {**home, "BOARDGRID_URL": "http://evil"})


def test_a_token_does_not_show_itself() -> None:
    assert "secret" not in repr(Login("http://farm", "secret"))


def test_a_file_that_others_could_read_is_closed_to_them(home: dict[str, str]) -> None:
    path = store("default", Login("http://farm", "t"), home)
    path.chmod(0o644)
    login_for(None, home)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "[]", "{", '{"default": {"url": "x"}}', '{"default": 3}', "\ud800"])
def test_a_damaged_file_is_named(home: dict[str, str], text: str) -> None:
    path = profiles_file(home)
    path.parent.mkdir(parents=True)
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(Complaint, match=str(path)):
        login_for(None, home)
    with pytest.raises(Complaint, match=str(path)):
        store("default", Login("http://farm", "t"), home)
    assert path.read_bytes() == text.encode("utf-8", "surrogatepass")


def test_a_folder_that_cannot_be_written_is_named(home: dict[str, str]) -> None:
    Path(home["XDG_CONFIG_HOME"]).write_text("a file, not a folder")
    with pytest.raises(Complaint, match="cannot be"):
        store("default", Login("http://farm", "t"), home)


def test_a_config_folder_that_is_not_absolute_is_passed_over() -> None:
    assert profiles_file({"XDG_CONFIG_HOME": "here"}) == Path.home() / ".config/boardgrid/profiles.json"


def test_who_cannot_be_asked_is_told_how_a_program_logs_in(run: Run, farm: FakeFarm) -> None:
    ended = run("login", farm.url, **NOBODY)
    assert ended.code == 2
    assert "--token-stdin" in ended.err
    assert run("login", farm.url, "--token-stdin", stdin="\n", **NOBODY).code == 2
    assert run("login", "farm:8470", "--token-stdin", stdin=TOKEN, **NOBODY).code == 2


def test_who_logs_in_by_password_keeps_the_token_that_it_gives(farm: FakeFarm, run: Run, home: dict[str, str]) -> None:
    ended = run("login", farm.url, "--name", "ada", "--password-stdin", stdin=f"{PASSWORD}\n", **NOBODY)
    assert (ended.code, login_for(None, home)) == (0, Login(farm.url, TOKEN))
    assert PASSWORD not in profiles_file(home).read_text() + ended.out + ended.err
    refused = run("login", farm.url, "--name", "ada", "--password-stdin", stdin="wrong one\n", **NOBODY)
    assert (refused.code, "name or password is wrong (login.refused)" in refused.err) == (4, True)
    both = run("login", farm.url, "--password-stdin", "--token-stdin", stdin="x\n", **NOBODY)
    assert (both.code, "not with both" in both.err) == (2, True)


def test_an_invitation_is_accepted_with_a_password_or_a_key_and_logs_in(
    farm: FakeFarm, run: Run, home: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "id.pub").write_text("ssh-ed25519 AAAA\n")
    key = ("--ssh-key", str(tmp_path / "id.pub"))
    ended = run("accept", farm.url, "--name", "linus", *key, "--code-stdin", stdin=f"{CODE}\n{PASSWORD}\n", **NOBODY)
    assert (ended.code, login_for(None, home).token) == (0, TOKEN)
    assert run("accept", farm.url, *key, "--code-stdin", stdin=CODE, **NOBODY).code == 0
    first, second = farm.accepted
    assert first == {"code": CODE, "name": "linus", "password": PASSWORD, "ssh_keys": ["ssh-ed25519 AAAA"]}
    assert (second["name"], second["password"]) == ("", None)
    refused = run("accept", farm.url, "--code-stdin", stdin="bgi_x\n", **NOBODY)
    assert (refused.code, "invitation.refused" in refused.err) == (4, True)


@pytest.mark.parametrize("is_login", [True, False])
def test_who_logs_out_ends_a_login_and_leaves_a_token_that_was_given(
    farm: FakeFarm, run: Run, home: dict[str, str], is_login: bool
) -> None:
    farm.token("0123456789abcdef", is_login=is_login)
    store("default", Login(farm.url, TOKEN), home)
    store("other", Login("http://other", "x"), home)
    ended = run("logout", **NOBODY)
    assert (ended.code, f"logged out of {farm.url}" in ended.err) == (0, True)
    assert set(json.loads(profiles_file(home).read_text())) == {"other"}
    assert bool(farm.tokens) is not is_login


def test_who_logs_out_with_a_token_that_is_over_forgets_it(farm: FakeFarm, run: Run, home: dict[str, str]) -> None:
    store("default", Login(farm.url, "bg_0_wrong"), home)
    assert run("logout", **NOBODY).code == 0
    assert json.loads(profiles_file(home).read_text()) == {}
    assert run("logout", **NOBODY).code == 4
