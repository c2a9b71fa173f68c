"""
Puts together what boards boot, from Debian's packages.

    python -m boardgrid.bootware tiny tiny.tar
    python -m boardgrid.bootware --arch arm64 tiny tiny-arm64.tar
    python -m boardgrid.bootware holding /srv/boardgrid/holding --agent-key agent.pub
"""

import asyncio
import os
import re
import sys
from collections.abc import Coroutine
from pathlib import Path

import click

from boardgrid.adapters.shell import SubprocessShell
from boardgrid.bootware import making
from boardgrid.bootware.packages import DebianPackages, cache_of_user
from boardgrid.messages import _
from boardgrid.model.errors import Code, FarmError, Invalid

_KEY = re.compile(r"(?:ssh-[a-z0-9-]+|ecdsa-[a-z0-9-]+) [A-Za-z0-9+/]+=*(?: [\x20-\x7e]*)?")


@click.group(help=__doc__)
@click.option("--arch", default="armhf", show_default=True, help=_("Debian's word for the boards' architecture."))
@click.option("--flavour", default="", help=_("Which of Debian's kernels, if not the architecture's usual one."))
@click.option(
    "--module", multiple=True, help=_("A driver that boards need to reach the network, by its module's name.")
)
@click.option("--cache", type=click.Path(path_type=Path), help=_("Where fetched packages are kept."))
@click.pass_context
def main(context: click.Context, arch: str, flavour: str, module: tuple[str, ...], cache: Path | None) -> None:
    os.umask(0o022)  # what boards boot is read by those who serve it
    where = cache / "debian" if cache else cache_of_user()
    context.obj = making.Workshop(DebianPackages(SubprocessShell(), where, arch), flavour, module)


@main.command(help=_("Write the tiny image as a tar archive."))
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@click.pass_obj
def tiny(workshop: making.Workshop, out: Path) -> None:
    _run(workshop.write_tiny(out))


@main.command(help=_("Write the holding kernel below FOLDER, in a folder of its architecture."))
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--agent-key", required=True, type=click.Path(path_type=Path), help=_("The agent's public SSH key."))
@click.option("--fdt", multiple=True, help=_("A device tree to put beside it, for boards that bring none."))
@click.pass_obj
def holding(workshop: making.Workshop, folder: Path, agent_key: Path, fdt: tuple[str, ...]) -> None:
    _run(workshop.write_holding(folder, _public_line(agent_key), fdt))


def _public_line(path: Path) -> str:
    try:
        line = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(_("{path} cannot be read: {error}").format(path=path, error=error)) from error
    if not _KEY.fullmatch(line):
        # A private key in a boot file would be read by every board.
        wrong = Invalid(Code.KEY_INVALID, _("{path} holds no OpenSSH public key in one line"), path=path)
        raise click.BadParameter(str(wrong))
    return line


def _run(work: Coroutine[None, None, object]) -> None:
    try:
        asyncio.run(work)
    except FarmError as error:
        click.echo(f"boardgrid: {error}", err=True)
        if error.hint:
            click.echo(f"  {error.hint}", err=True)
        sys.exit(1)
    except OSError as error:
        click.echo(_("boardgrid: {name}: {error}").format(name=error.filename, error=error.strerror), err=True)
        sys.exit(1)


if __name__ == "__main__":
    main(prog_name="python -m boardgrid.bootware")
