"""Which farm, and as whom: the profiles that ``boardgrid login`` writes down, and the environment, which wins."""

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from boardgrid.client.complaint import LOGIN_MISSING, PROFILE_INVALID, Complaint
from boardgrid.messages import _

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Login:
    """A farm's address and a token for it."""

    url: str
    token: str = field(repr=False)


def profiles_file(environment: Mapping[str, str] = os.environ) -> Path:
    """Where profiles are kept: by the XDG rules, which pass over a folder that is not absolute."""
    folder = Path(environment.get("XDG_CONFIG_HOME", ""))
    if not folder.is_absolute():
        folder = Path.home() / ".config"
    return folder / "boardgrid" / "profiles.json"


def chosen_profile(asked: str | None, environment: Mapping[str, str] = os.environ) -> str:
    return asked or environment.get("BOARDGRID_PROFILE") or DEFAULT


def login_for(profile: str | None, environment: Mapping[str, str] = os.environ) -> Login:
    """
    Who to be, and where: ``BOARDGRID_URL`` and ``BOARDGRID_TOKEN`` first, then the profile.

    A token that was stored for one farm is never sent to another: with ``BOARDGRID_URL`` alone, the profile's token
    counts only if it is that farm's.

    Raises:
        Complaint: nobody has logged in so far, or the file cannot be read.
    """
    name = chosen_profile(profile, environment)
    url, token = environment.get("BOARDGRID_URL", ""), environment.get("BOARDGRID_TOKEN", "")
    if url and token:
        return Login(url, token)
    stored = _read(profiles_file(environment)).get(name)
    if stored is not None and (not url or url.rstrip("/") == stored.url):
        return Login(stored.url, token or stored.token)
    if url:
        sentence, hint = _("there is no token for {url}"), _("`boardgrid login {url}`, or set BOARDGRID_TOKEN")
    elif name != DEFAULT:
        sentence, hint = _("there is no profile {name}"), _("`boardgrid login URL --profile {name}` makes one")
    else:
        sentence = _("you are not logged in to a farm")
        hint = _(
            "`boardgrid login URL`, or set BOARDGRID_URL and BOARDGRID_TOKEN; an admin of the farm gives the token"
        )
    raise Complaint(LOGIN_MISSING, sentence.format(url=url, name=name), hint=hint.format(url=url, name=name))


def store(profile: str, login: Login, environment: Mapping[str, str] = os.environ) -> Path:
    """
    Write a profile down, readable by its user alone. The other profiles stay.

    Raises:
        Complaint: the file that is there cannot be read, or the new one cannot be written.
    """
    path = profiles_file(environment)
    _write(path, {**_read(path), profile: login})
    return path


def forget(profile: str, environment: Mapping[str, str] = os.environ) -> None:
    """
    Remove a profile; one that is not there is as good as removed. The others stay.

    Raises:
        Complaint: as :func:`store`.
    """
    path = profiles_file(environment)
    profiles = _read(path)
    if profiles.pop(profile, None) is not None:
        _write(path, profiles)


def stored(profile: str, environment: Mapping[str, str] = os.environ) -> Login | None:
    return _read(profiles_file(environment)).get(profile)


def _write(path: Path, profiles: Mapping[str, Login]) -> None:
    text = json.dumps({name: {"url": one.url, "token": one.token} for name, one in profiles.items()}, indent=2)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A temporary file is made with mode 0600, and there is no moment at which the profiles are half written.
        with NamedTemporaryFile("w", dir=path.parent, prefix=".profiles-", delete=False, encoding="utf-8") as beside:
            try:
                beside.write(text + "\n")
                beside.flush()
                os.fsync(beside.fileno())
                Path(beside.name).replace(path)
            except BaseException:
                with contextlib.suppress(FileNotFoundError):
                    Path(beside.name).unlink()
                raise
    except OSError as error:
        raise Complaint(
            PROFILE_INVALID, _("the profile cannot be written to {path}: {error}").format(path=path, error=error)
        ) from error


def _read(path: Path) -> dict[str, Login]:
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise Complaint(
            PROFILE_INVALID, _("the profiles in {path} cannot be read: {error}").format(path=path, error=error)
        ) from error
    try:
        found: dict[str, Any] = json.loads(text)
        profiles = {name: Login(str(one["url"]), str(one["token"])) for name, one in found.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Complaint(
            PROFILE_INVALID,
            _("{path} is not a file of profiles").format(path=path),
            hint=_("remove it, then log in again"),
        ) from error
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)  # it was copied or edited by hand; tokens are for its owner alone
    return profiles
