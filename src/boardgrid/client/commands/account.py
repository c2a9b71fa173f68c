"""``boardgrid login`` and ``whoami``: who the farm takes you for."""

import sys
from dataclasses import dataclass

import click

from boardgrid.client.answers import User
from boardgrid.client.command import Verb
from boardgrid.client.complaint import REQUEST_INVALID, Complaint
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.tables import Column, Sheet
from boardgrid.messages import _


@dataclass(frozen=True, slots=True)
class Self:
    """Who the asker is, and where."""

    name: str
    role: str
    ssh_keys: tuple[str, ...]
    farm: str


SHEET: Sheet[Self] = Sheet(
    lambda me: me.name,
    (
        Column("NAME", lambda me: me.name),
        Column("ROLE", lambda me: me.role),
        Column("FARM", lambda me: me.farm),
        Column("SSH KEYS", lambda me: ", ".join(short_key(key) for key in me.ssh_keys)),
    ),
)


def short_key(line: str) -> str:
    """A public key as people compare it: its kind, and its fingerprint as ssh-keygen -l shows it."""
    import hashlib  # noqa: PLC0415 - few ask for keys
    from base64 import b64decode, b64encode  # noqa: PLC0415

    kind, _space, rest = line.partition(" ")
    try:
        digest = hashlib.sha256(b64decode(rest.partition(" ")[0], validate=True)).digest()
    except ValueError:
        return line
    return f"{kind} SHA256:{b64encode(digest).decode().rstrip('=')}"


@click.command(cls=Verb)
@click.argument("url")
@click.option("--token-stdin", is_flag=True, help="Read the token from standard input instead of asking for it.")
@pass_seat
def login(seat: Seat, url: str, token_stdin: bool) -> None:
    """
    Log in to the farm at URL, and remember it.

    The token is asked for without showing it, tried, and stored in a file that you alone can read. An admin of the farm
    gives you one (`boardgrid user add`), or the farm's own machine (`boardgrid admin create`).

    \b
    Examples:
      boardgrid login http://farm:8470
      boardgrid login unix:/var/lib/boardgrid/run/controller.sock --profile here
      boardgrid login https://farm.example.org --token-stdin < token
    """
    from boardgrid.client.farm import Farm, farm_url  # noqa: PLC0415
    from boardgrid.client.login import Login, chosen_profile, store  # noqa: PLC0415

    at = farm_url(url)
    token = _token(seat, token_stdin)
    with Farm(at, token) as farm:
        me = farm.me()
    stored = store(chosen_profile(seat.profile), Login(at, token))
    if at.startswith("http://") and not _is_here(at):
        seat.tell(_("note: {url} is not encrypted, so whoever listens there can take the token").format(url=at))
    seat.tell(
        _("logged in to {url} as {name} ({role}); stored in {path}").format(
            url=at, name=me.name, role=me.role, path=stored
        )
    )
    if seat.is_for_programs:
        SHEET.show(Self(me.name, me.role, me.ssh_keys, at), seat.output)


@click.command(cls=Verb)
@pass_seat
def whoami(seat: Seat) -> None:
    """Show who the farm takes you for."""
    me: User = seat.farm().me()
    SHEET.show(Self(me.name, me.role, me.ssh_keys, seat.farm().url), seat.output)


def _token(seat: Seat, from_stdin: bool) -> str:
    if from_stdin:
        token = (
            sys.stdin.buffer.readline().decode("utf-8", "replace").strip()
        )  # what is no token, the farm's client says
    elif seat.has_person:
        token = str(click.prompt(_("Token"), hide_input=True, err=True)).strip()
    else:
        raise Complaint(
            REQUEST_INVALID,
            _("nobody is there to be asked for the token"),
            hint=_("a program gives it: --token-stdin, or BOARDGRID_URL and BOARDGRID_TOKEN without a login"),
        )
    if not token:
        raise Complaint(REQUEST_INVALID, _("the token is empty"))
    return token


def _is_here(url: str) -> bool:
    host = url.removeprefix("http://").partition("/")[0]
    return host.startswith(("127.", "localhost", "[::1]"))
