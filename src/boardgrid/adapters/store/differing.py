"""Has the difference between two trees of a store told: by a program that looks at them and at nothing else."""

from collections.abc import Sequence

from pydantic import TypeAdapter

from boardgrid.adapters.store.farms import NOTHING, Farms
from boardgrid.adapters.store.place import ImagePlace
from boardgrid.adapters.store.store import Store
from boardgrid.adapters.store.tree import TreePath
from boardgrid.model.difference import Difference

_DIFFERENCE = TypeAdapter(Difference)
_MOST_S = 300.0  # for trees of millions of files; one of twenty thousand takes a second


async def changes(
    store: Store, was: ImagePlace, now: TreePath, images: Sequence[ImagePlace] = (), *, farms: Farms = NOTHING
) -> Difference:
    """
    From an image to another tree. *images* need not be mounted: the program does that, for itself alone. What the farm
    wrote into that tree, its *farms*, is left out.

    Raises:
        Invalid: something lies too deep to be looked at.
        Fault: it took too long, or an image is not there any more.
    """
    order = {
        "was": str(was.tree),
        "now": str(now),
        "images": {str(one.tree): str(one.erofs) for one in images},
        "farms": farms,
    }
    told = await store.run_alone("difference", order, _MOST_S, keeps=(str(was.tree), str(now)))
    return _DIFFERENCE.validate_python(told)
