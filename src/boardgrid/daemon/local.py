"""Commands on the controller's own machine: they become its user first, for the database is that user's."""

import os
from collections.abc import Sequence
from pathlib import Path

from boardgrid.daemon.config import Config
from boardgrid.daemon.process import Process
from boardgrid.daemon.processes import Farm, own_program
from boardgrid.daemon.state import StateFolder
from boardgrid.messages import _
from boardgrid.model.errors import Code, NotAllowed, NotFound


def become_controller(config: Config, words: Sequence[str]) -> None:
    """
    Go on as the controller's user; root starts the same command once more as that user, anyone else is refused.

    Raises:
        NotFound: this farm was never up.
        NotAllowed: the asker is neither root nor that user.
    """
    if os.geteuid() != _checked(config).controller.uid:
        command = as_controller(config, words)
        os.execvp(command[0], command)  # noqa: S606 - words of our own and of root's command line


def as_controller(config: Config, words: Sequence[str]) -> list[str]:
    """
    The command that has the controller's user do *words* of our own program.

    Raises:
        NotFound, NotAllowed: as above.
    """
    farm = _checked(config)
    return Process(
        name="local",
        argv=own_program(*_absolute(words, config.file)),
        identity=farm.controller if os.geteuid() == 0 else None,
        needs=farm.controller_needs,
    ).command_here()


def _checked(config: Config) -> Farm:
    farm = Farm.of(config)
    if not farm.layout.controller.is_dir():
        raise NotFound(
            Code.SITE_UNKNOWN,
            _("there is no farm in {folder}"),
            hint=_("boardgrid up --config {file} makes one"),
            folder=config.state,
            file=config.file,
        )
    if os.geteuid() not in {0, farm.controller.uid}:
        raise NotAllowed(
            Code.ACT_FORBIDDEN,
            _("only root, or user {uid} who has the records of this farm, may do that"),
            hint=_("try it with sudo"),
            uid=farm.controller.uid,
        )
    return farm


def _absolute(words: Sequence[str], file: Path) -> list[str]:
    """The same words with the config as an absolute path: the process that they start stands in another folder."""
    kept = [word for at, word in enumerate(words) if not _tells_config(words, at)]
    return [*kept, "--config", str(file)]


def _tells_config(words: Sequence[str], at: int) -> bool:
    return words[at].startswith("--config=") or words[at] == "--config" or (at > 0 and words[at - 1] == "--config")


def api_of(config: Config) -> str:
    """Where the API is now, or would be."""
    status = StateFolder(config.state).status()
    return status.api if status else str(config.controller.listen)
