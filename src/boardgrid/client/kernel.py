"""What a board boots with in the place of its image's kernel, in words."""

from boardgrid.client.answers import Deployment
from boardgrid.messages import _


def kernel_text(deployment: Deployment | None) -> str:
    """``yours: kernel, modules 6.1.0; ignore_loglevel; for one boot``; empty where it is the image's own."""
    kit = deployment.kit if deployment is not None else None
    if kit is None:
        return ""
    brought = [
        word
        for key, word in (
            ("kernel", _("kernel")),
            ("dtb", _("device tree")),
            ("initrd", _("initramfs")),
            ("modules", _("modules {release}").format(release=kit.get("release") or "")),
        )
        if kit.get(key)
    ]
    told = [_("yours: {parts}").format(parts=", ".join(brought))] if brought else []
    if kit.get("from_root"):
        told.append(_("the root's own {release}").format(release=kit.get("release") or "").strip())
    if kit.get("without_initrd"):
        told.append(_("no initramfs"))
    if kit.get("append"):
        told.append(str(kit["append"]))
    if kit.get("is_once"):
        told.append(_("for one boot"))
    return "; ".join(told)
