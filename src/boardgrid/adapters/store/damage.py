"""A file that did not arrive as it was sent: one sentence for it, whichever program found that out."""

import re

from boardgrid.messages import _, bytes_text
from boardgrid.model.errors import Code, Invalid

# As tar and the programs that it unpacks with say it.
_SAID = re.compile(
    r"unexpected end|unexpected eof|eof in|premature|truncated|ends unexpectedly|not recoverable|child (returned|died)"
    r"|corrupt|checksum|crc error|length error|data error|decoding error|integrity|bad magic"
    r"|invalid (compressed|sparse)|unknown method"
    r"|not in (gzip|bzip2|xz) format|format not recognized|unsupported format|unknown header|skipping to next"
    r"|does not look like a tar|malformed",
    re.IGNORECASE,
)
_ANEW = _("compare its checksum (`sha256sum FILE`) with that of where it comes from, and get or send it again")
_TARS_END = 2  # its status where it cannot go on, also where its unpacker said why to nobody


def is_damage(status: int, said: str) -> bool:
    """Whether a program that ended so complains of what it read."""
    return bool(_SAID.search(said)) or (status == _TARS_END and not said)


def damaged(name: str) -> Invalid:
    return Invalid(Code.ARCHIVE_REFUSED, _("{name} is cut off or damaged"), hint=_ANEW, name=name)


def cut_off(name: str, there_bytes: int, whole_bytes: int) -> Invalid:
    return Invalid(
        Code.ARCHIVE_REFUSED,
        _("{name} is cut off: it has {there}, and what stands at its beginning speaks of {whole}"),
        hint=_ANEW,
        name=name,
        there=bytes_text(there_bytes),
        whole=bytes_text(whole_bytes),
    )
