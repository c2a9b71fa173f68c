"""Post by a mail server, over SMTP."""

import asyncio
import ssl
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import localtime

import aiosmtplib

from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault, Invalid
from boardgrid.model.user import Secret
from boardgrid.ports import Mail

_PERMANENT = 500


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mails are handed in. Encryption is as it is said, never as the server would have it."""

    host: str
    port: int
    is_tls: bool = False  # from the first byte
    starts_tls: bool = False
    user: str = ""
    password: Secret | None = None


@dataclass(frozen=True, slots=True)
class SmtpPost:
    server: MailServer
    sender: str
    within_s: float = 30.0
    tls: ssl.SSLContext | None = field(default=None, repr=False)  # None: as the machine trusts

    async def send(self, mail: Mail) -> None:
        server = self.server
        try:
            # The library's own timeout is for each answer: a server that dribbles would keep us for ever.
            async with asyncio.timeout(self.within_s):
                await aiosmtplib.send(
                    self._message(mail),
                    sender=self.sender,
                    recipients=[mail.to],
                    hostname=server.host,
                    port=server.port,
                    use_tls=server.is_tls,
                    start_tls=server.starts_tls,
                    username=server.user or None,
                    password=server.password.reveal() if server.password else None,
                    tls_context=self.tls,
                    timeout=self.within_s,
                )
        except aiosmtplib.SMTPRecipientsRefused as error:
            refused = error.recipients[0]
            if refused.code >= _PERMANENT:
                raise Invalid(
                    Code.EMAIL_INVALID,
                    _("the mail server takes nothing for {to}: {status} {why}"),
                    to=mail.to,
                    status=refused.code,
                    why=refused.message[:200],
                ) from error
            raise self._failed(error) from error
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:  # TimeoutError and SSLError are OSErrors
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> Fault:
        return Fault(
            Code.MAIL_FAILED,
            _("the mail server {host} port {port} did not take a mail: {why}"),
            hint=_("see notices.smtp in the farm's config, and whether that server runs"),
            host=self.server.host,
            port=self.server.port,
            why=str(error)[:200] or type(error).__name__,
        )

    def _message(self, mail: Mail) -> EmailMessage:
        domain = self.sender.rpartition("@")[2]
        message = EmailMessage(policy=SMTP)
        message["From"] = Address("BoardGrid", addr_spec=self.sender)
        message["To"] = Address(addr_spec=mail.to)
        # Names are checked long before; a line break here would be a header of somebody's own.
        message["Subject"] = " ".join(mail.subject.split())
        message["Date"] = localtime()
        message["Message-ID"] = f"<{mail.id}@{domain}>"
        message["Auto-Submitted"] = "auto-generated"  # no out-of-office answers
        message.set_content(mail.text)
        return message
