"""The port ``HostKeys``: the key that a board proves to have, in a key exchange of our own."""

import asyncio
from dataclasses import dataclass
from ipaddress import IPv4Address

import asyncssh

from boardgrid.messages import _
from boardgrid.model.errors import Blame, Code, Fault

_KIND = "ssh-ed25519"  # the one that the farm writes into each root


@dataclass(frozen=True, slots=True)
class SshHostKeys:
    """Nobody logs in: the connection ends when the server has signed the exchange."""

    port: int = 22

    async def of(self, board: IPv4Address, timeout_s: float = 5) -> str:
        try:
            async with asyncio.timeout(timeout_s):
                # Neither keys nor settings of whoever runs this are looked at; no small packet is inflated to any size.
                options = asyncssh.SSHClientConnectionOptions(
                    config=None, client_keys=None, agent_path=None, username="root", compression_algs=None
                )
                key = await asyncssh.get_server_host_key(
                    str(board), self.port, server_host_key_algs=[_KIND], config=None, options=options
                )
        # A board may answer anything: what a library stumbles over in it is silence to us, too.
        except (OSError, TimeoutError, asyncssh.Error, ValueError, EOFError) as error:
            raise self._silent(board, str(error) or _("nothing came within {s:g} s").format(s=timeout_s)) from error
        if key is None:
            raise self._silent(board, _("it told no key"))
        return " ".join(key.export_public_key().decode("ascii").split()[:2])

    def _silent(self, board: IPv4Address, reason: str) -> Fault:
        return Fault(
            Code.SSH_SILENT,
            _("{board} does not answer with an ed25519 host key on port {port}: {reason}"),
            blame=Blame.BOARD,
            board=board,
            port=self.port,
            reason=reason[:200],
        )
