"""``boardgrid login``, ``logout``, ``accept``, ``whoami`` and ``password``: who the farm takes you for."""

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from boardgrid.client.answers import Me
from boardgrid.client.command import Verb
from boardgrid.client.complaint import FARM_FOREIGN, REQUEST_INVALID, Complaint
from boardgrid.client.prompt import twice_typed
from boardgrid.client.reading import text_in
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.tables import Column, Sheet
from boardgrid.messages import _

if TYPE_CHECKING:
    from boardgrid.client.farm import Farm

_REFUSED = 401  # the farm knows no such token, or it is over


@dataclass(frozen=True, slots=True)
class Self:
    """Who the asker is, and where."""

    name: str
    role: str
    ssh_keys: tuple[str, ...]
    farm: str
    scope: str = ""  # of the token


SHEET: Sheet[Self] = Sheet(
    lambda me: me.name,
    (
        Column("NAME", lambda me: me.name),
        Column("ROLE", lambda me: me.role),
        Column("SCOPE", lambda me: me.scope),
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
@click.option("--name", help="Who you are on the farm; asked for if not given.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking for it.")
@click.option(
    "--token", "by_token", is_flag=True, help="Ask for a token that you were given, in the place of a password."
)
@click.option("--token-stdin", is_flag=True, help="Read a token from standard input instead of asking for it.")
@click.option("--sso", is_flag=True, help="Log in at the identity provider that the farm trusts, in your browser.")
@click.option("--no-browser", is_flag=True, help="The same in a browser somewhere else: it shows a code to type here.")
@pass_seat
def login(
    seat: Seat,
    *,
    url: str,
    name: str | None,
    password_stdin: bool,
    by_token: bool,
    token_stdin: bool,
    sso: bool,
    no_browser: bool,
) -> None:
    """
    Log in to the farm at URL, and remember it.

    Name and password are asked for, without showing the password, and the farm gives a token for them, which is stored
    in a file that you alone can read. Who has a token already, from an admin of the farm (`boardgrid user add`) or from
    its own machine (`boardgrid admin create`), logs in with that: --token.

    \b
    Examples:
      boardgrid login http://farm:8470
      boardgrid login unix:/var/lib/boardgrid/run/controller.sock --token --profile here
      boardgrid login https://farm.example.org --sso
      boardgrid login https://farm.example.org --token-stdin < token
      boardgrid login https://farm.example.org --name ada --password-stdin < password
    """
    from boardgrid.client.farm import Farm, farm_url  # noqa: PLC0415

    at = farm_url(url)
    if password_stdin and (by_token or token_stdin):
        raise Complaint(REQUEST_INVALID, _("log in with a token or with a password, not with both"))
    if sso or no_browser:
        if name or password_stdin or by_token or token_stdin:
            raise Complaint(REQUEST_INVALID, _("who logs in at an identity provider needs no name, password or token"))
        with Farm(at) as farm:
            remember(seat, at, _by_browser(seat, farm) if sso and not no_browser else _by_code(seat, farm))
        return
    if by_token or token_stdin:
        token = _asked_for(seat, _("Token"), _("the token"), "--token-stdin", from_stdin=token_stdin)
    else:
        with Farm(at) as farm:
            if name is None and seat.has_person and farm.can_sso():
                seat.tell(_("in your browser instead: boardgrid login {url} --sso").format(url=url))
            called = name or _name(seat)
            password = _asked_for(seat, _("Password"), _("the password"), "--password-stdin", from_stdin=password_stdin)
            token = farm.log_in(called, password, label=_here()).token
    remember(seat, at, token)


@click.command(cls=Verb)
@click.argument("url")
@click.option("--name", help="What you would like to be called, where the code leaves it to you.")
@click.option("--ssh-key", "key_files", multiple=True, metavar="FILE", help="A file of your public SSH keys.")
@click.option(
    "--code-stdin", is_flag=True, help="Read the code, and the password on the next line, from standard input."
)
@pass_seat
def accept(seat: Seat, *, url: str, name: str | None, key_files: tuple[str, ...], code_stdin: bool) -> None:
    """
    Accept an invitation to the farm at URL, make an account by a link into a project, or choose a new password by a
    code that an admin gave you; and log in.

    \b
    Examples:
      boardgrid accept http://farm:8470 --ssh-key ~/.ssh/id_ed25519.pub
    """
    from boardgrid.client.farm import Farm, farm_url  # noqa: PLC0415

    at = farm_url(url)
    keys = [key for file in key_files for key in public_keys(file)]
    code = _asked_for(seat, _("Code"), _("the code"), "--code-stdin", from_stdin=code_stdin)
    password = _line() if code_stdin else new_password(seat)
    with Farm(at) as farm:
        token = farm.accept(code, name=name or "", password=password or None, ssh_keys=keys).token
    remember(seat, at, token)


@click.command(cls=Verb)
@pass_seat
def logout(seat: Seat) -> None:
    """
    End this login: its token is good no more, and the profile is forgotten.

    A token that was not made by a password, but given to you or made for a program, is only forgotten.
    """
    from boardgrid.client.login import chosen_profile, forget, login_for, stored  # noqa: PLC0415

    profile, used = chosen_profile(seat.profile), login_for(seat.profile)
    is_stored = stored(profile) == used
    farm = seat.farm()
    try:
        mine = farm.me().token
        if any(one.id == mine and one.is_login for one in farm.tokens()):
            farm.revoke_token(mine)
    except Complaint as complaint:
        if not (is_stored and complaint.status == _REFUSED):
            raise
    if is_stored:
        forget(profile)
    seat.show_end(profile, "gone", _("logged out of {url}").format(url=used.url))


@click.command(cls=Verb)
@pass_seat
def whoami(seat: Seat) -> None:
    """Show who the farm takes you for."""
    me: Me = seat.farm().me()
    SHEET.show(Self(me.name, me.role, me.ssh_keys, seat.farm().url, me.scope), seat.output)


@click.command(cls=Verb)
@click.option("--stdin", "from_stdin", is_flag=True, help="Read the old one, and the new one on the next line.")
@pass_seat
def password(seat: Seat, from_stdin: bool) -> None:
    """
    Change your password. Your other logins end; tokens that you made for programs go on.

    Who has none yet, having come in by a token so far, leaves the old one empty.

    \b
    Examples:
      boardgrid password
      printf '%s\\n' "$OLD" "$NEW" | boardgrid password --stdin
    """
    farm = seat.farm()
    if from_stdin:
        old, new = _line(), _line()
    elif seat.has_person:
        old = str(click.prompt(_("Old password"), default="", show_default=False, hide_input=True, err=True))
        new = new_password(seat)
    else:
        raise nobody_to_ask(_("the passwords"), "--stdin")
    farm.change_password(old or None, new)
    name = farm.me().name
    seat.show_end(name, "changed", _("the password of {name} was changed; other logins have ended").format(name=name))


def remember(seat: Seat, at: str, token: str) -> None:
    """Try a token, and write it down."""
    from boardgrid.client.farm import Farm  # noqa: PLC0415
    from boardgrid.client.login import Login, chosen_profile, store  # noqa: PLC0415

    with Farm(at, token) as farm:
        me = farm.me()
    path = store(chosen_profile(seat.profile), Login(at, token))
    if at.startswith("http://") and not _is_here(at):
        seat.tell(_("note: {url} is not encrypted, so whoever listens there can take the token").format(url=at))
    seat.tell(
        _("logged in to {url} as {name} ({role}); stored in {path}").format(
            url=at, name=me.name, role=me.role, path=path
        )
    )
    if seat.is_for_programs:
        SHEET.show(Self(me.name, me.role, me.ssh_keys, at, me.scope), seat.output)


def new_password(seat: Seat) -> str:
    if not seat.has_person:
        raise nobody_to_ask(_("a password"), "--code-stdin")
    return twice_typed()


def nobody_to_ask(what: str, option: str) -> Complaint:
    return Complaint(
        REQUEST_INVALID,
        _("nobody is there to be asked for {what}").format(what=what),
        hint=_("a program gives it: {option}").format(option=option),
    )


def public_keys(file: str) -> list[str]:
    """
    The public SSH keys in a file; "-" is standard input.

    Raises:
        Complaint: it cannot be read, or holds none, or a private one.
    """
    text = sys.stdin.read() if file == "-" else text_in(file)
    if "PRIVATE KEY" in text:
        raise Complaint(
            REQUEST_INVALID,
            _("{file} holds a private key, which never leaves its owner").format(file=file),
            hint=_("the public one beside it is {file}.pub").format(file=file),
        )
    keys = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not keys:
        raise Complaint(REQUEST_INVALID, _("there is no public key in {file}").format(file=file))
    return keys


def _by_browser(seat: Seat, farm: "Farm") -> str:
    import threading  # noqa: PLC0415 - few need it
    import webbrowser  # noqa: PLC0415

    from boardgrid.client.sso import Ear, Secret  # noqa: PLC0415

    secret = Secret()
    with Ear() as ear:
        url = farm.begin_sso(secret.challenge, ear.return_to, label=_here())
        if not url.startswith(("https://", "http://")):
            raise Complaint(FARM_FOREIGN, _("{url!r} is nothing to open in a browser").format(url=url[:100]))
        seat.tell(_("log in with your browser, at {url}").format(url=url))
        seat.tell(_("where there is none on this machine: --no-browser"))
        # Some return when they end, and they end when we have answered them.
        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
        return farm.finish_sso(ear.code(), secret.verifier).token


def _by_code(seat: Seat, farm: "Farm") -> str:
    from boardgrid.client.sso import Secret  # noqa: PLC0415 - as above

    secret = Secret()
    seat.tell(_("log in with any browser, at {url}").format(url=farm.begin_sso(secret.challenge, label=_here())))
    if seat.has_person:
        code = str(click.prompt(_("The code that it shows then"), hide_input=True, err=True)).strip()
    else:
        code = _line().strip()
    return farm.finish_sso(code, secret.verifier).token


def _asked_for(seat: Seat, prompt: str, what: str, option: str, *, from_stdin: bool) -> str:
    if from_stdin:
        said = _line()
    elif seat.has_person:
        said = str(click.prompt(prompt, hide_input=True, err=True)).strip()
    else:
        raise nobody_to_ask(what, option)
    if not said:
        raise Complaint(REQUEST_INVALID, _("{what} is empty").format(what=what))
    return said


def _name(seat: Seat) -> str:
    if not seat.has_person:
        raise Complaint(
            REQUEST_INVALID,
            _("nobody is there to be asked who you are"),
            hint=_(
                "a program says it: --token-stdin, or --name with --password-stdin; or it sets BOARDGRID_URL and"
                " BOARDGRID_TOKEN, without a login"
            ),
        )
    return str(click.prompt(_("Name"), err=True)).strip()


def _line() -> str:
    # What is no text is no password and no token either; the farm says so.
    return sys.stdin.buffer.readline().decode("utf-8", "replace").rstrip("\r\n")


def _here() -> str:
    """What a login is told from others by."""
    import socket  # noqa: PLC0415

    return f"boardgrid login on {socket.gethostname()}"[:100]


def _is_here(url: str) -> bool:
    host = url.removeprefix("http://").partition("/")[0]
    return host.startswith(("127.", "localhost", "[::1]"))
