"""What the demo waits for has an end, also where the world does not answer."""

import socket
from pathlib import Path

import pytest

from boardgrid.client.login import DEFAULT, Login, store
from boardgrid.demo import acts, props
from boardgrid.demo.stage import Stage
from boardgrid.model.errors import Code, Fault


def test_a_farm_that_hangs_is_a_fault_that_names_the_command(tmp_path: Path) -> None:
    stage = Stage(tmp_path, quiet_s=0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        store(DEFAULT, Login(url, "bg_0_0"), stage.admin.environment)
        with pytest.raises(Fault, match=r"^boardgrid user list -o json took over 0\.5 s and was ended$") as told:
            stage.boardgrid(stage.admin, "user", "list", "-o", "json")
    assert told.value.code is Code.PROGRAM_TIMEOUT
    assert told.value.hint


def test_a_mirror_that_is_too_slow_is_a_fault_that_asks_for_it(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.set()
    acts.make_key(stage)
    with pytest.raises(Fault, match=r"what the boards boot took over 0\.01 s") as told:
        props.make(stage, within_s=0.01)
    assert "Debian's mirror" in told.value.hint
