"""
Makes a root one deployment's own: a program, so that a tree that holds it up can be left by ending it.

The order comes as JSON on standard input; see :func:`personalise`.
"""

import os
from pathlib import Path
from typing import Any

from boardgrid.adapters.store.adaptations import make_personal
from boardgrid.adapters.store.adaptations.identity import Tenant
from boardgrid.adapters.store.complaint import answer
from boardgrid.adapters.store.farms import Ledger
from boardgrid.adapters.store.limits import shown
from boardgrid.adapters.store.tree import TreeDir, TreePath
from boardgrid.messages import _
from boardgrid.model.errors import Blame, Code, Fault


def personalise(order: dict[str, Any]) -> dict[str, Any]:
    """
    Args:
        order: ``tree``; ``tenant`` (the fields of a ``Tenant``); ``without``, what its image is made without;
            ``image``, the tree that it stands on; ``farms``, what the farm wrote into it before; ``begun``, a file of
            a ``Ledger``.

    Returns:
        ``farms``, what is the farm's now.

    Raises:
        Fault: the tree does not let it be done; STORE_FULL.
    """
    with TreeDir(TreePath(order["image"])) as image:
        ledger = Ledger(image, order["farms"], Path(order["begun"]))
        return {"farms": _personalised(order, ledger)}


def _personalised(order: dict[str, Any], ledger: Ledger) -> dict[str, Any]:
    with TreeDir(TreePath(order["tree"]), ledger.note) as tree:
        try:
            tree.make_folder("etc")
            make_personal(tree, Tenant(**order["tenant"]), order["without"])
            tree.sync()
            return ledger.farms(tree)
        except OSError as error:
            raise Fault(
                Code.ROOT_UNFIT,
                _("the image's files do not let it be made personal: {what}: {why}"),
                hint=_("its /etc must be a folder with room for files; repair the image and import it anew"),
                blame=Blame.IMAGE,
                what=shown(os.fsencode(error.filename or "/")),
                why=error.strerror,
            ) from error


if __name__ == "__main__":
    answer(personalise)
