"""Questions that only a site's agent can answer, for it alone sees the trees. They are answered once and forgotten."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from boardgrid.model.difference import Difference
from boardgrid.model.errors import Code

KEPT_FOR = timedelta(minutes=10)  # answered or not: whoever wanted to know has looked by then


@dataclass(frozen=True, slots=True)
class RootChanges:
    """What a root differs in from the image that it was made from."""

    root: UUID
    without_farms: bool = False  # what the farm wrote at deployment is left out
    kind: Literal["root"] = "root"


@dataclass(frozen=True, slots=True)
class ImageChanges:
    """What an image differs in from another."""

    image: UUID
    since: UUID
    kind: Literal["image"] = "image"


Asked = RootChanges | ImageChanges


@dataclass(frozen=True, slots=True)
class Question:
    id: UUID
    site: str
    asker: UUID
    asked: Asked
    at: datetime
    answer: Difference | None = None
    code: Code | None = None  # of what kept it from being answered
    reason: str = ""
    hint: str = ""

    @property
    def is_open(self) -> bool:
        return self.answer is None and self.code is None
