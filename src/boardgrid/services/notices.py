"""Notices: of what people are told, and where; and the webhooks of the farm's and of people's programs."""

import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import structlog

from boardgrid.messages import _
from boardgrid.model.access import can
from boardgrid.model.errors import Code, Invalid, NotAllowed, NotFound
from boardgrid.model.notice import ALL, Contact, Occasion, Webhook
from boardgrid.model.user import Scope, User
from boardgrid.ports import Snapshot
from boardgrid.services.desk import Desk, check_admin, check_no_guest
from boardgrid.services.finding import user_named
from boardgrid.services.posting import host_of

log = structlog.get_logger()

_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_ZONE = re.compile(r"[A-Za-z0-9_+/-]{1,64}")
_URL_MOST = 1000
_WEBHOOKS_MOST = 10  # of one user


@dataclass(frozen=True, slots=True)
class Notices:
    desk: Desk
    user_hosts: frozenset[str] = frozenset()  # where webhooks of users may lead

    def contact(self, asker: User, name: str | None = None) -> Contact:
        """
        The asker's own, or that of the user of this *name*.

        Raises:
            NotFound: USER_UNKNOWN.
        """
        with self.desk.records.read() as records:
            user = asker if name is None else user_named(records, asker, name)
            return records.contact(user.id) or Contact(user.id)

    def change_contact(
        self,
        asker: User,
        name: str | None = None,
        *,
        email: str | None = None,
        zone: str | None = None,
        occasions: Collection[Occasion] | None = None,
    ) -> Contact:
        """
        What is None stays as it is.

        Args:
            email: empty: no mails.

        Raises:
            NotFound: USER_UNKNOWN.
            NotAllowed: it is another's.
            Invalid: EMAIL_INVALID, ZONE_INVALID.
        """
        if email and not _EMAIL.fullmatch(email):
            raise Invalid(
                Code.EMAIL_INVALID,
                _("{email!r} is no e-mail address"),
                hint=_("one looks like ada@example.org"),
                email=email[:80],
            )
        if zone:
            _check_zone(zone)
        with self.desk.begin(asker, "user.notices", needs=Scope.ALL) as work:
            user = asker if name is None else user_named(work.tx, asker, name)
            if not can(asker, "change", user):
                raise NotAllowed(Code.ACT_FORBIDDEN, _("the notices of {user} are theirs to change"), user=user.name)
            before = work.tx.contact(user.id) or Contact(user.id)
            after = replace(
                before,
                email=before.email if email is None else email,
                zone=before.zone if zone is None else zone,
                occasions=before.occasions if occasions is None else frozenset(occasions),
            )
            work.save(after)
        return after

    def webhooks(self, asker: User) -> list[Webhook]:
        """The asker's own; with the farm's, for an admin."""
        with self.desk.records.read() as records:
            farms = records.webhooks(None) if can(asker, "administer") else []
            return [*farms, *records.webhooks(asker.id)]

    def add_webhook(
        self, asker: User, url: str, *, occasions: Collection[Occasion] = ALL, is_farms: bool = False
    ) -> Webhook:
        """
        Have *url* called whenever something happens: to reservations of the asker, or to anybody's.

        Raises:
            Invalid: WEBHOOK_INVALID, it is no URL that could be called, or leads where users' webhooks may not;
                REQUEST_INVALID, they have too many.
            NotAllowed: only admins may have the farm's.
        """
        check_admin(asker) if is_farms else check_no_guest(asker)
        host = _checked_host(url)
        if not is_farms and host not in self.user_hosts:
            raise Invalid(
                Code.WEBHOOK_INVALID,
                _("webhooks of users may not lead to {host}"),
                hint=_("they may lead to: {hosts}; an admin lists more in notices.webhook_hosts of the farm's config"),
                host=host,
                hosts=", ".join(sorted(self.user_hosts)) or "-",
            )
        with self.desk.begin(asker, "webhook.add", needs=Scope.ALL) as work:
            owner = None if is_farms else asker.id
            if len(work.tx.webhooks(owner)) >= _WEBHOOKS_MOST:
                raise Invalid(
                    Code.REQUEST_INVALID,
                    _("there are {count} webhooks already, and no more may be"),
                    hint=_("remove some: boardgrid webhook list"),
                    count=_WEBHOOKS_MOST,
                )
            hook = Webhook(
                secrets.token_hex(8), owner, url, secrets.token_urlsafe(32), work.now, frozenset(occasions) or ALL
            )
            work.save(hook)
        log.info("webhook.added", webhook=hook.id, host=host, by=asker.name)
        return hook

    def remove_webhook(self, asker: User, webhook: str) -> None:
        """
        Raises:
            NotFound: WEBHOOK_UNKNOWN.
        """
        with self.desk.begin(asker, "webhook.remove", needs=Scope.ALL) as work:
            found = _webhook_of(work.tx, asker, webhook)
            for posting in work.tx.postings(webhook=found.id):
                work.tx.remove(posting)
            work.remove(found)
        log.info("webhook.removed", webhook=webhook, by=asker.name)


def _webhook_of(records: Snapshot, asker: User, webhook: str) -> Webhook:
    found = records.webhook(webhook)
    if found is None or not (found.owner == asker.id or can(asker, "administer")):
        raise NotFound(
            Code.WEBHOOK_UNKNOWN,
            _("there is no webhook {webhook}"),
            hint=_("boardgrid webhook list shows yours"),
            webhook=webhook,
        )
    return found


def _check_zone(zone: str) -> None:
    try:
        if not _ZONE.fullmatch(zone):
            raise ValueError(zone)
        datetime.now(UTC).astimezone(ZoneInfo(zone))
    except (ValueError, OSError, KeyError) as error:  # of no form, a folder of zones, or none that is known
        raise Invalid(
            Code.ZONE_INVALID, _("{zone!r} is no time zone"), hint=_("one looks like Europe/Paris"), zone=zone[:80]
        ) from error


def _checked_host(url: str) -> str:
    """
    Raises:
        Invalid: WEBHOOK_INVALID.
    """
    try:
        parts = urlsplit(url)
        _port = parts.port
        is_good = parts.scheme in {"http", "https"} and "@" not in parts.netloc and len(url) <= _URL_MOST
        is_good = is_good and url.isascii() and url.isprintable() and " " not in url and not parts.fragment
        host = host_of(url) if is_good else ""
    except ValueError:
        host = ""
    if not host:
        raise Invalid(
            Code.WEBHOOK_INVALID,
            _("{url!r} is no address that could be called"),
            hint=_("one looks like https://chat.example.org/hooks/boards, without a name or password in it"),
            url=url[:80],
        )
    return host
