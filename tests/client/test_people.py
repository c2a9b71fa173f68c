"""People and what they come in with, as the command line shows and changes them."""

from pathlib import Path

import pytest

from tests.client.conftest import Run
from tests.client.fake_farm import CODE, FakeFarm


def test_ones_own_keys_are_listed_added_and_removed(farm: FakeFarm, run: Run, tmp_path: Path) -> None:
    assert "boardgrid key add FILE" in run("key", "list").err
    (tmp_path / "two.pub").write_text("ssh-ed25519 AAAA one\n# a comment\nssh-ed25519 BBBB two\n")
    assert run("key", "add", str(tmp_path / "two.pub")).code == 0
    assert run("key", "list", "-o", "name").out == "SHA256:0/x\nSHA256:1/x\n"
    assert run("key", "remove", "SHA256:0/x").code == 0
    assert [one["ssh_key"] for one in farm.keys] == ["ssh-ed25519 BBBB two"]
    (tmp_path / "private").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    assert "never leaves its owner" in run("key", "add", str(tmp_path / "private")).err


def test_a_token_is_printed_alone_and_once(farm: FakeFarm, run: Run) -> None:
    made = run("token", "create", "nightly tests", "--scope", "use", "--for", "30d")
    assert made.out == "bg_fedcba9876543210_new\n"
    assert "token fedcba9876543210 (use), good until" in made.err
    shown = run("token", "list")
    assert "nightly tests" in shown.out and "until revoked" in shown.out and "bg_" not in shown.out
    assert run("token", "revoke", "fedcba9876543210").code == 0
    assert run("token", "revoke", "fedcba9876543210").code == 3
    assert ("GET", "users/grace/tokens") not in farm.asked
    run("token", "list", "--user", "grace")
    assert ("GET", "users/grace/tokens") in farm.asked


def test_who_is_invited_gets_a_code(farm: FakeFarm, run: Run) -> None:
    made = run("user", "invite", "linus", "--role", "operator")
    assert made.out == f"{CODE}\n" and "boardgrid accept URL" in made.err
    assert "linus" in run("user", "invitations").out
    assert run("user", "uninvite", "0123456789abcdef").code == 0
    assert run("user", "invitations").out == ""
    assert run("user", "reset", "ada").out == f"{CODE}\n"
    assert "a new password" in run("user", "invitations").out


def test_a_user_is_suspended_restored_and_given_a_role(farm: FakeFarm, run: Run) -> None:
    run("user", "add", "grace", "--role", "operator")
    assert farm.users["grace"]["role"] == "operator"
    assert run("user", "suspend", "grace").out.count("suspended") == 1
    assert "suspended" not in run("user", "restore", "grace").out
    assert "guest" in run("user", "role", "grace", "guest").out
    assert run("user", "role", "grace", "king").code == 2
    assert run("user", "add", "hopper", "--role", "guest", "--admin").code == 2


def test_people_from_elsewhere_are_linked_listed_and_cut_off(farm: FakeFarm, run: Run) -> None:
    assert "ldap one" in run("user", "link", "ada", "ldap one").out
    run("user", "link", "ada", "https://sso two")
    assert run("user", "link", "ada", "-o", "name").out == "ldap one\nhttps://sso two\n"
    assert run("user", "link", "ada", "ldap one", "--none").code == 2
    assert run("user", "link", "ada", "--none", "-o", "name").out == "" and farm.identities == []


@pytest.mark.parametrize("form", ["table", "name"])
def test_the_audit_log_shows_what_changed(farm: FakeFarm, run: Run, form: str) -> None:
    for number in range(5):
        farm.acted("user.role", f"user:u{number}", before={"role": "user"}, after={"role": f"r{number}"})
    farm.acted("login.fail", "user:\x1b[31meve", who="")
    shown = run("audit", "-o", form, "--tail", "2").out
    assert len(shown.splitlines()) == (3 if form == "table" else 2)
    assert "\x1b[31m" not in shown
    everything = run("audit", "-o", form, "--after", "0").out
    assert len(everything.splitlines()) == (7 if form == "table" else 6)
    if form == "table":
        assert "role: user -> r3" in everything
    assert "these are the newest 2" in run("audit", "--tail", "2").err
    assert len(run("audit", "-o", "json", "--who", "ada").json) == 5
