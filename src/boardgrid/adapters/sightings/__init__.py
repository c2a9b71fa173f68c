"""What boards are seen to ask of the network."""

from boardgrid.adapters.sightings.network import NetworkSightings

__all__ = ["NetworkSightings"]
