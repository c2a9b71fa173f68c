"""
The demo: a farm on virtual boards.

    python -m boardgrid.demo up .demo
    python -m boardgrid.demo extra arm64 .demo
    python -m boardgrid.demo down .demo
"""

import contextlib
import os
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from boardgrid.demo import acts, props, remains
from boardgrid.demo.stage import Stage
from boardgrid.demo.telling import piece
from boardgrid.messages import _
from boardgrid.model.errors import Code, Conflict, FarmError, Fault

_END_S = 60.0
_NEXT = (
    ("ada", "status", "what ada holds"),
    ("ada", "ssh tk1-1", "log in; what she writes stays on her root"),
    ("ada", "save tk1-1 --as mine", "an image of it, with what she changed; the board stays hers"),
    ("ada", "reserve tk1-2 --image tiny", "the other board, by its flashed path"),
    ("admin", "events --follow", "what happens on all boards"),
    ("admin", "board list", "how they are"),
)


@click.group()
def main() -> None:
    """The farm on virtual boards."""
    os.umask(0o022)  # the farm's other users read what is made here, whatever root's own files are like


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
def up(folder: Path) -> None:
    """Have the demo in FOLDER running, from wherever an earlier one got to."""
    stage = Stage(folder.resolve())
    began = time.monotonic()
    with _complaining(stage, folder), stage.alone():
        stage.set()
        click.echo(_("BoardGrid demo in {folder}").format(folder=folder) + "\n")
        _play(stage)
    click.echo("\n" + _("All of it took {s:.0f} s. Try next:").format(s=time.monotonic() - began) + "\n")
    _show_next(stage, _NEXT)
    click.echo("\n" + _("The farm runs on. It ends with: make demo-down{where}").format(where=_where(folder)))


def _where(folder: Path) -> str:
    """What make has to be told of the folder, as somebody would type it."""
    return "" if folder == Path(".demo") else f" DEMO={shlex.quote(str(folder))}"


def _show_next(stage: Stage, lines: Sequence[tuple[str, str, str]]) -> None:
    here = Path.cwd()
    shown = stage.folder.relative_to(here) if stage.folder.is_relative_to(here) else stage.folder
    commands = [(f"{shown / person} {words}", what) for person, words, what in lines]
    width = max(len(command) for command, _what in commands)
    for command, what in commands:
        click.echo(f"  {command:<{width}}   # {_(what)}")


def _play(stage: Stage) -> None:
    acts.make_key(stage)
    with piece(_("what boards boot")) as telling:
        was_made = props.is_made(stage)
        made = props.make(stage)
        telling.says(
            _("tiny image and holding kernel {release}{how}").format(
                release=made.release, how=_(", made before") if was_made else ""
            )
        )
    with piece(_("the farm")) as telling:
        acts.start_farm(stage, telling)
    with piece(_("people")) as telling:
        acts.admit_people(stage, telling)
    with piece(_("boards")) as telling:
        acts.put_boards(stage, made, telling)
    with piece(_("an image")) as telling:
        acts.import_image(stage, acts.IMAGE, made.image, telling)
    with piece(_("a reservation")) as telling:
        acts.reserve(stage, telling)
    with piece(_("the board itself")) as telling:
        acts.log_in(stage, telling)


@main.command()
@click.argument("arch", type=click.Choice(sorted(acts.EXTRAS)))
@click.argument("folder", type=click.Path(path_type=Path))
def extra(arch: str, folder: Path) -> None:
    """Give the demo in FOLDER, which runs, a board of another architecture and an image for it."""
    stage = Stage(folder.resolve())
    with _complaining(stage, folder), stage.alone():
        if not stage.is_begun or stage.state.status() is None:
            raise Conflict(
                Code.CONFIG_INVALID,
                _("no demo runs in {folder}"),
                hint=_("make demo{where} starts one"),
                folder=folder,
                where=_where(folder),
            )
        _add(stage, one := acts.EXTRAS[arch])
    click.echo("\n" + _("Try next:") + "\n")
    reserve, ssh = f"reserve {one.board} --image {one.image}", f"ssh {one.board}"
    _show_next(stage, [("ada", reserve, "it boots by UEFI and GRUB"), ("ada", ssh, "log in")])


def _add(stage: Stage, extra: acts.Extra) -> None:
    with piece(_("what it boots")) as telling:
        image = props.make_for(stage, extra.arch)
        telling.says(_("tiny image, holding kernel and GRUB"))
    with piece(_("the board")) as telling:
        acts.put_extra(stage, extra, telling)
    with piece(_("an image")) as telling:
        acts.import_image(stage, extra.image, image, telling)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
def down(folder: Path) -> None:
    """End the demo in FOLDER and remove it."""
    stage = Stage(folder.resolve())
    with _complaining(stage, folder):
        if not stage.folder.exists():
            click.echo(_("There is no demo in {folder}.").format(folder=folder))
            return
        with stage.alone():
            if not stage.is_ours:
                raise Conflict(
                    Code.CONFIG_INVALID,
                    _("{folder} is no demo's, so it is left as it is"),
                    hint=_("name the demo's folder: make demo-down DEMO=/srv/demo"),
                    folder=stage.folder,
                )
            stage.state.end(timeout_s=_END_S)
            remains.await_none(stage.folder, within_s=20.0)
            stage.strike()
            stage.folder.rmdir()
    click.echo(_("The demo in {folder} has ended; nothing of it is left.").format(folder=folder))


@contextlib.contextmanager
def _complaining(stage: Stage, folder: Path) -> Iterator[None]:
    """What goes wrong becomes a sentence for somebody who is new here; a traceback is for bugs."""
    try:
        yield
    except FarmError as error:
        _complain(stage, folder, error)
        sys.exit(1)
    except BrokenPipeError:  # whoever read what we say went away: click ends us without a word
        raise
    except OSError as error:
        why = error.strerror or str(error)
        fault = Fault(
            Code.PROGRAM_FAILED,
            _("the demo in {folder} cannot go on: {why}"),
            hint=_("is there room, and may it be written to?"),
            folder=folder,
            why=f"{error.filename}: {why}" if error.filename else why,
        )
        _complain(stage, folder, fault)
        sys.exit(1)
    except KeyboardInterrupt:
        again = _("The demo was left half done. `make demo{where}` goes on from here, `make demo-down{where}` ends it.")
        click.echo("\n" + again.format(where=_where(folder)), err=True)
        sys.exit(130)


def _complain(stage: Stage, folder: Path, error: FarmError) -> None:
    click.echo("\n" + _("The demo stopped: {error}").format(error=error), err=True)
    if error.hint:
        click.echo(_("  {hint}").format(hint=error.hint), err=True)
    if stage.is_begun:
        told = _("  Logs lie in {log}. `make demo{where}` goes on from here, `make demo-down{where}` ends it.")
        click.echo(told.format(log=stage.layout.log, where=_where(folder)), err=True)


if __name__ == "__main__":
    main()
