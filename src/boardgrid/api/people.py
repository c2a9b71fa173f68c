"""Users, and who I am."""

from fastapi import APIRouter

from boardgrid.api.answers import NewUserOut, UserOut
from boardgrid.api.asking import Asker, TheFarm
from boardgrid.api.bodies import KeysIn, UserIn

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
