"""What the API answers. Fields are only ever added."""

from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field

from boardgrid.model.adaptation import Adaptation, Moment
from boardgrid.model.audit import AuditEntry
from boardgrid.model.boot_test import BootTest
from boardgrid.model.deployment import DeploymentState, Event, Outcome, Phase
from boardgrid.model.errand import ErrandKind, ErrandState
from boardgrid.model.errors import Code
from boardgrid.model.federation import ExternalIdentity
from boardgrid.model.feed import Feed
from boardgrid.model.image import ImageState, Manifest, Visibility
from boardgrid.model.kit import BootKit, KitFile
from boardgrid.model.notice import Contact, Occasion, Webhook
from boardgrid.model.recipe import Recipe, System
from boardgrid.model.reservation import Group, Kind, Purpose, ReservationState
from boardgrid.model.root import RootState
from boardgrid.model.ssh_key import fingerprint_of
from boardgrid.model.user import Asker, Invitation, NewInvitation, NewToken, Role, Scope, Token, User
from boardgrid.model.volume import VolumeState
from boardgrid.services.feeds import NewFeed
from boardgrid.services.views import (
    BlockView,
    DeploymentView,
    ErrandView,
    ImageView,
    ProgressView,
    ReservationView,
    RootView,
    SeatView,
    VolumeView,
)

# --- people


class UserOut(BaseModel):
    name: str
    role: Role
    ssh_keys: tuple[str, ...]
    suspended: bool

    @classmethod
    def of(cls, user: User) -> Self:
        return cls(name=user.name, role=user.role, ssh_keys=user.ssh_keys, suspended=user.suspended)


class MeOut(UserOut):
    scope: Scope = Field(description="Of the token that was asked with.")
    token: str = Field(description="Its id.")

    @classmethod
    def of_asker(cls, asker: Asker) -> Self:
        return cls(**UserOut.of(asker).model_dump(), scope=asker.scope, token=asker.token)


class KeyOut(BaseModel):
    fingerprint: str = Field(description="As ssh-keygen shows it: `SHA256:...`.")
    ssh_key: str

    @classmethod
    def of(cls, key: str) -> Self:
        return cls(fingerprint=fingerprint_of(key), ssh_key=key)


class TokenOut(BaseModel):
    id: str
    label: str
    scope: Scope
    is_login: bool = Field(description="Made by a password; it ends when the password is changed.")
    origin: str = Field(description="From where it was asked for.")
    created_at: datetime | None
    expires_at: datetime | None = Field(description="Null: it is good until it is revoked.")
    last_used_at: datetime | None = Field(description="To the minute.")

    @classmethod
    def of(cls, token: Token) -> Self:
        return cls(**{name: getattr(token, name) for name in TokenOut.model_fields})


class NewTokenOut(TokenOut):
    token: str = Field(description="Shown this once: only its hash is kept.")

    @classmethod
    def of_new(cls, new: NewToken) -> Self:
        return cls(**TokenOut.of(new.token).model_dump(), token=new.clear.reveal())


class LoginWaysOut(BaseModel):
    sso: bool = Field(description="Whether one may log in at an identity provider, in a browser.")


class SsoBegunOut(BaseModel):
    url: str = Field(description="Where a browser is to go.")


class ExternalIdentityOut(BaseModel):
    key: str = Field(description="Who knows them, and as whom: `ldap 1b4e28ba-...`.")
    linked_at: datetime

    @classmethod
    def of(cls, identity: ExternalIdentity) -> Self:
        return cls(key=identity.key, linked_at=identity.linked_at)


class InvitationOut(BaseModel):
    id: str
    name: str = Field(description="Empty: who accepts it chooses one.")
    role: Role
    is_reset: bool = Field(description="It gives an account that is there a new password.")
    created_at: datetime
    expires_at: datetime

    @classmethod
    def of(cls, invitation: Invitation) -> Self:
        return cls(
            id=invitation.id,
            name=invitation.name,
            role=invitation.role,
            is_reset=invitation.user is not None,
            created_at=invitation.created_at,
            expires_at=invitation.expires_at,
        )


class NewInvitationOut(InvitationOut):
    code: str = Field(description="Shown this once; good once.")

    @classmethod
    def of_new(cls, new: NewInvitation) -> Self:
        return cls(**InvitationOut.of(new.invitation).model_dump(), code=new.clear.reveal())


class AuditOut(BaseModel):
    number: int
    at: datetime
    who: str = Field(description="Whose account it was then; empty: nobody's who is known.")
    token: str = Field(description="The id of the token that was asked with.")
    origin: str = Field(description="From where: an address, `unix`, or `controller` for its machine's own admin.")
    act: str
    thing: str
    before: dict[str, Any] = Field(description="The fields that changed, as they were.")
    after: dict[str, Any]

    @classmethod
    def of(cls, entry: AuditEntry) -> Self:
        told = {name: getattr(entry, name) for name in cls.model_fields if name != "who"}
        return cls(who=entry.name, **told)


class NewUserOut(BaseModel):
    user: UserOut
    token: str = Field(description="Shown this once: only its hash is kept.")

    @classmethod
    def of(cls, user: User, token: NewToken) -> Self:
        return cls(user=UserOut.of(user), token=token.clear.reveal())


# --- what is told


class ContactOut(BaseModel):
    email: str = Field(description="Empty: no mails.")
    zone: str = Field(description="Empty: times are told in UTC.")
    occasions: list[Occasion] = Field(description="Of what one is told by mail.")

    @classmethod
    def of(cls, contact: Contact) -> Self:
        return cls(email=contact.email, zone=contact.zone, occasions=_in_order(contact.occasions))


class WebhookOut(BaseModel):
    id: str
    url: str
    is_farms: bool = Field(description="It is called for everybody's reservations.")
    occasions: list[Occasion]
    created_at: datetime

    @classmethod
    def of(cls, hook: Webhook) -> Self:
        return cls(
            id=hook.id,
            url=hook.url,
            is_farms=hook.owner is None,
            occasions=_in_order(hook.occasions),
            created_at=hook.created_at,
        )


class NewWebhookOut(WebhookOut):
    secret: str = Field(description="Signs each call. Shown this once.")

    @classmethod
    def of_new(cls, hook: Webhook) -> Self:
        return cls(**WebhookOut.of(hook).model_dump(), secret=hook.secret)


class FeedOut(BaseModel):
    id: str
    board: str = Field(description="Whose reservations it shows; empty: one's own.")
    created_at: datetime

    @classmethod
    def of(cls, feed: Feed) -> Self:
        return cls(id=feed.id, board=feed.board, created_at=feed.created_at)


class NewFeedOut(FeedOut):
    path: str = Field(description="Where it is fetched, below the farm's own address. Shown this once.")

    @classmethod
    def of_new(cls, new: NewFeed) -> Self:
        path = f"/api/v1/calendar/{new.clear.reveal()}.ics"
        return cls(**FeedOut.of(new.feed).model_dump(), path=path)


def _in_order(occasions: frozenset[Occasion]) -> list[Occasion]:
    return [one for one in Occasion if one in occasions]


# --- what boots


class ProgressOut(BaseModel):
    phase: str
    done_bytes: int = Field(description="Of this phase.")
    total_bytes: int = Field(description="0: nobody knows.")
    rate: float = Field(description="Bytes in a second, since this phase began.")
    left_s: float | None = Field(description="Until this phase ends; null: nobody knows.")

    @classmethod
    def of(cls, view: ProgressView | None) -> Self | None:
        if view is None:
            return None
        told = view.progress
        return cls(
            phase=told.phase,
            done_bytes=told.done_bytes,
            total_bytes=told.total_bytes,
            rate=view.rate,
            left_s=view.left_s,
        )


class RecipeOut(BaseModel):
    name: str
    summary: str
    system: System
    architectures: tuple[str, ...]
    is_finished_on_a_board: bool = Field(description="Its programs must run before it boots by itself.")
    text: str = Field(description="Its TOML file.")

    @classmethod
    def of(cls, recipe: Recipe, text: str) -> Self:
        return cls(
            name=recipe.name,
            summary=recipe.summary,
            system=recipe.system,
            architectures=recipe.architectures,
            is_finished_on_a_board=recipe.is_finished_on_a_board,
            text=text,
        )


class BootTestOut(BaseModel):
    """Whether the farm itself saw an image come up on a board."""

    board_type: str
    board: str
    at: datetime
    is_passed: bool
    took_s: float | None = Field(description="From the restart to SSH with the host key that its root was given.")
    reason: str = Field(description="Why it did not pass.")
    console: tuple[str, ...] = Field(description="The last lines, where the board's console is heard.")

    @classmethod
    def of(cls, test: BootTest) -> Self:
        return cls(**{name: getattr(test, name) for name in BootTestOut.model_fields})


class ImageOut(BaseModel):
    id: UUID
    name: str
    version: int
    ref: str
    owner: str
    site: str
    state: ImageState
    shared: bool = Field(description="Whether it is public.")
    created_at: datetime
    manifest: Manifest | None
    parent: str | None = Field(description="The image whose changed root this was.")
    reason: str = Field(description="Why it failed.")
    hint: str = Field(description="What would do, then.")
    visibility: Visibility = Field(description="Who sees and uses it: its owner, a project's members too, or everyone.")
    project: str = Field(description="Whose members see it.")
    aliases: tuple[str, ...] = Field(description="`tiny:stable` means this version where it has the alias `stable`.")
    labels: dict[str, str]
    types: tuple[str, ...] = Field(description="Of boards that it is for; none: all of its architecture.")
    progress: ProgressOut | None = Field(description="Of one that is being made.")
    removed_at: datetime | None = Field(description="Since when it lies in the wastebasket.")
    verified_at: datetime | None = Field(description="When its file was last held against its checksum.")
    damage: str = Field(description="What was found wrong then; such an image boots no more.")
    boot_tests: tuple[BootTestOut, ...] = Field(description="What the farm itself saw of it, the newest first.")

    @classmethod
    def of(cls, view: ImageView) -> Self:
        image = view.image
        return cls(
            id=image.id,
            name=image.name,
            version=image.version,
            ref=image.ref,
            owner=view.owner,
            site=image.site,
            state=image.state,
            shared=image.shared,
            created_at=image.created_at,
            manifest=image.manifest,
            parent=view.parent,
            reason=image.reason,
            hint=image.hint,
            visibility=image.visibility,
            project=view.project,
            aliases=image.aliases,
            labels=dict(image.labels),
            types=image.types,
            progress=ProgressOut.of(view.progress),
            removed_at=image.removed_at,
            verified_at=image.verified_at,
            damage=image.damage,
            boot_tests=tuple(BootTestOut.of(one) for one in view.boot_tests),
        )


class ErrandOut(BaseModel):
    id: UUID
    kind: ErrandKind
    image: str
    state: ErrandState
    asked_at: datetime
    ended_at: datetime | None
    reason: str = Field(description="Why it failed; of one that verified an image: what is damaged.")
    size_bytes: int = Field(description="Of an export that is done: it lies ready at `/errands/{id}/content`.")
    progress: ProgressOut | None

    @classmethod
    def of(cls, view: ErrandView) -> Self:
        errand = view.errand
        return cls(
            id=errand.id,
            kind=errand.kind,
            image=view.image,
            state=errand.state,
            asked_at=errand.asked_at,
            ended_at=errand.ended_at,
            reason=errand.reason,
            size_bytes=errand.size_bytes,
            progress=ProgressOut.of(view.progress),
        )


class AdaptationOut(BaseModel):
    name: str
    moments: list[Moment] = Field(description="When it acts.")
    what: str = Field(description="What it does, and why.")
    may_be_left_out: bool = Field(description="Whether an image can be made without it.")

    @classmethod
    def of(cls, one: Adaptation) -> Self:
        return cls(name=one.name, moments=list(one.moments), what=one.what, may_be_left_out=one.may_be_left_out)


class RootOut(BaseModel):
    id: UUID
    name: str
    owner: str
    image: str
    state: RootState
    size_bytes: int = Field(description="How much its user may write.")
    created_at: datetime
    expires_at: datetime | None = Field(description="Of one kept aside: it is discarded then.")
    board: str | None = Field(description="Where a deployment runs on it.")

    @classmethod
    def of(cls, view: RootView) -> Self:
        root = view.root
        return cls(
            id=root.id,
            name=root.name,
            owner=view.owner,
            image=view.image,
            state=root.state,
            size_bytes=root.size_bytes,
            created_at=root.created_at,
            expires_at=root.expires_at,
            board=view.board,
        )


class VolumeOut(BaseModel):
    id: UUID
    name: str
    user: str = Field(description="Whose it is; empty: a project's.")
    project: str = Field(description="Whose it is; empty: a user's.")
    site: str
    path: str = Field(description="Where boards mount it.")
    state: VolumeState
    size_bytes: int = Field(description="How much may be written to it, once it is ready.")
    made_bytes: int = Field(description="How large it is now; 0: it is not there yet.")
    created_at: datetime
    expires_at: datetime | None = Field(description="Of one that was removed: its files go then.")
    reason: str = Field(description="Why it could not be made, or not be made larger.")
    boards: tuple[str, ...] = Field(description="That have it.")

    @classmethod
    def of(cls, view: VolumeView) -> Self:
        volume = view.volume
        return cls(
            id=volume.id,
            name=volume.name,
            user=view.user,
            project=view.project,
            site=volume.site,
            path=volume.path,
            state=volume.state,
            size_bytes=volume.size_bytes,
            made_bytes=volume.made_bytes,
            created_at=volume.created_at,
            expires_at=volume.expires_at,
            reason=volume.reason,
            boards=view.boards,
        )


# --- who has what


class DeploymentOut(BaseModel):
    id: UUID
    board: str
    image: str
    root: str
    state: DeploymentState
    created_at: datetime
    opened_at: datetime | None
    ended_at: datetime | None
    host_key: str = Field(description="The key that the board was seen to have, once it is open.")
    reason: str = Field(description="Why it failed; of one that is open: why nothing answers.")
    code: Code | None
    hint: str
    kit: BootKit | None = Field(description="What it booted with that its user brought; null: its image's own kernel.")

    @classmethod
    def of(cls, view: DeploymentView) -> Self:
        one = view.deployment
        return cls(
            id=one.id,
            board=one.board,
            image=view.image,
            root=view.root,
            state=one.state,
            created_at=one.created_at,
            opened_at=one.opened_at,
            ended_at=one.ended_at,
            host_key=one.host_key,
            reason=one.reason,
            code=one.code,
            hint=one.hint,
            kit=one.kit,
        )


class KitFileOut(BaseModel):
    sha256: str
    size_bytes: int
    used_at: datetime = Field(description="It goes a week after that.")

    @classmethod
    def of(cls, file: KitFile) -> Self:
        return cls(sha256=file.sha256, size_bytes=file.size_bytes, used_at=file.used_at)


class GroupOut(BaseModel):
    count: int
    board: str
    type: str
    where: str

    @classmethod
    def of(cls, group: Group) -> Self:
        return cls(count=group.count, board=group.board, type=group.type, where=group.where)


class ReservationOut(BaseModel):
    number: int
    user: str
    members: tuple[str, ...] = Field(description="With whom it is shared.")
    groups: tuple[GroupOut, ...] = Field(description="What was asked for.")
    kind: Kind
    boards: tuple[str, ...] = Field(description="Until it runs they may change to others that do as well.")
    board: str = Field(description="The first of them.")
    created_at: datetime
    start: datetime = Field(description="Of one that is queued: at the latest. Of best effort that waits: unknown.")
    end: datetime
    state: ReservationState
    ended_because: str
    block: int | None = Field(description="Of a seat: the block that it is in.")
    gives_way_at: datetime | None = Field(description="Of a seat: when its turn is over, for somebody waits.")
    alive_until: datetime | None = Field(description="Of one with a heartbeat: it ends then, unless heard again.")
    image: str | None = Field(description="Told to its user and to admins, as what follows.")
    project: str | None = Field(description="On which it counts.")
    deployments: tuple[DeploymentOut, ...] = Field(description="Oldest first, and those that run last.")
    deployment: DeploymentOut | None = Field(description="The newest that runs; where none does, the newest.")
    purpose: Purpose = Field(description="`build`, `test`: the farm works on it, for an image of its user's.")
    subject: str | None = Field(description="That image. Told to its user and to admins.")

    @classmethod
    def of(cls, view: ReservationView) -> Self:
        one = view.reservation
        deployments = tuple(DeploymentOut.of(deployment) for deployment in view.deployments)
        return cls(
            number=one.number,
            user=view.user,
            members=view.members,
            groups=tuple(GroupOut.of(group) for group in one.groups),
            kind=one.kind,
            boards=one.boards,
            board=one.boards[0] if one.boards else "",
            created_at=one.created_at,
            start=one.window.start,
            end=one.window.end,
            state=one.state,
            ended_because=one.ended_because,
            block=one.within,
            gives_way_at=one.gives_way_at,
            alive_until=one.alive_until,
            image=view.image,
            project=view.project,
            deployments=deployments,
            deployment=DeploymentOut.of(view.deployment) if view.deployment else None,
            purpose=one.purpose,
            subject=view.subject,
        )


class SeatOut(BaseModel):
    number: int = Field(description="Of its reservation.")
    user: str
    members: tuple[str, ...] = Field(description="Who come in with them.")
    team: str
    board: str = Field(description="Empty: they wait for one.")
    state: ReservationState
    since: datetime = Field(description="When it began; of one that waits: when it was asked for.")
    gives_way_at: datetime | None = Field(description="When its turn is over, for somebody waits.")

    @classmethod
    def of(cls, view: SeatView) -> Self:
        return cls(**asdict(view))


class BlockOut(BaseModel):
    number: int = Field(description="Of its reservation.")
    project: str
    user: str = Field(description="Who made it.")
    group: GroupOut = Field(description="How many of which boards.")
    boards: tuple[str, ...] = Field(description="Until it runs they may change to others that do as well.")
    opens_at: datetime = Field(description="From then on its boards boot.")
    begins_at: datetime = Field(description="The lesson.")
    ends_at: datetime
    turn_s: float | None
    series: int = Field(description="The number of the first that was made with it.")
    state: ReservationState
    ended_because: str
    image: str
    seats: tuple[SeatOut, ...] = Field(description="Who sits there, then who waits, the next first.")

    @classmethod
    def of(cls, view: BlockView) -> Self:
        one, block = view.reservation, view.block
        return cls(
            number=one.number,
            project=view.project,
            user=view.user,
            group=GroupOut.of(one.groups[0]),
            boards=view.boards,
            opens_at=one.window.start,
            begins_at=block.begins_at,
            ends_at=one.window.end,
            turn_s=block.turn.total_seconds() if block.turn else None,
            series=block.series,
            state=one.state,
            ended_because=one.ended_because,
            image=view.image,
            seats=tuple(SeatOut.of(seat) for seat in view.seats),
        )


class EventOut(BaseModel):
    number: int
    at: datetime
    board: str
    generation: int
    step: str
    phase: Phase
    deployment: UUID | None
    outcome: Outcome | None
    took_s: float | None
    detail: str
    console: tuple[str, ...]
    reservation: int | None = Field(description="In whose course it happened.")

    @classmethod
    def of(cls, event: Event) -> Self:
        return cls(**asdict(event))


class HealthzOut(BaseModel):
    status: Literal["ok"] = "ok"
