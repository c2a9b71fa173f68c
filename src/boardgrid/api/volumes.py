"""Volumes: file systems of users and projects, beside the roots of their boards."""

from fastapi import APIRouter

from boardgrid.api.answers import VolumeOut
from boardgrid.api.asking import Asker, TheFarm
from boardgrid.api.bodies import VolumeChangeIn, VolumeIn

router = APIRouter(tags=["volumes"])


@router.get("/volumes")
def list_volumes(farm: TheFarm, asker: Asker) -> list[VolumeOut]:
    """One's own volumes and those of one's projects; everyone's for an admin."""
    return [VolumeOut.of(view) for view in farm.volumes.volumes(asker)]


@router.get("/volumes/{name}")
def show_volume(name: str, farm: TheFarm, asker: Asker) -> VolumeOut:
    """One volume."""
    return VolumeOut.of(farm.volumes.volume(asker, name))


@router.post("/volumes", status_code=201)
def create_volume(body: VolumeIn, farm: TheFarm, asker: Asker) -> VolumeOut:
    """Have a volume made. Boards that are given out once it is ready mount it. A project's is its managers' to make."""
    view = farm.volumes.create(asker, body.name, body.size_bytes, project=body.project, path=body.path, site=body.site)
    return VolumeOut.of(view)


@router.patch("/volumes/{name}")
def change_volume(name: str, body: VolumeChangeIn, farm: TheFarm, asker: Asker) -> VolumeOut:
    """Make a volume larger, while boards use it too; or have it mounted elsewhere on boards that are given out next."""
    return VolumeOut.of(farm.volumes.change(asker, name, size_bytes=body.size_bytes, path=body.path))


@router.delete("/volumes/{name}", status_code=202)
def remove_volume(name: str, farm: TheFarm, asker: Asker) -> VolumeOut:
    """Remove a volume that no board has. Its files are kept for seven days."""
    return VolumeOut.of(farm.volumes.remove(asker, name))


@router.post("/volumes/{name}/restore")
def restore_volume(name: str, farm: TheFarm, asker: Asker) -> VolumeOut:
    """Have a volume back that was removed, as long as its files are kept."""
    return VolumeOut.of(farm.volumes.restore(asker, name))
