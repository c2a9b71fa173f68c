"""The units of a farm without a supervisor of its own: what systemd itself makes of them."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "packaging" / "systemd"
SPLIT = sorted([*UNITS.glob("boardgrid-*.service"), *UNITS.glob("boardgrid-*.socket")])
SERVICES = [unit for unit in SPLIT if unit.suffix == ".service"]
# It refuses to be tried by root.
NOBODY = ("unshare", "--user", "--") if os.geteuid() == 0 else ()

each_service = pytest.mark.parametrize("unit", SERVICES, ids=[unit.stem for unit in SERVICES])


def values(unit: Path, key: str) -> list[str]:
    return [word for line in re.findall(rf"^{key}=(.*)$", unit.read_text(), re.MULTILINE) for word in line.split()]


def enabled(folder: Path, unit: Path) -> None:
    shutil.copy(unit, folder)
    for target in values(unit, "WantedBy"):
        wants = folder / f"{target}.wants"
        wants.mkdir(exist_ok=True)
        (wants / unit.name).symlink_to(folder / unit.name)


@pytest.mark.slow
@pytest.mark.parametrize("units", [SPLIT, [UNITS / "boardgrid.service"]], ids=["split", "whole"])
def test_a_machine_boots_with_all_of_them(tmp_path: Path, units: list[Path]) -> None:
    (tmp_path / "nfs-server.service").write_text("[Service]\nExecStart=/bin/true\n")
    for unit in units:
        enabled(tmp_path, unit)
    tried = subprocess.run(
        [*NOBODY, "/lib/systemd/systemd", "--test", "--system", "--unit=multi-user.target"],
        env={
            "SYSTEMD_UNIT_PATH": f"{tmp_path}:",
            "SYSTEMD_LOG_TARGET": "console",
            "SYSTEMD_LOG_LEVEL": "info",
            "XDG_RUNTIME_DIR": str(tmp_path),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    said = tried.stdout + tried.stderr
    assert tried.returncode == 0, said[:2000]
    assert "ordering cycle" not in said
    # A key that it does not know is named by file and line.
    assert not re.search(rf"^{re.escape(str(tmp_path))}/\S+:\d+:.*", said, re.MULTILINE)
    for unit in units:
        assert f"Action: {unit.name} -> start" in said


@each_service
def test_what_falls_is_started_again_however_often(unit: Path) -> None:
    assert values(unit, "StartLimitIntervalSec") == ["0"]
    if values(unit, "Type") != ["oneshot"]:
        assert values(unit, "Restart") == ["always"]


@each_service
def test_no_service_is_restarted_because_another_of_ours_is(unit: Path) -> None:
    assert not values(unit, "PartOf") + values(unit, "BindsTo")
    assert not {name for name in values(unit, "Requires") if name.startswith("boardgrid-") and ".service" in name}


@each_service
def test_a_service_waits_for_records_and_tokens(unit: Path) -> None:
    if unit.stem != "boardgrid-prepare":
        assert "boardgrid-prepare.service" in values(unit, "Wants")
        assert "boardgrid-prepare.service" in values(unit, "After")
