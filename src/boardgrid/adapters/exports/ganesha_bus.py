"""What ganesha can be asked and told over D-Bus."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path, PurePosixPath
from typing import Any

import structlog
from jeepney import DBusAddress, DBusErrorResponse, HeaderFields, Message, message_bus, new_method_call
from jeepney.io.asyncio import DBusConnection, open_dbus_connection
from jeepney.io.common import RouterClosed
from jeepney.wrappers import unwrap_msg

from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault
from boardgrid.ports import Export

log = structlog.get_logger()

_EXPORTS = DBusAddress(
    "/org/ganesha/nfsd/ExportMgr", bus_name="org.ganesha.nfsd", interface="org.ganesha.nfsd.exportmgr"
)
_ERROR = "org.freedesktop.DBus.Error."
_REFUSALS = {_ERROR + "InvalidArgs", _ERROR + "InvalidFileContent", _ERROR + "Failed"}


class Refused(Exception):
    """The server answered, and said no. Anything else that goes wrong leaves open whether it was done."""


@dataclass(frozen=True, slots=True)
class Ganesha:
    connection: DBusConnection

    async def _call(self, method: str, signature: str | None = None, *words: object) -> tuple[Any, ...]:
        return await self._asked(new_method_call(_EXPORTS, method, signature, words))

    async def _asked(self, message: Message) -> tuple[Any, ...]:
        """
        Raises:
            Refused: see there.
            Fault: it did not answer.
        """
        serial = next(self.connection.outgoing_serial)
        try:
            await self.connection.send(message, serial=serial)
            while (reply := await self.connection.receive()).header.fields.get(HeaderFields.reply_serial) != serial:
                pass  # what the bus tells everyone
            body: tuple[Any, ...] = unwrap_msg(reply)
        except DBusErrorResponse as error:
            said = " ".join(str(word) for word in error.data).strip()[:500] or error.name
            if error.name in _REFUSALS:
                raise Refused(said) from error
            raise _silent(said) from error
        except (OSError, EOFError) as error:
            raise _silent(error) from error
        return body

    async def pid(self) -> int:
        """The process of the server, as seen where the bus runs."""
        (pid,) = await self._asked(message_bus.GetConnectionUnixProcessID(_EXPORTS.bus_name))
        return int(pid)

    async def numbers(self) -> Mapping[PurePosixPath, int]:
        """Its exports' numbers by the path that boards mount; not number 0, the root for NFSv4, which is off."""
        _when, shown = await self._call("ShowExports")
        return {PurePosixPath(path): number for number, path, *_rest in shown if number}

    async def export(self, number: int) -> Export | None:
        """None when it went in the meantime, or is offered to more than one address: then it is none of ours."""
        try:
            _number, tree, seen_as, _tag, clients = await self._call("DisplayExport", "q", number)
        except Refused:
            return None
        match [_address(client) for client, *_rest in clients]:
            case [IPv4Address() as board]:
                return Export(board, PurePosixPath(seen_as), Path(tree))
            case _:
                log.warning("export.foreign", seen_as=seen_as, tree=tree)
                return None

    async def add(self, number: int, file: Path) -> None:
        await self._call("AddExport", "ss", str(file), f"EXPORT(Export_Id={number})")

    async def remove(self, number: int) -> None:
        await self._call("RemoveExport", "q", number)


@asynccontextmanager
async def ganesha_on(bus: Path, timeout_s: float) -> AsyncIterator[Ganesha]:
    """
    A connection that lives as long as one of our calls, so that a server that was restarted is simply asked anew.

    Raises:
        Fault: nothing answers on the bus, or all that is done here took over *timeout_s*.
    """
    connection: DBusConnection | None = None
    try:
        async with asyncio.timeout(timeout_s):
            try:
                connection = await open_dbus_connection(f"unix:path={bus}")
            except (OSError, EOFError, RouterClosed, LookupError, ValueError) as error:
                raise _silent(error) from error
            yield Ganesha(connection)
    except TimeoutError as error:
        raise _silent(f"no answer in {timeout_s:g} s") from error
    finally:
        if connection:
            connection.writer.close()


def _silent(said: object) -> Fault:
    return Fault(
        Code.EXPORTS_FAILED,
        _("the NFS server ganesha does not answer: {said}"),
        hint=_("it is started again by itself; if this stays, its log says why it ends"),
        said=str(said) or type(said).__name__,
    )


def _address(client: str) -> IPv4Address | None:
    try:
        network = IPv4Network(client)
    except ValueError:
        return None
    return network.network_address if network.prefixlen == network.max_prefixlen else None
