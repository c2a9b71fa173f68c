"""What people are told, and where: notices, webhooks, and feeds for calendar programs."""

import hashlib
from typing import Annotated

from fastapi import APIRouter, Header, Path, Request, Response

from boardgrid.api import ical
from boardgrid.api.answers import ContactOut, FeedOut, NewFeedOut, NewWebhookOut, WebhookOut
from boardgrid.api.asking import Asker, TheFarm
from boardgrid.api.bodies import ContactIn, FeedIn, WebhookIn
from boardgrid.model.notice import Contact
from boardgrid.model.user import User
from boardgrid.services.farm import Farm

router = APIRouter(tags=["notices"])

_ICAL = {200: {"content": {"text/calendar": {"schema": {"type": "string"}}}}, 304: {"description": "Nothing differs."}}


@router.get("/me/notices")
def show_notices(farm: TheFarm, asker: Asker) -> ContactOut:
    """Of what one is told, and where."""
    return ContactOut.of(farm.notices.contact(asker))


@router.put("/me/notices")
def change_notices(body: ContactIn, farm: TheFarm, asker: Asker) -> ContactOut:
    """Change of what one is told, and where; what is left out stays."""
    return ContactOut.of(_changed(farm, asker, None, body))


@router.get("/users/{name}/notices")
def show_notices_of(name: str, farm: TheFarm, asker: Asker) -> ContactOut:
    """Of what a user is told, and where; others' are seen by admins alone."""
    return ContactOut.of(farm.notices.contact(asker, name))


@router.put("/users/{name}/notices")
def change_notices_of(name: str, body: ContactIn, farm: TheFarm, asker: Asker) -> ContactOut:
    """Change of what a user is told, and where. Admins may."""
    return ContactOut.of(_changed(farm, asker, name, body))


@router.get("/webhooks")
def list_webhooks(farm: TheFarm, asker: Asker) -> list[WebhookOut]:
    """One's own webhooks; for an admin the farm's as well."""
    return [WebhookOut.of(one) for one in farm.notices.webhooks(asker)]


@router.post("/webhooks", status_code=201)
def add_webhook(body: WebhookIn, farm: TheFarm, asker: Asker) -> NewWebhookOut:
    """Have an address called whenever something happens: to one's own reservations, or, for an admin, to anybody's."""
    made = farm.notices.add_webhook(asker, body.url, occasions=body.occasions, is_farms=body.is_farms)
    return NewWebhookOut.of_new(made)


@router.delete("/webhooks/{webhook}", status_code=204)
def remove_webhook(webhook: str, farm: TheFarm, asker: Asker) -> None:
    """Call an address no more."""
    farm.notices.remove_webhook(asker, webhook)


@router.get("/feeds")
def list_feeds(farm: TheFarm, asker: Asker) -> list[FeedOut]:
    """One's own feeds, oldest first."""
    return [FeedOut.of(one) for one in farm.feeds.list(asker)]


@router.post("/feeds", status_code=201)
def create_feed(body: FeedIn, farm: TheFarm, asker: Asker) -> NewFeedOut:
    """A calendar that programs fetch by its address: of one's own reservations, or of a board's."""
    return NewFeedOut.of_new(farm.feeds.create(asker, body.board))


@router.delete("/feeds/{feed}", status_code=204)
def revoke_feed(feed: str, farm: TheFarm, asker: Asker) -> None:
    """End a feed: its address shows nothing any more."""
    farm.feeds.revoke(asker, feed)


@router.get("/calendar/{secret}.ics", response_class=Response, responses=_ICAL)  # type: ignore[arg-type]  # as for events
def fetch_calendar(
    secret: Annotated[str, Path(max_length=200)],
    request: Request,
    farm: TheFarm,
    if_none_match: Annotated[str | None, Header(max_length=1000)] = None,
) -> Response:
    """A feed as iCalendar (RFC 5545). Calendar programs send no token: whoever knows the address may read it."""
    content = ical.written(farm.feeds.agenda(secret), request.url.hostname or "boardgrid")
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if if_none_match is not None and etag in if_none_match:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type="text/calendar; charset=utf-8", headers=headers)


def _changed(farm: Farm, asker: User, name: str | None, body: ContactIn) -> Contact:
    return farm.notices.change_contact(asker, name, email=body.email, zone=body.zone, occasions=body.occasions)
