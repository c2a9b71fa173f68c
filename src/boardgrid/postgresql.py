"""
A farm's database on a PostgreSQL server, as all who speak with it know it.

What several processes share on a server has a name or a number; all of them stand here, so that no two are the same.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from uuid import uuid4

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from boardgrid.messages import _
from boardgrid.model.errors import Code, Invalid
from boardgrid.model.user import Secret

CHANNEL = "boardgrid"  # on which controllers tell each other that something was recorded


class Lock(IntEnum):
    """Advisory locks. PostgreSQL counts them by database, so another farm's on the same server are others."""

    WRITER = 8_470_001  # one writer at a time
    USE = 8_470_002  # shared by controllers that run; who would put another farm in its place has it alone
    TURN = 8_470_003  # whose turn it is to do what one controller does for all


# A machine that vanished is noticed by the other one within half a minute; the end of a Unix socket always is, at once.
_CONNECT: dict[str, str | int | None] = {
    "client_encoding": "utf8",
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
_SETTINGS = {"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"}


@dataclass(frozen=True, slots=True)
class Postgres:
    """*speaker* tells what this process announced from what others did."""

    url: Secret  # as libpq has it; a password may stand in it
    speaker: str = field(default_factory=lambda: uuid4().hex)

    def __post_init__(self) -> None:
        """
        Raises:
            Invalid: CONFIG_INVALID, it cannot be read.
        """
        try:
            conninfo_to_dict(self.url.reveal())
        except ProgrammingError:
            # Without that error, which quotes the whole of it.
            raise Invalid(
                Code.CONFIG_INVALID,
                _("controller.database: the URL cannot be read"),
                hint=_("what is no letter or digit in a user or password is written as %XX"),
            ) from None

    def __str__(self) -> str:
        """For people: which database on which server, and nothing of who comes in how."""
        said = conninfo_to_dict(self.url.reveal())
        server = said.get("host") or _("this machine")
        return f"{said.get('dbname')} on {server}" + (f":{said['port']}" if said.get("port") else "")

    def conninfo(self, purpose: str, **settings: str) -> Secret:
        """What libpq connects by; *settings* hold in the session, and *purpose* is how the server lists it."""
        said = conninfo_to_dict(self.url.reveal())
        options = [f"-c {name}={value}" for name, value in (_SETTINGS | settings).items()]
        said["options"] = " ".join([str(said.get("options") or ""), *options]).strip()
        return Secret(make_conninfo("", **_CONNECT | said | {"application_name": f"boardgrid {purpose}"}))

    def announced(self, topic: str) -> str:
        return f"{self.speaker} {topic}"

    def heard(self, payload: str) -> str | None:
        """The topic that another process announced; None: it was this one."""
        speaker, _space, topic = payload.partition(" ")
        return None if speaker == self.speaker else topic
