"""Did you mean: the name that is most like one that the farm does not know."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from boardgrid.client.complaint import Complaint
from boardgrid.client.farm import Farm
from boardgrid.messages import _

_LIKE = 0.7
_NAMES: Mapping[str, Callable[[Farm], Iterable[str]]] = {
    "board.unknown": lambda farm: (one.name for one in farm.boards()),
    "type.unknown": lambda farm: (one.name for one in farm.board_types()),
    "image.unknown": lambda farm: (name for one in farm.images() for name in (one.name, one.ref)),
    "root.unknown": lambda farm: (one.name for one in farm.roots()),
    "volume.unknown": lambda farm: (one.name for one in farm.volumes()),
    "user.unknown": lambda farm: (one.name for one in farm.users()),
}


def is_about_a_name(complaint: Complaint) -> bool:
    return complaint.code in _NAMES


def with_similar(complaint: Complaint, farm: Farm, said: Sequence[str]) -> Complaint:
    """
    The complaint with another hint, where a word that was said is like a name that the farm does know.

    Args:
        said: the words of the command line: that which is complained of is among them.
    """
    from difflib import get_close_matches  # noqa: PLC0415 - only who mistyped waits for it

    def alike(word: str, known: Sequence[str]) -> list[str]:
        """Versions are dates, and those are alike however the images are called."""
        name = word.partition(":")[0]
        some = [one for one in known if get_close_matches(name, [one.partition(":")[0]], cutoff=_LIKE)]
        return get_close_matches(word, some, n=1, cutoff=_LIKE)

    wrong = [word for text in said for word in text.split() if word in complaint.detail.split()]
    try:
        known = sorted(set(_NAMES[complaint.code](farm)))
    except Complaint:
        return complaint
    for word in wrong:
        if word not in known and (found := alike(word, known)):
            hint = _("did you mean {name}?").format(name=found[0])
            code, detail = complaint.code, complaint.detail
            return Complaint(code, detail, hint=hint, status=complaint.status, exit_code=complaint.exit_code)
    return complaint
