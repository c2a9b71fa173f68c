"""Images to boot, and roots that were kept aside."""

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from boardgrid.api.answers import ImageOut, RootOut
from boardgrid.api.asking import Asker, TheFarm, TheSpool, declared_bytes
from boardgrid.api.bodies import ImageIn, KeepIn

router = APIRouter(tags=["images"])

_ARCHIVE = {
    "requestBody": {
        "required": True,
        "description": "A tar archive, plain or packed by gzip, xz or zstd.",
        "content": {"application/x-tar": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.get("/images")
def list_images(farm: TheFarm, asker: Asker) -> list[ImageOut]:
    """One's own images and those that are shared, by name and version."""
    return [ImageOut.of(view) for view in farm.catalog.images(asker)]


@router.get("/images/{ref}")
def show_image(ref: str, farm: TheFarm, asker: Asker) -> ImageOut:
    """`tiny:2` is that very version, `tiny` the newest that is ready."""
    return ImageOut.of(farm.catalog.image(asker, ref))


@router.post("/images", status_code=201)
def add_image(body: ImageIn, farm: TheFarm, asker: Asker) -> ImageOut:
    """Name a new version of an image. Its content is uploaded next, or is taken from `path` on the farm's machine."""
    return ImageOut.of(farm.catalog.open(asker, body.name, path=body.path, shared=body.shared, site=body.site))


@router.put("/images/{ref}/content", status_code=202, openapi_extra=_ARCHIVE)
async def upload_image(ref: str, request: Request, farm: TheFarm, spool: TheSpool, asker: Asker) -> ImageOut:
    """Bring the content of an image that awaits it, as the body itself: one upload of it at a time."""
    image = (await run_in_threadpool(farm.catalog.awaited, asker, ref)).image
    with spool.turn(image):
        arrived = await spool.receive(request.stream(), declared_bytes(request))
        view = await run_in_threadpool(
            spool.settle,
            arrived,
            lambda: farm.catalog.content_arrived(asker, image.id, arrived.sha256, arrived.size_bytes),
        )
    return ImageOut.of(view)


@router.delete("/images/{ref}", status_code=202)
def remove_image(ref: str, farm: TheFarm, asker: Asker) -> Response:
    """Have an image go that no root needs."""
    farm.catalog.remove(asker, ref)
    return Response(status_code=202)


@router.get("/roots")
def list_roots(farm: TheFarm, asker: Asker) -> list[RootOut]:
    """One's own roots; everyone's for an admin."""
    return [RootOut.of(view) for view in farm.roots.roots(asker)]


@router.get("/roots/{name}")
def show_root(name: str, farm: TheFarm, asker: Asker) -> RootOut:
    """One root, by its name; for an admin also by its id."""
    return RootOut.of(farm.roots.root(asker, name))


@router.post("/roots/{name}/keep", status_code=202)
def keep_root(name: str, body: KeepIn, farm: TheFarm, asker: Asker) -> ImageOut:
    """Make a new version of an image from a root that was kept aside."""
    return ImageOut.of(farm.roots.keep(asker, name, body.image))


@router.delete("/roots/{name}", status_code=202)
def discard_root(name: str, farm: TheFarm, asker: Asker) -> RootOut:
    """Give a root up, for ever."""
    return RootOut.of(farm.roots.discard(asker, name))
