"""The gateway: the door that it was handed, and whom it asks who may come in."""

import os

from boardgrid.adapters.clock import BootClock
from boardgrid.adapters.controller import GatewayDoor
from boardgrid.daemon import descriptors, sockets
from boardgrid.daemon.config import Config
from boardgrid.daemon.layout import Layout
from boardgrid.daemon.notice import tell_ready
from boardgrid.daemon.wiring.door import http_to_controller
from boardgrid.gateway import door


async def serve(config: Config) -> None:
    """Until cancelled."""
    descriptors.use_all()
    layout = Layout(config.state)
    listening = sockets.inherited(os.environ).get("ssh")
    if listening is None:  # started by hand
        listening = sockets.open_tcp("ssh", config.gateway.listen, key=f"{config.file}: gateway.listen").socket
    public = config.told(*listening.getsockname()[:2])  # an IPv6 socket says more of itself
    async with http_to_controller(config, layout.gateway) as http:
        tell_ready()
        await door.serve(
            listening,
            layout.gateway / "host_key",
            GatewayDoor(http),
            BootClock(),
            host=public.host,
            port=public.port,
        )
