"""One ``boardgrid.toml`` a machine, read once. Each complaint names the file and the key."""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import BeforeValidator, ConfigDict, Field, InstanceOf, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from boardgrid.messages import _
from boardgrid.model.board import DhcpMode, Site
from boardgrid.model.errors import Code, FarmError, Invalid
from boardgrid.model.federation import Enrolment
from boardgrid.model.name import checked
from boardgrid.model.user import Role, Secret
from boardgrid.socketpath import check_socket_path
from boardgrid.unfit import why


@dataclass(frozen=True, slots=True)
class Listen:
    """Where a door is: ``"127.0.0.1:8470"``; with a ``+`` at its end the next free port will do as well."""

    host: IPv4Address
    port: int
    or_next: bool = False

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Public:
    """Where people reach a door: ``"gate.example.org:2270"``."""

    host: str
    port: int


class NfsServer(StrEnum):
    """Who serves the roots."""

    AUTO = "auto"  # the kernel's server where the machine has one, else ganesha
    GANESHA = "ganesha"  # a server of the farm's own, as a process
    KNFSD = "knfsd"  # the kernel's, set up by Debian's nfs-kernel-server


class Tls(StrEnum):
    """How the way to a mail server is encrypted."""

    NONE = "smtp"  # not: for one on this machine
    START = "smtp+starttls"
    WHOLE = "smtps"


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mails are handed in: ``"smtps://mail.example.org"``."""

    tls: Tls
    host: str
    port: int


class _Strict:
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=False)


def _listen(value: object) -> object:
    if isinstance(value, Listen):
        return value
    match = (
        re.fullmatch(r"(?P<host>[0-9.]+):(?P<port>[0-9]{1,5})(?P<next>\+?)", value) if isinstance(value, str) else None
    )
    if not match or not 0 < int(match["port"]) < 65536:
        raise ValueError(_('should be an address and a port, like "127.0.0.1:8470"'))
    return Listen(IPv4Address(match["host"]), int(match["port"]), bool(match["next"]))


def _public(value: object) -> object:
    match = (
        re.fullmatch(r"(?P<host>[A-Za-z0-9][A-Za-z0-9.-]{0,252}|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})", value)
        if isinstance(value, str)
        else None
    )
    if not match or not 0 < int(match["port"]) < 65536 or _is_everywhere(host := match["host"].strip("[]")):
        raise ValueError(_('should be a name or an address, and a port, like "gate.example.org:2270"'))
    return Public(host, int(match["port"]))


def _smtp(value: object) -> object:
    match = (
        re.fullmatch(r"(?P<tls>[a-z+]+)://(?P<host>[A-Za-z0-9][A-Za-z0-9.-]{0,252})(:(?P<port>[0-9]{1,5}))?/?", value)
        if isinstance(value, str)
        else None
    )
    ports = {Tls.NONE: 25, Tls.START: 587, Tls.WHOLE: 465}
    if not match or match["tls"] not in set(Tls) or not 0 < int(match["port"] or 25) < 65536:
        raise ValueError(
            _('should be a mail server, like "smtps://mail.example.org", "smtp+starttls://mail.example.org:587"')
            + _(' or, without encryption, "smtp://localhost"')
        )
    tls = Tls(match["tls"])
    return SmtpServer(tls, match["host"], int(match["port"] or ports[tls]))


def _email(value: object) -> object:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9][A-Za-z0-9.-]{0,252}", value):
        raise ValueError(_('should be an e-mail address, like "boards@example.org"'))
    return value


def _network(value: object) -> object:
    try:
        return ip_network(value) if isinstance(value, str) else value
    except ValueError as error:
        raise ValueError(_('should be a network, like "10.1.0.0/16"')) from error


def _host(value: object) -> object:
    if not isinstance(value, str) or not re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,252}", value):
        raise ValueError(_('should be a host in small letters, like "chat.example.org"'))
    return value


def _is_everywhere(host: str) -> bool:
    """Whether this is the address that means all addresses of a machine: one to listen on, and none to connect to."""
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False


def _absolute(value: object) -> object:
    if not isinstance(value, str | Path) or not Path(value).is_absolute():
        raise ValueError(_("should be a path that begins with /"))
    return Path(value)


def _database(value: object) -> object:
    # No complaint shows what was written: a password may stand in it.
    said = value if isinstance(value, str) else ""
    try:
        parts = urlsplit(said)
        is_whole = parts.scheme == "postgresql" and len(parts.path) > 1 and (parts.port or 1) > 0
    except ValueError:
        is_whole = False
    if not is_whole:
        raise ValueError(_('should be the URL of a database, like "postgresql:///farm?host=/run/postgresql"'))
    if parse_qs(parts.query).keys() & {"password", "user"}:
        raise ValueError(_('has user and password behind "?": they stand before the host, or in a passfile'))
    return Secret(said)


def _web_url(value: object) -> object:
    return _url(value, {"https", "http"}, _('should be a URL like "https://farm.example.org"'))


def _issuer(value: object) -> object:
    url = _url(value, {"https", "http"}, should := _('should be a URL like "https://sso.example.org/realms/lab"'))
    # Whoever sits on the way could say that anybody is anybody.
    if urlsplit(url).scheme == "http" and not _is_loopback(urlsplit(url).hostname):
        raise ValueError(should)
    return url


def _ldap_url(value: object) -> object:
    return _url(
        value,
        {"ldaps", "ldap", "ldapi"},
        _('should be a URL like "ldaps://ldap.example.org", or "ldapi://%2Frun%2Fslapd%2Fldapi"'),
    )


def _url(value: object, schemes: set[str], should: str) -> str:
    if not isinstance(value, str):
        raise ValueError(should)
    try:
        parts = urlsplit(value)
        is_one = parts.port != 0 and not (parts.username or parts.query or parts.fragment)
    except ValueError as error:
        raise ValueError(should) from error
    if not is_one or parts.scheme not in schemes or not parts.hostname or not value.isascii() or " " in value:
        raise ValueError(should)
    return value


def _is_loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


ListenKey = Annotated[Listen, BeforeValidator(_listen)]
PublicKey = Annotated[Public, BeforeValidator(_public)]
DatabaseKey = Annotated[InstanceOf[Secret], BeforeValidator(_database)]
SmtpKey = Annotated[SmtpServer, BeforeValidator(_smtp)]
EmailKey = Annotated[str, BeforeValidator(_email)]
HostKey = Annotated[str, BeforeValidator(_host)]
NetworkKey = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
PathKey = Annotated[Path, BeforeValidator(_absolute)]
WebUrlKey = Annotated[str, BeforeValidator(_web_url)]
IssuerKey = Annotated[str, BeforeValidator(_issuer)]
LdapUrlKey = Annotated[str, BeforeValidator(_ldap_url)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerConfig(_Strict):
    """Records, API, calendar."""

    listen: ListenKey = Listen(IPv4Address("127.0.0.1"), 8470)
    public: WebUrlKey | None = None  # where people's browsers reach it
    user: str = ""  # the system user it runs as; empty: a number that belongs to nobody else
    database: DatabaseKey | None = None  # on a PostgreSQL server; None: an SQLite file in the state folder
    login_days: Annotated[int, Field(ge=1, le=366)] = 30  # how long a login by password is good
    wastebasket_days: Annotated[int, Field(ge=0, le=366)] = 7  # how long an image that was removed can be restored
    root_mib: Annotated[int, Field(ge=64, le=1 << 24)] = 4096  # what a user may write on a board


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticesConfig(_Strict):
    """How people and their programs are told."""

    smtp: SmtpKey | None = None  # none: no mails
    sender: EmailKey | None = None
    user: str = ""  # as whom the farm logs in there
    password: PathKey | None = None  # a file that holds it
    soon_min: Annotated[int, Field(ge=1, le=1440)] = 15  # so long before its end a user is warned
    webhook_hosts: tuple[HostKey, ...] = ()  # where webhooks of users may lead; admins' may lead anywhere
    webhook_networks: tuple[NetworkKey, ...] = ()  # networks of one's own that webhooks may reach


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingConfig(_Strict):
    """What becomes of reservations that nobody uses."""

    idle_after_min: Annotated[int, Field(ge=5, le=44640)] | None = None  # none: they go on
    idle_grace_min: Annotated[int, Field(ge=1, le=1440)] = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig(_Strict):
    """The SSH door."""

    listen: ListenKey = Listen(IPv4Address("127.0.0.1"), 2270)
    public: PublicKey | None = None  # where people reach it, if not where it listens
    user: str = ""  # as above


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentConfig(_Strict):
    """The hands of the site."""

    import_dirs: tuple[PathKey, ...] = ()  # admins may import images from paths below these
    import_urls: tuple[WebUrlKey, ...] = ()  # images may be imported from addresses below these
    import_networks: tuple[NetworkKey, ...] = ()  # networks of one's own that these may lead to
    window: Annotated[int, Field(ge=1, le=1000)] = 8  # how many boards may restart at one moment
    nfs: NfsServer = NfsServer.AUTO
    overcommit: bool = False  # promise roots more room than the disk has
    holding: PathKey | None = None  # folder with the holding kernel of each architecture
    packages: PathKey | None = None  # folder where Debian packages that recipes need are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteConfig(_Strict):
    """The network that the boards hang on."""

    name: str = "lab"
    domain: str = "boardgrid"
    interface: str = ""
    server: IPv4Interface | None = None
    dhcp: DhcpMode = DhcpMode.OWN


@dataclass(frozen=True, slots=True, kw_only=True)
class LabConfig(_Strict):
    """Whether the boards are virtual: their network is then made by the farm, apart from the machine's own."""

    virtual: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Elsewhere(_Strict):
    """Whom of people from elsewhere the farm takes in, and as what."""

    create: bool = False
    role: Literal["user", "guest", "none"] = "user"  # who is in none of the groups
    admins: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    guests: tuple[str, ...] = ()

    @property
    def enrolment(self) -> Enrolment:
        named = {
            Role.ADMIN: self.admins, Role.OPERATOR: self.operators, Role.USER: self.users, Role.GUEST: self.guests
        }  # fmt: skip
        groups = {role: frozenset(names) for role, names in named.items() if names}
        return Enrolment(self.create, None if self.role == "none" else Role(self.role), groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class LdapConfig(_Elsewhere):
    """A directory whose passwords are good here."""

    url: LdapUrlKey | None = None  # None: there is none
    base: str = ""
    filter: str = "(uid={name})"
    bind_dn: str = ""
    bind_password_file: PathKey | None = None
    name_attribute: str = "uid"
    id_attribute: str = "entryUUID"
    ca: PathKey | None = None

    @property
    def starttls(self) -> bool:
        """Passwords leave this machine encrypted or not at all."""
        url = urlsplit(self.url or "")
        return url.scheme == "ldap" and not _is_loopback(url.hostname)


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcConfig(_Elsewhere):
    """An identity provider that people log in at."""

    issuer: IssuerKey | None = None  # None: there is none
    client_id: str = ""
    client_secret_file: PathKey | None = None
    scopes: tuple[str, ...] = ("openid", "profile")
    name_claim: str = "preferred_username"
    groups_claim: str = "groups"
    ca: PathKey | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginConfig(_Strict):
    """How people come in besides by the farm's own passwords."""

    ldap: LdapConfig = field(default_factory=LdapConfig)
    oidc: OidcConfig = field(default_factory=OidcConfig)


@dataclass(frozen=True, slots=True, kw_only=True)
class _File(_Strict):
    state: PathKey | None = None
    controller: ControllerConfig = field(default_factory=ControllerConfig)
    notices: NoticesConfig = field(default_factory=NoticesConfig)
    booking: BookingConfig = field(default_factory=BookingConfig)
    gateway: GatewayConfig = field(default_factory=GatewayConfig)
    agent: AgentConfig = field(default_factory=AgentConfig)
    site: SiteConfig = field(default_factory=SiteConfig)
    lab: LabConfig = field(default_factory=LabConfig)
    login: LoginConfig = field(default_factory=LoginConfig)


@dataclass(frozen=True, slots=True)
class Config:
    """What this machine was told."""

    file: Path
    state: Path  # the folder of everything that the farm keeps; by default the one that the file lies in
    controller: ControllerConfig
    gateway: GatewayConfig
    agent: AgentConfig
    site: Site
    lab: LabConfig
    login: LoginConfig
    notices: NoticesConfig = field(default_factory=NoticesConfig)
    booking: BookingConfig = field(default_factory=BookingConfig)

    @property
    def run(self) -> Path:
        """Unix sockets, and what is true only while the farm runs."""
        return self.state / "run"

    def told(self, host: str, port: int) -> Public:
        """
        Where people are told to go, when the gateway listens at *host* and *port*.

        Raises:
            Invalid: it listens on every address, and none of them was chosen.
        """
        if self.gateway.public is None and _is_everywhere(host):
            raise _complaint(
                self.file,
                _(
                    "gateway.public: is missing: the gateway listens on every address of this machine ({host}), and "
                    'people must be told one, like "gate.example.org:{port}"'
                ).format(host=host, port=port),
            )
        return self.gateway.public or Public(host, port)

    def socket(self, name: str) -> Path:
        """Raises: Invalid where the path would be too long for the kernel."""
        check_socket_path(path := self.run / name)
        return path


def read(file: Path) -> Config:
    """
    Read the config.

    Raises:
        Invalid: the file is not there, is no TOML, or has a key or value that cannot be meant.
    """
    file = file.absolute()
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise _complaint(file, _("cannot be read: {why}").format(why=error.strerror)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _complaint(file, _("is no TOML: {why}").format(why=error)) from error
    try:
        said = TypeAdapter(_File).validate_python(raw)
    except ValidationError as error:
        raise _complaint(file, "; ".join(_sentence(each) for each in error.errors())) from error
    state = said.state or file.parent
    if state.resolve().is_relative_to("/run") or state.resolve().is_relative_to("/sys"):
        raise _complaint(file, _("state: cannot lie below /run or /sys, which the NFS server has for itself"))
    _check_login(file, said)
    _check_notices(file, said.notices)
    site = _site(file, said)
    config = Config(
        file, state, said.controller, said.gateway, said.agent, site, said.lab, said.login, said.notices, said.booking
    )
    # What cannot be is told now, not when the first process starts.
    config.socket("controller.sock")
    config.told(str(config.gateway.listen.host), config.gateway.listen.port)
    return config


def _check_login(file: Path, said: _File) -> None:
    ldap, oidc = said.login.ldap, said.login.oidc
    if ldap.url and not ldap.base:
        raise _complaint(file, _('login.ldap.base: is missing: where people are, like "ou=people,dc=example,dc=org"'))
    if "{name}" not in ldap.filter:
        raise _complaint(file, _('login.ldap.filter: should have {name} in it, like "(uid={name})"'))
    if bool(ldap.bind_dn) is not bool(ldap.bind_password_file):
        raise _complaint(
            file, _("login.ldap.bind_dn: comes together with login.ldap.bind_password_file, or not at all")
        )
    if oidc.issuer:
        for key, value in (
            ("login.oidc.client_id", oidc.client_id),
            ("login.oidc.client_secret_file", oidc.client_secret_file),
            ("controller.public", said.controller.public),
        ):
            if not value:
                raise _complaint(file, _("{key}: is missing: login.oidc.issuer needs it").format(key=key))
        if "openid" not in oidc.scopes:
            raise _complaint(file, _('login.oidc.scopes: should have "openid" among them'))


def _site(file: Path, said: _File) -> Site:
    try:
        checked("site", said.site.name)
    except FarmError as error:
        raise _complaint(file, f"site.name: {error}; {error.hint}") from error
    if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", said.site.domain):
        raise _complaint(file, _('site.domain: should be a domain like "boards.example.org"'))
    interface, server = said.site.interface, said.site.server
    if said.lab.virtual:
        interface, server = interface or "br0", server or IPv4Interface("10.20.0.1/24")
    if not interface:
        raise _complaint(file, _("site.interface: is missing: the network interface that the boards hang on"))
    # The kernel's rule for names of interfaces; it reaches command lines of dnsmasq and ip.
    if not re.fullmatch(r"[A-Za-z0-9_.:-]{1,15}", interface):
        raise _complaint(file, _("site.interface: {name!r} is no name of a network interface").format(name=interface))
    if server is None or server.network.prefixlen > 30 or server.ip == server.network.network_address:
        raise _complaint(
            file, _('site.server: should be this machine\'s address there, with the subnet, like "10.20.0.1/24"')
        )
    return Site(said.site.name, said.site.domain, interface, server, said.site.dhcp)


def _check_notices(file: Path, said: NoticesConfig) -> None:
    if said.smtp is not None and said.sender is None:
        raise _complaint(file, _('notices.sender: is missing: from whom mails come, like "boards@example.org"'))
    if bool(said.user) != (said.password is not None):
        raise _complaint(file, _("notices.user: needs notices.password, and that needs it"))
    if said.user and said.smtp is not None and said.smtp.tls is Tls.NONE:
        raise _complaint(
            file, _('notices.smtp: a password does not go over the wire in clear: should begin with "smtps://"')
        )


def _complaint(file: Path, what: str) -> Invalid:
    return Invalid(Code.CONFIG_INVALID, "{file}: {what}", file=file, what=what)


def _sentence(error: ErrorDetails) -> str:
    where = [str(part) for part in error["loc"]]
    key = ".".join(where)
    is_unknown = error["type"] == "unexpected_keyword_argument"
    near = difflib.get_close_matches(where[-1], _keys(where[:-1]), n=1) if is_unknown else []
    return f"{key}: {why(error)}" + (_(", did you mean {near}?").format(near=near[0]) if near else "")


def _keys(section: Iterable[str]) -> list[str]:
    """The keys that may stand in a section."""
    fields: Mapping[str, Any] = _File.__dataclass_fields__
    for part in section:
        fields = getattr(fields[part].default_factory, "__dataclass_fields__", {}) if part in fields else {}
    return list(fields)
