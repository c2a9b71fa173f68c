"""Who the unprivileged processes run as: a system user of the packages, or a number that belongs to nobody."""

import hashlib
import os
import pwd
import stat
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

from boardgrid.messages import _
from boardgrid.model.errors import Code, Invalid

# systemd gives the users of its DynamicUser services these numbers, so nobody else does; none is in /etc/passwd.
DYNAMIC_IDS = range(61184, 65520)


@dataclass(frozen=True, slots=True)
class Identity:
    uid: int
    gid: int

    def may(self, path: Path, bits: int) -> bool:
        """Whether the mode of *path* lets this user do all of *bits* (4 read, 2 write, 1 enter); ACLs are not asked."""
        seen = path.stat()
        shift = 6 if seen.st_uid == self.uid else 3 if seen.st_gid == self.gid else 0
        return (seen.st_mode >> shift) & bits == bits


def identity_of(user: str, folder: Path, key: str, *, besides: Identity | None = None) -> Identity:
    """
    The *user* of the config; where it is empty, whoever *folder* belongs to, or a number made from its path.

    Raises:
        Invalid: this machine has no such user, or it is root, or the one *besides*.
    """
    others = {besides.uid} if besides else set[int]()
    if not user:
        owner = folder.stat().st_uid if folder.is_dir() else 0
        uid = owner if owner in DYNAMIC_IDS and owner not in others else _number_for(folder, others)
        return Identity(uid, uid)
    try:
        entry = pwd.getpwnam(user)
    except KeyError as error:
        raise Invalid(
            Code.CONFIG_INVALID,
            _("{key}: this machine has no user {user}"),
            hint=_("add it with systemd-sysusers, or leave the key out"),
            key=key,
            user=user,
        ) from error
    if entry.pw_uid == 0:
        raise Invalid(Code.CONFIG_INVALID, _("{key}: this process must not run as root"), key=key)
    if entry.pw_uid in others:
        raise Invalid(
            Code.CONFIG_INVALID,
            _("{key}: another process runs as {user}, whose secrets this one must not read"),
            hint=_("name a user of its own, or leave the key out"),
            key=key,
            user=user,
        )
    return Identity(entry.pw_uid, entry.pw_gid)


def _number_for(folder: Path, others: Set[int]) -> int:
    start = int.from_bytes(hashlib.sha256(bytes(folder)).digest()[:4])
    taken = others | {entry.pw_uid for entry in pwd.getpwall()}
    ids = (DYNAMIC_IDS[(start + step) % len(DYNAMIC_IDS)] for step in range(len(DYNAMIC_IDS)))
    return next(uid for uid in ids if uid not in taken)


def give(folder: Path, identity: Identity) -> None:
    """Make *folder*, and all that is in it, the user's own and nobody else's; no link is followed."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    seen = folder.lstat()
    if not stat.S_ISDIR(seen.st_mode):
        raise Invalid(Code.CONFIG_INVALID, _("{folder} is not a folder"), folder=folder)
    folder.chmod(0o700)
    if (seen.st_uid, seen.st_gid) == (identity.uid, identity.gid):
        return
    for _path, folders, files, at in os.fwalk(folder, follow_symlinks=False):
        for name in (*folders, *files):
            os.chown(name, identity.uid, identity.gid, dir_fd=at, follow_symlinks=False)
    # Last, so that a run that was interrupted here is done again.
    os.chown(folder, identity.uid, identity.gid)
