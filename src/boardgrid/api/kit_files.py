"""Files that users send to boot their roots with."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.concurrency import run_in_threadpool

from boardgrid.api.answers import KitFileOut
from boardgrid.api.asking import Asker, TheFarm, TheSpool, declared_bytes
from boardgrid.messages import _
from boardgrid.model.errors import Code, Conflict
from boardgrid.model.kit import FILE_BYTES

router = APIRouter(tags=["reservations"])

Sum = Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="SHA-256, in hex.")]
_CONTENT = {
    "requestBody": {
        "required": True,
        "description": "The file itself. Modules come as a tar archive of what lies in lib/modules/RELEASE.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.get("/kit-files/{sha256}")
def show_kit_file(sha256: Sum, farm: TheFarm, asker: Asker) -> KitFileOut:
    """A file that one sent before, and need not send again."""
    return KitFileOut.of(farm.restarting.file(asker, sha256))


@router.put("/kit-files/{sha256}", status_code=201, openapi_extra=_CONTENT)
async def send_kit_file(sha256: Sum, request: Request, farm: TheFarm, spool: TheSpool, asker: Asker) -> KitFileOut:
    """Send a kernel, a device tree, an initrd or modules, to boot with: 1 GiB at most, one at a time."""
    farm.restarting.check_may_send(asker)
    with spool.turn_of(asker):
        arrived = await spool.receive(request.stream(), declared_bytes(request), most_bytes=FILE_BYTES)
        if arrived.sha256 != sha256:
            await run_in_threadpool(arrived.part.unlink, missing_ok=True)
            raise Conflict(
                Code.UPLOAD_BROKEN,
                _("what came has the SHA-256 {came}"),
                hint=_("send it again"),
                came=arrived.sha256,
            )
        made = await run_in_threadpool(
            spool.settle, arrived, lambda: farm.restarting.file_arrived(asker, sha256, arrived.size_bytes)
        )
    return KitFileOut.of(made)
