"""The command line logs in by a browser: it waits for one alone, and believes nobody else."""

import asyncio
import os
import socket
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import oidc_provider_mock
import pytest

from boardgrid.client.complaint import Complaint, ExitCode
from boardgrid.client.sso import Ear, Secret
from tests.api.test_sso import served_with
from tests.client.conftest import Run

BROWSER = """\
import sys, httpx
httpx.post(sys.argv[1], data={"sub": "4711"}, follow_redirects=True)
"""


def test_only_who_knows_the_address_is_believed_and_whoever_says_nothing_is_passed_over() -> None:
    with Ear() as ear:
        parts = urlsplit(ear.return_to)
        assert parts.hostname == "127.0.0.1" and parts.port
        told: list[int] = []

        def strangers() -> None:
            with socket.create_connection(("127.0.0.1", parts.port or 0)) as silent:
                silent.sendall(b"\n")
            for path in ("/?code=forged", "/?error=x", f"{parts.path}x?code=forged", parts.path):
                told.append(httpx.get(f"http://127.0.0.1:{parts.port}{path}").status_code)
            told.append(httpx.get(f"{ear.return_to}?code=bgl_real").status_code)

        thread = threading.Thread(target=strangers)
        thread.start()
        assert ear.code(20) == "bgl_real"
        thread.join()
        assert told == [404, 404, 404, 404, 200]


def test_what_the_farm_complains_of_comes_through_the_browser() -> None:
    with Ear() as ear:
        query = {"error": "account.suspended", "detail": "suspended", "hint": "ask"}
        threading.Thread(target=httpx.get, args=(ear.return_to,), kwargs={"params": query}).start()
        with pytest.raises(Complaint, match="suspended") as error:
            ear.code(20)
    assert (error.value.code, error.value.hint, error.value.exit_code) == ("account.suspended", "ask", ExitCode.DENIED)


def test_nobody_is_waited_for_without_end() -> None:
    with Ear() as ear, pytest.raises(Complaint) as error:
        ear.code(0.01)
    assert error.value.exit_code is ExitCode.TIMEOUT


def test_a_secret_is_told_by_its_hash_alone() -> None:
    # the example of RFC 7636, appendix B
    secret = Secret("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    assert secret.challenge == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    assert secret.verifier not in repr(secret) and Secret().verifier != Secret().verifier


@pytest.mark.parametrize("option", [("--name", "ada"), ("--token",), ("--token-stdin",), ("--password-stdin",)])
def test_who_logs_in_elsewhere_gives_no_password(run: Run, option: tuple[str, ...]) -> None:
    assert run("login", "http://127.0.0.1:9", "--sso", *option, stdin="x\n").code == 2


@pytest.mark.slow
async def test_the_command_logs_in_by_a_browser(tmp_path: Path) -> None:
    people = [oidc_provider_mock.User(sub="4711", claims={"preferred_username": "grace", "groups": ["lab"]})]
    (tmp_path / "browser.py").write_text(BROWSER)
    env = os.environ | {
        "BROWSER": f"{sys.executable} {tmp_path / 'browser.py'} %s", "XDG_CONFIG_HOME": str(tmp_path / "config")
    }  # fmt: skip
    with oidc_provider_mock.run_server_in_thread(user_claims=people) as server:
        async with served_with(f"http://localhost:{server.server_port}", tmp_path) as here:
            for words in (["login", here.url, "--sso"], ["whoami"]):
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "boardgrid.client", *words, env=env, stdout=-1, stderr=-1
                )
                async with asyncio.timeout(60):
                    out, err = await process.communicate()
                assert process.returncode == 0, err.decode()
            assert "grace" in out.decode() and "operator" in out.decode()
