"""Why nothing happens, where the farm knows: its site is in trouble, or nobody has heard of the site's agent."""

import time

from boardgrid.client.answers import Site
from boardgrid.client.duration import span
from boardgrid.client.farm import Farm
from boardgrid.messages import _

AFTER_S = 10.0
_LATE_S = 30.0  # an agent that is well asks for its wishes every 25 s


class Silence:
    """How long nothing was told of a board, and what may be the reason."""

    def __init__(self, farm: Farm, board: str, *, after_s: float = AFTER_S) -> None:
        self._farm = farm
        self._board = board
        self._after_s = after_s
        self._since = time.monotonic()
        self._told = ""

    def broken(self) -> None:
        """Something was told."""
        self._since = time.monotonic()

    def reason(self) -> str | None:
        """
        A sentence once nothing was told for long, and another when that changes.

        Raises:
            Complaint: the farm did not answer.
        """
        if time.monotonic() - self._since < self._after_s:
            return None
        self._since = time.monotonic()
        name = self._farm.board(self._board).site
        trouble, sentence = next((_trouble(site) for site in self._farm.sites() if site.name == name), ("", ""))
        is_news = trouble != self._told
        self._told = trouble
        return sentence if is_news and sentence else None


def _trouble(site: Site) -> tuple[str, str]:
    """What is wrong, which stays the same while it lasts, and how to say it."""
    if site.agent_seen_s is None:
        return "never", _("the agent of {site} was never heard: does it run there?").format(site=site.name)
    if site.agent_seen_s > _LATE_S:
        sentence = _("the agent of {site} was last heard {span} ago: does it run there?")
        return "silent", sentence.format(site=site.name, span=span(site.agent_seen_s))
    if site.trouble:
        return site.trouble, _("{site} is in trouble: {trouble}").format(site=site.name, trouble=site.trouble)
    return "", ""
