"""Who comes into a project: by a roster, or by themselves with the code of a link."""

from datetime import timedelta

from fastapi import APIRouter

from boardgrid.api.asking import Asker, TheFarm
from boardgrid.api.bodies import EnterIn, LinkIn, RosterIn
from boardgrid.api.rules_answers import EnteredOut, LinkOut, NewLinkOut, ProjectOut, RosterChangeOut, RosterLineOut

router = APIRouter(tags=["people"])


@router.get("/projects/{name}/roster")
def show_roster(name: str, farm: TheFarm, asker: Asker) -> list[RosterLineOut]:
    """Who is in a project that one is in, and who is expected; admins see all."""
    return [RosterLineOut.of(line) for line in farm.rosters.roster(asker, name)]


@router.post("/projects/{name}/roster")
def bring_in(name: str, body: RosterIn, farm: TheFarm, asker: Asker) -> RosterChangeOut:
    """Put people into a project, all or nobody. Its managers and admins may; admins invite who has no account."""
    return RosterChangeOut.of(farm.rosters.bring_in(asker, name, body.asked(), replace_others=body.replace))


@router.get("/projects/{name}/links")
def list_links(name: str, farm: TheFarm, asker: Asker) -> list[LinkOut]:
    """The links by which people come into a project, without their codes. Its managers and admins may."""
    return [LinkOut.of(view) for view in farm.links.links(asker, name)]


@router.post("/projects/{name}/links", status_code=201)
def make_link(name: str, body: LinkIn, farm: TheFarm, asker: Asker) -> NewLinkOut:
    """A code by which people come into a project as its members. Its managers and admins may."""
    for_ = timedelta(seconds=body.for_s)
    made = farm.links.make(asker, name, for_=for_, most=body.most, team=body.team, new_accounts=body.new_accounts)
    return NewLinkOut.of_new(made)


@router.delete("/projects/{name}/links/{link}", status_code=204)
def remove_link(name: str, link: str, farm: TheFarm, asker: Asker) -> None:
    """Take a link back: who came in by it stays. Its managers and admins may."""
    farm.links.remove(asker, name, link)


@router.post("/me/projects")
def enter_project(body: EnterIn, farm: TheFarm, asker: Asker) -> EnteredOut:
    """Come into a project by the code of a link. Who is in it already uses nothing up."""
    view, is_new = farm.links.enter(asker, body.code)
    return EnteredOut(project=ProjectOut.of(view), is_new=is_new)
