"""What boards boot: their DHCP and TFTP files, and the dnsmasq that hands them out."""

from boardgrid.adapters.netboot.dnsmasq import DnsmasqServer
from boardgrid.adapters.netboot.files import NetbootFiles

__all__ = ["DnsmasqServer", "NetbootFiles"]
