"""How agent and gateway reach this machine's controller: by its Unix socket, with the token they were last given."""

from pathlib import Path

import httpx

from boardgrid.adapters.controller import client
from boardgrid.daemon.config import Config
from boardgrid.daemon.layout import Layout
from boardgrid.messages import _
from boardgrid.model.errors import Code, NotFound
from boardgrid.model.user import Secret


def http_to_controller(config: Config, folder: Path) -> httpx.AsyncClient:
    """
    Raises:
        NotFound: there is no token in *folder*.
    """

    def token() -> Secret:
        return _read(Layout(config.state).token(folder), config)

    token()  # told now rather than at the first question
    return client(f"unix:{config.socket('controller.sock')}", token)


def _read(path: Path, config: Config) -> Secret:
    try:
        return Secret(path.read_text(encoding="ascii").strip())
    except FileNotFoundError as error:
        raise NotFound(
            Code.TOKEN_REFUSED,
            _("there is no token at {path}"),
            hint=_("boardgridd prepare --config {file} makes one"),
            path=path,
            file=config.file,
        ) from error
