"""Fleet: the agents' door. What each site should be, and what its agent tells of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from boardgrid.model.image import BlobSource
from boardgrid.model.report import Report
from boardgrid.model.wish import Lease, SiteWishes
from boardgrid.services.desk import Desk

PROTOCOLS = frozenset({1})  # of agents of this release and the one before it


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a batch of reports, by id. A report that came twice is *taken* twice and counts once."""

    taken: tuple[UUID, ...]
    dropped: tuple[UUID, ...]  # of a wish that has moved on, or of something that is not there


@dataclass(frozen=True, slots=True)
class Fleet:
    desk: Desk

    def lease(self, site: str, instance: UUID, protocol: int) -> Lease:
        """
        Give the site to the agent that asks; every call begins a new epoch and ends the one before.

        *instance* is the id of the agent's store, not of its process: the lock on the store sees to it that one process
        has it, so that an agent which was killed and comes back need not wait for its own lease to run out.

        Raises:
            NotFound: SITE_UNKNOWN.
            Conflict: EPOCH_STALE, another instance has the lease (the hint says for how long); PROTOCOL_UNSPOKEN.
        """
        raise NotImplementedError

    def wishes(self, site: str, epoch: int) -> SiteWishes:
        """
        All wishes of the site, as they are now; renews the lease. The door waits on the topic :func:`wishes_of`.

        Raises:
            Conflict: EPOCH_STALE.
        """
        raise NotImplementedError

    def report(self, site: str, epoch: int, reports: Sequence[Report]) -> Taken:
        """
        Take a batch in, all in one transaction. A report of a generation that has passed changes nothing and spoils
        nothing: it is answered as dropped. The step that it tells of is history all the same.

        Raises:
            Conflict: EPOCH_STALE.
        """
        raise NotImplementedError

    def blob(self, site: str, sha256: str) -> BlobSource:
        """
        An upload that an image of this site is to be made of.

        Raises:
            NotFound: IMAGE_UNKNOWN, there is none.
        """
        raise NotImplementedError
