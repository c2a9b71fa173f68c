"""Where a site may import from: the folders of its machine, and the addresses, that its config names."""

from dataclasses import dataclass
from itertools import islice
from pathlib import PurePosixPath
from urllib.parse import SplitResult, urlsplit

from boardgrid.messages import _
from boardgrid.model.errors import Code, Invalid
from boardgrid.model.image import checked_url, shown_url

PORTS = {"http": 80, "https": 443}
_PLACES_MOST, _PATH_MOST = 100, 4096


@dataclass(frozen=True, slots=True)
class Imports:
    """The agent decides. The controller is told of them, so that what is elsewhere is refused before it is begun."""

    folders: tuple[str, ...] = ()  # absolute
    addresses: tuple[str, ...] = ()  # "https://images.example.org/boards/"

    def bounded(self) -> "Imports":
        """Of what an agent tells no more than anybody needs, and nothing that is no folder and no address."""
        folders = (one for one in self.folders if one.startswith("/") and len(one) <= _PATH_MOST)
        addresses = filter(_is_address, self.addresses)
        return Imports(tuple(islice(folders, _PLACES_MOST)), tuple(islice(addresses, _PLACES_MOST)))

    def folder_of(self, path: str) -> PurePosixPath:
        """
        The one that *path* lies below, by its name: where links lead is seen when it is opened.

        Raises:
            Invalid: PATH_FORBIDDEN.
        """
        wanted = PurePosixPath(path)
        over = [one for one in map(PurePosixPath, self.folders) if wanted.is_relative_to(one)]
        if not wanted.is_absolute() or ".." in wanted.parts or not over:
            raise self.path_forbidden(path)
        # The innermost alone decides: trying another after it refused would let a link choose.
        return max(over, key=lambda one: len(one.parts))

    def check_address(self, url: str) -> None:
        """
        Raises:
            Invalid: PATH_FORBIDDEN.
        """
        wanted = urlsplit(checked_url(url))
        for one in map(urlsplit, self.addresses):
            is_there = (wanted.scheme, wanted.hostname, _port(wanted)) == (one.scheme, one.hostname, _port(one))
            folder = one.path if one.path.endswith("/") else f"{one.path}/"
            if is_there and (wanted.path == one.path or wanted.path.startswith(folder)):
                return
        raise self._forbidden(
            shown_url(url),
            self.addresses,
            _("it must lie below {allowed}"),
            _("download it and import the file, or ask an admin to name its address in agent.import_urls"),
        )

    def path_forbidden(self, path: str) -> Invalid:
        return self._forbidden(
            path,
            self.folders,
            _("it must lie below {allowed}, and no link may lead out"),
            _("upload it, or name a folder above it in agent.import_dirs"),
        )

    def _forbidden(self, what: str, allowed: tuple[str, ...], where: str, otherwise: str) -> Invalid:
        return Invalid(
            Code.PATH_FORBIDDEN,
            _("{what} is not where this site may import from"),
            hint=where if allowed else otherwise,
            what=what,
            allowed=", ".join(allowed),
        )


def _is_address(url: str) -> bool:
    try:
        checked_url(url)
    except Invalid:
        return False
    return True


def _port(url: SplitResult) -> int | None:
    return url.port or PORTS.get(url.scheme)
