"""Which image was made of which, drawn as trees."""

from collections.abc import Iterator, Sequence

from boardgrid.client.answers import Image


def drawn(images: Sequence[Image], name: str | None = None) -> Iterator[tuple[str, Image]]:
    """
    Each image with what stands before it: ``├─ `` and the like, below the one that it was made of.

    Args:
        images: those that are gone too. One is drawn where something descends from it.
        name: only images and versions that are called so, what they descend from, and what descends from them.
    """
    known = {one.ref: one for one in images}
    children: dict[str, list[Image]] = {}
    for one in images:
        children.setdefault(one.parent if one.parent in known else "", []).append(one)

    def lives(one: Image) -> bool:
        return one.state != "gone" or any(map(lives, children.get(one.ref, ())))

    def is_named(one: Image) -> bool:
        return name in {None, one.name, one.ref}

    def leads_to_one(one: Image) -> bool:
        return is_named(one) or any(map(leads_to_one, children.get(one.ref, ())))

    def below(parent: Image, before: str, *, is_named_above: bool) -> Iterator[tuple[str, Image]]:
        is_wanted = is_named_above or is_named(parent)
        there = [one for one in children.get(parent.ref, ()) if lives(one) and (is_wanted or leads_to_one(one))]
        for one in there:
            is_last = one is there[-1]
            yield before + ("└─ " if is_last else "├─ "), one
            yield from below(one, before + ("   " if is_last else "│  "), is_named_above=is_wanted)

    for root in children.get("", ()):
        if lives(root) and leads_to_one(root):
            yield "", root
            yield from below(root, "", is_named_above=False)
