"""Audit: what is told of who changed what."""

from dataclasses import dataclass

from boardgrid.messages import _
from boardgrid.model.access import Log, can
from boardgrid.model.audit import AuditEntry
from boardgrid.model.errors import Code, NotAllowed
from boardgrid.model.user import User
from boardgrid.services.desk import Desk


@dataclass(frozen=True, slots=True)
class Audit:
    desk: Desk

    def after(
        self,
        asker: User,
        number: int = 0,
        *,
        who: str | None = None,
        thing: str | None = None,
        limit: int = 500,
        newest: bool = False,
    ) -> list[AuditEntry]:
        """
        Entries above *number*, oldest first; of more than *limit* the oldest, or the *newest*.

        Args:
            who: only what the user of this name did, whoever had it then.
            thing: only what happened to it: "user:ada", "board:tk1-1", "reservation:7".

        Raises:
            NotAllowed: only admins may.
        """
        if not can(asker, "see", Log()):
            raise NotAllowed(
                Code.ACT_FORBIDDEN, _("only admins read the audit log"), hint=_("ask an admin of the farm")
            )
        with self.desk.records.read() as records:
            return records.audit(number, limit=limit, who=who, thing=thing, newest=newest)
