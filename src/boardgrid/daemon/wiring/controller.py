"""The controller: services over the records, served on two doors, and what is due when its time comes."""

import asyncio
import contextlib
import gc
import os
import socket
from collections.abc import Iterator

import structlog
import uvicorn

from boardgrid.adapters.smtp import MailServer, SmtpPost
from boardgrid.adapters.webhooks import HttpHooks
from boardgrid.api import app
from boardgrid.api.spool import Spool
from boardgrid.daemon import descriptors, sockets
from boardgrid.daemon.config import Config, NoticesConfig, Tls
from boardgrid.daemon.layout import Layout
from boardgrid.daemon.notice import tell_ready
from boardgrid.daemon.wiring.connection import Connection
from boardgrid.daemon.wiring.postman import Postman
from boardgrid.daemon.wiring.records import serving_services
from boardgrid.messages import _
from boardgrid.model.errors import Code, FarmError, Invalid
from boardgrid.model.user import Secret
from boardgrid.ports import EVENTS
from boardgrid.services.farm import Farm

log = structlog.get_logger()

_GRACE_S = 2  # open streams and long polls never end by themselves
_LOOK_AT_MOST_EVERY_S, _LOOK_AT_LEAST_EVERY_S = 0.5, 3600.0
_AGAIN_S = 5.0
_USES_EVERY_S = 60.0


class _Server(uvicorn.Server):
    """Tells when it answers, and leaves signals to us."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            tell_ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(config: Config) -> None:
    """Until cancelled."""
    descriptors.use_all()
    doors = sockets.inherited(os.environ) or _own_doors(config)
    post = _post(config)
    _collect_less()
    with serving_services(config) as (farm, turn):
        postman = Postman(farm.postings, farm.changes, post, HttpHooks(allowed=config.notices.webhook_networks))
        server = _Server(
            uvicorn.Config(
                app.create(farm, Spool(Layout(config.state).spool)),
                http=Connection,
                log_config=None,
                access_log=False,
                proxy_headers=False,  # nobody stands between us and who asks
                server_header=False,
                timeout_graceful_shutdown=_GRACE_S,
            )
        )
        serving = asyncio.create_task(server.serve(sockets=list(doors.values())))
        for_all = asyncio.create_task(turn.keep(lambda: _do_for_all(farm, postman)))
        writing = asyncio.create_task(_keep_writing_uses(farm))
        try:
            await asyncio.wait({serving, for_all}, return_when=asyncio.FIRST_COMPLETED)
            for task in (serving, for_all):
                if task.done():
                    task.result()
        finally:
            for_all.cancel()
            writing.cancel()
            server.should_exit = True
            await asyncio.gather(serving, for_all, writing, return_exceptions=True)


def _collect_less() -> None:
    """
    What is loaded by now stays, and what a request makes goes without the collector's help: it looks for circles alone.
    Python has it look after some hundred new things, several times a request.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


async def _do_for_all(farm: Farm, postman: Postman) -> None:
    """What one of several controllers does, whose turn it is: there is one turn, for all of it."""
    async with asyncio.TaskGroup() as group:
        group.create_task(keep_expiring(farm))
        group.create_task(postman.run())


def _post(config: Config) -> SmtpPost | None:
    """
    Raises:
        Invalid: CONFIG_INVALID, the password cannot be read.
    """
    said = config.notices
    if said.smtp is None or said.sender is None:
        return None
    server = MailServer(
        said.smtp.host,
        said.smtp.port,
        is_tls=said.smtp.tls is Tls.WHOLE,
        starts_tls=said.smtp.tls is Tls.START,
        user=said.user,
        password=_mail_password(config, said),
    )
    return SmtpPost(server, said.sender)


def _mail_password(config: Config, said: NoticesConfig) -> Secret | None:
    if said.password is None:
        return None
    try:
        return Secret(said.password.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeError) as error:
        raise Invalid(
            Code.CONFIG_INVALID,
            _("{file}: notices.password: {path} cannot be read: {why}"),
            hint=_("the user that the controller runs as must be able to read it"),
            file=config.file,
            path=said.password,
            why=getattr(error, "strerror", None) or error,
        ) from error


def _own_doors(config: Config) -> dict[str, socket.socket]:
    """For a controller that is started by hand."""
    config.run.mkdir(exist_ok=True)
    return {
        "api": sockets.open_tcp("api", config.controller.listen, key=f"{config.file}: controller.listen").socket,
        "local": sockets.open_unix("local", config.socket("controller.sock"), 0o666).socket,
    }


async def _keep_writing_uses(farm: Farm) -> None:
    while True:
        await asyncio.sleep(_USES_EVERY_S)
        try:
            await asyncio.to_thread(farm.tokens.write_uses)
        except FarmError as error:
            log.warning("uses.unwritten", why=str(error))


async def keep_expiring(farm: Farm) -> None:
    """End what has had its time, when it is due; a change may make something due earlier."""
    while True:
        mark = farm.changes.mark(EVENTS)
        try:
            due = await asyncio.to_thread(farm.upkeep.carry_out)
        except FarmError as error:
            log.warning("expiry.failed", why=str(error))
            await asyncio.sleep(_AGAIN_S)
            continue
        # No sooner than that, however fast changes come: a look costs a walk through all that runs.
        await asyncio.sleep(_LOOK_AT_MOST_EVERY_S)
        wait_s = _LOOK_AT_LEAST_EVERY_S if due is None else (due - farm.booking.desk.now()).total_seconds()
        if wait_s > 0:
            await farm.changes.wait(EVENTS, mark, min(wait_s, _LOOK_AT_LEAST_EVERY_S))
