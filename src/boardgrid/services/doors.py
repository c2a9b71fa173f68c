"""Doors: what a site's SSH gateway may ask."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

import structlog

from boardgrid.messages import _
from boardgrid.model.deployment import DeploymentState
from boardgrid.model.errors import Code, Invalid, NotFound
from boardgrid.model.planning import Standing
from boardgrid.model.ssh_key import checked_key
from boardgrid.model.wish import Deployed
from boardgrid.ports import EVENTS, Activity, Holdings, Route, SiteState, Snapshot, Use
from boardgrid.services.desk import Desk
from boardgrid.services.finding import running_by_board, site_for
from boardgrid.services.idling import GAP

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Doors:
    desk: Desk

    def hello(self, site: str, host: str, port: int, host_key: str) -> None:
        """
        Where the gateway listens, for people to be told.

        Raises:
            NotFound: SITE_UNKNOWN.
            Invalid: KEY_INVALID, ADDRESS_INVALID.
        """
        key = checked_key(host_key)
        if not 0 < port < 65536 or not 0 < len(host) < 256 or not host.isprintable() or " " in host:
            raise Invalid(
                Code.ADDRESS_INVALID, _("nobody can reach a gateway at {host!r} port {port}"), host=host[:80], port=port
            )
        with self.desk.begin() as work:
            state = site_for(work.tx, site)
            work.save(replace(state, gateway_host=host, gateway_port=port, gateway_key=key))
        log.info("gateway.heard", site=site, host=host, port=port)

    def user_of_key(self, key: str) -> str:
        """
        The name of the user who has this public key ("ssh-ed25519 AAAA...").

        Raises:
            NotFound: USER_UNKNOWN.
        """
        with self.desk.records.read() as records:
            user = records.user_with_key(_plain(key))
        if user is None or not user.is_active:
            raise NotFound(Code.USER_UNKNOWN, _("this key is nobody's"))
        return user.name

    def route(self, site: str, key: str, board: str) -> Route:
        """
        Where *board* (its name or host name) is reached: while who has *key* holds it and their deployment is open.

        Raises:
            NotFound: ROUTE_UNKNOWN; never more than that.
        """
        with self.desk.records.read() as records:
            state = records.site(site)
            standing = _board_called(records, state, board) if state else None
            person = records.user_with_key(_plain(key))
            holders = self._holders(records, [standing]).get(standing.board.name) if standing else None
        if standing is None or person is None or not person.is_active or holders is None or person.id not in holders:
            raise NotFound(
                Code.ROUTE_UNKNOWN,
                _("this key opens no board {board}"),
                hint=_("boardgrid status shows what you hold"),
                board=board[:80],
            )
        return Route(standing.board.address)

    def holdings(self, site: str) -> Holdings:
        """
        Which keys open which board, as it is now. The door waits on the topic :func:`wishes_of`.

        Raises:
            NotFound: SITE_UNKNOWN.
        """
        with self.desk.records.read() as records:
            state = site_for(records, site)
            keys = {one.id: one.ssh_keys for one in records.users() if one.is_active}
            holders = self._holders(records, records.boards(site=site))
        pairs = {(key, board) for board, users in holders.items() for user in users for key in keys.get(user, ())}
        return Holdings(state.version, frozenset(pairs))

    def activity(self, site: str, uses: Sequence[Use]) -> None:
        """
        Hear who is on which board of the site. What is told of others' boards is passed over.

        Raises:
            NotFound: SITE_UNKNOWN.
        """
        told = {one.board: one for one in uses}
        with self.desk.begin() as work:
            now, state = work.now, site_for(work.tx, site)
            was_silent = state.watched_at is None or now - state.watched_at > GAP
            since = now if was_silent else state.watched_since
            work.save(replace(state, watched_since=since, watched_at=now))
            known = work.tx.activity()
            for board in (one.board.name for one in work.tx.boards(site=site)):
                before, use = known.get(board), told.get(board)
                if use is not None:
                    active_at = now if use.sessions else now - timedelta(seconds=min(use.quiet_s, GAP.total_seconds()))
                    latest = max(active_at, before.active_at) if before else active_at
                    work.save(Activity(board, use.sessions, latest))
                elif before is not None and before.sessions:
                    work.save(replace(before, sessions=0, active_at=now))
            work.topics.add(EVENTS)  # who was warned may be left in peace

    def _holders(self, records: Snapshot, standings: Sequence[Standing]) -> Mapping[str, frozenset[UUID]]:
        """Of these boards, those that are open at this moment, and who may enter each."""
        running = running_by_board(records)
        live = {one.id: one for one in records.deployments(live=True)}
        holders = {}
        for standing in standings:
            holder = running.get(standing.board.name)
            wish = standing.wish
            deployment = live.get(wish.deployment) if isinstance(wish, Deployed) and wish.opened else None
            if holder is None or deployment is None or deployment.reservation != holder.number:
                continue
            if deployment.state is DeploymentState.OPEN and holder.holds(self.desk.now()):
                holders[standing.board.name] = frozenset({holder.user, *holder.members})
        return holders


def _board_called(records: Snapshot, state: SiteState, name: str) -> Standing | None:
    suffix = f".{state.site.name}.{state.site.domain}"
    standing = records.board(name.removesuffix(suffix))
    return standing if standing is not None and standing.board.site == state.site.name else None


def _plain(key: str) -> str:
    """As it is recorded; what is no key is nobody's."""
    try:
        return checked_key(key)
    except Invalid:
        return ""
