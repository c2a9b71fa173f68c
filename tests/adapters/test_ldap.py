"""What is particular to LDAP: encryption, who may look people up, and a server that is not as it should be."""

import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from boardgrid.adapters.ldap import _AWAY_S, LdapDirectory, LdapSettings
from boardgrid.model.errors import Code, Fault
from boardgrid.model.user import Secret
from tests.adapters.slapd import ADA, BASE, SERVICE, SERVICE_PASSWORD, Slapd, certificate, slapd


@pytest.fixture(scope="module")
def server() -> Iterator[Slapd]:
    with slapd() as server:
        yield server


@pytest.fixture
def settings(server: Slapd) -> LdapSettings:
    secret = Secret(SERVICE_PASSWORD)
    return LdapSettings(
        f"ldap://127.0.0.1:{server.port}", f"ou=people,{BASE}", bind_dn=SERVICE, bind_password=secret, ca=server.ca
    )


def comes_in(settings: LdapSettings) -> bool:
    return LdapDirectory(settings).check("ada", ADA) is not None


def fault(settings: LdapSettings, password: str = ADA) -> Fault:
    with pytest.raises(Fault) as error:
        LdapDirectory(settings).check("ada", password)
    assert error.value.code is Code.DIRECTORY_FAILED
    return error.value


def encrypted(settings: LdapSettings, server: Slapd) -> tuple[LdapSettings, LdapSettings]:
    return (
        replace(settings, url=f"ldaps://localhost:{server.tls_port}"),
        replace(settings, url=f"ldap://localhost:{server.port}", starttls=True),
    )


def test_it_is_encrypted_from_the_beginning_or_by_starttls(settings: LdapSettings, server: Slapd) -> None:
    assert comes_in(settings)
    assert all(comes_in(one) for one in encrypted(settings, server))


def test_a_certificate_that_nobody_trusts_or_of_another_name_is_refused(
    settings: LdapSettings, server: Slapd, tmp_path: Path
) -> None:
    for one in encrypted(settings, server):
        fault(replace(one, ca=certificate(tmp_path)))
        fault(replace(one, ca=None))
        fault(replace(one, url=one.url.replace("localhost", "127.0.0.1")))


def test_a_server_that_does_not_let_the_farm_look_people_up_is_a_fault_that_says_so(settings: LdapSettings) -> None:
    assert "look people up" in str(fault(replace(settings, bind_password=Secret("another"))))
    assert "look people up" in str(fault(replace(settings, bind_dn="")))
    assert "login.ldap.id_attribute" in fault(replace(settings, id_attribute="employeeNumber")).hint


def test_the_filter_of_the_config_is_kept(settings: LdapSettings) -> None:
    assert comes_in(replace(settings, filter="(&(objectClass=inetOrgPerson)(uid={name}))"))
    assert not comes_in(replace(settings, filter="(&(uid={name})(uid=bob))"))


def test_a_server_that_is_away_is_a_fault_and_not_asked_again_at_once(settings: LdapSettings) -> None:
    now_s = 100.0
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"ldap://127.0.0.1:{listening.getsockname()[1]}"
    directory = LdapDirectory(replace(settings, url=url), lambda: now_s)
    for _again in range(2):
        with pytest.raises(Fault, match=f"the directory {url} does not answer"):
            directory.check("ada", ADA)
    directory._settings = settings
    with pytest.raises(Fault):
        directory.check("ada", ADA)
    now_s += _AWAY_S
    assert directory.check("ada", ADA) is not None


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["ldap", "ldaps"])
def test_a_server_that_says_nothing_is_not_waited_for_without_end(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        began_s = time.monotonic()
        fault(LdapSettings(f"{scheme}://127.0.0.1:{listening.getsockname()[1]}", BASE, bind_dn=SERVICE))
        assert time.monotonic() - began_s < 15
