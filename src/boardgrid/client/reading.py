"""Files of this machine that somebody named, and what to tell where one cannot be read or written."""

import os.path
from collections.abc import Iterable
from pathlib import Path

from boardgrid.client.complaint import REQUEST_INVALID, Complaint
from boardgrid.messages import _


def text_in(file: str) -> str:
    """
    What stands in a file.

    Raises:
        Complaint: it cannot be read, or is no text.
    """
    try:
        return Path(os.path.expanduser(file)).read_text("utf-8")  # noqa: PTH111 - that of nobody is an error of its own in Path
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(file, error) from error


def check_there(files: Iterable[str]) -> None:
    """
    Raises:
        Complaint: one of them is not. A link is, wherever it leads.
    """
    for file in files:
        try:
            os.lstat(file)
        except OSError as error:
            raise unreadable(file, error) from error


def check_has_folder(file: Path) -> None:
    """
    Raises:
        Complaint: the folder that it is to be written to is not there.
    """
    if not file.parent.is_dir():
        raise Complaint(
            REQUEST_INVALID,
            _("{file} cannot be written: there is no folder {folder}").format(file=file, folder=file.parent),
            hint=_("is its path right? `mkdir -p {folder}` makes the folder").format(folder=file.parent),
        )


def unreadable(file: object, error: OSError | UnicodeDecodeError) -> Complaint:
    why = _("it is no text") if isinstance(error, UnicodeDecodeError) else error.strerror or str(error)
    sentence = _("{file} cannot be read: {why}").format(file=file, why=why)
    return Complaint(REQUEST_INVALID, sentence, hint=_way_out(error))


def _way_out(error: OSError | UnicodeDecodeError) -> str:
    match error:
        case FileNotFoundError() | NotADirectoryError():
            return _("it is looked for on this machine, from {folder} on: is its path right?").format(folder=_here())
        case PermissionError():
            return _("have its owner let you read it, or run this with sudo")
        case IsADirectoryError():
            return _("it is a folder: name a file in it")
        case UnicodeDecodeError():
            return _("is it the right file? It should be text in UTF-8")
        case _:
            return _("see that its disk is sound, and copy it anew")


def _here() -> str:
    try:
        return str(Path.cwd())
    except OSError:
        return "."
