"""Images, as people are shown them; and how one that is being made is waited for."""

import time
from collections.abc import Mapping

from boardgrid.client.answers import Image
from boardgrid.client.complaint import IMAGE_FAILED, Complaint
from boardgrid.client.duration import took
from boardgrid.client.farm import Farm
from boardgrid.client.moment import shown
from boardgrid.client.progress import measured, rate_text
from boardgrid.client.seat import Seat
from boardgrid.client.tables import Column, Sheet
from boardgrid.client.waiting import left_by_ctrl_c, until
from boardgrid.messages import _, bytes_text

LONGEST_S = 3600.0  # an image that is not made in an hour waits for an agent that is not there
_NFS = {
    "builtin": "yes",
    "own": "yes, with its initramfs",
    "farm": "yes, with our initramfs",
    "no": "no",
    "unknown": "not known",
}


def fact(image: Image, key: str) -> object:
    return (image.manifest or {}).get(key)


def _kernels(image: Image) -> str:
    kernels = fact(image, "kernels")
    if not isinstance(kernels, list | tuple):
        return ""
    named = ", ".join(str(one.get("release")) for one in kernels)
    return named or _("none: only boards that have a kernel of their own boot it")


def _over_nfs(image: Image) -> str:
    """Of each kernel, where the farm could look."""
    kernels = fact(image, "kernels")
    told = [one for one in kernels if one.get("nfs")] if isinstance(kernels, list | tuple) else []
    return ", ".join(f"{_(_NFS.get(one['nfs'], one['nfs']))} ({one.get('release')}: {one.get('why')})" for one in told)


def _adapted(image: Image) -> str:
    adapted = fact(image, "adapted")
    names = ", ".join(str(one.get("name")) for one in adapted) if isinstance(adapted, list | tuple) else ""
    # Of what was exported the farm did the least part itself.
    return _("{names} (as its manifest says)").format(names=names) if names and fact(image, "about") else names


def _without(image: Image) -> str:
    without = fact(image, "without")
    return ", ".join(map(str, without)) if isinstance(without, list | tuple) else ""


def _init(image: Image) -> str:
    return _("none: no board boots it") if has_no_init(image) else str(fact(image, "init") or "")


def has_no_init(image: Image) -> bool:
    return fact(image, "init") == ""


def _exported(image: Image) -> str:
    """What it was on the farm that exported it, with what it descends from there."""
    about = fact(image, "about")
    if not isinstance(about, Mapping):
        return ""
    return " < ".join([f"{about['name']}:{about['version']}", *map(str, about["lineage"])])


def _size(image: Image) -> str:
    size = fact(image, "size_bytes")
    return bytes_text(size) if isinstance(size, int | float) else ""


def _seen_by(image: Image) -> str:
    if image.visibility == "project":
        return f"project:{image.project}"
    return image.visibility or ("public" if image.shared else "private")


def state_of(image: Image) -> str:
    return "damaged" if image.damage and image.state == "ready" else image.state


def _progress(image: Image) -> str:
    return rate_text(image.progress) if image.progress else ""


def _labels(image: Image) -> str:
    return " ".join(f"{name}={text}" for name, text in sorted(image.labels.items()))


def _badge(image: Image) -> str:
    """The newest word on each board type."""
    newest = {one.board_type: one for one in reversed(image.boot_tests)}
    return "; ".join(
        (
            _("on {type} ({board}) {date}, {seconds:.0f} s")
            if one.is_passed and one.took_s is not None
            else _("on {type} ({board}) {date}")
            if one.is_passed
            else _("FAILED on {type} ({board}) {date}")
        ).format(type=name, board=one.board, date=f"{one.at:%Y-%m-%d}", seconds=one.took_s or 0)
        for name, one in sorted(newest.items())
    )


SHEET: Sheet[Image] = Sheet(
    lambda image: image.ref,
    (
        Column("IMAGE", lambda image: image.ref),
        Column("STATE", state_of, is_state=True),
        Column("ALIASES", lambda image: ", ".join(image.aliases)),
        Column("OWNER", lambda image: image.owner),
        Column("SEEN BY", _seen_by),
        Column("ARCH", lambda image: fact(image, "arch")),
        Column("SIZE", _size),
        Column("MADE", lambda image: shown(image.created_at)),
        Column("LABELS", _labels, most=24),
        Column("SYSTEM", lambda image: fact(image, "system")),
        Column("KERNELS", _kernels, is_detail=True),
        Column("BOOTS OVER NFS", _over_nfs, is_detail=True),
        Column("ADAPTED", _adapted, is_detail=True),
        Column("NOT ADAPTED", _without, is_detail=True),
        Column("INIT", _init, is_detail=True),
        Column("FILES", lambda image: fact(image, "files"), is_detail=True),
        Column("EXPORTED AS", _exported, is_detail=True),
        Column("PARENT", lambda image: image.parent, is_detail=True),
        Column("SITE", lambda image: image.site, is_detail=True),
        Column("DIGEST", lambda image: fact(image, "digest"), is_detail=True),
        Column("FITS", lambda image: ", ".join(image.types), is_detail=True),
        Column("PROGRESS", _progress, is_detail=True),
        Column("REASON", lambda image: image.reason, is_detail=True),
        Column("HINT", lambda image: image.hint, is_detail=True),
        Column("BOOT-TESTED", _badge, is_detail=True),
        Column("REMOVED", lambda image: image.removed_at and shown(image.removed_at), is_detail=True),
        Column("VERIFIED", lambda image: image.verified_at and shown(image.verified_at), is_detail=True),
        Column("DAMAGE", lambda image: image.damage, is_detail=True),
    ),
)


def versions(farm: Farm, name: str | None) -> tuple[Image, ...]:
    """All versions of an image, the newest last."""
    return tuple(sorted((image for image in farm.images() if image.name == name), key=lambda image: image.version))


def ready(seat: Seat, farm: Farm, awaited: Image, timeout_s: float | None) -> Image:
    """
    Wait until an image can be booted.

    Raises:
        Complaint: IMAGE_FAILED with the farm's reason, or WAIT_TIMEOUT.
    """

    def look() -> Image | None:
        seen = farm.image(awaited.ref)
        show(seen.progress)
        return seen if seen.state in {"ready", "failed", "going", "gone"} else None

    began = time.monotonic()
    parting = _("the image {ref} is being made, and that goes on; `boardgrid image show {ref}`").format(ref=awaited.ref)
    with left_by_ctrl_c(seat, lambda: parting), measured(_("making {ref}").format(ref=awaited.ref)) as show:
        seen = until(
            look,
            _("the image {ref}").format(ref=awaited.ref),
            timeout_s=LONGEST_S if timeout_s is None else timeout_s,
            hint=_("it goes on; `boardgrid image show {ref}` tells how it ends").format(ref=awaited.ref),
        )
    if seen.state != "ready":
        sentence = _("the image {ref} could not be made: {reason}")
        raise Complaint(IMAGE_FAILED, sentence.format(ref=seen.ref, reason=seen.reason or seen.state), hint=seen.hint)
    seat.tell(_("the image {ref} is ready ({took})").format(ref=seen.ref, took=took(time.monotonic() - began)))
    if has_no_init(seen):
        sentence = _("warning: there is no init in {ref} (/sbin/init or the like), so no board will boot it as it is")
        seat.tell(sentence.format(ref=seen.ref))
    return seen
