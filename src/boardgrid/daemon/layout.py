"""Where in the state folder each part of a farm keeps its things."""

from dataclasses import dataclass
from pathlib import Path

from boardgrid.daemon.identity import Identity, give
from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault


@dataclass(frozen=True, slots=True)
class Layout:
    state: Path

    @property
    def controller(self) -> Path:
        return self.state / "controller"

    @property
    def database(self) -> Path:
        return self.controller / "farm.db"

    @property
    def spool(self) -> Path:
        return self.controller / "spool"

    @property
    def gateway(self) -> Path:
        return self.state / "gateway"

    @property
    def agent(self) -> Path:
        return self.state / "agent"

    @property
    def agent_key(self) -> Path:
        """The SSH key with which the agent looks after boards; its public half lies beside it."""
        return self.agent / "key"

    @property
    def store(self) -> Path:
        return self.agent / "store"

    @property
    def packages(self) -> Path:
        """Debian packages that recipes needed."""
        return self.agent / "packages"

    @property
    def lab(self) -> Path:
        """Virtual boards: what they are, what they boot, what they print."""
        return self.state / "lab"

    @property
    def holding(self) -> Path:
        return self.state / "holding"

    @property
    def tftp(self) -> Path:
        return self.state / "tftp"

    @property
    def dhcp(self) -> Path:
        return self.state / "dhcp"

    @property
    def nfs(self) -> Path:
        return self.state / "nfs"

    @property
    def log(self) -> Path:
        return self.state / "log"

    @property
    def run(self) -> Path:
        return self.state / "run"

    def token(self, folder: Path) -> Path:
        return folder / "token"

    def make(self, controller: Identity, gateway: Identity) -> None:
        """
        Make the folders in the state folder, each its user's own.

        Raises:
            Fault: the disk refused.
        """
        try:
            for folder in (self.agent, self.nfs, self.lab, self.log):
                folder.mkdir(exist_ok=True)
                folder.chmod(0o700)
            for folder in (self.run, self.dhcp, self.holding):
                folder.mkdir(exist_ok=True)
                folder.chmod(0o755)
            give(self.controller, controller)
            give(self.gateway, gateway)
        except OSError as error:
            raise Fault(
                Code.PROGRAM_FAILED,
                _("the state folder {folder} cannot be prepared: {why}"),
                folder=self.state,
                why=error,
            ) from error
