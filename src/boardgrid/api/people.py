"""Users, and who I am; groups and projects."""

from fastapi import APIRouter

from boardgrid.api.answers import NewUserOut, UserOut
from boardgrid.api.asking import Asker, TheFarm
from boardgrid.api.bodies import KeysIn, MembersIn, PartsIn, ProjectChangeIn, ProjectIn, UserGroupIn, UserIn
from boardgrid.api.rules_answers import ProjectOut, UserGroupOut

router = APIRouter(tags=["people"])


@router.get("/me")
def who_am_i(asker: Asker) -> UserOut:
    """The user whose token this is."""
    return UserOut.of(asker)


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
    return NewUserOut.of(*farm.accounts.new_token(asker, name))


@router.put("/users/{name}/ssh-keys")
def replace_keys(name: str, body: KeysIn, farm: TheFarm, asker: Asker) -> UserOut:
    """Give a user these SSH keys and no others; nobody comes in by an old one. Admins may."""
    return UserOut.of(farm.accounts.replace_keys(asker, name, body.ssh_keys))


@router.delete("/users/{name}", status_code=204)
def remove_user(name: str, farm: TheFarm, asker: Asker) -> None:
    """Close an account: tokens and keys end at once. Admins may."""
    farm.accounts.remove(asker, name)


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
    return ProjectOut.of(farm.projects.change(asker, name, body.add, body.remove))


@router.delete("/projects/{name}", status_code=204)
def remove_project(name: str, farm: TheFarm, asker: Asker) -> None:
    """Remove a project and its limits, when no live reservation counts on it. Admins may."""
    farm.projects.remove(asker, name)
