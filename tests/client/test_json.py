"""With ``-o json`` every command prints JSON: what was asked for on standard output, a complaint on standard error."""

import json
from pathlib import Path

import click
import pytest

from boardgrid.client.complaint import ExitCode
from boardgrid.client.main import cli
from tests.client.conftest import Run
from tests.client.fake_farm import CODE, TOKEN, FakeFarm
from tests.client.test_main import commands

CALLS: dict[str, list[str]] = {
    "login": ["login", "URL", "--token-stdin"],
    "logout": ["logout"],
    "accept": ["accept", "URL", "--code-stdin"],
    "whoami": ["whoami"],
    "password": ["password", "--stdin"],
    "key list": ["key", "list"],
    "key add": ["key", "add", "KEY"],
    "key remove": ["key", "remove", "SHA256:0/x"],
    "token list": ["token", "list"],
    "token create": ["token", "create", "ci", "--scope", "use"],
    "token revoke": ["token", "revoke", "0123456789abcdef"],
    "notices": ["notices", "--email", "ada@example.org"],
    "webhook list": ["webhook", "list"],
    "webhook add": ["webhook", "add", "https://chat.example.org/x"],
    "webhook remove": ["webhook", "remove", "0123456789abcdef"],
    "feed list": ["feed", "list"],
    "feed create": ["feed", "create"],
    "feed revoke": ["feed", "revoke", "0123456789abcdef"],
    "reserve": ["reserve", "tk1-1", "--image", "tiny"],
    "status": ["status"],
    "extend": ["extend", "7", "1h"],
    "share": ["share", "7", "grace"],
    "queue": ["queue"],
    "calendar": ["calendar"],
    "ssh": ["ssh", "-o", "json", "tk1-1"],
    "put": ["put", "tk1-1", "KEY", "/root/"],
    "get": ["get", "tk1-1", "/root/x", "."],
    "boot": ["boot", "7"],
    "save": ["save", "7", "--as", "mine"],
    "power": ["power", "on", "tk1-1"],
    "diff": ["diff", "before"],
    "release": ["release", "7", "--discard"],
    "events": ["events"],
    "image import": ["image", "import", "more", "--on-server", "/srv/more.tar"],
    "image build": ["image", "build", "tiny", "--arch", "armhf"],
    "image recipes": ["image", "recipes"],
    "image test": ["image", "test", "tiny"],
    "customise": ["customise", "tiny", "--as", "mine", "--", "true"],
    "image list": ["image", "list"],
    "image adaptations": ["image", "adaptations"],
    "image show": ["image", "show", "tiny"],
    "image tree": ["image", "tree"],
    "image set": ["image", "set", "tiny:1", "--label", "purpose=ci"],
    "image alias": ["image", "alias", "tiny", "stable", "1"],
    "image restore": ["image", "restore", "tiny:1"],
    "image gc": ["image", "gc", "--yes"],
    "image verify": ["image", "verify", "tiny"],
    "image export": ["image", "export", "tiny", "EXPORT"],
    "image diff": ["image", "diff", "tiny:1"],
    "image remove": ["image", "remove", "tiny:1", "--yes"],
    "root list": ["root", "list"],
    "root show": ["root", "show", "before"],
    "root keep": ["root", "keep", "before", "mine"],
    "root discard": ["root", "discard", "before", "--yes"],
    "volume create": ["volume", "create", "data", "10GB", "--at", "/data"],
    "volume list": ["volume", "list"],
    "volume show": ["volume", "show", "home"],
    "volume resize": ["volume", "resize", "home", "20GB"],
    "volume move": ["volume", "move", "home", "/srv/home"],
    "volume remove": ["volume", "remove", "home", "--yes"],
    "volume restore": ["volume", "restore", "home"],
    "board add": ["board", "add", "tk1-3", "--mac", "02:00:00:00:00:03", "--address", "10.20.0.13"],
    "board describe": ["board", "describe", "tk1-1", "--tag", "camera"],
    "board list": ["board", "list"],
    "board show": ["board", "show", "tk1-1"],
    "board remove": ["board", "remove", "tk1-2", "--yes"],
    "board aside": ["board", "aside", "tk1-1", "--reason", "new fan"],
    "board fit": ["board", "fit", "tk1-1"],
    "board-type add": ["board-type", "add", "rpi4", "--arch", "arm64"],
    "board-type list": ["board-type", "list"],
    "board-type show": ["board-type", "show", "tk1"],
    "board-type remove": ["board-type", "remove", "tk1", "--yes"],
    "site list": ["site", "list"],
    "user add": ["user", "add", "linus"],
    "user list": ["user", "list"],
    "user show": ["user", "show", "ada"],
    "user token": ["user", "token", "ada"],
    "user keys": ["user", "keys", "ada", "--none"],
    "user link": ["user", "link", "ada", "ldap one"],
    "user invite": ["user", "invite"],
    "user invitations": ["user", "invitations"],
    "user uninvite": ["user", "uninvite", "0123456789abcdef"],
    "user reset": ["user", "reset", "grace"],
    "user role": ["user", "role", "grace", "operator"],
    "user suspend": ["user", "suspend", "grace"],
    "user restore": ["user", "restore", "grace"],
    "user remove": ["user", "remove", "grace", "--yes"],
    "audit": ["audit"],
    "group add": ["group", "add", "staff", "ada"],
    "group list": ["group", "list"],
    "group show": ["group", "show", "vision"],
    "group join": ["group", "join", "vision", "ada"],
    "group leave": ["group", "leave", "vision", "ada"],
    "group remove": ["group", "remove", "vision", "--yes"],
    "project add": ["project", "add", "walkers", "ada"],
    "project list": ["project", "list"],
    "project show": ["project", "show", "robots"],
    "project describe": ["project", "describe", "robots", "--description", "they walk"],
    "project join": ["project", "join", "robots", "--manager", "ada"],
    "project leave": ["project", "leave", "robots", "ada"],
    "project roster": ["project", "roster", "robots"],
    "project link": ["project", "link", "robots", "--for", "7d"],
    "project links": ["project", "links", "robots"],
    "project unlink": ["project", "unlink", "robots", "0123456789abcdef"],
    "project enter": ["project", "enter", CODE],
    "project remove": ["project", "remove", "robots", "--yes"],
    "quota set": ["quota", "set", "--everyone", "--boards", "2"],
    "rule list": ["rule", "list"],
    "rule access": ["rule", "access", "number == 1", "--group", "vision"],
    "rule project": ["rule", "project", "--needed"],
    "block add": ["block", "add", "robots", "tk1", "--at", "2031-01-01T12:00Z", "--for", "2h"],
    "block list": ["block", "list"],
    "block show": ["block", "show"],
    "block take": ["block", "take", "--no-wait"],
    "block remove": ["block", "remove", "9", "--yes"],
    "maintenance add": ["maintenance", "add", "tk1-1", "--to", "2031-01-01T12:00", "--reason", "new fan"],
    "maintenance list": ["maintenance", "list"],
    "maintenance remove": ["maintenance", "remove", "1"],
    "apply": ["apply", "INVENTORY", "--yes"],
    "run": ["run", "--image", "tiny", "--board", "tk1-1", "--", "true"],
    "version": ["version"],
    "completion": ["completion", "bash"],
}  # fmt: skip
ASKS_NO_FARM = {"version", "completion"}
ASKS_WITHOUT_TOKEN = {"accept"}
PRINTS_WHAT_THE_BOARD_SAYS = {"ssh", "put", "get", "run", "customise"}
PRINTS_WHAT_A_SHELL_READS = {"completion"}


def found(words: list[str]) -> click.Command:
    command: click.Command | None = cli
    for word in words:
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), word)
    assert command is not None
    return command


LEAVES = [" ".join(words) for words in commands() if not isinstance(found(words), click.Group)]


@pytest.fixture
def argv(farm: FakeFarm, tmp_path: Path) -> dict[str, list[str]]:
    """The words of each call, on a farm that has what they name."""
    farm.board("tk1-1")
    farm.board("tk1-2", state="open")
    farm.types["tk1"] = {"name": "tk1", "arch": "armhf"}
    farm.image("tiny")
    farm.recipe("tiny")
    farm.root("before")
    farm.volume("home")
    farm.groups["vision"] = {"name": "vision", "members": ["ada"]}
    farm.projects["robots"] = {"name": "robots", "members": {"ada": "member"}, "description": "", "image": ""}
    farm.reserve({"type": "tk1", "count": 3, "image": "tiny", "for_s": 3600, "kind": "queued"})
    farm.users["grace"] = {"name": "grace", "role": "user", "ssh_keys": []}
    farm.tell(7, "tk1-2", "clone", "began")
    farm.reservations[7] = {
        "number": 7, "user": "ada", "board": "tk1-2", "state": "running", "ended_because": "", "deployment": None,
        "start": "2026-01-01T12:00:00Z", "end": "2031-01-01T12:00:00Z", "boards": ["tk1-2"], "members": [],
    }  # fmt: skip
    inventory = tmp_path / "farm.toml"
    inventory.write_text('[board_types.rpi4]\narch = "arm64"\n')
    (tmp_path / "ada.pub").write_text("ssh-ed25519 AAAA\n")
    farm.token("0123456789abcdef")
    farm.webhook("0123456789abcdef")
    farm.feed("0123456789abcdef")
    farm.invitation("linus")
    farm.acted("user.add", "user:grace")
    farm.keys.append({"fingerprint": "SHA256:0/x", "ssh_key": "ssh-ed25519 AAAA"})
    given = {
        "EXPORT": str(tmp_path / "tiny.tar"),
        "URL": farm.url,
        "INVENTORY": str(inventory),
        "KEY": str(tmp_path / "ada.pub"),
    }
    return {name: [given.get(word, word) for word in words] for name, words in CALLS.items()}


def test_every_command_is_called_here() -> None:
    assert set(CALLS) == set(LEAVES)


@pytest.mark.parametrize(
    "name", [name for name in LEAVES if name not in PRINTS_WHAT_THE_BOARD_SAYS | PRINTS_WHAT_A_SHELL_READS]
)
def test_what_was_asked_for_is_json(run: Run, argv: dict[str, list[str]], name: str) -> None:
    ended = run("-o", "json", *argv[name], stdin=f"{CODE if name in ASKS_WITHOUT_TOKEN else TOKEN}\n")
    assert ended.code == 0, ended.err
    assert ended.json not in (None, {})


@pytest.mark.parametrize("name", [name for name in LEAVES if name not in ASKS_NO_FARM | ASKS_WITHOUT_TOKEN])
def test_a_complaint_is_json_in_the_last_line_of_standard_error(
    run: Run, argv: dict[str, list[str]], name: str
) -> None:
    ended = run("-o", "json", *argv[name], stdin="bg_0_wrong\n", BOARDGRID_TOKEN="bg_0_wrong")
    assert (ended.code, ended.out) == (ExitCode.JOB_REFUSED if name == "run" else ExitCode.DENIED, "")
    problem = json.loads(ended.err.splitlines()[-1])
    assert (problem["code"], problem["status"]) == ("token.refused", 401)
    assert problem["detail"] == "this token opens nothing here"
    assert "boardgrid login URL" in problem["hint"]


@pytest.mark.parametrize(
    "argv",
    [["-o", "json", "bord", "list"], ["board", "show", "--output=json"], ["board", "list", "--nope", "-o", "json"]],
    ids=" ".join,
)
def test_misuse_is_json_wherever_the_option_stands(run: Run, argv: list[str]) -> None:
    ended = run(*argv)
    assert ended.code == ExitCode.USAGE
    problem = json.loads(ended.err)
    assert problem["code"] == "request.invalid"
    assert problem["hint"]
