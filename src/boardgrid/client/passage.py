"""
The way to a board by SSH: through its site's gateway, and to nobody else's machine.

All that the farm says is checked before it is written into a configuration of ssh: there, a line could start programs.
"""

import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

from boardgrid.client.answers import Board, Gateway
from boardgrid.client.complaint import (
    BOARD_NOT_HELD,
    BOARD_UNREACHABLE,
    FARM_FOREIGN,
    GATEWAY_MISSING,
    HOST_KEY_UNKNOWN,
    PROGRAM_MISSING,
    REQUEST_INVALID,
    Complaint,
)
from boardgrid.client.farm import Farm
from boardgrid.client.health import open_text
from boardgrid.messages import _

_GATEWAY = "boardgrid-gateway"  # no board can be called so: it ends without a number
_HOST = re.compile(r"[A-Za-z0-9:][A-Za-z0-9.:_-]*")
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9._-]*")
_KEY = re.compile(r"[a-z0-9@.-]+ [A-Za-z0-9+/=]+")
_KNOWN = re.compile(r"[A-Za-z0-9.,:_\[\]-]+ " + _KEY.pattern)
_OWN_KEYWORDS = frozenset({"identityfile", "identityagent", "identitiesonly", "certificatefile", "pkcs11provider"})
_WITH_VALUE = frozenset("BbcDEeFIiJLlmOopPQRSWw")  # ssh's options that take one
_LINE_MOST = 64 * 1024
_LAST_WORDS_S = 10.0
_GREETING_S = 60.0
# What ssh says where it was not let through to anybody: that is for it to say at the terminal, not about the board.
_BEFORE_THE_GATEWAY = (b"Host key verification failed", b"Permission denied", b"ssh: ")
_FORWARDED = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


@dataclass(frozen=True, slots=True)
class Passage:
    board: str
    login: str
    user: str  # at the gateway
    gateway: Gateway
    host_keys: tuple[str, ...]  # of the board, as lines of known_hosts
    identity: str | None = None
    doubt: Complaint | None = None  # why it will hardly answer, as the farm saw it last

    def known_hosts(self) -> str:
        return "".join(f"{line}\n" for line in (f"{_GATEWAY} {self.gateway.host_key}", *self.host_keys))

    def config(self, known_hosts: Path, identities: Sequence[str]) -> str:
        """An ssh_config for this passage alone; *identities* are lines of it."""
        return "\n".join(
            (
                f"Host {self.board}",
                f"  HostName {self.board}",
                f"  HostKeyAlias {self.board}",
                f"  User {self.login}",
                f"  ProxyJump {_GATEWAY}",
                f"Host {_GATEWAY}",
                f"  HostName {self.gateway.host}",
                f"  Port {self.gateway.port}",
                f"  HostKeyAlias {_GATEWAY}",
                f"  User {self.user}",
                "Host *",
                f"  UserKnownHostsFile {_quoted(str(known_hosts))}",
                "  GlobalKnownHostsFile none",
                "  KnownHostsCommand none",
                "  StrictHostKeyChecking yes",
                "  UpdateHostKeys no",
                "  VerifyHostKeyDNS no",
                "  CheckHostIP no",
                "  ControlPath none",  # a shared connection could lead to the board's former root
                "  ConnectTimeout 60",
                "  ServerAliveInterval 15",
                *(f"  {line}" for line in identities),
                "",
            )
        )


def passage(farm: Farm, board: str, *, login: str, identity: str | None = None) -> Passage:
    """
    Ask the farm for the way to *board*, told by its name or host name.

    Raises:
        Complaint: the asker does not hold it, it is not up yet, or its site has no gateway.
    """
    name = board.partition(".")[0]
    if not _USER.fullmatch(login):
        raise Complaint(REQUEST_INVALID, _("{login!r} is no name to log in as").format(login=login))
    shown = farm.board(name)
    me = farm.me()
    lines = farm.known_hosts().splitlines()
    keys = tuple(line for line in lines if _KNOWN.fullmatch(line) and name in line.partition(" ")[0].split(","))
    if not keys:
        raise _closed(shown, me.name)
    gateway = next((site.gateway for site in farm.sites() if site.name == shown.site), None)
    if gateway is None:
        raise Complaint(
            GATEWAY_MISSING,
            _("the SSH gateway of the site {site} has not been heard of").format(site=shown.site),
            hint=_("whoever runs the farm sees to it: `boardgrid site list`"),
        )
    fields = ((_HOST, gateway.host), (_KEY, gateway.host_key), (_USER, me.name), (_HOST, name))
    if not all(rule.fullmatch(value) for rule, value in fields):
        raise Complaint(FARM_FOREIGN, _("the farm tells a way to {board} that no farm would tell").format(board=name))
    return Passage(name, login, me.name, gateway, keys, identity, _doubt(farm, shown))


def check_means(identity: str | None) -> None:
    """
    Whether there is what it takes to dial, for who would have to wait long to find out.

    Raises:
        Complaint: there is no ssh on this machine, or no such key file.
    """
    _ssh()
    if identity:
        _chosen(identity)


@contextmanager
def dialled(way: Passage, identity: str | None = None) -> Iterator[list[str]]:
    """
    The words that reach the board by the system's ssh, to which options and a command may be added. Their files are
    gone when this ends.

    Raises:
        Complaint: the farm knows why it does not answer.
    """
    ssh = _ssh()
    identity = way.identity or identity
    identities = _chosen(identity) if identity else _own_identities(ssh, way.gateway.host)
    with _private_folder() as folder:
        known_hosts, config = folder / "known_hosts", folder / "config"
        _write(known_hosts, way.known_hosts())
        _write(config, way.config(known_hosts, identities))
        words = [ssh, "-F", str(config)]
        # What the farm saw is some seconds old: the board has the last word. Of ssh itself four lines would tell less.
        if way.doubt is not None and _is_silent([*words, "-W", f"{way.board}:22", _GATEWAY]):
            raise way.doubt
        yield [*words, way.board]


def run_ssh(way: Passage, words: Sequence[str]) -> int:
    """
    Run the system's ssh at this terminal, and return its exit status.

    Args:
        words: ssh options, then a command, as after the host on a command line of ssh.
    """
    with dialled(way, _identity_among(words)) as ssh:
        return attached([*ssh, *words])


def attached(argv: Sequence[str], hear: Callable[[bytes], None] | None = None) -> int:
    """
    Run a program at this terminal that ends by itself when it is told to, and return its exit status.

    Args:
        hear: gets each line of its standard error, as it comes; None: they go to ours.
    """
    # Ctrl-C is ssh's own affair. A handler, for SIG_IGN would be inherited by ssh.
    before = {signal.SIGINT: signal.signal(signal.SIGINT, lambda _number, _frame: None)}
    try:
        child = subprocess.Popen(argv, stderr=subprocess.PIPE if hear else None)

        def forward(number: int, _frame: FrameType | None) -> None:
            child.send_signal(number)

        before |= {number: signal.signal(number, forward) for number in _FORWARDED}
        if child.stderr is not None and hear is not None:
            hearing = threading.Thread(target=_hear, args=(child.stderr, hear), daemon=True)
            hearing.start()
            status = child.wait()
            hearing.join(_LAST_WORDS_S)  # what it started itself may live on with the same standard error
        else:
            status = child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 128 - status if status < 0 else status


def _hear(said: IO[bytes], hear: Callable[[bytes], None]) -> None:
    while line := said.readline(_LINE_MOST):
        hear(line)


@contextmanager
def _private_folder() -> Iterator[Path]:
    """A folder of mode 0700 whose name ssh can hand on unquoted, which it does with the path of its configuration."""
    parent = tempfile.gettempdir()
    if not re.fullmatch(r"[A-Za-z0-9/._-]+", parent):
        parent = "/tmp"  # noqa: S108 - mkdtemp makes a name and a folder of its own below it
    with tempfile.TemporaryDirectory(prefix="boardgrid-ssh-", dir=parent) as folder:
        yield Path(folder)


def _write(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def _ssh() -> str:
    ssh = shutil.which("ssh")
    if ssh is None:
        raise Complaint(
            PROGRAM_MISSING, _("ssh is not on this machine"), hint=_("install OpenSSH's client: openssh-client")
        )
    return ssh


def _is_silent(words: Sequence[str]) -> bool:
    """Whether no SSH server is at the other end, though the gateway leads there."""
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe) as asked:
        assert asked.stdout is not None and asked.stderr is not None  # noqa: S101 - they are pipes
        try:
            heard, _room, _trouble = select.select([asked.stdout], [], [], _GREETING_S)
            if heard and os.read(asked.stdout.fileno(), 4) == b"SSH-":
                return False
        finally:
            asked.kill()
        said = asked.stderr.read()
        return not any(word in said for word in _BEFORE_THE_GATEWAY)


def _own_identities(ssh: str, host: str) -> list[str]:
    """What the asker's own configuration says of keys for the gateway, and nothing else of it."""
    told = subprocess.run([ssh, "-G", "--", host], capture_output=True, text=True, check=False, timeout=30).stdout
    lines = [line.partition(" ") for line in told.splitlines()]
    return [f"{keyword} {_quoted(value)}" for keyword, _space, value in lines if keyword in _OWN_KEYWORDS and value]


def _chosen(identity: str) -> list[str]:
    if any(c in identity for c in '"\n') or not Path(identity).expanduser().is_file():
        raise Complaint(REQUEST_INVALID, _("there is no key file {path}").format(path=identity))
    return [f"IdentityFile {_quoted(identity)}", "IdentitiesOnly yes"]


def _identity_among(words: Sequence[str]) -> str | None:
    """The file of ``-i`` among ssh's options: what the asker gives for the board, the gateway needs as well."""
    at = 0
    while at < len(words) and words[at].startswith("-") and words[at] not in {"-", "--"}:
        word = words[at]
        value_of = next((n for n, letter in enumerate(word) if n and letter in _WITH_VALUE), None)
        if value_of is None:
            at += 1
            continue
        is_apart = value_of == len(word) - 1
        if word[value_of] == "i":
            return words[at + 1] if is_apart and at + 1 < len(words) else word[value_of + 1 :]
        at += 2 if is_apart else 1
    return None


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _doubt(farm: Farm, board: Board) -> Complaint | None:
    """What `boardgrid status` shows of a board that was silent when the farm looked last."""
    seen = board.health
    if board.reservation is None or (seen is not None and seen.voice != "silent"):
        return None
    number = board.reservation.number
    runs = farm.reservation(number).deployment_on(board.name)
    if seen is None and not (runs and runs.reason):
        return None  # it opened a moment ago, as it should
    if seen is not None and seen.power == "off":
        hint = _("`boardgrid power on {board}` switches it on").format(board=board.name)
    else:
        hint = (runs and runs.hint) or _(
            "a restart takes a moment; `boardgrid power reset {board}` does one, `boardgrid status {number}` shows more"
        ).format(board=board.name, number=number)
    return Complaint(
        BOARD_UNREACHABLE,
        _("{board} does not answer: {seen}").format(board=board.name, seen=open_text(seen, runs)),
        hint=hint,
    )


def _closed(board: Board, me: str) -> Complaint:
    """Why the farm vouches for no key of this board."""
    if board.reservation is None or board.reservation.user != me:
        return Complaint(
            BOARD_NOT_HELD,
            _("you do not hold {board}").format(board=board.name),
            hint=_("`boardgrid reserve {board} --image REF` takes it while it is free").format(board=board.name),
        )
    if board.state == "open":
        return Complaint(
            HOST_KEY_UNKNOWN,
            _("the farm does not know the host key of {board}, so nobody can tell it from another machine").format(
                board=board.name
            ),
            hint=_("`boardgrid power reset {board}` and a look at `boardgrid events` may help").format(
                board=board.name
            ),
        )
    return Complaint(
        BOARD_NOT_HELD,
        _("{board} is not ready yet: {state}").format(board=board.name, state=board.state),
        hint=_("`boardgrid status {number}` shows its steps").format(number=board.reservation.number),
    )
