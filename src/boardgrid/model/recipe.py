"""Recipes: what an image is built of, in words. The same recipe and the same packages give the same image."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePosixPath

from boardgrid.messages import _
from boardgrid.model.errors import Code, Invalid
from boardgrid.model.name import checked


class System(StrEnum):
    """What a recipe begins with."""

    TINY = "tiny"  # the farm's own: busybox, dropbear and a kernel, put together as it is, so that nothing is to be run
    DEBIAN = "debian"  # Debian's packages, unpacked by the agent and set up on a board


ARCHITECTURES = ("armhf", "arm64", "amd64")  # Debian's words for those that recipes are built for
FLAVOURS: Mapping[str, str] = {"armhf": "armmp", "arm64": "arm64", "amd64": "amd64"}  # Debian's kernel for all boards
NO_KERNEL = "none"

FINISH = "/usr/lib/boardgrid/finish"  # the first program of a system that is unpacked and no more

TEXT_MOST = 256 << 10  # characters of a recipe: all wishes of a site are told again and again
PACKAGES_MOST, FILES_MOST, SCRIPTS_MOST, LABELS_MOST = 500, 100, 50, 50

_WORD = re.compile(r"[a-z0-9][a-z0-9+.-]{0,99}")  # of Debian: a package, a suite, a kernel's flavour
_SCRIPT = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")
_PATH = re.compile(r"/[!-~]{1,500}")
_OWNER_MOST = 65535


@dataclass(frozen=True, slots=True)
class RecipeFile:
    """A file that is put into the system, before its packages are set up."""

    path: str  # "/etc/motd"
    content: str = ""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, slots=True)
class RecipeScript:
    """Lines of sh(1) that root runs in the system when its packages are set up."""

    name: str
    run: str


@dataclass(frozen=True, slots=True)
class Recipe:
    name: str  # what the image is called where nobody says otherwise
    system: System
    summary: str = ""
    architectures: tuple[str, ...] = ARCHITECTURES
    suite: str = ""  # of Debian; empty: the one that the agent's machine runs
    packages: tuple[str, ...] = ()  # beside those without which no board boots
    kernels: Mapping[str, str] = field(default_factory=dict)  # by architecture: a flavour of Debian's, or NO_KERNEL
    board_types: tuple[str, ...] = ()  # that it is for; empty: all of its architecture
    files: tuple[RecipeFile, ...] = ()
    scripts: tuple[RecipeScript, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_finished_on_a_board(self) -> bool:
        """Whether programs of its architecture must run before it can boot by itself."""
        return self.system is System.DEBIAN

    def flavour(self, arch: str) -> str:
        """Which of Debian's kernels; empty: none."""
        told = self.kernels.get(arch) or FLAVOURS[arch]
        return "" if told == NO_KERNEL else told

    def checked(self) -> "Recipe":
        """
        The recipe itself, if it can be built as it is written.

        Raises:
            Invalid: RECIPE_INVALID, by its key; NAME_INVALID.
        """
        checked("image", self.name)
        _check_words("architectures", self.architectures, ARCHITECTURES)
        if not self.architectures:
            raise _wrong(
                "architectures", _("none is named"), hint=_("one or more of: {known}"), known=_or(ARCHITECTURES)
            )
        _check_words("kernel", self.kernels, ARCHITECTURES)
        for key, words, most in (
            ("suite", (self.suite,) if self.suite else (), 1),
            ("packages", self.packages, PACKAGES_MOST),
            ("kernel", tuple(self.kernels.values()), len(ARCHITECTURES)),
        ):
            _check_number(key, words, most)
            for word in words:
                if not _WORD.fullmatch(word):
                    raise _wrong(key, _("{word!r} is no name that Debian would give"), word=word[:80])
        for name in self.board_types:
            checked("board type", name)
        self._check_files()
        self._check_scripts()
        _check_number("labels", self.labels, LABELS_MOST)
        if self.system is System.TINY and (self.suite or self.packages or self.scripts or self.kernels):
            key = next(key for key in ("suite", "packages", "scripts", "kernels") if getattr(self, key))
            raise _wrong(
                key.removesuffix("s") if key == "kernels" else key,
                _("the tiny system takes files alone, for nothing of it is run before it boots"),
                hint=_('say system = "debian", or leave it out'),
            )
        return self

    def _check_files(self) -> None:
        _check_number("files", self.files, FILES_MOST)
        for number, one in enumerate(self.files):
            key, path = f"files[{number}]", PurePosixPath(one.path)
            if not _PATH.fullmatch(one.path) or one.path != str(path) or ".." in path.parts:
                raise _wrong(
                    f"{key}.path",
                    _("{path!r} is no path of a file"),
                    hint=_("an absolute one, without .. and spaces: /etc/motd"),
                    path=one.path[:80],
                )
            if not 0 <= one.mode <= 0o7777:
                raise _wrong(f"{key}.mode", _("it is no mode of a file"), hint=_('a good one looks like this: "0644"'))
            if not (0 <= one.uid <= _OWNER_MOST and 0 <= one.gid <= _OWNER_MOST):
                raise _wrong(f"{key}.owner", _("numbers of users and groups are 0 to {most}"), most=_OWNER_MOST)

    def _check_scripts(self) -> None:
        _check_number("scripts", self.scripts, SCRIPTS_MOST)
        for number, one in enumerate(self.scripts):
            if not _SCRIPT.fullmatch(one.name):
                raise _wrong(
                    f"scripts[{number}].name",
                    _("{name!r} is no name of a script"),
                    hint=_("a good one looks like this: {example}"),
                    name=one.name[:80],
                    example="make-user",
                )


def _check_words(key: str, words: Collection[str], known: Collection[str]) -> None:
    for word in words:
        if word not in known:
            raise _wrong(
                key,
                _("{word!r} is none of those that recipes are built for"),
                hint=_("{known}"),
                word=word,
                known=_or(known),
            )


def _check_number(key: str, things: Collection[object], most: int) -> None:
    if len(things) > most:
        raise _wrong(key, _("there are {number}, and {most} is the most"), number=len(things), most=most)


def _or(words: Collection[str]) -> str:
    return ", ".join(words)


def _wrong(key: str, sentence: str, *, hint: str = "", **facts: object) -> Invalid:
    return wrong(key, sentence.format(**facts), hint.format(**facts))


def wrong(key: str, why: str, hint: str = "") -> Invalid:
    """What is wrong with a recipe at one of its keys; empty: with all of it."""
    sentence = _("the recipe is refused at {key}: {why}") if key else _("the recipe is refused: {why}")
    return Invalid(Code.RECIPE_INVALID, sentence, hint="{way}", key=key, why=why, way=hint)
