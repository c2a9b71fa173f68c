"""The DHCP and TFTP server of a site: how dnsmasq is started, and whether it answers."""

import grp
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from boardgrid.adapters.netboot import grub
from boardgrid.adapters.netboot.checks import checked_site
from boardgrid.messages import _
from boardgrid.model.board import DhcpMode, Site
from boardgrid.model.errors import Code, Fault, Invalid

_LARGEST = 4096  # addresses: each has a folder


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsmasqServer:
    """
    One dnsmasq for the boards' interface: DHCP for boards that the farm knows, TFTP of a board's own folder, no DNS.

    Whoever starts it calls :meth:`prepare` before each start, writes *pid_file*, runs :meth:`argv` in the boards'
    network, and waits for :meth:`is_ready`. It needs root to start and then becomes *user*.

    With ``DhcpMode.OWN`` it gives boards their addresses; tried on virtual boards with U-Boot. With ``DhcpMode.PROXY``
    another server does, and it answers PXE clients beside that one: what those are offered is tried, a board that boots
    so is not. U-Boot is no PXE client by itself and wants ``serverip`` in its environment there.
    """

    site: Site
    tftp: Path
    hosts: Path
    opts: Path
    leases: Path
    log: Path
    pid_file: Path  # its number, as the agent sees it
    user: str = "dnsmasq"
    group: str = "nogroup"  # its own choice would be "dip", which is given to people

    def prepare(self) -> None:
        """
        Make its folders, and put aside what an earlier one left.

        Raises:
            Invalid: the site's config does not do.
            Fault: its user is not there, or cannot reach its files.
        """
        user_id, group_id = self._ids()
        self.pid_file.unlink(missing_ok=True)
        if self.log.exists():
            self.log.rename(self.log.with_name(f"{self.log.name}.1"))
        for folder in (self.hosts, self.opts, self.leases.parent, self.log.parent, self.pid_file.parent):
            folder.mkdir(parents=True, exist_ok=True)
        self.hosts.chmod(0o755)
        self.opts.chmod(0o755)
        self.tftp.mkdir(parents=True, exist_ok=True)
        # dnsmasq will not start unless it can list this folder; others of this machine only pass through.
        os.chown(self.tftp, -1, group_id)
        self.tftp.chmod(0o751)
        self._close_addresses()
        self._check_reach(user_id)

    def argv(self) -> tuple[str, ...]:
        server = checked_site(self.site)
        network = server.network
        dhcp: tuple[str, ...]
        match self.site.dhcp:
            case DhcpMode.OWN:
                # "static": only addresses of host files are given, so nothing is given to whom nobody knows.
                dhcp = (f"--dhcp-range={network.network_address},static,{network.netmask},1h", "--dhcp-authoritative")
            case DhcpMode.PROXY:
                # dnsmasq takes the number of a client's kind for its name.
                files = {
                    **dict.fromkeys(("x86PC", "ARM32_EFI", "21", "22"), "pxelinux"),
                    **{str(number): grub.LOADERS[arch] for arch, number in grub.CLIENTS.items()},
                }
                services = (f"--pxe-service={client},BoardGrid,{file}" for client, file in files.items())
                dhcp = (f"--dhcp-range={network.network_address},proxy,{network.netmask}", *services)
        return (
            "dnsmasq",
            "--keep-in-foreground",
            "--conf-file=/dev/null",  # the machine's own dnsmasq, if it has one, stays apart
            "--pid-file=",  # whoever starts it writes it
            f"--user={self.user}",
            f"--group={self.group}",
            "--port=0",
            "--no-hosts",
            "--no-resolv",
            f"--interface={self.site.interface}",
            "--except-interface=lo",
            # With --bind-interfaces, TFTP answers whoever reaches the address through another interface.
            "--bind-dynamic",
            *dhcp,
            "--dhcp-ignore=tag:!known",
            # A board that reads pxelinux files by itself takes only the server's address from this.
            f"--dhcp-boot=pxelinux.0,,{server.ip}",
            *(f"--dhcp-match=set:{arch},option:client-arch,{number}" for arch, number in grub.CLIENTS.items()),
            *(f"--dhcp-boot=tag:{arch},{file},,{server.ip}" for arch, file in grub.LOADERS.items()),
            f"--domain={self.site.name}.{self.site.domain}",
            f"--dhcp-hostsdir={self.hosts}",
            f"--dhcp-optsdir={self.opts}",
            f"--dhcp-leasefile={self.leases}",
            "--no-ping",  # an address has one board, and a board in a hurry
            f"--enable-tftp={self.site.interface}",
            f"--tftp-root={self.tftp}",
            "--tftp-unique-root=ip",
            f"--log-facility={self.log}",
            "--log-dhcp",
        )

    def is_ready(self) -> bool:
        """It said so in its log: only then has it opened its ports and looked at its folders."""
        try:
            return b"]: started, version " in self.log.read_bytes()[:4096]
        except FileNotFoundError:
            return False

    def _close_addresses(self) -> None:
        """
        Give each address of the subnet a folder of its own.

        To an address that has none, dnsmasq shows the whole of its TFTP folder: a stranger could take a free address
        and read what another board boots.
        """
        network = checked_site(self.site).network
        if network.num_addresses > _LARGEST:
            raise Invalid(
                Code.CONFIG_INVALID,
                _("the boards' network {network} of site {site} is too large"),
                hint=_("take a subnet of at most {most} addresses"),
                network=network,
                site=self.site.name,
                most=_LARGEST,
            )
        for address in network:
            folder = self.tftp / str(address)
            if not folder.is_dir():
                folder.mkdir()
                folder.chmod(0o755)

    def _ids(self) -> tuple[int, int]:
        try:
            return pwd.getpwnam(self.user).pw_uid, grp.getgrnam(self.group).gr_gid
        except KeyError as error:
            raise Fault(
                Code.NETBOOT_FAILED,
                _("this machine has no user {user} or no group {group} for dnsmasq to run as"),
                hint=_("install the Debian package dnsmasq-base"),
                user=self.user,
                group=self.group,
            ) from error

    def _check_reach(self, user_id: int) -> None:
        if user_id in {0, os.geteuid()}:
            return
        for folder in {*self.tftp.resolve().parents, *self.hosts.resolve().parents, *self.opts.resolve().parents}:
            if not folder.stat().st_mode & stat.S_IXOTH:
                raise Fault(
                    Code.NETBOOT_FAILED,
                    _("dnsmasq runs as {user} and cannot reach its files: {folder} is closed to others"),
                    hint=_("open it for passing through (chmod o+x {folder}), or keep the state elsewhere"),
                    user=self.user,
                    folder=folder,
                )
