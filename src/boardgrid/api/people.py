"""Users, and who is invited to be one."""

from fastapi import APIRouter

from boardgrid.api.answers import InvitationOut, NewInvitationOut, NewUserOut, TokenOut, UserOut
from boardgrid.api.asking import Asker, TheFarm
from boardgrid.api.bodies import InvitationIn, KeysIn, RoleIn, UserIn

router = APIRouter(tags=["people"])


@router.get("/users")
def list_users(farm: TheFarm, asker: Asker) -> list[UserOut]:
    """All users for an admin, oneself for a user."""
    return [UserOut.of(user) for user in farm.accounts.users(asker)]


@router.post("/users", status_code=201)
def add_user(body: UserIn, farm: TheFarm, asker: Asker) -> NewUserOut:
    """Make a user and their first token. Admins may."""
    return NewUserOut.of(*farm.accounts.add(asker, body.name, body.role, body.ssh_keys))


@router.get("/users/{name}")
def show_user(name: str, farm: TheFarm, asker: Asker) -> UserOut:
    """One user; others' are seen by admins alone."""
    return UserOut.of(farm.accounts.user(asker, name))


@router.post("/users/{name}/token", status_code=201)
def renew_token(name: str, farm: TheFarm, asker: Asker) -> NewUserOut:
    """Give a user another token; the old ones end at once. Admins may."""
    return NewUserOut.of(*farm.tokens.renew(asker, name))


@router.put("/users/{name}/ssh-keys")
def replace_keys(name: str, body: KeysIn, farm: TheFarm, asker: Asker) -> UserOut:
    """Give a user these SSH keys and no others; nobody comes in by an old one. Admins may."""
    return UserOut.of(farm.accounts.replace_keys(asker, name, body.ssh_keys))


@router.get("/users/{name}/tokens")
def list_tokens_of(name: str, farm: TheFarm, asker: Asker) -> list[TokenOut]:
    """The tokens of a user; others' are seen by admins alone."""
    return [TokenOut.of(token) for token in farm.tokens.list(asker, name)]


@router.put("/users/{name}/role")
def give_role(name: str, body: RoleIn, farm: TheFarm, asker: Asker) -> UserOut:
    """Make a user admin, operator, user or guest. Admins may."""
    return UserOut.of(farm.accounts.give_role(asker, name, body.role))


@router.post("/users/{name}/suspend")
def suspend_user(name: str, farm: TheFarm, asker: Asker) -> UserOut:
    """Shut a user out at once: tokens, password and keys open nothing; their reservations go on. Admins may."""
    return UserOut.of(farm.accounts.suspend(asker, name))


@router.post("/users/{name}/restore")
def restore_user(name: str, farm: TheFarm, asker: Asker) -> UserOut:
    """Let a suspended user in again. Admins may."""
    return UserOut.of(farm.accounts.restore(asker, name))


@router.post("/users/{name}/reset", status_code=201)
def reset_password(name: str, farm: TheFarm, asker: Asker) -> NewInvitationOut:
    """A code by which a user chooses a new password: good once, for three days. Admins may."""
    return NewInvitationOut.of_new(farm.invitations.reset(asker, name))


@router.delete("/users/{name}", status_code=204)
def remove_user(name: str, farm: TheFarm, asker: Asker) -> None:
    """Close an account: tokens and keys end at once. Admins may."""
    farm.accounts.remove(asker, name)


@router.get("/invitations")
def list_invitations(farm: TheFarm, asker: Asker) -> list[InvitationOut]:
    """Codes that nobody has used yet. Admins may."""
    return [InvitationOut.of(one) for one in farm.invitations.open(asker)]


@router.post("/invitations", status_code=201)
def invite(body: InvitationIn, farm: TheFarm, asker: Asker) -> NewInvitationOut:
    """A code by which somebody makes an account: good once, for three days. Admins may."""
    return NewInvitationOut.of_new(farm.invitations.invite(asker, body.role, body.name))


@router.delete("/invitations/{invitation}", status_code=204)
def revoke_invitation(invitation: str, farm: TheFarm, asker: Asker) -> None:
    """Take a code back. Admins may."""
    farm.invitations.revoke(asker, invitation)
