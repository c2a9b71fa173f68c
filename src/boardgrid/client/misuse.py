"""A command line that cannot be understood, as a complaint; with what was probably meant."""

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any

import click
from click.exceptions import (
    BadOptionUsage,
    BadParameter,
    ClickException,
    MissingParameter,
    NoArgsIsHelpError,
    NoSuchCommand,
    NoSuchOption,
    UsageError,
)

from boardgrid.client.complaint import REQUEST_INVALID, Complaint
from boardgrid.messages import _

_LIKE = 0.7
_MEANT = 2  # commands that bear one name; a verb that more of them have tells nothing
# What was given stands in click's sentences alone.
_GIVEN = re.compile(r"(?P<given>'.*'|\S+) is not (a valid|in the range|one of) ", re.DOTALL)
_EXTRA = re.compile(r"Got unexpected extra arguments? \((?P<extra>.*)\)", re.DOTALL)


def misused(error: ClickException) -> Complaint:
    context = error.ctx if isinstance(error, UsageError) else None
    command = context.command_path if context else "boardgrid"
    told, meant = {"command": command}, list[str]()
    match error:
        case NoSuchCommand():
            sentence, told["name"] = _("{command} has no command {name}"), error.command_name
            meant = _commands(error, command, context)
        case NoSuchOption() if error.option_name[1:2].isdigit():  # of -5MB: its first letter
            sentence = _("{command} takes nothing below zero, and no word that begins with {name}")
            told["name"] = error.option_name
        case NoSuchOption():
            sentence, told["name"] = _("{command} has no option {name}"), error.option_name
            meant = _like(error.option_name, error.possibilities)
        case NoArgsIsHelpError():
            sentence = _("missing command")
        case MissingParameter(param=click.Parameter(type=click.Choice() as kind) as param):
            sentence = _("{name} is missing: {kind}")
            told |= {"name": _name(param), "kind": _kind(kind)}
        case BadParameter(param=click.Parameter() as param) if found := _GIVEN.match(error.message):
            sentence = _("{name} should be {kind}, and {given} is none")
            told |= {"name": _name(param), "kind": _kind(param.type), "given": found["given"]}
        case BadOptionUsage(option_name=str() as option) if "requires an argument" in error.message:
            sentence = _("{option} needs a value")
            told["option"] = option
        case _ if found := _EXTRA.match(error.message):
            sentence = _("{command} takes no more words, and {extra} is too much")
            told["extra"] = found["extra"]
        case _:
            sentence = "{said}"
            told["said"] = _as_ours(error.format_message())
    hint = _("`{command} --help` shows how it is called")
    if meant:
        hint = _("did you mean {meant}?")
        told["meant"] = _(" or ").join(meant)
    return Complaint(REQUEST_INVALID, sentence.format_map(told), hint=hint.format_map(told))


def _name(param: click.Parameter) -> str:
    return param.opts[-1] if isinstance(param, click.Option) else param.human_readable_name.strip("[]")


def _kind(kind: click.ParamType[Any]) -> str:
    match kind:
        case click.Choice(choices=[*others, last]):
            return _("{others} or {last}").format(others=", ".join(map(str, others)), last=last)
        case click.IntRange(min=least, max=None) if least is not None:
            return _("a whole number from {least} on").format(least=least)
        case click.IntRange(min=least, max=most) if least is not None:
            return _("a whole number from {least} to {most}").format(least=least, most=most)
        case _ if kind.name == "integer":
            return _("a whole number")
        case _:
            return _("a number") if kind.name == "float" else kind.name


def _as_ours(said: str) -> str:
    """``Missing argument 'NAME'.`` as our complaints are written: one that goes on, without a full stop."""
    return said[:1].lower() + said[1:].rstrip().removesuffix(".")


def _commands(error: NoSuchCommand, command: str, context: click.Context | None) -> list[str]:
    """The same word elsewhere, as ``boardgrid image import`` for ``boardgrid import``; else one like it here."""
    if context is not None:
        root = context.find_root()
        there = list(_called(error.command_name, root.command, root.command_path))
        if 0 < len(there) <= _MEANT:
            return [f"`{words}`" for words in there]
    return [f"`{command} {name}`" for name in _like(error.command_name, error.possibilities)]


def _like(word: str, known: Sequence[str] | None) -> list[str]:
    return get_close_matches(word, known or (), n=1, cutoff=_LIKE)


def _called(name: str, command: click.Command, words: str) -> Iterator[str]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for verb in command.list_commands(context):
            child = command.get_command(context, verb)
            if child is not None and not child.hidden:
                if verb == name:
                    yield f"{words} {verb}"
                yield from _called(name, child, f"{words} {verb}")
