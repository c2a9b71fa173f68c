import asyncio
import json
import os
import shutil
import sys
from pathlib import Path

import pytest

import boardgrid
from boardgrid.adapters.clock import BootClock
from boardgrid.daemon.confine import view_for
from boardgrid.daemon.identity import DYNAMIC_IDS, Identity, give, identity_of
from boardgrid.daemon.launch import View
from boardgrid.daemon.process import Process
from boardgrid.daemon.supervisor import Supervisor
from boardgrid.model.errors import Fault, Invalid

NOBODY_ELSE = Identity(61999, 61999)
TELLS = """
import json, os, sys
from pathlib import Path
import boardgrid.model.name
code, mine, secret = map(Path, sys.argv[1:])
def told(act):
    try: return act()
    except OSError as error: return error.strerror
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
Path(mine, "told.json").write_text(json.dumps({
    "from": boardgrid.model.name.__file__, "ids": os.getresuid() + os.getresgid(), "groups": os.getgroups(),
    "caps": {status["CapEff"].strip(), status["CapBnd"].strip(), status["CapInh"].strip()} == {"0" * 16},
    "no new privileges": status["NoNewPrivs"].strip(), "parent": sorted(os.listdir(code.parent)),
    "secret": told(secret.read_text), "write code": told(lambda: (code / "x").write_text("x")),
    "write beside": told(lambda: (code.parent / "x").write_text("x")),
}))
import time; time.sleep(600)
"""


def folder(path: Path, mode: int) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)
    return path


def open_above(path: Path) -> None:
    """Pytest's own folders are closed to others; the tests close just what they are about."""
    for above in path.parents:
        if above.stat().st_uid == os.getuid() and above != Path("/"):
            above.chmod(above.stat().st_mode | 0o011)


def test_where_nothing_is_in_the_way_nothing_is_hidden(tmp_path: Path) -> None:
    open_above(tmp_path / "code")
    assert view_for(NOBODY_ELSE, [folder(tmp_path / "code", 0o755), Path("/usr")]) == View()


def test_the_topmost_closed_folder_is_covered_and_only_needed_paths_appear_in_it(tmp_path: Path) -> None:
    open_above(tmp_path / "home")
    home = folder(tmp_path / "home", 0o700)
    code = folder(home / "checkout" / "src", 0o755)
    folder(home / "checkout", 0o700)
    other = folder(tmp_path / "state", 0o755)
    assert view_for(NOBODY_ELSE, [code, other, Path("/usr")]) == View(hide=(home,), show=(code,))


def test_what_its_user_cannot_read_at_all_is_named_with_what_would_do(tmp_path: Path) -> None:
    open_above(tmp_path / "code")
    code = folder(tmp_path / "code", 0o750)
    with pytest.raises(Fault, match=f"{code} cannot be read by user 61999") as caught:
        view_for(NOBODY_ELSE, [code])
    assert caught.value.hint == f"chmod -R go+rX {code}"


def test_without_a_user_each_process_has_a_number_that_stays_and_belongs_to_nobody(tmp_path: Path) -> None:
    controller = identity_of("", tmp_path / "controller", "controller.user")
    gateway = identity_of("", tmp_path / "gateway", "gateway.user")
    assert controller != gateway
    assert controller == identity_of("", tmp_path / "controller", "controller.user")
    assert controller.uid in DYNAMIC_IDS


def test_a_user_that_this_machine_does_not_have_is_named_with_its_key(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"controller\.user: this machine has no user nobody-knows"):
        identity_of("nobody-knows", tmp_path, "controller.user")
    with pytest.raises(Invalid, match=r"gateway\.user: this process must not run as root"):
        identity_of("root", tmp_path, "gateway.user")


@pytest.mark.world
def test_a_folder_is_given_with_all_in_it_and_no_link_is_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("root's")
    mine = folder(tmp_path / "controller", 0o755)
    (mine / "farm.db").write_text("")
    (mine / "link").symlink_to(outside)
    give(mine, NOBODY_ELSE)
    assert [(mine / name).lstat().st_uid for name in ("", "farm.db", "link")] == [NOBODY_ELSE.uid] * 3
    assert mine.stat().st_mode & 0o777 == 0o700
    assert outside.stat().st_uid == 0
    give(mine, NOBODY_ELSE)


@pytest.mark.world
async def test_a_checkout_below_a_closed_folder_runs_unprivileged_and_sees_nothing_else_of_it(tmp_path: Path) -> None:
    open_above(tmp_path / "home")
    home = folder(tmp_path / "home", 0o700)
    checkout = folder(home / "checkout", 0o700)
    code = checkout / "src"
    shutil.copytree(Path(boardgrid.__file__).parent, code / "boardgrid", ignore=shutil.ignore_patterns("__pycache__"))
    (checkout / "secret").write_text("root's")
    mine = checkout / "state" / "controller"
    give(mine, NOBODY_ELSE)
    process = Process(
        name="controller",
        argv=(sys.executable, "-c", TELLS, str(code), str(mine), str(checkout / "secret")),
        env={"PYTHONPATH": str(code), "PYTHONDONTWRITEBYTECODE": "1"},
        identity=NOBODY_ELSE,
        needs=(code, mine, Path(sys.prefix)),
        ready=lambda _pid: asyncio.to_thread((mine / "told.json").exists),
    )
    stop = asyncio.Event()
    await Supervisor([process], tmp_path, BootClock()).run(stop, ready_within_s=60, on_ready=stop.set)
    assert json.loads((mine / "told.json").read_text()) == {
        "from": f"{code}/boardgrid/model/name.py",
        "ids": [NOBODY_ELSE.uid] * 3 + [NOBODY_ELSE.gid] * 3,
        "groups": [],
        "caps": True,
        "no new privileges": "1",
        "parent": ["src", "state"],
        "secret": "No such file or directory",
        "write code": "Permission denied",
        "write beside": "Read-only file system",
    }
    assert home.stat().st_mode & 0o777 == 0o700
    assert not any(path.is_mount() for path in (home, code))
