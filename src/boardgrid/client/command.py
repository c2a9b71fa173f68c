"""What all commands have in common: their options, their help, and how they are found and loaded."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from boardgrid.client.seat import Seat
from boardgrid.client.tables import Output
from boardgrid.messages import _

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from boardgrid.client.farm import Farm

_COMPLETION_S = 2.0  # a shell that waits for names longer than this is worse than one without them


def _choose_output(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    if value:
        ctx.ensure_object(Seat).output = Output(value)


def _choose_profile(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    if value:
        ctx.ensure_object(Seat).profile = value


def shared_options() -> list[click.Parameter]:
    """What may stand before or after each command; what stands later wins."""
    return [
        click.Option(
            ["-o", "--output"],
            type=click.Choice([output.value for output in Output]),
            expose_value=False,
            callback=_choose_output,
            help=_("How to print what was asked for: a table for people (the default), JSON, or names alone."),
        ),
        click.Option(
            ["--profile"],
            metavar="NAME",
            expose_value=False,
            callback=_choose_profile,
            help=_("Which stored login to use; else BOARDGRID_PROFILE, else 'default'."),
        ),
    ]


class _Helped(click.Command):
    """Help texts go through gettext; only those of commands that are loaded."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.help = _(self.help) if self.help else self.help
        for param in self.params:
            if isinstance(param, click.Option | click.Argument) and param.help:
                param.help = _(param.help)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.exceptions.UsageError as error:
            # Click forgets which command's option has no value.
            error.ctx = error.ctx or ctx
            raise


class Verb(_Helped):
    """A command that does something."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += shared_options()


class Noun(_Helped, click.Group):
    """A kind of thing with its verbs."""

    command_class = Verb

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += shared_options()

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:
            # Click looks for similar names among those that are loaded; ours are not loaded yet.
            raise click.exceptions.NoSuchCommand(
                error.command_name, possibilities=self.list_commands(ctx), ctx=ctx
            ) from (None)


class Leaf(NamedTuple):
    """Where a command is, as ``module:attribute``, and its line in the help of all, where it has one."""

    place: str
    summary: str = ""


class Tree(Noun):
    """
    All commands, by name; each is imported when it is called.

    Args:
        leaves: by the command's name, in the order of the help.
    """

    def __init__(self, *args: Any, leaves: Mapping[str, Leaf], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.leaves = leaves

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.leaves)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.leaves:
            return None
        module, _colon, attribute = self.leaves[cmd_name].place.partition(":")
        found = getattr(import_module(module), attribute)
        assert isinstance(found, click.Command)  # noqa: S101 - the table is ours, and a test loads all of it
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # Click would ask each command for its help, so import them all.
        with formatter.section(_("Commands")):
            formatter.write_dl([(name, _(leaf.summary)) for name, leaf in self.leaves.items() if leaf.summary])


def names_of(
    list_names: Callable[["Farm"], Sequence[str]],
) -> Callable[[click.Context, click.Parameter, str], list["CompletionItem"]]:
    """Complete with names that the farm knows. A shell gets none, and no complaint, where it cannot be asked."""

    def complete(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list["CompletionItem"]:
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - only a shell that completes needs it

        return [CompletionItem(name) for name in _asked(ctx, list_names) if name.startswith(incomplete)]

    return complete


def _asked(ctx: click.Context, list_names: Callable[["Farm"], Sequence[str]]) -> Iterator[str]:
    from boardgrid.client.complaint import Complaint  # noqa: PLC0415 - only while a name is completed
    from boardgrid.client.farm import Farm  # noqa: PLC0415
    from boardgrid.client.login import login_for  # noqa: PLC0415

    try:
        login = login_for(ctx.ensure_object(Seat).profile)
        with Farm(login.url, login.token, timeout_s=_COMPLETION_S) as farm:
            yield from list_names(farm)
    except Complaint:
        return


BOARDS = names_of(lambda farm: [board.name for board in farm.boards()])
TYPES = names_of(lambda farm: [kind.name for kind in farm.board_types()])
BOARDS_AND_TYPES = names_of(
    lambda farm: [*(one.name for one in farm.boards()), *(one.name for one in farm.board_types())]
)
IMAGES = names_of(lambda farm: sorted({name for image in farm.images() for name in (image.name, image.ref)}))
ROOTS = names_of(lambda farm: [root.name for root in farm.roots()])
VOLUMES = names_of(lambda farm: [volume.name for volume in farm.volumes()])
USERS = names_of(lambda farm: [user.name for user in farm.users()])
GROUPS = names_of(lambda farm: [group.name for group in farm.groups()])
PROJECTS = names_of(lambda farm: [project.name for project in farm.projects()])
MAINTENANCES = names_of(lambda farm: [str(one.number) for one in farm.maintenances()])
BLOCKS = names_of(lambda farm: [str(one.number) for one in farm.blocks()])
RESERVATIONS = names_of(lambda farm: [str(one.number) for one in farm.reservations(running=True)])
