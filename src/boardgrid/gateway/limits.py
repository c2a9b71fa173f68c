"""How much of the gateway one stranger, one user and everybody together may use."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    login_s: float = 20.0  # from the first byte to a proven key
    strangers: int = 40  # connections that have not proven a key yet; beyond that the oldest ones go
    strangers_per_address: int = 20
    offers_per_connection: int = 12  # of keys; the right one is offered twice, the second time signed
    connections_per_user: int = 32
    sessions_per_user: int = 32
    reach_s: float = 10.0  # a board that has not taken the connection by then is told to be silent
    idle_s: float = 120.0  # a connection without any session ends
    grace_s: float = 60.0  # how long sessions live on when the controller says nothing
    tell_s: float = 60.0  # no more often is told who is on which board
    tell_all_s: float = 300.0  # so often it is told though nothing has changed
    # How long one question for changes may wait. What is known is as old as the question before the one that waits: of
    # two and a restart of the controller between them *grace_s* has to be more.
    poll_s: float = 15.0
