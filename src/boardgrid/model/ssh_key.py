"""Public SSH keys: which ones the farm takes from people."""

import base64
import binascii
import hashlib

from boardgrid.messages import _
from boardgrid.model.errors import Code, Invalid

_KINDS = {
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-rsa",
}
GIVEN = "boardgrid"  # the comment of a key that the farm wrote into authorized_keys, and may take from there
_RSA_BITS = 2048  # fewer can be broken
_LONGEST = 16384


def checked_key(line: str) -> str:
    """
    Return an OpenSSH public key as ``"<kind> <base64>"``, without its comment.

    Raises:
        Invalid: KEY_INVALID; it is no such key, or a weak one, or carries options, which would reach authorized_keys.
    """
    words = line.split()
    if len(line) > _LONGEST or "\n" in line.strip() or len(words) < 2:
        raise _refused(_("this is no public SSH key: {start!r}"), line)
    kind, encoded = words[:2]
    if kind == "ssh-dss":
        raise _refused(_("DSA keys are broken, so this one is not taken: {start!r}"), line)
    if kind not in _KINDS:
        raise _refused(_("this is no public SSH key of a kind that is taken: {start!r}"), line)
    try:
        blob = base64.b64decode(encoded, validate=True)
        fields = _fields(blob)
    except (binascii.Error, ValueError) as error:
        raise _refused(_("this public SSH key is damaged: {start!r}"), line) from error
    if not fields or fields[0] != kind.encode() or not _is_whole(kind, fields):
        raise _refused(_("this public SSH key is damaged: {start!r}"), line)
    if kind == "ssh-rsa" and int.from_bytes(fields[2], "big").bit_length() < _RSA_BITS:
        raise _refused(_("this RSA key has fewer than 2048 bits and is too weak: {start!r}"), line)
    return f"{kind} {base64.b64encode(blob).decode()}"  # one way to write it, for keys are compared as text


def fingerprint_of(key: str) -> str:
    """As ``ssh-keygen -l`` shows it: "SHA256:..."."""
    digest = hashlib.sha256(base64.b64decode(key.split()[1])).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def _is_whole(kind: str, fields: list[bytes]) -> bool:
    match kind:
        case "ssh-ed25519":
            return len(fields) == 2 and len(fields[1]) == 32
        case "ssh-rsa":
            return len(fields) == 3
        case "sk-ssh-ed25519@openssh.com":
            return len(fields) == 3 and len(fields[1]) == 32
        case "sk-ecdsa-sha2-nistp256@openssh.com":
            return len(fields) == 4
        case _:
            return len(fields) == 3 and kind.endswith(fields[1].decode("ascii", "replace"))


def _fields(blob: bytes) -> list[bytes]:
    """The strings that a key's bytes are made of, each behind its length (RFC 4253, section 6.6)."""
    fields = []
    while blob:
        size = int.from_bytes(blob[:4], "big")
        if len(blob) < 4 + size:
            raise ValueError("cut off")
        fields.append(blob[4 : 4 + size])
        blob = blob[4 + size :]
    return fields


def _refused(sentence: str, line: str) -> Invalid:
    return Invalid(
        Code.KEY_INVALID,
        sentence,
        hint=_('a good one is the line in ~/.ssh/id_ed25519.pub, which begins with "ssh-ed25519 AAAA"'),
        start=line.strip()[:40],
    )
