"""
Makes a root one deployment's own: a program, so that a tree that holds it up can be left by ending it.

The order comes as JSON on standard input; see :func:`personalise`.
"""

import os
from typing import Any

from boardgrid.adapters.store.adaptations import make_personal
from boardgrid.adapters.store.adaptations.identity import Tenant
from boardgrid.adapters.store.complaint import answer
from boardgrid.adapters.store.limits import shown
from boardgrid.adapters.store.tree import TreeDir, TreePath
from boardgrid.messages import _
from boardgrid.model.errors import Blame, Code, Fault


def personalise(order: dict[str, Any]) -> dict[str, Any]:
    """
    Args:
        order: ``tree``; ``tenant`` (the fields of a ``Tenant``); ``without``, what its image is made without.

    Raises:
        Fault: the tree does not let it be done.
    """
    with TreeDir(TreePath(order["tree"])) as tree:
        try:
            tree.make_folder("etc")
            make_personal(tree, Tenant(**order["tenant"]), order["without"])
            tree.sync()
        except OSError as error:
            raise Fault(
                Code.ROOT_UNFIT,
                _("the image's files do not let it be made personal: {what}: {why}"),
                hint=_("its /etc must be a folder with room for files; repair the image and import it anew"),
                blame=Blame.IMAGE,
                what=shown(os.fsencode(error.filename or "/")),
                why=error.strerror,
            ) from error
    return {}


if __name__ == "__main__":
    answer(personalise)
