"""``boardgrid completion``: what makes a shell complete commands and names."""

import click

from boardgrid.client.command import Verb


@click.command(cls=Verb)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]), metavar="SHELL")
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """
    Print the script that makes SHELL complete commands, options, and the names of boards, types, images, roots, users
    and reservations, as the farm knows them.

    \b
    Examples:
      boardgrid completion bash > ~/.local/share/bash-completion/completions/boardgrid
      boardgrid completion zsh > ~/.zfunc/_boardgrid
      boardgrid completion fish > ~/.config/fish/completions/boardgrid.fish
    """
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - a shell asks for it once

    program = ctx.find_root()
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - click knows all three
    click.echo(kind(program.command, {}, "boardgrid", "_BOARDGRID_COMPLETE").source())
