"""Directories and identity providers that the config names, as the controller uses them."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from boardgrid.daemon.config import Config
from boardgrid.messages import _
from boardgrid.model.errors import Code, Invalid
from boardgrid.model.federation import Enrolment
from boardgrid.model.user import Secret
from boardgrid.ports import Directory, IdentityProvider

CALLBACK = "/api/v1/login/oidc/callback"
_PROVIDER_S = 10.0


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Who knows people besides the farm."""

    directory: tuple[Directory, Enrolment] | None = None
    provider: tuple[IdentityProvider, Enrolment] | None = None

    @classmethod
    def of(cls, config: Config) -> "Elsewhere":
        """
        Raises:
            Invalid: a file that one of them needs cannot be read, or is read by others.
        """
        return cls(directory(config), provider(config))


NOWHERE = Elsewhere()


def directory(config: Config) -> tuple[Directory, Enrolment] | None:
    """
    Raises:
        Invalid: a file that it needs cannot be read, or is read by others.
    """
    said = config.login.ldap
    if said.url is None:
        return None
    from boardgrid.adapters.ldap import LdapDirectory, LdapSettings  # noqa: PLC0415 - few farms need it

    enrolment = said.enrolment
    settings = LdapSettings(
        said.url,
        said.base,
        said.filter,
        said.bind_dn,
        secret(config, "login.ldap.bind_password_file", said.bind_password_file),
        said.name_attribute,
        said.id_attribute,
        said.starttls,
        _authorities(config, "login.ldap.ca", said.ca),
        frozenset().union(*enrolment.groups.values()),
    )
    return LdapDirectory(settings), enrolment


def provider(config: Config) -> tuple[IdentityProvider, Enrolment] | None:
    """
    Raises:
        Invalid: as above.
    """
    said = config.login.oidc
    if said.issuer is None:
        return None
    import httpx  # noqa: PLC0415 - as above

    from boardgrid.adapters.oidc import OidcProvider, OidcSettings  # noqa: PLC0415

    enrolment = said.enrolment
    settings = OidcSettings(
        said.issuer,
        said.client_id,
        secret(config, "login.oidc.client_secret_file", said.client_secret_file),
        f"{(config.controller.public or '').rstrip('/')}{CALLBACK}",
        said.scopes,
        said.name_claim,
        said.groups_claim,
        frozenset().union(*enrolment.groups.values()),
    )
    ca = _authorities(config, "login.oidc.ca", said.ca)
    trusted = ssl.create_default_context(cafile=str(ca) if ca else None)
    return OidcProvider(settings, httpx.Client(timeout=_PROVIDER_S, verify=trusted, trust_env=False)), enrolment


def secret(config: Config, key: str, file: Path | None) -> Secret:
    """
    Raises:
        Invalid: it cannot be read, or others can.
    """
    if file is None:
        return Secret("")
    try:
        others_read = file.stat().st_mode & 0o077
        text = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _unread(config, key, file, error) from error
    if others_read:
        raise Invalid(
            Code.CONFIG_INVALID,
            _("{config}: {key}: {file} may be read by others"),
            hint="chmod 600 {file}",
            config=config.file,
            key=key,
            file=file,
        )
    return Secret(text)


def _authorities(config: Config, key: str, file: Path | None) -> Path | None:
    if file is not None:
        try:
            ssl.create_default_context(cafile=str(file))
        except OSError as error:
            raise _unread(config, key, file, error) from error
    return file


def _unread(config: Config, key: str, file: Path, error: Exception) -> Invalid:
    return Invalid(
        Code.CONFIG_INVALID,
        _("{config}: {key}: {file} cannot be read: {why}"),
        hint=_("it belongs to the controller's user: see controller.user"),
        config=config.file,
        key=key,
        file=file,
        why=getattr(error, "strerror", None) or _("it is not text"),
    )
