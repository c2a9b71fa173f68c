"""A directory of people that speaks LDAP (RFC 4511): OpenLDAP, FreeIPA, Active Directory."""

import re
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import ldap3
from ldap3.core.exceptions import LDAPCommunicationError, LDAPException, LDAPResponseTimeoutError
from ldap3.utils.conv import escape_filter_chars

from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault
from boardgrid.model.federation import Person
from boardgrid.model.user import Secret

SOURCE = "ldap"

_CONNECT_S, _ANSWER_S = 3, 5
_AWAY_S = 10.0  # who logs in meanwhile is told at once, and keeps nobody else waiting
_SUCCESS, _TOO_MANY, _NOT_THERE, _FORBIDDEN = 0, 4, 32, 50  # as RFC 4511 numbers what comes of a request
# What a server answers to a wrong password, to an entry without one, and to an account that is locked.
_REFUSED = {19, 48, 49, _FORBIDDEN, 53}
# A directory folds letters, spaces and what cannot be seen, so that many names are one, and each would be counted anew.
_NAME = re.compile(r"[\x21-\x7e]{1,100}")
_MEMBER = "(|(member={dn})(uniqueMember={dn})(memberUid={name}))"


@dataclass(frozen=True, slots=True)
class LdapSettings:
    url: str  # ldaps://, ldapi://, or ldap://
    base: str
    filter: str = "(uid={name})"
    bind_dn: str = ""  # who looks people up; empty: nobody in particular
    bind_password: Secret = field(default_factory=lambda: Secret(""))
    name_attribute: str = "uid"
    id_attribute: str = "entryUUID"
    starttls: bool = False  # encrypt ldap:// before anything is told
    ca: Path | None = None  # None: those that the machine trusts
    groups: frozenset[str] = frozenset()  # DNs of those that somebody is looked for in


class LdapDirectory:
    def __init__(self, settings: LdapSettings, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock_s = clock_s
        self._away_until_s = 0.0

    def check(self, name: str, password: str) -> Person | None:
        # With an empty password a server lets anybody in as nobody, and says that it succeeded (RFC 4513, 5.1.2).
        if not password or "\0" in password or not _NAME.fullmatch(name):
            return None
        if self._clock_s() < self._away_until_s:
            raise self._away()
        try:
            with self._connected() as service:
                return self._check(service, name, password)
        except (LDAPException, OSError) as error:
            if isinstance(error, LDAPCommunicationError | LDAPResponseTimeoutError | OSError):
                self._away_until_s = self._clock_s() + _AWAY_S
            raise self._away() from error

    def _check(self, service: ldap3.Connection, name: str, password: str) -> Person | None:
        mine = self._settings
        if mine.bind_dn and not self._is_bound(service, mine.bind_dn, mine.bind_password.reveal()):
            raise self._shut()
        found = self._entries(
            service, mine.base, mine.filter.replace("{name}", escape_filter_chars(name)), ldap3.SUBTREE
        )
        entry = found[0] if len(found) == 1 else None
        dn = str(entry["dn"]) if entry else mine.base  # who is not there is asked for as well: that takes as long
        with self._connected() as person:
            if not self._is_bound(person, dn, password) or entry is None:
                return None
        called = _text(entry["raw_attributes"].get(mine.name_attribute, []))
        told_by = _text(entry["raw_attributes"].get(mine.id_attribute, []))
        if not called or not told_by:
            raise Fault(
                Code.DIRECTORY_FAILED,
                _("the directory {url} does not tell {first} and {second} of who logs in"),
                hint=_(
                    "an admin looks at login.ldap.name_attribute and login.ldap.id_attribute, and who may read them"
                ),
                url=mine.url,
                first=mine.name_attribute,
                second=mine.id_attribute,
            )
        member = _MEMBER.format(dn=escape_filter_chars(dn), name=escape_filter_chars(called))
        groups = {group for group in mine.groups if self._entries(service, group, member, ldap3.BASE)}
        return Person(SOURCE, told_by, called, frozenset(groups))

    @contextmanager
    def _connected(self) -> Iterator[ldap3.Connection]:
        url, ca = urlsplit(self._settings.url), self._settings.ca
        name = None if url.scheme == "ldapi" else url.hostname
        tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=str(ca) if ca else None, sni=name)
        server = ldap3.Server(self._settings.url, get_info=ldap3.NONE, tls=tls, connect_timeout=_CONNECT_S)
        connection = ldap3.Connection(
            server,
            auto_bind=ldap3.AUTO_BIND_NONE,
            auto_referrals=False,  # to whomever it names, passwords would go
            receive_timeout=_ANSWER_S,
            check_names=False,
            read_only=True,
        )
        try:
            connection.open(read_server_info=False)
            if self._settings.starttls:
                connection.start_tls(read_server_info=False)
            yield connection
        finally:
            connection.unbind()

    def _is_bound(self, connection: ldap3.Connection, dn: str, password: str) -> bool:
        # As bytes: a text the library would prepare first, and of one that cannot be seen leave an empty one.
        connection.user, connection.password = dn, password.encode("utf-8", "replace")
        connection.authentication = ldap3.SIMPLE
        connection.bind(read_server_info=False)
        result: int = connection.result["result"]
        if result != _SUCCESS and result not in _REFUSED | {_NOT_THERE}:
            raise LDAPException(connection.result["description"])
        return result == _SUCCESS

    def _entries(self, connection: ldap3.Connection, base: str, asked: str, scope: str) -> list[dict[str, Any]]:
        mine = self._settings
        attributes = [mine.name_attribute, mine.id_attribute]
        connection.search(base, asked, scope, attributes=attributes, size_limit=2, time_limit=_ANSWER_S)
        result: int = connection.result["result"]
        if result == _FORBIDDEN:
            raise self._shut()
        if result not in {_SUCCESS, _NOT_THERE, _TOO_MANY}:
            raise LDAPException(connection.result["description"])
        return [one for one in connection.response or [] if one["type"] == "searchResEntry"]

    def _shut(self) -> Fault:
        return Fault(
            Code.DIRECTORY_FAILED,
            _("the directory {url} does not let the farm look people up"),
            hint=_("an admin looks at login.ldap.bind_dn and its password"),
            url=self._settings.url,
        )

    def _away(self) -> Fault:
        return Fault(
            Code.DIRECTORY_FAILED,
            _("the directory {url} does not answer as it should, so nobody is known by it"),
            hint=_("try again in a minute; a token, or a password of the farm's own, still lets you in"),
            url=self._settings.url,
        )


def _text(values: list[bytes]) -> str:
    """The first; one that is no text, as Active Directory's ids, in hexadecimal."""
    if not values:
        return ""
    try:
        text = values[0].decode()
    except UnicodeDecodeError:
        return values[0].hex()
    return text if text.isprintable() else values[0].hex()
