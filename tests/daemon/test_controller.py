"""A controller as it is wired: what is recorded is handed to the mail server and the webhook that it was told of."""

import asyncio
import socket
import tempfile
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from boardgrid.daemon import config
from boardgrid.daemon.wiring.controller import serve
from boardgrid.daemon.wiring.records import prepare, services
from boardgrid.model.notice import Contact, Notice, Occasion, Posting
from boardgrid.services.desk import Desk
from tests.contract.test_hooks import Program, serving
from tests.contract.test_post import Inbox, smtp_server
from tests.services.house import START


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


async def test_what_waited_when_the_controller_began_is_sent() -> None:
    inbox, program = Inbox(), Program()
    with tempfile.TemporaryDirectory() as folder:
        async with smtp_server(inbox) as mail_port, serving(program):
            file = Path(folder) / "boardgrid.toml"
            file.write_text(
                f'[lab]\nvirtual = true\n[controller]\nlisten = "127.0.0.1:{_free_port()}"\n'
                f'[notices]\nsmtp = "smtp://127.0.0.1:{mail_port}"\nsender = "boards@example.org"\n'
                'webhook_networks = ["127.0.0.0/8"]\n'
            )
            said = config.read(file)
            await asyncio.to_thread(_prepare, said, f"http://127.0.0.1:{program.port}/hook")
            controller = asyncio.create_task(serve(said))
            try:
                async with asyncio.timeout(20):
                    while not (inbox.envelopes and program.heard):  # noqa: ASYNC110 - other programs, so to say
                        await asyncio.sleep(0.02)
            finally:
                controller.cancel()
                with suppress(asyncio.CancelledError):
                    await controller
    assert inbox.mail()["Subject"] == "[boardgrid] tk1-1 has ended"
    assert b'"occasion": "ended"' in program.heard[0]


def _prepare(said: config.Config, url: str) -> None:
    prepare(said)
    with services(said, upgrade=False) as farm:
        admin = farm.tokens.asker(farm.accounts.create_admin("root").clear.reveal())
        hook = farm.notices.add_webhook(admin, url, is_farms=True)
        desk: Desk = farm.booking.desk
        notice = Notice(Occasion.ENDED, START, 1, "root", ("tk1-1",), START, START)
        with desk.begin() as work:
            work.save(Contact(admin.id, "root@example.org"))
            for whom in ({"user": admin.id}, {"webhook": hook.id}):
                work.tx.add(Posting(uuid4(), notice, work.now, work.now, **whom))
