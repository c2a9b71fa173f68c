"""One's own account: how one comes in, and with what."""

from datetime import timedelta
from functools import partial

from fastapi import APIRouter
from pydantic import SecretStr

from boardgrid.api.answers import KeyOut, MeOut, NewTokenOut, NewUserOut, TokenOut
from boardgrid.api.asking import Asker, Origin, TheFarm, hashing
from boardgrid.api.bodies import AcceptIn, KeyIn, LoginIn, PasswordIn, TokenIn

router = APIRouter(tags=["account"])


@router.post("/login", status_code=201)
async def login(body: LoginIn, farm: TheFarm, origin: Origin) -> NewUserOut:
    """A token for a name and a password. Whatever is wrong with them, the answer is the same."""
    made = partial(farm.logins.login, body.name, body.password.get_secret_value(), origin=origin, label=body.label)
    return NewUserOut.of(*await hashing(made))


@router.post("/invitations/accept", status_code=201)
async def accept_invitation(body: AcceptIn, farm: TheFarm, origin: Origin) -> NewUserOut:
    """
    Make the account that a code is for, or give it a new password; and log in. A code is good once; that of a link into
    a project that makes accounts, as often as the link says.
    """
    accepted = partial(
        farm.invitations.accept,
        body.code,
        name=body.name,
        password=_clear(body.password),
        ssh_keys=body.ssh_keys,
        origin=origin,
    )
    return NewUserOut.of(*await hashing(accepted))


@router.get("/me")
def who_am_i(asker: Asker) -> MeOut:
    """The user whose token this is."""
    return MeOut.of_asker(asker)


@router.put("/me/password", status_code=204)
async def change_password(body: PasswordIn, farm: TheFarm, asker: Asker, origin: Origin) -> None:
    """Change one's password. One's other logins end; tokens that were made for programs go on."""
    new = body.new.get_secret_value()
    await hashing(partial(farm.logins.change_password, asker, _clear(body.old), new, origin=origin))


@router.get("/me/ssh-keys")
def list_keys(asker: Asker) -> list[KeyOut]:
    """One's own SSH keys."""
    return [KeyOut.of(key) for key in asker.ssh_keys]


@router.post("/me/ssh-keys", status_code=201)
def add_key(body: KeyIn, farm: TheFarm, asker: Asker) -> list[KeyOut]:
    """Add an SSH key to one's own. A board that is open already has the keys that it was given."""
    return [KeyOut.of(key) for key in farm.accounts.add_key(asker, body.ssh_key).ssh_keys]


@router.delete("/me/ssh-keys/{fingerprint:path}", status_code=204)
def remove_key(fingerprint: str, farm: TheFarm, asker: Asker) -> None:
    """Remove one of one's SSH keys: nobody comes in by it any more, and what is open by it ends."""
    farm.accounts.remove_key(asker, fingerprint)


@router.get("/tokens")
def list_tokens(farm: TheFarm, asker: Asker) -> list[TokenOut]:
    """One's own tokens, oldest first."""
    return [TokenOut.of(token) for token in farm.tokens.list(asker)]


@router.post("/tokens", status_code=201)
def create_token(body: TokenIn, farm: TheFarm, asker: Asker) -> NewTokenOut:
    """Make a token for a program, good for no more and no longer than the one that is asked with."""
    for_ = None if body.for_s is None else timedelta(seconds=body.for_s)
    return NewTokenOut.of_new(farm.tokens.create(asker, body.label, scope=body.scope, for_=for_))


@router.delete("/tokens/{token}", status_code=204)
def revoke_token(token: str, farm: TheFarm, asker: Asker) -> None:
    """End a token, at once: one of one's own; an admin may end anybody's. Any token may end itself."""
    farm.tokens.revoke(asker, token)


def _clear(password: SecretStr | None) -> str | None:
    return password.get_secret_value() if password else None
