"""A mail that was sent is with the mail server; what it refuses is told apart from what it cannot take now."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from boardgrid.adapters.smtp import MailServer, SmtpPost
from boardgrid.model.errors import Code, Fault, Invalid
from boardgrid.model.user import Secret
from boardgrid.ports import Mail, Post
from boardgrid.testing import FakePost
from tests.contract.certificate import Certificate, certificate

MAIL = Mail("0190-1", "ada@example.org", "[boardgrid] tk1-1 is open", "Reservation 1\nSchön\n.\n")


@dataclass
class Inbox:
    """A real SMTP server's handler."""

    envelopes: list[Envelope] = field(default_factory=list)
    users: list[bytes] = field(default_factory=list)
    hangs: bool = False

    async def handle_RCPT(  # noqa: N802 - as aiosmtpd calls it
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.hangs:
            await asyncio.sleep(60)
        if address.startswith("nobody"):
            return "550 there is no such mailbox"
        if address.startswith("busy"):
            return "450 the mailbox is full for now"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        self.envelopes.append(envelope)
        return "250 OK"

    def login(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: object) -> AuthResult:
        assert isinstance(given, LoginPassword)
        self.users.append(given.login)
        return AuthResult(success=given.password == b"right")

    def mail(self) -> EmailMessage:
        [envelope] = self.envelopes
        read = message_from_bytes(envelope.original_content or b"", policy=policy.default)
        assert isinstance(read, EmailMessage)
        return read


@asynccontextmanager
async def smtp_server(inbox: Inbox, *, whole: ssl.SSLContext | None = None, **how: Any) -> AsyncIterator[int]:
    """A server on the loopback; its port. *whole*: encrypted from the first byte."""
    loop = asyncio.get_running_loop()
    listening = socket.create_server(("127.0.0.1", 0))
    server = await loop.create_server(
        lambda: SMTP(inbox, authenticator=inbox.login, loop=loop, **how), sock=listening, ssl=whole
    )
    try:
        yield listening.getsockname()[1]
    finally:
        server.close()


Serve = Callable[..., Awaitable[int]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Begin an SMTP server and return its port."""
    async with AsyncExitStack() as stack:

        async def begin(inbox: Inbox, **how: Any) -> int:
            return await stack.enter_async_context(smtp_server(inbox, **how))

        yield begin


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate(tmp_path_factory.mktemp("tls"))


def post_to(port: int, **server: object) -> SmtpPost:
    return SmtpPost(replace(MailServer("127.0.0.1", port), **server), "boards@example.org", within_s=5)  # type: ignore[arg-type]  # fields


# --- what the fake and the real one have in common


@pytest.fixture(params=["fake", "smtp"])
async def post(request: pytest.FixtureRequest, serve: Serve) -> Post:
    if request.param == "fake":
        return FakePost(refused={"nobody@example.org"})
    return post_to(await serve(Inbox()))


async def test_a_mail_is_taken(post: Post) -> None:
    await post.send(MAIL)


async def test_an_address_that_is_refused_for_good_is_invalid(post: Post) -> None:
    with pytest.raises(Invalid, match=r"nobody@example\.org") as error:
        await post.send(replace(MAIL, to="nobody@example.org"))
    assert error.value.code is Code.EMAIL_INVALID


# --- over SMTP


async def test_a_mail_arrives_as_it_was_written_and_says_that_a_program_sent_it(serve: Serve) -> None:
    inbox = Inbox()
    await post_to(await serve(inbox)).send(MAIL)
    mail, [envelope] = inbox.mail(), inbox.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == ("boards@example.org", ["ada@example.org"])
    assert mail["Subject"] == MAIL.subject
    assert mail["Message-ID"] == "<0190-1@example.org>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["From"] == "BoardGrid <boards@example.org>"
    assert mail.get_content().replace("\r\n", "\n") == MAIL.text


async def test_no_name_makes_a_header_of_its_own(serve: Serve) -> None:
    inbox = Inbox()
    await post_to(await serve(inbox)).send(replace(MAIL, subject="tk1-1\r\nBcc: eve@example.org"))
    assert inbox.mail()["Bcc"] is None and inbox.envelopes[0].rcpt_tos == ["ada@example.org"]
    with pytest.raises(Fault):
        await post_to(await serve(Inbox())).send(replace(MAIL, to="ada@example.org\r\nBcc: eve@example.org"))


async def test_who_is_refused_for_now_and_a_server_that_is_not_there_are_faults(serve: Serve) -> None:
    with pytest.raises(Fault, match="full for now") as error:
        await post_to(await serve(Inbox())).send(replace(MAIL, to="busy@example.org"))
    assert error.value.code is Code.MAIL_FAILED
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Fault, match=f"port {port}"):
        await post_to(port).send(MAIL)


async def test_a_server_that_hangs_keeps_nobody_for_longer_than_it_may(serve: Serve) -> None:
    slow = replace(post_to(await serve(Inbox(hangs=True))), within_s=0.2)
    with pytest.raises(Fault):
        await slow.send(MAIL)


@pytest.mark.parametrize("way", ["starts_tls", "is_tls"])
async def test_a_mail_goes_encrypted_and_with_a_login(serve: Serve, tls: Certificate, way: str) -> None:
    inbox = Inbox()
    how = {"whole": tls.server} if way == "is_tls" else {"tls_context": tls.server}
    port = await serve(inbox, auth_require_tls=False, **how)
    good = replace(post_to(port, user="boards", password=Secret("right"), **{way: True}), tls=tls.client)
    await good.send(MAIL)
    assert inbox.mail()["Subject"] == MAIL.subject and inbox.users == [b"boards"]
    with pytest.raises(Fault, match="certificate"):
        await replace(good, tls=None).send(MAIL)  # nobody whom the machine trusts has signed it
    with pytest.raises(Fault):
        await replace(good, server=replace(good.server, password=Secret("wrong")), within_s=0.5).send(MAIL)


async def test_where_encryption_was_asked_for_nothing_goes_without(serve: Serve) -> None:
    inbox = Inbox()
    with pytest.raises(Fault):
        await post_to(await serve(inbox), starts_tls=True).send(MAIL)
    assert inbox.envelopes == []
