import grp
import os
import pwd
import stat
from dataclasses import replace
from ipaddress import IPv4Interface
from pathlib import Path

import pytest

from boardgrid.adapters.netboot import DnsmasqServer
from boardgrid.adapters.shell import SubprocessShell
from boardgrid.model.board import DhcpMode
from boardgrid.model.errors import Fault, Invalid
from boardgrid.testing import FACTS

OWN = """\
dnsmasq
--keep-in-foreground
--conf-file=/dev/null
--pid-file=
--user=dnsmasq
--group=nogroup
--port=0
--no-hosts
--no-resolv
--interface=br0
--except-interface=lo
--bind-dynamic
--dhcp-range=10.20.0.0,static,255.255.255.0,1h
--dhcp-authoritative
--dhcp-ignore=tag:!known
--dhcp-boot=pxelinux.0,,10.20.0.1
--dhcp-match=set:amd64,option:client-arch,7
--dhcp-match=set:arm64,option:client-arch,11
--dhcp-boot=tag:amd64,grubnetx64.efi,,10.20.0.1
--dhcp-boot=tag:arm64,grubnetaa64.efi,,10.20.0.1
--domain=lab.boardgrid
--dhcp-hostsdir=/srv/hosts
--dhcp-optsdir=/srv/opts
--dhcp-leasefile=/srv/leases
--no-ping
--enable-tftp=br0
--tftp-root=/srv/tftp
--tftp-unique-root=ip
--log-facility=/srv/log/dnsmasq.log
--log-dhcp
"""


def a_server(folder: Path) -> DnsmasqServer:
    return DnsmasqServer(
        site=FACTS,
        tftp=folder / "tftp",
        hosts=folder / "hosts",
        opts=folder / "opts",
        leases=folder / "leases",
        log=folder / "log/dnsmasq.log",
        pid_file=folder / "run/dnsmasq.pid",
        user=pwd.getpwuid(os.getuid()).pw_name,
        group=grp.getgrgid(os.getgid()).gr_name,
    )


def test_dnsmasq_is_started_with_these_words() -> None:
    server = replace(a_server(Path("/srv")), user="dnsmasq", group="nogroup")
    assert "\n".join(server.argv()) + "\n" == OWN


def test_as_a_proxy_it_gives_no_addresses() -> None:
    words = replace(a_server(Path("/srv")), site=replace(FACTS, dhcp=DhcpMode.PROXY)).argv()
    assert "--dhcp-range=10.20.0.0,proxy,255.255.255.0" in words
    assert "--dhcp-authoritative" not in words
    assert not any("static" in word for word in words)


@pytest.mark.world
@pytest.mark.parametrize("mode", list(DhcpMode))
async def test_dnsmasq_understands_each_of_its_words(tmp_path: Path, mode: DhcpMode) -> None:
    server = replace(a_server(tmp_path), site=replace(FACTS, dhcp=mode))
    server.prepare()
    await SubprocessShell().run(*server.argv(), "--test")


def test_each_address_of_the_network_has_a_folder_and_none_can_write_there(tmp_path: Path) -> None:
    server = a_server(tmp_path)
    server.prepare()
    server.prepare()
    assert len(list(server.tftp.iterdir())) == 256
    assert stat.S_IMODE((server.tftp / "10.20.0.200").stat().st_mode) == 0o755
    assert stat.S_IMODE(server.tftp.stat().st_mode) == 0o751


def test_it_is_ready_when_it_says_so_and_not_by_what_an_earlier_one_said(tmp_path: Path) -> None:
    server = a_server(tmp_path)
    assert not server.is_ready()
    server.prepare()
    assert not server.is_ready()
    server.log.write_text("Nov 22 11:46:00 dnsmasq[9]: started, version 2.90 DNS disabled\n")
    assert server.is_ready()
    server.prepare()
    assert not server.is_ready()


def test_a_network_with_more_addresses_than_folders_are_sane_is_refused(tmp_path: Path) -> None:
    site = replace(FACTS, server=IPv4Interface("10.0.0.1/16"))
    with pytest.raises(Invalid, match=r"network 10\.0\.0\.0/16 of site lab is too large"):
        replace(a_server(tmp_path), site=site).prepare()


def test_a_user_that_is_not_there_names_the_package(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="no user nobody-here") as caught:
        replace(a_server(tmp_path), user="nobody-here").prepare()
    assert "dnsmasq-base" in caught.value.hint


def test_a_folder_that_its_user_cannot_pass_is_named(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(Fault, match="is closed to others") as caught:
        replace(a_server(closed), user="nobody").prepare()
    assert "chmod o+x" in caught.value.hint
