"""Sentences for people: each goes through gettext, so that it can be read in another language one day."""

from gettext import dgettext


def _(sentence: str) -> str:
    return dgettext("boardgrid", sentence)
