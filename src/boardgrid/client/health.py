"""How an open board looked when the farm last looked at it, in words."""

from boardgrid.client.answers import Deployment, Health
from boardgrid.client.duration import span
from boardgrid.messages import _


def health_text(health: Health | None) -> str:
    """What it looked like, and for how long."""
    if health is None:
        return ""
    voices = {"ours": _("SSH answers"), "other": _("SSH answers with another key"), "silent": _("SSH is silent")}
    return _("power {power}, {voice} (for {span})").format(
        power=health.power, voice=voices.get(health.voice, health.voice), span=span(health.ago_s)
    )


def open_text(health: Health | None, deployment: Deployment | None) -> str:
    """The same, and why where it did not come up as its user booted it."""
    told = [health_text(health)]
    if deployment is not None and (health is None or health.voice != "ours"):
        told.append(deployment.reason)
    return ": ".join(part for part in told if part)
