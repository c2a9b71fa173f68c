"""What the config says of a directory and a provider reaches them; secrets are read from files of the farm's own."""

from pathlib import Path

import pytest

from boardgrid.daemon import config
from boardgrid.daemon.config import Config
from boardgrid.daemon.wiring import federation
from boardgrid.daemon.wiring.records import services, serving_services
from boardgrid.model.errors import Invalid
from boardgrid.model.user import Role
from tests.adapters.slapd import ADA, ADMINS, BASE, SERVICE, SERVICE_PASSWORD, Slapd, slapd


def configured(folder: Path, said: str) -> Config:
    (folder / "controller").mkdir()
    file = folder / "boardgrid.toml"
    file.write_text(f"{said}\n[lab]\nvirtual = true\n")
    return config.read(file)


def secret(folder: Path, text: str, mode: int = 0o600) -> Path:
    file = folder / "secret"
    file.write_text(f"{text}\n")
    file.chmod(mode)
    return file


def directory_of(server: Slapd, password_file: Path) -> str:
    return f"""\
[login.ldap]
url = "ldaps://localhost:{server.tls_port}"
base = "ou=people,{BASE}"
bind_dn = "{SERVICE}"
bind_password_file = "{password_file}"
ca = "{server.ca}"
create = true
admins = ["{ADMINS}"]
"""


def test_a_person_of_the_directory_comes_in(tmp_path: Path) -> None:
    with slapd() as server:
        read = configured(tmp_path, directory_of(server, secret(tmp_path, SERVICE_PASSWORD)))
        with services(read, upgrade=True) as farm:
            assert farm.logins.directory is None, "commands on the controller's machine need none"
        with serving_services(read) as (farm, _turn):
            user, _token = farm.logins.login("ada", ADA, origin="192.0.2.1")
        assert (user.name, user.role) == ("ada", Role.ADMIN)


def test_a_provider_is_told_where_the_farm_is(tmp_path: Path) -> None:
    file = secret(tmp_path, "s3cret")
    read = configured(
        tmp_path,
        f"""\
[controller]
public = "https://farm.example.org/"
[login.oidc]
issuer = "https://sso.example.org"
client_id = "boardgrid"
client_secret_file = "{file}"
role = "none"
users = ["lab"]
""",
    )
    made = federation.provider(read)
    assert made is not None
    provider, enrolment = made
    settings = getattr(provider, "settings")  # noqa: B009 - of the adapter, whose type only the wiring knows
    assert settings.redirect_uri == "https://farm.example.org/api/v1/login/oidc/callback"
    assert (settings.client_secret.reveal(), settings.groups) == ("s3cret", {"lab"})
    assert "s3cret" not in repr(provider)
    assert not enrolment.create and enrolment.role is None
    assert enrolment.groups == {Role.USER: frozenset({"lab"})}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_secret_that_others_may_read_is_refused_by_name(tmp_path: Path, mode: int) -> None:
    read = configured(tmp_path, "")
    file = secret(tmp_path, "x", mode)
    with pytest.raises(Invalid, match=f"login.ldap.x: {file} may be read by others") as error:
        federation.secret(read, "login.ldap.x", file)
    assert error.value.hint == f"chmod 600 {file}"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    read = configured(tmp_path, f'[login.ldap]\nurl = "ldaps://localhost"\nbase = "x"\nca = "{tmp_path}/none.pem"\n')
    with pytest.raises(Invalid, match=r"login\.ldap\.ca: .*none\.pem cannot be read: No such file"):
        federation.directory(read)
    with pytest.raises(Invalid, match="cannot be read"):
        federation.secret(read, "login.ldap.x", tmp_path / "none")


def test_without_them_there_are_none(tmp_path: Path) -> None:
    read = configured(tmp_path, "")
    assert federation.directory(read) is None and federation.provider(read) is None
