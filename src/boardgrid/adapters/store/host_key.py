"""Fresh SSH host keys, in the forms that OpenSSH and dropbear keep them in."""

import base64
from dataclasses import dataclass, field

import asyncssh

_SEED_BYTES = 32


@dataclass(frozen=True, slots=True)
class HostKey:
    public: str  # "ssh-ed25519 AAAA..."
    openssh: str = field(repr=False)
    dropbear: bytes = field(repr=False)


def fresh_host_key() -> HostKey:
    key = asyncssh.generate_private_key("ssh-ed25519")
    # Both are fixed forms that end in the 32 bytes themselves: RFC 8410, section 7, and RFC 8709, section 4.
    seed = key.export_private_key("pkcs8-der")[-_SEED_BYTES:]
    public = key.public_data[-_SEED_BYTES:]
    return HostKey(
        public=" ".join(key.export_public_key().decode().split()[:2]),
        openssh=key.export_private_key().decode(),
        dropbear=_string(b"ssh-ed25519") + _string(seed + public),
    )


def dropbear_text(key: HostKey) -> str:
    return base64.b64encode(key.dropbear).decode()


def _string(content: bytes) -> bytes:
    """RFC 4251, section 5."""
    return len(content).to_bytes(4, "big") + content
