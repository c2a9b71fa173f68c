"""Before a farm starts: folders, records of this release, tokens for agent and gateway, and the site's SSH key."""

import asyncio
import json
import os
from pathlib import Path

from boardgrid.adapters.shell import SubprocessShell
from boardgrid.daemon.identity import Identity
from boardgrid.daemon.process import Process
from boardgrid.daemon.processes import Farm, own_program
from boardgrid.model.errors import Code, Conflict

_PREPARE_S = 120.0


async def prepare(farm: Farm) -> None:
    """
    Bring the records to this release, after a copy of older ones, and hand out the site's tokens and keys.

    Raises:
        Conflict: the records are another release's, or what else that process complained of.
        Fault: it did not succeed.
    """
    await asyncio.to_thread(farm.layout.make, farm.controller, farm.gateway)
    # As the user whose database it is: a file that root makes there could never be written by the controller.
    words = Process(
        name="prepare",
        argv=own_program("prepare", "--config", str(farm.config.file)),
        identity=farm.controller,
        needs=farm.controller_needs,
    ).command_here()
    told = json.loads(await SubprocessShell().run(*words, timeout_s=_PREPARE_S))
    if "error" in told:
        raise Conflict(Code(told["code"]), told["error"], hint=told["hint"])
    await asyncio.to_thread(_hand_out, farm, told)
    await make_agent_key(farm.layout.agent_key)


def _hand_out(farm: Farm, tokens: dict[str, str]) -> None:
    for folder, token, owner in (
        (farm.layout.agent, tokens["agent"], None),
        (farm.layout.gateway, tokens["gateway"], farm.gateway),
    ):
        _write_secret(farm.layout.token(folder), token, owner)


def _write_secret(path: Path, secret: str, owner: Identity | None) -> None:
    beside = path.with_suffix(".new")
    beside.unlink(missing_ok=True)
    # The folder may be another user's: what they put in the way is not followed.
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w") as file:
        file.write(secret)
        if owner:
            os.fchown(file.fileno(), owner.uid, owner.gid)
    beside.replace(path)


async def make_agent_key(key: Path) -> None:
    """The site's own SSH key, once for ever: its public half is in every root and in the holding system."""
    await make_ssh_key(key, "boardgrid-agent")


async def make_ssh_key(key: Path, comment: str) -> None:
    """An SSH key, whole or not at all; one that is there is kept."""
    if await asyncio.to_thread(key.exists):
        return
    beside = key.with_name(f"{key.name}.new")
    for part in (beside, beside.with_name(f"{beside.name}.pub")):
        part.unlink(missing_ok=True)
    await SubprocessShell().run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(beside))
    beside.with_name(f"{beside.name}.pub").replace(key.with_name(f"{key.name}.pub"))
    beside.replace(key)
