"""Where the asker sits: which farm, which form of output, and whether a person is there to be asked."""

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from boardgrid.client.complaint import REQUEST_INVALID, Complaint
from boardgrid.client.tables import Output, as_json, plain
from boardgrid.messages import _

if TYPE_CHECKING:
    from boardgrid.client.farm import Farm


@dataclass(slots=True)
class Seat:
    """What all commands of one call share. Options before and after the command's name write into it."""

    output: Output = Output.TABLE
    profile: str | None = None
    said: tuple[str, ...] = ()  # all words of the call
    _farm: "Farm | None" = field(default=None, repr=False)

    def farm(self) -> "Farm":
        """
        The farm, as who is logged in; closed when the command ends.

        Raises:
            Complaint: nobody is logged in.
        """
        if self._farm is None:
            from boardgrid.client.farm import Farm  # noqa: PLC0415 - a command that asks no farm does not wait for it
            from boardgrid.client.login import login_for  # noqa: PLC0415

            login = login_for(self.profile)
            self._farm = Farm(login.url, login.token)
            click.get_current_context().find_root().call_on_close(self._farm.close)
        return self._farm

    @property
    def is_for_programs(self) -> bool:
        return self.output is not Output.TABLE

    @property
    def has_person(self) -> bool:
        """Whether someone can be asked: questions are written to standard error and read from standard input."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    def tell(self, sentence: str) -> None:
        """Say something to whoever watches; what a program reads goes to standard output instead."""
        click.echo(plain(sentence), err=True)

    def show_end(self, name: str, state: str, sentence: str) -> None:
        """Tell people that a thing goes; programs get its name, and the *state* that is left of it."""
        self.tell(sentence)
        match self.output:
            case Output.JSON:
                click.echo(as_json({"name": name, "state": state}))
            case Output.NAME:
                click.echo(plain(name))
            case Output.TABLE:
                pass

    def must_say(self, is_said: bool, question: str, option: str) -> None:
        """
        Ask a person before something that cannot be taken back; where nobody can be asked, *option* has to say it.

        Args:
            is_said: *option* was given.

        Raises:
            Complaint: nobody is there to be asked.
            click.Abort: the person would rather not.
        """
        self.must_be_able_to_say(is_said, option)
        if not is_said:
            from boardgrid.client.prompt import agreed  # noqa: PLC0415 - only where somebody is asked

            if not agreed(question):
                raise click.Abort

    def must_be_able_to_say(self, is_said: bool, option: str) -> None:
        """
        The same without the question, for who has to ask the farm for it first.

        Raises:
            Complaint: nobody is there to be asked.
        """
        if not is_said and not self.has_person:
            raise Complaint(
                REQUEST_INVALID,
                _("nobody is there to be asked, so nothing was done"),
                hint=_("a program says it: {option}").format(option=option),
            )


pass_seat = click.make_pass_decorator(Seat, ensure=True)
