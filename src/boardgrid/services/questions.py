"""Questions to a site's agent: what changed on a root, and from one image to another."""

from dataclasses import dataclass
from uuid import UUID

import structlog

from boardgrid.messages import _
from boardgrid.model.access import can
from boardgrid.model.errors import Code, Conflict, Invalid, NotFound
from boardgrid.model.image import Image, ImageState
from boardgrid.model.question import KEPT_FOR, Asked, ImageChanges, Question, RootChanges
from boardgrid.model.root import Root
from boardgrid.model.user import Scope, User
from boardgrid.ports import Snapshot
from boardgrid.services.desk import Desk, Work
from boardgrid.services.finding import image_of, image_to_decide_on, root_of, root_on
from boardgrid.services.giving import check_ready

log = structlog.get_logger()

_MOST = 4  # that one user may wait for at once: each is work for the agent


@dataclass(frozen=True, slots=True)
class Questions:
    """
    Whoever may see both trees may ask what differs between them. A question goes out as a wish of its site; its answer
    comes as a report, and whoever waits for one waits on the topic ``ANSWERS``.
    """

    desk: Desk

    def root_changes(self, asker: User, root: str, *, without_farms: bool = False) -> Question:
        """
        What a root differs in from its image, whether a board writes to it or not.

        Args:
            without_farms: leave out what the farm wrote at deployment.

        Raises:
            NotFound: ROOT_UNKNOWN.
            Conflict: REQUESTS_TOO_MANY.
        """
        with self.desk.begin(asker, needs=Scope.READ) as work:
            return _root_changes(work, asker, root_of(work.tx, asker, root), without_farms)

    def board_changes(self, asker: User, board: str, *, without_farms: bool = False) -> Question:
        """
        The same, of the root that *board* runs.

        Raises:
            NotFound: BOARD_UNKNOWN; ROOT_UNKNOWN, it runs none of the asker's.
            Conflict: REQUESTS_TOO_MANY.
        """
        with self.desk.begin(asker, needs=Scope.READ) as work:
            return _root_changes(work, asker, root_on(work.tx, asker, board), without_farms)

    def image_changes(self, asker: User, ref: str, since: str | None = None) -> Question:
        """
        What an image differs in from another; from its parent, where none is named.

        Raises:
            NotFound: IMAGE_UNKNOWN.
            Invalid: REQUEST_INVALID, it has no parent and no other was named, or the two are stored at different sites.
            Conflict: IMAGE_NOT_READY; REQUESTS_TOO_MANY.
        """
        with self.desk.begin(asker, needs=Scope.READ) as work:
            image = image_of(work.tx, asker, ref)
            other = image_of(work.tx, asker, since) if since else _parent_of(work.tx, asker, image)
            for one in (image, other):
                check_ready(one)
            if image.site != other.site:
                raise Invalid(
                    Code.REQUEST_INVALID,
                    _("{image} is stored at site {site}, {other} at site {there}: nobody sees both"),
                    image=image.ref,
                    site=image.site,
                    other=other.ref,
                    there=other.site,
                )
            return _put(work, asker, image.site, ImageChanges(image.id, other.id))

    def question(self, asker: User, question_id: UUID) -> Question:
        """
        What became of a question. It is told to who asked it alone, and forgotten after a while.

        Raises:
            NotFound: QUESTION_UNKNOWN.
        """
        with self.desk.records.read() as records:
            found = records.question(question_id)
        if found is None or found.asker != asker.id or not can(asker, "see"):
            raise NotFound(
                Code.QUESTION_UNKNOWN,
                _("there is no question {question}"),
                hint=_("it is forgotten after ten minutes: ask anew"),
                question=question_id,
            )
        return found


def forget_old_questions(work: Work) -> None:
    """Those that nobody waits for any more, answered or not."""
    for one in work.tx.questions():
        if one.at + KEPT_FOR <= work.now:
            work.remove(one)


def _root_changes(work: Work, asker: User, root: Root, without_farms: bool) -> Question:
    return _put(work, asker, root.site, RootChanges(root.id, without_farms))


def _put(work: Work, asker: User, site: str, asked: Asked) -> Question:
    earlier = work.tx.questions(asker=asker.id)
    if sum(one.is_open for one in earlier) >= _MOST:
        raise Conflict(
            Code.REQUESTS_TOO_MANY,
            _("{count} questions of yours wait for an answer already"),
            hint=_("wait for one; is the agent of site {site} heard of?"),
            count=_MOST,
            site=site,
        )
    for one in [one for one in earlier if not one.is_open][:-_MOST]:
        work.remove(one)  # an answer may be long
    question = Question(work.new_id(), site, asker.id, asked, work.now)
    work.save(question)
    log.info("question.asked", question=str(question.id), kind=asked.kind, by=asker.name)
    return question


def _parent_of(records: Snapshot, asker: User, image: Image) -> Image:
    """
    Raises:
        Invalid: REQUEST_INVALID, it has none.
        NotFound: IMAGE_UNKNOWN, it is gone, or the asker may not see it.
    """
    if image.parent is None:
        raise Invalid(
            Code.REQUEST_INVALID,
            _("{image} was made of no other image"),
            hint=_("name one to compare it with"),
            image=image.ref,
        )
    parent = records.image(image.parent)
    is_there = parent is not None and parent.state not in {ImageState.GONE, ImageState.GOING}
    if parent is None or not is_there or not can(asker, "see", image_to_decide_on(records, parent)):
        raise NotFound(
            Code.IMAGE_UNKNOWN,
            _("the image that {image} was made of is not there"),
            hint=_("name one to compare it with"),
            image=image.ref,
        )
    return parent
