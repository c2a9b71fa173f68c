"""What is recorded comes back as it was, all of it or nothing, and what must never be is not recorded."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Interface
from pathlib import PurePosixPath
from uuid import UUID, uuid4

import pytest

from boardgrid.model.audit import AuditEntry
from boardgrid.model.board import Act, Board, BoardType, Boot, DhcpMode, DriverSpec, Property, Site
from boardgrid.model.boot_test import BootTest
from boardgrid.model.deployment import Deployment, DeploymentState, Event, Outcome, Phase
from boardgrid.model.difference import Change, Count, Difference, PackageChange, PathChange
from boardgrid.model.errand import Errand, ErrandKind, ErrandState
from boardgrid.model.errors import Code, Conflict, Invalid
from boardgrid.model.federation import ExternalIdentity, PendingLogin
from boardgrid.model.feed import Feed
from boardgrid.model.image import (
    BlobSource,
    CheckpointSource,
    Image,
    ImageState,
    Kernel,
    Making,
    Manifest,
    PathSource,
    RecipeSource,
    RootSource,
    Source,
    UrlSource,
    Visibility,
)
from boardgrid.model.kit import BootKit, KitFile, kit_file_id
from boardgrid.model.maintenance import Maintenance
from boardgrid.model.notice import Contact, Notice, Occasion, Posting, Webhook
from boardgrid.model.planning import Standing
from boardgrid.model.project import JoinLink, Part, Place, Project, UserGroup
from boardgrid.model.question import ImageChanges, Question, RootChanges
from boardgrid.model.recipe import Recipe, RecipeFile, RecipeScript, System
from boardgrid.model.report import Power, Voice
from boardgrid.model.reservation import LIVE, Group, Kind, Purpose, Reservation, ReservationState
from boardgrid.model.root import Root, RootState
from boardgrid.model.rules import EVERYONE, Access, Limits, Rules
from boardgrid.model.user import Audience, Invitation, Password, Role, Scope, Token, User
from boardgrid.model.volume import Volume, VolumeState
from boardgrid.model.window import Window
from boardgrid.model.wish import Deployed, Gone, Parked, PowerOrder, VolumeMount, Wish
from boardgrid.ports import Activity, Doing, Entry, Health, OrderRecord, Records, SiteState, Thing, Transaction
from tests.databases import records_of

AT = datetime(2026, 3, 1, 12, 0, 0, 123457, tzinfo=UTC)
HOUR = timedelta(hours=1)

ADA = User(uuid4(), "ada", Role.USER, ("ssh-ed25519 AAAA", "ssh-rsa BBBB"))
BOB = User(uuid4(), "bob", Role.ADMIN)
VISION = UserGroup(uuid4(), "vision", frozenset({ADA.id, BOB.id}))
ROBOTS = Project(
    uuid4(),
    "robots",
    {ADA.id: Part.MANAGER, BOB.id: Part.MEMBER},
    "they walk",
    "tiny:1",
    teams={"red": frozenset({ADA.id})},
)
RULES = Rules(
    replace(EVERYONE, board_hours=1.5, longest_of={"tk1": timedelta(hours=4)}),
    {VISION.id: Limits(boards=3, image_bytes=1 << 45)},
    {ROBOTS.id: Limits(waiting=0)},
    {ADA.id: Limits(longest=timedelta(days=1, microseconds=1))},
    (Access('tag("camera")', frozenset({VISION.id})),),
    needs_project=True,
    version=7,
)
LAB = SiteState(
    Site("lab", "farm.example", "br0", IPv4Interface("10.20.0.1/24"), DhcpMode.PROXY),
    version=7,
    epoch=3,
    instance=uuid4(),
    seen_at=AT,
    store_bytes=1 << 45,
    free_bytes=1 << 44,
    trouble="the disk is full",
    gateway_host="gw.example",
    gateway_port=2222,
    gateway_key="ssh-ed25519 CCCC",
    watched_since=AT,
    watched_at=AT + HOUR,
)
PROPERTIES: dict[str, Property] = {
    "text": "7in \u00e9",
    "count": 1 << 53,
    "load": 1.0,
    "minus": -2,
    "on": True,
    "one": 1,
    "word": "1",
}
TK1 = BoardType("tk1", "armhf", "ttyS0,115200n8", "quiet", "tegra124.dtb", 120.5, PROPERTIES)
KERNEL = Kernel("6.1", "boot/vmlinuz", "boot/initrd.img", "usr/lib/dtbs")
MANIFEST = Manifest(
    "sha256:1", "sha256:2", 1 << 40, 5, 6, "armhf", (KERNEL, replace(KERNEL, release="5")), ("6.1",), "D"
)
IMAGE = Image(
    uuid4(),
    "tiny",
    2026112201,
    ADA.id,
    "lab",
    ImageState.READY,
    AT,
    manifest=MANIFEST,
    visibility=Visibility.PROJECT,
    project=ROBOTS.id,
    reason="no reason",
    making=Making(2, ("fstab",), "/srv/bsp"),
    aliases=("stable", "testing"),
    labels={"purpose": "7in \u00e9"},
    types=("tk1",),
    removed_at=AT,
    verified_at=AT,
    damage="it has changed",
)
ERRAND = Errand(uuid4(), ErrandKind.EXPORT, IMAGE.id, "lab", ADA.id, AT, ErrandState.DONE, "no reason", 1 << 40, AT)
DOING = Doing(IMAGE.id, "pressing", 1 << 40, 1 << 41, AT, AT + HOUR)
BOOT_TEST = BootTest(uuid4(), IMAGE.id, "tk1", "tk1-1", AT, False, 8.5, "no SSH", ("Linux version 6.1", "panic"))
ROOT = Root(uuid4(), "mine", ADA.id, "lab", IMAGE.id, RootState.LIVE, 4 << 30, AT, AT + HOUR)
VOLUME = Volume(
    uuid4(), "home", ADA.id, None, "lab", "/home/ada", VolumeState.ASIDE, 4 << 40, AT, 1 << 40, AT + HOUR, "no room"
)
RESERVATION = Reservation(
    1,
    ADA.id,
    (Group(board="tk1-1"), Group(2, type="tk1", where="ram_mb >= 2048")),
    ("tk1-1",),
    Window(AT, AT + HOUR),
    ReservationState.RUNNING,
    AT,
    IMAGE.id,
    Kind.QUEUED,
    ROOT.id,
    4 << 30,
    (BOB.id,),
    "because",
    ROBOTS.id,
    warned_of=AT,
    idle_until=AT + HOUR,
    purpose=Purpose.TEST,
    subject=IMAGE.id,
)
MAINTENANCE = Maintenance(
    3, (Group(board="tk1-1"), Group(type="tk1", where="ram_mb > 1")), Window(AT, AT + HOUR), "new fans", AT
)
KIT = BootKit(uuid4(), BlobSource("e" * 64, 5), modules=BlobSource("f" * 64, 1 << 40), release="6.9", append="quiet")
DEPLOYMENT = Deployment(
    uuid4(),
    1,
    "tk1-1",
    IMAGE.id,
    ROOT.id,
    DeploymentState.OPEN,
    AT,
    AT + HOUR,
    AT + HOUR,
    "ssh-ed25519 DDDD",
    "reason",
    Code.BOARD_SILENT,
    "hint",
    KIT,
)
WISH = Deployed(
    DEPLOYMENT.id,
    ROOT.id,
    IMAGE.id,
    4 << 30,
    "tk1-1.lab",
    ADA.ssh_keys,
    KERNEL,
    True,
    "ada",
    "tiny:1",
    1,
    "/sbin/finish",
    9.5,
    True,
)
BOARD = Board(
    "tk1-1",
    "tk1",
    "lab",
    "52:54:00:00:00:01",
    IPv4Address("10.20.0.11"),
    Boot.FLASHED,
    PurePosixPath("/NFSRoot1"),
    "3.10",
    (DriverSpec("pdu", {"url": "http://pdu", "outlet": 7, "argv": ["a", "b"]}), DriverSpec("wol")),
    "it smokes",
    PROPERTIES,
    frozenset({"camera", "rack.2"}),
)
WISH_AGAIN = replace(WISH, is_again=True, kit=KIT, is_once=True, then=BootKit(uuid4(), from_root=True), keeps=(KIT.id,))
STANDING = Standing(BOARD, 5, WISH, True, DEPLOYMENT.id, PowerOrder(uuid4(), Act.CYCLE))
ORDER = OrderRecord(PowerOrder(uuid4(), Act.RESET), "tk1-1", ADA.id, AT, True, "the outlet is dead")
HEALTH = Health("tk1-1", Power.ON, Voice.OTHER, AT)
TOKEN = Token(
    "0123456789abcdef", "f" * 64, Audience.PERSON, ADA.id, None, Scope.USE, "ci", "10.0.0.7", True, AT, AT + HOUR, AT
)
PASSWORD = Password(ADA.id, "$argon2id$...", AT)
PLACES = (Place(ROBOTS.id, Part.MANAGER, "red"), Place(uuid4()))
INVITATION = Invitation("0123456789abcdef", "e" * 64, BOB.id, AT, AT + HOUR, Role.GUEST, "eve", ADA.id, PLACES)
LINK = JoinLink("0123456789abcdef", "c" * 64, ROBOTS.id, ADA.id, AT, AT + HOUR, 30, 3, "red", new_accounts=True)
IDENTITY = ExternalIdentity("https://sso.example.org 4711", ADA.id, AT)
PENDING = PendingLogin("fedcba9876543210", "f" * 64, "192.0.2.1", "c", "http://", "laptop", "v", AT, ADA.id)
ACTIVITY = Activity("tk1-1", 2, AT)
CONTACT = Contact(ADA.id, "ada@example.org", "Europe/Paris", frozenset({Occasion.ENDING, Occasion.FAILED}))
WEBHOOK = Webhook("0123456789abcdef", ADA.id, "https://chat.example.org/x", "s3cret", AT, frozenset({Occasion.IDLE}))
NOTICE = Notice(Occasion.MOVED, AT, 1, "ada", ("tk1-1",), AT, AT + HOUR, "why", AT + HOUR)
POSTING = Posting(uuid4(), NOTICE, AT, AT + HOUR, ADA.id, None, 3)
FEED = Feed("0123456789abcdef", "d" * 64, ADA.id, "tk1-1", AT)
DIFFERENCE = Difference(
    Count(1, 1 << 45),
    Count(1),
    paths=(PathChange("etc", Change.CHANGED, 0, ("mode", "owner")), PathChange("a", Change.ADDED, 1 << 45)),
    packages=(PackageChange("vim:armhf", "1", ""),),
    packages_changed=1,
    packages_by="dpkg",
)
QUESTION = Question(uuid4(), "lab", ADA.id, RootChanges(ROOT.id), AT, DIFFERENCE, Code.ROOT_UNKNOWN, "why", "hint")
KIT_FILE = KitFile(kit_file_id(ADA.id, "e" * 64), ADA.id, "e" * 64, 1 << 40, AT)

# Each after those that it refers to.
EVERYTHING: tuple[Thing, ...] = (
    ADA, BOB, VISION, ROBOTS, RULES, MAINTENANCE, LAB, TK1, IMAGE, ROOT, VOLUME, RESERVATION, DEPLOYMENT, STANDING,
    ORDER, HEALTH, TOKEN, PASSWORD, INVITATION, IDENTITY, PENDING, ACTIVITY, CONTACT, WEBHOOK, POSTING, FEED, LINK,
    ERRAND, DOING, BOOT_TEST, QUESTION, KIT_FILE,
)  # fmt: skip


@pytest.fixture
def records(engine: str) -> Records:
    return records_of(engine)


@pytest.fixture
def full(records: Records) -> Records:
    with records.write() as tx:
        for thing in EVERYTHING:
            tx.save(thing)
    return records


def _read(records: Records) -> tuple[object, ...]:
    with records.read() as snapshot:
        return (
            snapshot.user(ADA.id),
            snapshot.user(BOB.id),
            next(iter(snapshot.user_groups()), None),
            snapshot.project(ROBOTS.id),
            rules if (rules := snapshot.rules()) != Rules() else None,
            snapshot.maintenance(3),
            snapshot.site("lab"),
            snapshot.board_type("tk1"),
            snapshot.image(IMAGE.id),
            snapshot.root(ROOT.id),
            snapshot.volume(VOLUME.id),
            snapshot.reservation(1),
            snapshot.deployment(DEPLOYMENT.id),
            snapshot.board("tk1-1"),
            snapshot.order(ORDER.order.id),
            snapshot.health().get("tk1-1"),
            snapshot.token(TOKEN.id),
            snapshot.password(ADA.id),
            snapshot.invitation(INVITATION.id),
            snapshot.external_identity(IDENTITY.key),
            snapshot.pending_login(PENDING.id),
            snapshot.activity().get("tk1-1"),
            snapshot.contact(ADA.id),
            snapshot.webhook(WEBHOOK.id),
            snapshot.posting(POSTING.id),
            snapshot.feed(FEED.id),
            snapshot.join_link(LINK.id),
            snapshot.errand(ERRAND.id),
            snapshot.doing(IMAGE.id),
            snapshot.boot_test(BOOT_TEST.id),
            snapshot.question(QUESTION.id),
            snapshot.kit_file(KIT_FILE.id),
        )


def test_everything_comes_back_as_it_was_recorded(full: Records) -> None:
    assert _read(full) == EVERYTHING


def test_what_is_not_there_is_none(records: Records) -> None:
    assert _read(records) == (None,) * len(EVERYTHING)
    with records.read() as snapshot:
        assert snapshot.user_named("ada") is snapshot.user_with_key("x") is None
        assert snapshot.holder_of("tk1-1") is None
        assert not snapshot.users() and not snapshot.boards() and not snapshot.images()
        assert snapshot.events(0, limit=9) == [] and snapshot.last_event() == 0


def test_a_thing_that_is_saved_again_is_changed_and_keeps_what_refers_to_it(full: Records) -> None:
    changed: tuple[Thing, ...] = (
        replace(ADA, ssh_keys=("ssh-ed25519 EEEE",), suspended=True),
        replace(VISION, members=frozenset()),
        replace(ROBOTS, members={}, image="", teams={}),
        replace(RULES, everyone=EVERYONE, access=(), version=8),
        replace(MAINTENANCE, over=True),
        replace(LAB, version=8, instance=None, seen_at=None),
        replace(TK1, boot_s=9.0),
        replace(IMAGE, state=ImageState.GONE, manifest=None),
        replace(ROOT, state=RootState.ASIDE, expires_at=None),
        replace(VOLUME, user=None, project=ROBOTS.id, state=VolumeState.READY, expires_at=None),
        RESERVATION.ended(AT + timedelta(minutes=1)),
        replace(DEPLOYMENT, state=DeploymentState.ENDED, code=None),
        replace(STANDING, wish=Parked(), order=None, tenant=None, is_reached=False),
    )
    with full.write() as tx:
        for thing in changed:
            tx.save(thing)
    assert [one for one in _read(full) if one in changed] == list(changed)
    with full.read() as snapshot:
        assert snapshot.user_with_key("ssh-ed25519 AAAA") is None


@pytest.mark.parametrize(
    "wish",
    [
        Parked(),
        Gone(),
        WISH,
        replace(WISH, kernel=None, keys=()),
        replace(WISH, volumes=(VolumeMount(uuid4(), "/data"),)),
        WISH_AGAIN,
    ],
)
def test_every_wish_comes_back_as_its_own_kind(full: Records, wish: Wish) -> None:
    with full.write() as tx:
        tx.save(replace(STANDING, wish=wish))
    with full.read() as snapshot:
        standing = snapshot.board("tk1-1")
    assert standing is not None and standing.wish == wish


RECIPE = Recipe(
    "robot",
    System.DEBIAN,
    "what runs",
    ("armhf",),
    "bookworm",
    ("gdb",),
    {"armhf": "armmp"},
    ("tk1",),
    (RecipeFile("/etc/motd", "h\n", 0o600, 1, 2),),
    (RecipeScript("user", "true"),),
    {"team": "red"},
)


def test_questions_are_found_by_site_and_by_who_asks_and_forgotten(full: Records) -> None:
    later = replace(QUESTION, id=uuid4(), asker=BOB.id, asked=ImageChanges(IMAGE.id, uuid4()), answer=None, code=None)
    with full.write() as tx:
        tx.save(replace(later, at=AT + HOUR))
    with full.read() as snapshot:
        assert [one.id for one in snapshot.questions(site="lab")] == [QUESTION.id, later.id]
        assert [one.asked for one in snapshot.questions(asker=BOB.id)] == [later.asked]
        assert snapshot.questions(site="annexe") == []
    with full.write() as tx:
        tx.remove(QUESTION)
    with full.read() as snapshot:
        assert snapshot.question(QUESTION.id) is None


@pytest.mark.parametrize(
    "source",
    [
        BlobSource("a" * 64, 5),
        PathSource("/srv/tiny.tar"),
        UrlSource("https://example.org/tiny.tar", "a" * 64),
        RootSource(ROOT.id),
        CheckpointSource(ROOT.id),
        RecipeSource(RECIPE, "armhf"),
        None,
    ],
)
def test_every_source_comes_back_as_its_own_kind(full: Records, source: Source | None) -> None:
    with full.write() as tx:
        tx.save(replace(IMAGE, source=source))
    with full.read() as snapshot:
        image = snapshot.image(IMAGE.id)
    assert image is not None and image.source == source


@pytest.mark.parametrize(
    "at",
    [
        datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    ],
)
def test_times_keep_their_microseconds(full: Records, at: datetime) -> None:
    with full.write() as tx:
        tx.save(replace(ROOT, expires_at=at))
    with full.read() as snapshot:
        root = snapshot.root(ROOT.id)
    assert root is not None and root.expires_at == at


def test_words_of_any_language_are_kept(full: Records) -> None:
    words = "Größe, 板, \"'; DROP TABLE users; -- "
    assert _kept(full, words) == words


def test_a_nul_that_a_board_printed_hinders_no_record(full: Records) -> None:
    assert _kept(full, "it said \0") in {"it said \0", "it said \N{SYMBOL FOR NULL}"}


def _kept(records: Records, words: str) -> str:
    with records.write() as tx:
        tx.save(STANDING.set_aside(words))
    with records.read() as snapshot:
        standing = snapshot.board("tk1-1")
    assert standing is not None
    return standing.board.set_aside


# --- all or nothing


def test_a_transaction_that_raises_records_nothing(records: Records) -> None:
    def half_way(tx: Transaction) -> None:
        tx.save(ADA)
        tx.add_event(_entry())
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), records.write() as tx:
        half_way(tx)
    with records.read() as snapshot:
        assert snapshot.users() == [] and snapshot.last_event() == 0


def test_a_reader_sees_one_moment_and_waits_for_no_writer(full: Records) -> None:
    with full.read() as before:
        assert before.user_named("eve") is None
        with full.write() as tx:
            tx.save(User(uuid4(), "eve", Role.USER))
            assert before.user_named("eve") is None
        assert before.user_named("eve") is None, "also when it was recorded meanwhile"
    with full.read() as after:
        assert after.user_named("eve") is not None


def test_what_a_writer_read_still_holds_when_it_saves(full: Records) -> None:
    start = threading.Barrier(8)

    def count() -> None:
        start.wait(timeout=60)
        for _ in range(10):
            with full.write() as tx:
                state = tx.site("lab")
                assert state is not None
                tx.save(replace(state, version=state.version + 1))

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    with full.read() as snapshot:
        state = snapshot.site("lab")
    assert state is not None and state.version == LAB.version + 80


# --- what must never be


def _refused(records: Records, *things: Thing) -> None:
    with pytest.raises(Conflict) as error, records.write() as tx:
        for thing in things:
            tx.save(thing)
    assert error.value.code is Code.THING_IN_USE


def test_a_board_has_one_running_reservation(full: Records) -> None:
    _refused(full, replace(RESERVATION, number=2, user=BOB.id))
    with full.write() as tx:
        tx.save(RESERVATION.ended(AT))
        tx.save(replace(RESERVATION, number=2, user=BOB.id))


def test_a_board_and_a_root_have_one_live_deployment(full: Records) -> None:
    other_root = replace(ROOT, id=uuid4(), name="other")
    _refused(full, replace(DEPLOYMENT, id=uuid4(), board="tk1-2"))
    _refused(full, other_root, replace(DEPLOYMENT, id=uuid4(), root=other_root.id))


def test_names_addresses_and_keys_are_given_once(full: Records) -> None:
    other = replace(BOARD, name="tk1-2", mac="52:54:00:00:00:02", address=IPv4Address("10.20.0.12"), nfs_path=None)
    _refused(full, replace(ADA, id=uuid4(), ssh_keys=()))
    _refused(full, replace(BOB, ssh_keys=ADA.ssh_keys[:1]))
    _refused(full, replace(VISION, id=uuid4()))
    _refused(full, replace(ROBOTS, id=uuid4()))
    _refused(full, replace(IMAGE, id=uuid4()))
    _refused(full, replace(ROOT, id=uuid4(), state=RootState.ASIDE))
    _refused(full, Standing(replace(other, mac=BOARD.mac)))
    _refused(full, Standing(replace(other, address=BOARD.address)))
    _refused(full, Standing(replace(other, nfs_path=BOARD.nfs_path)))
    with full.write() as tx:
        tx.save(Standing(other))
        tx.save(Standing(replace(other, name="tk1-3", mac="52:54:00:00:00:03", address=IPv4Address("10.20.0.13"))))
        tx.save(replace(ROOT, id=uuid4(), state=RootState.GONE))
        tx.save(replace(ROOT, id=uuid4(), owner=BOB.id))
        tx.save(replace(ADA, removed=True, ssh_keys=()))
        tx.save(replace(ADA, id=uuid4()))
        for thing in (VISION, ROBOTS):
            tx.save(replace(thing, removed=True))
            tx.save(replace(thing, id=uuid4()))


def test_nothing_refers_to_what_is_not_there(full: Records) -> None:
    _refused(full, replace(ROOT, image=uuid4()))
    _refused(full, replace(RESERVATION, user=uuid4()))
    _refused(full, replace(RESERVATION, project=uuid4()))
    _refused(full, Standing(replace(BOARD, type="rpi4")))


@pytest.mark.parametrize("number", [0, 2**31, 2**53])
def test_a_number_that_was_never_given_is_nothings(full: Records, number: int) -> None:
    with full.read() as snapshot:
        assert snapshot.reservation(number) is None
        assert snapshot.reservations(before=number) == ([RESERVATION] if number else [])
        assert snapshot.deployments(reservations=[number]) == []
        assert snapshot.events(number, limit=9) == []
        assert snapshot.events(0, limit=9, reservation=number) == []


def test_a_number_that_no_database_can_hold_is_refused(full: Records) -> None:
    with pytest.raises(Invalid) as error, full.read() as snapshot:
        snapshot.reservation(1 << 70)
    assert error.value.code is Code.REQUEST_INVALID
    with pytest.raises(Invalid), full.read() as snapshot:
        snapshot.events(1 << 70, limit=1)


# --- questions


def test_people_are_found_by_name_and_key_while_their_account_is_open(full: Records) -> None:
    with full.write() as tx:
        tx.save(replace(BOB, removed=True))
    with full.read() as snapshot:
        assert snapshot.user_named("ada") == snapshot.user_with_key("ssh-rsa BBBB") == ADA
        assert snapshot.user_named("bob") is None
        assert snapshot.users() == [ADA, replace(BOB, removed=True)]


def test_boards_come_by_type_and_number(full: Records) -> None:
    rpi4 = BoardType("rpi4", "arm64")
    with full.write() as tx:
        tx.save(rpi4)
        for at, name in enumerate(("tk1-10", "rpi4-1", "tk1-2")):
            address = IPv4Address("10.20.0.50") + at
            board = Board(name, name.split("-", maxsplit=1)[0], "lab", f"52:54:00:00:01:0{at}", address)
            tx.save(Standing(board))
    with full.read() as snapshot:
        assert [one.board.name for one in snapshot.boards()] == ["rpi4-1", "tk1-1", "tk1-2", "tk1-10"]
        assert [one.board.name for one in snapshot.boards(board_type="rpi4")] == ["rpi4-1"]
        assert snapshot.boards(site="moon") == []
        assert [one.name for one in snapshot.board_types()] == ["rpi4", "tk1"]


def test_images_and_roots_are_found_by_what_they_are(full: Records) -> None:
    second = replace(IMAGE, id=uuid4(), version=2026112202, state=ImageState.GOING, parent=IMAGE.id)
    aside = replace(ROOT, id=uuid4(), name="aside", owner=BOB.id, state=RootState.ASIDE, image=second.id)
    with full.write() as tx:
        tx.save(second)
        tx.save(aside)
        assert tx.newest_version("tiny") == 2026112202 and tx.newest_version("other") == 0
    with full.read() as snapshot:
        assert snapshot.images() == snapshot.images(name="tiny", site="lab") == [IMAGE, second]
        assert snapshot.images(states={ImageState.GOING, ImageState.GONE}) == [second]
        assert snapshot.images(states=set()) == snapshot.images(site="moon") == []
        assert snapshot.roots(owner=BOB.id) == snapshot.roots(image=second.id) == [aside]
        assert snapshot.roots(states={RootState.ASIDE}) == snapshot.roots(name="aside", site="lab") == [aside]


def test_errands_are_found_by_what_they_are_oldest_first(full: Records) -> None:
    earlier = replace(ERRAND, id=uuid4(), asked_at=AT - HOUR, state=ErrandState.WAITING, owner=BOB.id, ended_at=None)
    with full.write() as tx:
        tx.save(earlier)
    with full.read() as snapshot:
        assert snapshot.errands() == snapshot.errands(image=IMAGE.id, site="lab") == [earlier, ERRAND]
        assert snapshot.errands(owner=BOB.id) == snapshot.errands(states={ErrandState.WAITING}) == [earlier]
        assert snapshot.errands(site="moon") == []


def test_reservations_come_newest_first_and_deployments_oldest_first(full: Records) -> None:
    over = replace(RESERVATION, number=2, boards=("tk1-2",), state=ReservationState.ENDED, user=BOB.id)
    later = replace(DEPLOYMENT, id=UUID(int=(1 << 128) - 1), state=DeploymentState.FAILED)
    earlier = replace(later, id=UUID(int=5), reservation=2)
    with full.write() as tx:
        assert tx.next_reservation() == 2
        for thing in (over, later, earlier):
            tx.save(thing)
        assert tx.next_reservation() == 3
    with full.read() as snapshot:
        assert snapshot.reservations() == [over, RESERVATION]
        assert snapshot.reservations(limit=1) == [over]
        assert snapshot.reservations(user=BOB.id) == [over, RESERVATION], "one is his, one is shared with him"
        assert snapshot.reservations(before=over.number) == [RESERVATION]
        assert snapshot.reservations(states=LIVE) == [RESERVATION]
        assert snapshot.reservations(states={ReservationState.ENDED}) == [over]
        assert snapshot.holder_of("tk1-1") == RESERVATION and snapshot.holder_of("tk1-2") is None
        assert snapshot.deployments(live=True) == [DEPLOYMENT]
        assert snapshot.deployments(reservations=[2]) == [earlier]
        assert snapshot.deployments(reservations=[]) == []
        assert snapshot.deployments(root=ROOT.id, live=False)[0] == earlier


def test_volumes_are_found_by_whose_they_are_and_a_name_is_one_volumes_until_it_is_gone(full: Records) -> None:
    theirs = replace(VOLUME, id=uuid4(), name="data", user=None, project=ROBOTS.id, state=VolumeState.READY)
    with full.write() as tx:
        tx.save(theirs)
    with full.read() as snapshot:
        assert snapshot.volumes() == [theirs, VOLUME]
        assert snapshot.volumes(user=ADA.id) == snapshot.volumes(states={VolumeState.ASIDE}) == [VOLUME]
        assert snapshot.volumes(project=ROBOTS.id) == snapshot.volumes(name="data", site="lab") == [theirs]
        assert snapshot.volumes(user=BOB.id) == []
    again = replace(VOLUME, id=uuid4(), user=BOB.id)
    with pytest.raises(Exception, match=r"(?i)unique"), full.write() as tx:
        tx.save(again)
    with full.write() as tx:
        tx.save(replace(VOLUME, state=VolumeState.GONE))
        tx.save(again)


def test_reservations_are_found_by_what_they_count_on_and_when_they_end(full: Records) -> None:
    later = replace(
        RESERVATION, number=2, boards=("tk1-2",), project=None, window=Window(AT, AT + 2 * HOUR), user=BOB.id
    )
    with full.write() as tx:
        tx.save(later)
    with full.read() as snapshot:
        assert snapshot.reservations(project=ROBOTS.id) == [RESERVATION]
        assert snapshot.reservations(ending_after=AT + HOUR) == [later]
        assert snapshot.reservations(ending_after=AT) == [later, RESERVATION]


def test_groups_and_projects_that_are_removed_and_maintenance_that_is_over_are_not_listed(full: Records) -> None:
    sooner = replace(MAINTENANCE, number=4, window=Window(AT - HOUR, AT))
    with full.write() as tx:
        assert tx.next_maintenance() == 4
        tx.save(sooner)
        tx.save(replace(VISION, removed=True))
        tx.save(replace(ROBOTS, removed=True))
        assert tx.maintenances() == [sooner, MAINTENANCE]
        tx.save(replace(sooner, over=True))
        assert tx.maintenances() == [MAINTENANCE] and tx.next_maintenance() == 5
    with full.read() as snapshot:
        assert not snapshot.user_groups() and not snapshot.projects()
        project = snapshot.project(ROBOTS.id)
        assert project is not None and project.removed, "what counts on it still names it"


def test_a_removed_thing_is_gone_and_removing_it_again_changes_nothing(full: Records) -> None:
    with full.write() as tx:
        assert tx.external_identities(ADA.id) == [IDENTITY] and tx.pending_logins() == [PENDING]
        for _ in range(2):
            tx.remove(TOKEN)
            tx.remove(PASSWORD)
            tx.remove(INVITATION)
            tx.remove(LINK)
            tx.remove(IDENTITY)
            tx.remove(PENDING)
            tx.remove(STANDING)
            tx.remove(TK1)
    with full.read() as snapshot:
        assert snapshot.token(TOKEN.id) is None and snapshot.tokens(ADA.id) == []
        assert snapshot.password(ADA.id) is None
        assert snapshot.invitation(INVITATION.id) is None and snapshot.invitations() == []
        assert snapshot.join_link(LINK.id) is None and snapshot.join_links(ROBOTS.id) == []
        assert snapshot.external_identities(ADA.id) == [] and snapshot.pending_logins() == []
        assert snapshot.board("tk1-1") is None
        assert snapshot.board_type("tk1") is None
        assert snapshot.health() == {}
        assert snapshot.reservation(1) == RESERVATION, "what happened on a board stays"


def test_the_tokens_of_a_door_end_and_no_others(full: Records) -> None:
    agent = Token("a" * 16, "1", Audience.AGENT, site="lab")
    gateway = Token("b" * 16, "2", Audience.GATEWAY, site="lab")
    bobs = Token("c" * 16, "3", Audience.PERSON, BOB.id)
    with full.write() as tx:
        for token in (agent, gateway, bobs):
            tx.save(token)
        tx.site_tokens_end("lab", Audience.AGENT)
    with full.read() as snapshot:
        assert [snapshot.token(one.id) for one in (TOKEN, agent, gateway, bobs)] == [TOKEN, None, gateway, bobs]


def test_the_tokens_of_a_person_come_oldest_first_and_are_noted_when_they_are_used(full: Records) -> None:
    older = replace(TOKEN, id="f" * 16, created_at=AT - HOUR)
    with full.write() as tx:
        tx.save(older)
        tx.save(Token("a" * 16, "1", Audience.PERSON, BOB.id))
        tx.tokens_used({older.id: AT + HOUR, "gone": AT})
        tx.tokens_used({})
        assert tx.token(older.id) == replace(older, last_used_at=AT + HOUR)
    with full.read() as snapshot:
        assert snapshot.tokens(ADA.id) == [replace(older, last_used_at=AT + HOUR), TOKEN]


# --- what a transaction remembers


def test_a_writer_reads_what_it_wrote(full: Records) -> None:
    for thing in EVERYTHING:
        with full.write() as tx:
            assert tx.recorded(thing) == thing
    with full.write() as tx:
        assert tx.user(ADA.id) == ADA
        tx.save(replace(ADA, suspended=True))
        assert tx.user(ADA.id) == tx.recorded(ADA) == tx.user_named("ada") == replace(ADA, suspended=True)
        assert tx.order(ORDER.order.id) == ORDER
        tx.forget_orders(AT + HOUR)
        assert tx.order(ORDER.order.id) is None
        assert tx.boards() == [STANDING]
        tx.remove(STANDING)
        assert tx.board("tk1-1") is tx.recorded(STANDING) is None and tx.health() == {}
        tx.save(STANDING)
        tx.save(STANDING.parked())
        assert tx.board("tk1-1") == STANDING.parked()
    with full.read() as snapshot:
        assert snapshot.board("tk1-1") == STANDING.parked()


# --- the audit log


def _audited(name: str = "ada", thing: str = "user:bob") -> AuditEntry:
    return AuditEntry(0, AT, ADA.id, name, "0123", "10.0.0.7", "user.role", thing, {"role": "user"}, {"a": [1, None]})


def test_audit_entries_come_back_as_they_were_and_are_found(full: Records) -> None:
    with full.write() as tx:
        tx.add_audit([_audited(), _audited("bob"), replace(_audited(thing="board:tk1-1"), who=None, before={})])
    with full.read() as snapshot:
        found = snapshot.audit(0, limit=9)
        assert [replace(one, number=0) for one in found[:2]] == [_audited(), _audited("bob")]
        assert snapshot.audit(found[0].number, limit=1) == snapshot.audit(0, limit=9, who="bob") == [found[1]]
        assert snapshot.audit(0, limit=9, thing="board:tk1-1") == snapshot.audit(0, limit=1, newest=True) == [found[2]]


# --- events and reports


def _entry(board: str = "tk1-1", reservation: int | None = None, owner: UUID | None = None) -> Entry:
    event = Event(0, AT, board, 3, "boot", Phase.ENDED, DEPLOYMENT.id, Outcome.FAILED, 7.25, "why", ("a", "b\n"))
    return Entry(replace(event, reservation=reservation), owner)


def test_events_come_back_as_they_were_under_numbers_that_rise(full: Records) -> None:
    with full.write() as tx:
        for _ in range(3):
            tx.add_event(_entry(reservation=1, owner=ADA.id))
    with full.read() as snapshot:
        found = snapshot.events(0, limit=10)
        assert snapshot.last_event() == found[-1].event.number
        assert snapshot.events(found[0].event.number, limit=1) == [found[1]]
    numbers = [one.event.number for one in found]
    assert numbers == sorted(set(numbers)) and numbers[0] > 0
    assert [replace(one, event=replace(one.event, number=0)) for one in found] == [
        _entry(reservation=1, owner=ADA.id)
    ] * 3


def test_events_are_found_by_board_reservation_and_who_may_see_them(full: Records) -> None:
    with full.write() as tx:
        for entry in (_entry(), _entry("", None, ADA.id), _entry("", None, BOB.id), _entry("", 1), _entry("tk1-2")):
            tx.add_event(entry)
    with full.read() as snapshot:
        assert [one.event.board for one in snapshot.events(0, limit=9, board="tk1-2")] == ["tk1-2"]
        assert len(snapshot.events(0, limit=9, reservation=1)) == 1
        assert len(snapshot.events(0, limit=9)) == 5
        assert len(snapshot.events(0, limit=9, seen_by=ADA.id)) == 4
        everything = snapshot.events(0, limit=9)
        assert snapshot.events(0, limit=2, newest=True) == everything[-2:]
        assert snapshot.events(0, limit=9, newest=True) == everything


def test_events_are_forgotten_by_their_age_and_their_numbers_are_not_given_again(full: Records) -> None:
    with full.write() as tx:
        tx.add_event(_entry())
        last = tx.last_event()
        tx.forget_events(AT)
        assert tx.last_event() == last
        tx.forget_events(AT + HOUR)
        assert tx.events(0, limit=9) == []
        tx.add_event(_entry())
        assert tx.last_event() > last


def test_orders_that_are_done_are_forgotten_and_those_that_wait_are_not(records: Records) -> None:
    done, waiting = (
        OrderRecord(PowerOrder(uuid4(), Act.ON), "tk1-1", ADA.id, AT, is_done) for is_done in (True, False)
    )
    with records.write() as tx:
        tx.save(ADA)
        tx.save(done)
        tx.save(waiting)
        tx.forget_orders(AT)
        assert tx.order(done.order.id) == done
        tx.forget_orders(AT + HOUR)
        assert (tx.order(done.order.id), tx.order(waiting.order.id)) == (None, waiting)


def test_a_report_is_new_once_until_it_is_forgotten(records: Records) -> None:
    report = uuid4()
    with records.write() as tx:
        assert tx.is_new(report, AT)
        assert not tx.is_new(report, AT)
    with records.write() as tx:
        assert not tx.is_new(report, AT)
        tx.forget_reports(AT)
        assert not tx.is_new(report, AT)
        tx.forget_reports(AT + HOUR)
        assert tx.is_new(report, AT)


def test_postings_come_by_when_they_are_due_and_are_found_by_whom_they_go_to(records: Records) -> None:
    by_mail = replace(POSTING, due_at=AT)
    called = replace(POSTING, id=uuid4(), user=None, webhook=WEBHOOK.id, due_at=AT + HOUR)
    with records.write() as tx:
        for one in (called, by_mail):
            tx.add(one)
    with records.read() as snapshot:
        assert snapshot.postings() == [by_mail, called]
        assert snapshot.postings(due_by=AT) == [by_mail]
        assert snapshot.postings(user=ADA.id) == [by_mail]
        assert snapshot.postings(webhook=WEBHOOK.id) == [called]
    with records.write() as tx:
        tx.remove(by_mail)
        assert tx.postings() == [called]


def test_the_webhooks_of_the_farm_are_nobodys(full: Records) -> None:
    farms = replace(WEBHOOK, id="f" * 16, owner=None)
    with full.write() as tx:
        tx.save(farms)
        assert tx.webhooks(ADA.id) == [WEBHOOK]
        assert tx.webhooks(None) == [farms]
        assert tx.webhooks(BOB.id) == []
