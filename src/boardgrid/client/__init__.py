"""
Python client and command line, over the API alone.

    from boardgrid.client import connect

    with connect() as farm, farm.reserve("tk1", image="tiny") as [board]:
        print(board.run("uname", "-a").stdout)
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from boardgrid.client.farm import Farm

# Also in pyproject.toml; a test compares the two. Reading it from the installed package takes 30 ms.
VERSION = "0.1.0"


def connect(profile: str | None = None) -> "Farm":
    """
    The farm that one is logged in to: by BOARDGRID_URL and BOARDGRID_TOKEN, or by a stored *profile*.

    Raises:
        Complaint: nobody has logged in so far.
    """
    from boardgrid.client.farm import Farm  # noqa: PLC0415 - the command line begins here, and does not wait for it
    from boardgrid.client.login import login_for  # noqa: PLC0415

    login = login_for(profile)
    return Farm(login.url, login.token)
