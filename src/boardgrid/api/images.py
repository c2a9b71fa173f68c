"""Images to boot, what is done with them, and roots that were kept aside."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.responses import FileResponse

from boardgrid.api.answers import AdaptationOut, ErrandOut, ImageOut, RootOut
from boardgrid.api.asking import Asker, TheFarm, TheSpool, declared_bytes
from boardgrid.api.bodies import ImageDescribedIn, ImageIn, KeepIn
from boardgrid.messages import _
from boardgrid.model.adaptation import adaptations
from boardgrid.model.errand import ErrandKind, ErrandState
from boardgrid.model.errors import Code, Conflict, Invalid
from boardgrid.model.user import User
from boardgrid.services.catalog import Wanted
from boardgrid.services.farm import Farm

router = APIRouter(tags=["images"])

ARCHIVE = {
    "requestBody": {
        "required": True,
        "description": (
            "A tar archive, a disk image, an Android sparse image, a container image or an export of another farm; "
            "plain or packed by gzip, xz, zstd or bzip2."
        ),
        "content": {"application/x-tar": {"schema": {"type": "string", "format": "binary"}}},
    }
}


_PIECE = {
    "requestBody": {
        "required": True,
        "description": "The archive from `Upload-Offset` on, all of it or as much as comes.",
        "content": {"application/offset+octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
_NOTED_EVERY_S = 60.0
_Offset = Annotated[int, Header(ge=0, le=2**53, description="How much of it has come.")]
_Length = Annotated[int, Header(ge=0, le=2**53, description="How much there is of it.")]
_Name = Annotated[str, Query(max_length=100)]
_Labels = Annotated[list[str], Query(max_length=20, description="`name=value`; it has all of these.")]
_All = Annotated[bool, Query(alias="all", description="Everybody's, as far as one may; else one's own.")]


@router.get("/images")
def list_images(
    farm: TheFarm,
    asker: Asker,
    *,
    name: _Name = "",
    owner: _Name = "",
    type: Annotated[str, Query(max_length=100, description="Of boards that it runs on.")] = "",  # noqa: A002 - the word
    label: _Labels = [],  # noqa: B006 - FastAPI copies it
    text: Annotated[str, Query(max_length=100, description="Anywhere in its ref, its system or its labels.")] = "",
    gone: Annotated[bool, Query(description="Those that are gone too: others descend from them.")] = False,
) -> list[ImageOut]:
    """The images that one may see, by name and version."""
    labels = frozenset(_label(one) for one in label)
    wanted = Wanted(name, owner, type, labels, text)
    return [ImageOut.of(view) for view in farm.catalog.images(asker, wanted, gone=gone)]


@router.get("/image-names/{name}", status_code=204)
def check_image_name(name: str, farm: TheFarm, asker: Asker) -> None:
    """Whether a new image of one's own may be called so: a refusal is the one that would come when it is made."""
    farm.catalog.check_name(asker, name)


@router.get("/images/{ref}")
def show_image(ref: str, farm: TheFarm, asker: Asker) -> ImageOut:
    """`tiny:2026112201` is that version, `tiny:stable` the one with this alias, `tiny` the newest that is ready."""
    return ImageOut.of(farm.catalog.image(asker, ref))


@router.post("/images", status_code=201)
def add_image(body: ImageIn, farm: TheFarm, asker: Asker) -> ImageOut:
    """Name a new version of an image. Its content is uploaded next, or is taken from `path` or `url` by the farm."""
    view = farm.catalog.open(
        asker,
        body.name,
        path=body.path,
        url=body.url,
        sha256=body.sha256,
        making=body.making,
        shared=body.shared,
        described=body.described(),
        site=body.site,
    )
    return ImageOut.of(view)


@router.post("/images/{ref}/describe")
def describe_image(ref: str, body: ImageDescribedIn, farm: TheFarm, asker: Asker) -> ImageOut:
    """Say who sees a version, which labels it has, and for which types of boards it is."""
    return ImageOut.of(farm.curating.describe(asker, ref, body.described()))


@router.put("/images/{ref}/aliases/{alias}")
def set_alias(ref: str, alias: str, farm: TheFarm, asker: Asker) -> ImageOut:
    """Have an alias mean this version, and no other from now on."""
    return ImageOut.of(farm.curating.call(asker, ref, alias))


@router.delete("/images/{ref}/aliases/{alias}", status_code=204)
def remove_alias(ref: str, alias: str, farm: TheFarm, asker: Asker) -> None:
    """Take an alias away from whichever version of an image has it."""
    farm.curating.uncall(asker, ref, alias)


@router.put("/images/{ref}/content", status_code=202, openapi_extra=ARCHIVE)
async def upload_image(ref: str, request: Request, farm: TheFarm, spool: TheSpool, asker: Asker) -> ImageOut:
    """Bring the content of an image that awaits it, as the body itself: one upload of it at a time."""
    image = (await run_in_threadpool(farm.catalog.awaited, asker, ref)).image
    with spool.turn(image):
        size_bytes = declared_bytes(request)
        chunks = _noted(request.stream(), farm, asker, image.id, come_bytes=0, whole_bytes=size_bytes or 0)
        arrived = await spool.receive(chunks, size_bytes)
        view = await run_in_threadpool(
            spool.settle,
            arrived,
            lambda: farm.catalog.content_arrived(asker, image.id, arrived.sha256, arrived.size_bytes),
        )
    return ImageOut.of(view)


@router.head("/images/{ref}/content")
async def tell_upload(ref: str, farm: TheFarm, spool: TheSpool, asker: Asker) -> Response:
    """How much of an upload has come, as `Upload-Offset`; and of that the SHA-256 in hex, as `Upload-Checksum`."""
    image = (await run_in_threadpool(farm.catalog.awaited, asker, ref)).image
    come = await spool.come(image.id)
    return Response(headers={"Upload-Offset": str(come.size_bytes), "Upload-Checksum": f"sha256 {come.sha256}"})


@router.patch("/images/{ref}/content", status_code=204, openapi_extra=_PIECE)
async def resume_upload(
    ref: str,
    request: Request,
    farm: TheFarm,
    spool: TheSpool,
    asker: Asker,
    *,
    upload_offset: _Offset,
    upload_length: _Length,
) -> Response:
    """Bring the next of an upload. What came stays when it breaks off; once all of it is there, the image is made."""
    image = (await run_in_threadpool(farm.catalog.awaited, asker, ref)).image
    with spool.turn(image):
        chunks = _noted(request.stream(), farm, asker, image.id, come_bytes=upload_offset, whole_bytes=upload_length)
        come = await spool.append(image.id, upload_offset, chunks, upload_length)
        if come.size_bytes == upload_length:
            arrived = spool.arrived(image.id, come)
            await run_in_threadpool(
                spool.settle,
                arrived,
                lambda: farm.catalog.content_arrived(asker, image.id, arrived.sha256, arrived.size_bytes),
            )
    return Response(status_code=204, headers={"Upload-Offset": str(come.size_bytes)})


@router.delete("/images/{ref}", status_code=202)
def remove_image(ref: str, farm: TheFarm, asker: Asker) -> Response:
    """Put an image that nobody needs into the wastebasket. One that is being made is stopped, and gone for good."""
    farm.wastebasket.remove(asker, ref)
    return Response(status_code=202)


@router.post("/images/{ref}/restore")
def restore_image(ref: str, farm: TheFarm, asker: Asker) -> ImageOut:
    """Take a version out of the wastebasket."""
    return ImageOut.of(farm.wastebasket.restore(asker, ref))


@router.get("/image-waste")
def list_waste(farm: TheFarm, asker: Asker, *, of_all: _All = False) -> list[ImageOut]:
    """What lies in the wastebasket, what could not be made, and names whose content never came."""
    return [ImageOut.of(view) for view in farm.wastebasket.waste(asker, of_all=of_all)]


@router.delete("/image-waste")
def empty_waste(farm: TheFarm, asker: Asker, *, of_all: _All = False) -> list[ImageOut]:
    """Have all of that go now, for ever; what it was."""
    return [ImageOut.of(view) for view in farm.wastebasket.empty(asker, of_all=of_all)]


@router.post("/images/{ref}/verify", status_code=202)
def verify_image(ref: str, farm: TheFarm, asker: Asker) -> ErrandOut:
    """Have an image's file held against its checksum."""
    return ErrandOut.of(farm.errands.verify(asker, ref))


@router.post("/images/{ref}/export", status_code=202)
def export_image(ref: str, farm: TheFarm, asker: Asker) -> ErrandOut:
    """Have an image packed, to be taken away."""
    return ErrandOut.of(farm.errands.export(asker, ref))


@router.get("/errands/{errand}")
def show_errand(errand: UUID, farm: TheFarm, asker: Asker) -> ErrandOut:
    """What came of having an image verified or exported."""
    return ErrandOut.of(farm.errands.errand(asker, errand))


@router.get(
    "/errands/{errand}/content",
    response_class=FileResponse,
    responses={200: {"content": {"application/x-tar": {}}}, 206: {"description": "The part that was asked for."}},
)
def fetch_export(errand: UUID, farm: TheFarm, spool: TheSpool, asker: Asker) -> FileResponse:
    """What was packed: a tar archive. A download that broke off is resumed with `Range`."""
    view = farm.errands.to_fetch(asker, errand)
    path = spool.path(str(errand))
    if view.errand.kind is not ErrandKind.EXPORT or view.errand.state is not ErrandState.DONE or not path.is_file():
        raise Conflict(
            Code.IMAGE_NOT_READY, _("this errand has nothing that could be taken away"), hint=_("wait until it is done")
        )
    return FileResponse(path, media_type="application/x-tar", filename=f"{view.image.replace(':', '-')}.tar")


@router.delete("/errands/{errand}", status_code=204)
def forget_errand(errand: UUID, farm: TheFarm, asker: Asker) -> None:
    """Have it stopped, or what was packed thrown away."""
    farm.errands.forget(asker, errand)


@router.get("/adaptations")
def list_adaptations(asker: Asker) -> list[AdaptationOut]:
    """What is changed in images and roots so that boards can have them over NFS, in the order in which it is done."""
    return [AdaptationOut.of(one) for one in adaptations()]


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


async def _noted(
    chunks: AsyncIterator[bytes], farm: Farm, asker: User, image: UUID, *, come_bytes: int, whole_bytes: int
) -> AsyncIterator[bytes]:
    """The same chunks; before the first, even if none comes, and now and then it is noted how much has come."""
    loop, noted_s = asyncio.get_running_loop(), -_NOTED_EVERY_S

    async def note() -> None:
        nonlocal noted_s
        if loop.time() - noted_s >= _NOTED_EVERY_S:
            await run_in_threadpool(farm.catalog.coming, asker, image, come_bytes, whole_bytes)
            noted_s = loop.time()

    await note()
    async for chunk in chunks:
        await note()
        yield chunk
        come_bytes += len(chunk)


def _label(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise Invalid(Code.REQUEST_INVALID, _("a label is asked for as name=value, and not as {text}"), text=text[:80])
    return name, value
