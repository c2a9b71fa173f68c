"""What the server's program complains of: said as the command line says it, whose words people typed."""

import click

from boardgrid.client.complaint import ExitCode
from boardgrid.messages import _
from boardgrid.model.errors import Conflict, FarmError, Fault, Invalid, NotAllowed, NotFound

EXIT_CODES: dict[type[FarmError], ExitCode] = {
    Invalid: ExitCode.USAGE,
    NotAllowed: ExitCode.DENIED,
    NotFound: ExitCode.NOT_FOUND,
    Conflict: ExitCode.CONFLICT,
    Fault: ExitCode.FAULT,
}


def exit_code_of(error: FarmError) -> ExitCode:
    return next(code for kind, code in EXIT_CODES.items() if isinstance(error, kind))


def complain(sentence: str, hint: str, code: str) -> None:
    click.echo(f"{_('error:')} {sentence} ({code})", err=True)
    if hint:
        click.echo(f"  {hint}", err=True)
