"""A visit: what one connection may do. Everything that is not said here is refused."""

import asyncio
import re

import asyncssh
import structlog

from boardgrid.gateway.lobby import Lobby
from boardgrid.gateway.session import Session
from boardgrid.gateway.wire import Wire, notice_the_dead
from boardgrid.messages import _
from boardgrid.model.errors import FarmError, Invalid
from boardgrid.model.name import checked
from boardgrid.ports import Doorkeeper, Route

log = structlog.get_logger(__name__)

_SSH_PORT = 22
_DOMAIN = re.compile(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63}){0,8}")


class Visit(asyncssh.SSHServer):
    """
    One connection: a key that is somebody's, then sessions on boards that this somebody holds.

    The name that somebody logs in with must be the one that their key tells: nothing else ever becomes *user*. What
    they may do is asked by that key, for each session anew: the name may have become another's since they came in.
    """

    def __init__(self, lobby: Lobby, doorkeeper: Doorkeeper) -> None:
        self.address = ""
        self.key = ""
        self.user: str | None = None
        self.sessions: set[Session] = set()
        self.opening = 0
        self._lobby = lobby
        self._doorkeeper = doorkeeper
        self._wire: Wire | None = None
        self._shown = ""  # the key that was asked about last
        self._known_as: str | None = None  # and whose it is
        self._offers = 0
        self._answers: dict[str, str | None] = {}  # whose a key is: asked once in a visit, however often it is offered
        self._was_told = False
        # asyncssh may ask for a channel before it has called auth_completed().
        self._authenticated: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._idle: asyncio.TimerHandle | None = None  # runs while there is no session, whatever else is tried

    # --- the connection

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        assert isinstance(conn, Wire)  # noqa: S101 - this gateway makes no other
        self._wire = conn
        peer = conn.get_extra_info("peername")
        self.address = peer[0] if peer else ""
        self._lobby.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lobby.forget(self)
        self._wire = None
        if self._idle is not None:
            self._idle.cancel()
        for session in tuple(self.sessions):
            session.cut()

    def leave(self, reason: str) -> None:
        if self._wire is not None:
            self._wire.hang_up(reason)

    # --- who is it?

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    async def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        self._offers += 1
        if self._offers > self._lobby.limits.offers_per_connection:
            self.leave(_("too many keys: name the right one with ssh -i"))
            return False
        self._shown = " ".join(key.export_public_key().decode().split()[:2])
        self._known_as = None
        try:
            if self._shown not in self._answers:
                self._answers[self._shown] = await self._doorkeeper.user_of(self._shown)
            self._known_as = self._answers[self._shown]
        except FarmError as error:
            log.warning("visit.unanswered", address=self.address, error=str(error))
            self._tell_once(_("This gateway gets no answer from its farm: try again in a moment.\n"))
        return self._known_as is not None and self._known_as == username

    def auth_completed(self) -> None:
        wire = self._wire
        if wire is None:
            return
        user = self._known_as
        if user is None or wire.get_extra_info("username") != user:
            wire.abort()  # asyncssh would have to be wrong for this, and it would be the end of all that follows
            return
        if not self._lobby.has_room_for_user(user):
            self.leave(_("you have too many connections open"))
            return
        self.key, self.user = self._shown, user
        self._authenticated.set_result(user)
        self._wait_for_a_session()
        log.info("visit.began", user=user, address=self.address)

    def _tell_once(self, sentence: str) -> None:
        if self._wire is not None and not self._was_told:
            self._was_told = True
            self._wire.send_auth_banner(sentence)

    # --- what may they do?

    def session_requested(self) -> bool:
        raise _refused(
            _("this door has no shell, it leads to the boards that you hold: use `boardgrid ssh BOARD`, or ssh -J")
        )

    async def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> Session:
        host = dest_host.lower()
        try:
            async with asyncio.timeout(self._lobby.limits.login_s):
                user = await asyncio.shield(self._authenticated)
        except TimeoutError as error:
            raise _refused(_("nobody has logged in here")) from error
        board = _board_in(host)
        if board is None:
            raise _refused(
                _("boards are reached by their name alone: ssh -J {user}@GATEWAY root@tk1-1").format(user=user)
            )
        if dest_port != _SSH_PORT:
            raise _refused(_("this door leads to port 22 of {board} alone").format(board=board))
        if not self._lobby.has_room_for_session(user):
            raise asyncssh.ChannelOpenError(
                asyncssh.OPEN_RESOURCE_SHORTAGE, _("you have too many sessions open: end one first")
            )
        self.opening += 1
        try:
            return await self._connected(user, board, host)
        finally:
            self.opening -= 1

    async def _connected(self, user: str, board: str, host: str) -> Session:
        told = self._lobby.changes
        route = await self._route(user, board, host)
        reader, writer = await _reach(board, route, self._lobby.limits.reach_s)
        try:
            # Whoever's time ended while we connected is not seen by the watch, which looks at sessions.
            while told != self._lobby.changes:
                told = self._lobby.changes
                if await self._route(user, board, host) != route:
                    raise _refused(_("{board} has moved meanwhile: try again").format(board=board))
            if self._wire is None:
                raise _refused(_("the connection is gone"))
        except BaseException:
            writer.transport.abort()
            raise
        session = Session(user, board, route, self._wire, reader, writer, on_end=self._ended)
        self.sessions.add(session)
        self._wait_for_a_session()
        log.info("session.began", user=user, board=board, address=self.address)
        return session

    async def _route(self, user: str, board: str, host: str) -> Route:
        try:
            route = await self._doorkeeper.route(self.key, host)
        except FarmError as error:
            log.warning("session.unanswered", user=user, board=board, error=str(error))
            raise _refused(_("this gateway gets no answer from its farm: try again in a moment")) from error
        if route is None:
            raise _refused(
                _("you hold no board {board} that is open: `boardgrid status` shows yours").format(board=board)
            )
        return route

    def _ended(self, session: Session) -> None:
        self.sessions.discard(session)
        self._lobby.left[session.board] = asyncio.get_running_loop().time()
        self._wait_for_a_session()

    def _wait_for_a_session(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if not self.sessions and self._wire is not None:
            self._idle = asyncio.get_running_loop().call_later(
                self._lobby.limits.idle_s, self.leave, _("nothing was asked for in a long time")
            )


def _refused(sentence: str) -> asyncssh.ChannelOpenError:
    return asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, sentence)


def _board_in(host: str) -> str | None:
    """The board that a short name or host name tells; None for an address and for what no board can be called."""
    name, dot, domain = host.partition(".")
    try:
        board = checked("board", name)
    except Invalid:
        return None
    return board if not dot or _DOMAIN.fullmatch(domain) else None


async def _reach(board: str, route: Route, within_s: float) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        async with asyncio.timeout(within_s):
            reader, writer = await asyncio.open_connection(str(route.address), route.port)
    except OSError as error:  # TimeoutError is one
        raise asyncssh.ChannelOpenError(
            asyncssh.OPEN_CONNECT_FAILED,
            _("{board} does not answer on its SSH port: it may be restarting").format(board=board),
        ) from error
    notice_the_dead(writer.transport)
    return reader, writer
