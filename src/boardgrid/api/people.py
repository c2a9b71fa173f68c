"""Users, and who is invited to be one; groups and projects."""

from fastapi import APIRouter

from boardgrid.api.answers import ExternalIdentityOut, InvitationOut, NewInvitationOut, NewUserOut, TokenOut, UserOut
from boardgrid.api.asking import Asker, TheFarm
from boardgrid.api.bodies import (
    ExternalIdentitiesIn,
    InvitationIn,
    KeysIn,
    MembersIn,
    PartsIn,
    ProjectChangeIn,
    ProjectIn,
    RoleIn,
    UserGroupIn,
    UserIn,
)
from boardgrid.api.rules_answers import ProjectOut, UserGroupOut

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


@router.get("/users/{name}/external-identities")
def list_external_identities(name: str, farm: TheFarm, asker: Asker) -> list[ExternalIdentityOut]:
    """As whom a user comes in by a directory or an identity provider. Admins may."""
    return [ExternalIdentityOut.of(one) for one in farm.accounts.external_identities(asker, name)]


@router.put("/users/{name}/external-identities")
def link(name: str, body: ExternalIdentitiesIn, farm: TheFarm, asker: Asker) -> list[ExternalIdentityOut]:
    """Let these people from elsewhere come into a user's account, and no others. Admins may."""
    return [ExternalIdentityOut.of(one) for one in farm.accounts.link(asker, name, body.keys)]


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


@router.get("/groups")
def list_groups(farm: TheFarm, asker: Asker) -> list[UserGroupOut]:
    """All groups for an admin, those that one is in for a user."""
    return [UserGroupOut.of(view) for view in farm.projects.groups(asker)]


@router.post("/groups", status_code=201)
def add_group(body: UserGroupIn, farm: TheFarm, asker: Asker) -> UserGroupOut:
    """Make a group of users, for rules to speak of. Admins may."""
    return UserGroupOut.of(farm.projects.add_group(asker, body.name, body.members))


@router.get("/groups/{name}")
def show_group(name: str, farm: TheFarm, asker: Asker) -> UserGroupOut:
    """One group that one is in; admins see all."""
    return UserGroupOut.of(farm.projects.group(asker, name))


@router.post("/groups/{name}/members")
def change_group(name: str, body: MembersIn, farm: TheFarm, asker: Asker) -> UserGroupOut:
    """Let users in to a group, or out of it. Admins may."""
    return UserGroupOut.of(farm.projects.change_group(asker, name, body.add, body.remove))


@router.delete("/groups/{name}", status_code=204)
def remove_group(name: str, farm: TheFarm, asker: Asker) -> None:
    """Remove a group and its limits. Admins may."""
    farm.projects.remove_group(asker, name)


@router.get("/projects")
def list_projects(farm: TheFarm, asker: Asker) -> list[ProjectOut]:
    """All projects for an admin, those that one is in for a user."""
    return [ProjectOut.of(view) for view in farm.projects.projects(asker)]


@router.post("/projects", status_code=201)
def add_project(body: ProjectIn, farm: TheFarm, asker: Asker) -> ProjectOut:
    """Make a project, on which reservations may count. Admins may."""
    view = farm.projects.add(asker, body.name, members=body.members, description=body.description, image=body.image)
    return ProjectOut.of(view)


@router.get("/projects/{name}")
def show_project(name: str, farm: TheFarm, asker: Asker) -> ProjectOut:
    """One project that one is in; admins see all."""
    return ProjectOut.of(farm.projects.project(asker, name))


@router.post("/projects/{name}/describe")
def describe_project(name: str, body: ProjectChangeIn, farm: TheFarm, asker: Asker) -> ProjectOut:
    """Change what is said of a project, and what it boots. Its managers and admins may."""
    view = farm.projects.describe(asker, name, description=body.description, image=body.image)
    return ProjectOut.of(view)


@router.post("/projects/{name}/members")
def change_project(name: str, body: PartsIn, farm: TheFarm, asker: Asker) -> ProjectOut:
    """Let users in to a project, or out of it. Its managers and admins may."""
    return ProjectOut.of(farm.projects.change(asker, name, body.add, body.remove, team=body.team))


@router.delete("/projects/{name}", status_code=204)
def remove_project(name: str, farm: TheFarm, asker: Asker) -> None:
    """Remove a project, its limits and its links, when no live reservation counts on it. Admins may."""
    farm.projects.remove(asker, name)
