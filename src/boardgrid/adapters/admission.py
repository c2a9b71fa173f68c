"""The port ``Admission``: who may log in to a board that runs, written there by the agent's own key."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

import asyncssh

from boardgrid.messages import _
from boardgrid.model.errors import Blame, Code, Fault
from boardgrid.model.ssh_key import GIVEN

# Lines that somebody wrote there by hand stay. Nothing is written where nothing would be another, and never half of it.
_ADMIT = (
    "exec sh -c '"
    "umask 077; cd; mkdir -p .ssh; f=.ssh/authorized_keys; "
    f'{{ [ ! -f "$f" ] || grep -v " {GIVEN}$" "$f"; cat; }} >"$f.new"; '
    'if cmp -s "$f.new" "$f"; then rm "$f.new"; else mv "$f.new" "$f"; fi && echo admitted\''
)
_ANSWER_BYTES = 64


@dataclass(frozen=True, slots=True)
class SshAdmission:
    key: Path  # the agent's private one, which every root lets in
    port: int = 22

    async def admit(self, board: IPv4Address, host_key: str, keys: Collection[str], timeout_s: float = 10) -> None:
        lines = "".join(f"{key} {GIVEN}\n" for key in keys)
        try:
            async with asyncio.timeout(timeout_s):
                async with asyncssh.connect(
                    str(board),
                    self.port,
                    username="root",
                    client_keys=[asyncssh.read_private_key(self.key)],
                    preferred_auth="publickey",
                    known_hosts=([asyncssh.import_public_key(host_key)], [], []),
                    config=None,
                    agent_path=None,
                    compression_algs=None,  # a small packet could be inflated to any size
                    gss_host=None,
                ) as connection:
                    process = await connection.create_process(_ADMIT, encoding=None, window=4096, max_pktsize=1024)
                    process.stdin.write(lines.encode("ascii"))
                    process.stdin.write_eof()
                    said = await process.stdout.read(_ANSWER_BYTES)
        # A board may answer anything: what a library stumbles over in it is a refusal, too.
        except (OSError, TimeoutError, asyncssh.Error, ValueError, EOFError) as error:
            raise self._refused(board, str(error) or _("nothing came within {s:g} s").format(s=timeout_s)) from error
        if said.strip() != b"admitted":
            raise self._refused(board, _("its shell did not do as it was told"))

    def _refused(self, board: IPv4Address, reason: str) -> Fault:
        return Fault(
            Code.SSH_SILENT,
            _("{board} was not told over SSH who may log in: {reason}"),
            blame=Blame.BOARD,
            board=board,
            reason=reason[:200],
        )
