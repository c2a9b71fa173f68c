"""Which image was made of which, drawn as trees."""

from collections.abc import Iterator, Sequence

from boardgrid.client.answers import Image


def drawn(images: Sequence[Image], name: str | None = None) -> Iterator[tuple[str, Image]]:
    """
    Each image with what stands before it: ``├─ `` and the like, below the one that it was made of.

    Args:
        images: those that are gone too. One is drawn where something descends from it.
        name: only trees in which an image, or a version, is called so.
    """
    known = {one.ref: one for one in images}
    children: dict[str, list[Image]] = {}
    for one in images:
        children.setdefault(one.parent if one.parent in known else "", []).append(one)

    def lives(one: Image) -> bool:
        return one.state != "gone" or any(map(lives, children.get(one.ref, ())))

    def is_meant(one: Image) -> bool:
        return name in {None, one.name, one.ref} or any(map(is_meant, children.get(one.ref, ())))

    def below(ones: Sequence[Image], before: str) -> Iterator[tuple[str, Image]]:
        there = [one for one in ones if lives(one)]
        for one in there:
            is_last = one is there[-1]
            yield before + ("└─ " if is_last else "├─ "), one
            yield from below(children.get(one.ref, ()), before + ("   " if is_last else "│  "))

    for root in children.get("", ()):
        if lives(root) and is_meant(root):
            yield "", root
            yield from below(children.get(root.ref, ()), "")
