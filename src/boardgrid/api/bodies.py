"""What strangers send. A field that is not known is refused, for whoever sent it meant something by it."""

from ipaddress import IPv4Address
from pathlib import PurePosixPath
from typing import Annotated, Any, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from boardgrid.messages import _
from boardgrid.model.board import Act, BoardType, Boot, DriverSpec
from boardgrid.model.image import Making, Visibility
from boardgrid.model.inventory import BoardDeclared
from boardgrid.model.notice import ALL, Occasion
from boardgrid.model.project import Part
from boardgrid.model.recipe import TEXT_MOST
from boardgrid.model.reservation import Group, Kind
from boardgrid.model.user import Role, Scope
from boardgrid.services.blocks import READY
from boardgrid.services.booking import Fate
from boardgrid.services.catalog import Described
from boardgrid.services.links import GOOD_FOR, USES
from boardgrid.services.restarting import After, WantedKit
from boardgrid.services.rosters import RosterRow

Line = Annotated[str, StringConstraints(max_length=1000)]
Key = Annotated[str, StringConstraints(max_length=16384)]
# What is none, the inventory says more clearly than four complaints about what it is not.
PropertyIn = Annotated[Any, WithJsonSchema({"anyOf": [{"type": kind} for kind in ("string", "number", "boolean")]})]
Label = Annotated[str, StringConstraints(max_length=100)]
Password = Annotated[SecretStr, Field(max_length=1100)]  # which are good is the farm's to say


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class UserIn(Body):
    name: Line
    role: Role = Role.USER
    ssh_keys: tuple[Key, ...] = Field((), max_length=100)


class RoleIn(Body):
    role: Role


class InvitationIn(Body):
    role: Role = Role.USER
    name: Line = Field("", description="Left out: who accepts it chooses one.")


class LoginIn(Body):
    name: Line
    password: Password
    label: Label = ""


class SsoBeginIn(Body):
    challenge: Line = Field(description="The SHA-256 of a secret, as `code_challenge` of RFC 7636 (S256).")
    return_to: Line = Field(
        "", description="`http://127.0.0.1:PORT/WORD`, where the asker waits for the code; left out: it is shown."
    )
    label: Label = ""


class SsoFinishIn(Body):
    code: Line
    verifier: Line = Field(description="The secret that the challenge was made of.")


class ExternalIdentitiesIn(Body):
    keys: tuple[Line, ...] = Field(max_length=100)


class PasswordIn(Body):
    old: Password | None = Field(None, description="May be left out while there is none.")
    new: Password


class AcceptIn(Body):
    code: Line
    name: Line = Field("", description="Where the code leaves it open.")
    password: Password | None = None
    ssh_keys: tuple[Key, ...] = Field((), max_length=100)


class TokenIn(Body):
    label: Label = ""
    scope: Scope | None = Field(None, description="Left out: that of the token that is asked with.")
    for_s: float | None = Field(
        None, strict=True, ge=-1e9, le=1e9, description="Left out: 90 days, or as long as the token that is asked with."
    )


class ContactIn(Body):
    """What is left out stays as it is."""

    email: Line | None = Field(None, description="Empty: no mails.")
    zone: Line | None = Field(None, description="`Europe/Paris`; empty: times are told in UTC.")
    occasions: frozenset[Occasion] | None = Field(None, description="Of what one is told by mail; empty: of nothing.")


class WebhookIn(Body):
    url: Line
    occasions: frozenset[Occasion] = Field(ALL, description="When it is called; left out: always.")
    is_farms: bool = Field(False, description="For everybody's reservations. Admins may.")


class FeedIn(Body):
    board: Line = Field("", description="Left out: of one's own reservations.")


class KeyIn(Body):
    ssh_key: Key


class KeysIn(Body):
    ssh_keys: tuple[Key, ...] = Field(max_length=100)


class BuildIn(Body):
    recipe: Line | None = Field(None, description="The name of one that ships with the farm; or else")
    text: Annotated[str, StringConstraints(max_length=TEXT_MOST)] | None = Field(
        None, description="the text of a recipe's TOML file."
    )
    arch: Line = Field("", description="May be left out where the recipe is for one alone.")
    name: Line = Field("", description="Of the image; left out: the recipe's.")
    shared: bool = False
    site: Line | None = None


class BootTestIn(Body):
    types: tuple[Line, ...] = Field((), max_length=100, description="Board types; left out: all that it fits.")


class BoardTypeIn(Body):
    arch: Line = Field(description="Debian's word for it: armhf, arm64, amd64.")
    console: Line = ""
    cmdline: Line = ""
    fdt: Line = ""
    boot_s: float = 300.0
    properties: dict[str, PropertyIn] = Field({}, description="Of all boards of this type.")
    network: Line = Field(
        "", description="The kernel module of its network interface, where the farm does not know it."
    )

    def declared(self, name: str) -> BoardType:
        return BoardType(
            name, self.arch, self.console, self.cmdline, self.fdt, self.boot_s, self.properties, self.network
        )


class DriverIn(BaseModel):
    """A driver by its name; every other key is an option of that driver."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    driver: Line

    def declared(self) -> DriverSpec:
        options: dict[str, Any] = dict(self.__pydantic_extra__ or {})
        return DriverSpec(self.driver, options)


class BoardIn(Body):
    mac: Line
    address: IPv4Address
    site: Line = Field("", description="May be left out while the farm has one site.")
    boot: Boot = Boot.PXELINUX
    nfs_path: Line | None = None
    kernel: Line = ""
    power: tuple[DriverIn, ...] = Field((), max_length=20)
    properties: dict[str, PropertyIn] = Field({}, description="Its own; they win over its type's.")
    tags: frozenset[str] = frozenset()

    def declared(self, name: str) -> BoardDeclared:
        return BoardDeclared(
            name=name,
            mac=self.mac,
            address=self.address,
            site=self.site,
            boot=self.boot,
            nfs_path=PurePosixPath(self.nfs_path) if self.nfs_path else None,
            kernel=self.kernel,
            power=tuple(driver.declared() for driver in self.power),
            properties=self.properties,
            tags=self.tags,
        )


class DescriptionIn(Body):
    properties: dict[str, PropertyIn | None] = Field({}, description="To be set; null takes one away.")
    tags: dict[str, bool] = Field({}, description="To be given with true, to be taken away with false.")


class InventoryIn(Body):
    board_types: dict[Line, BoardTypeIn] = Field(default_factory=dict)
    boards: dict[Line, BoardIn] = Field(default_factory=dict)


class AsideIn(Body):
    reason: Line = Field(description="For everybody.")


class PowerIn(Body):
    act: Act


class ImageDescribedIn(Body):
    visibility: Visibility | None = Field(None, description="Who sees and uses it; left out: as it was.")
    project: Line | None = Field(None, description="Whose members see it, where its visibility is `project`.")
    labels: dict[Line, Line | None] = Field({}, max_length=100, description="To be set; null takes one away.")
    types: tuple[Line, ...] | None = Field(
        None, max_length=100, description="Of boards that it is for; empty: all of its architecture."
    )

    def described(self) -> Described:
        return Described(self.visibility, self.project, self.labels, self.types)


class ImageIn(ImageDescribedIn):
    name: Line
    path: Line | None = Field(None, description="On the agent's machine, below its import_dirs; for admins.")
    url: Line | None = Field(None, description="Of what the agent fetches, where its site lets images come from.")
    sha256: Line = Field("", description="Of what lies at `url`, in hex; left out: nobody knows.")
    partition: int | None = Field(None, description="Of a disk image, the one that holds the system; else it is found.")
    bsp: Line = Field("", description="A folder on the agent's machine whose `apply_binaries.sh` is run; for admins.")
    shared: bool = Field(False, description="The same as the visibility `public`.")
    site: Line | None = Field(None, description="May be left out while the farm has one site.")
    without: list[Line] = Field([], max_length=50, description="Names of adaptations that are left out.")

    @property
    def making(self) -> Making:
        return Making(self.partition, tuple(self.without), self.bsp)


class KeepIn(Body):
    image: Line


class GroupIn(Body):
    count: int = Field(1, ge=-(2**31), le=2**31)
    board: Line | None = Field(None, description="This board; or else `type`, `where` or both.")
    type: Line | None = Field(None, description="Boards of this type.")
    where: Line | None = Field(None, description="Boards that this expression fits.")

    def asked(self) -> Group:
        return Group(self.count, self.board or "", self.type or "", self.where or "")


class ReservationIn(GroupIn):
    groups: tuple[GroupIn, ...] = Field(
        (), max_length=20, description="Several groups in one reservation; in the place of the four fields above."
    )
    image: Line | None = Field(None, description="A ref; or else `root`.")
    root: Line | None = Field(None, description="A root that was kept aside; for one board.")
    for_s: float = Field(strict=True, ge=-1e9, le=1e9)  # what is too short or too long is the booking's to say
    at: AwareDatetime | None = Field(None, description="When it begins; left out: now. With kind `fixed` alone.")
    kind: Kind = Field(
        Kind.FIXED,
        description="`fixed`: at that time or not at all; `queued`: as soon as its turn comes; `best_effort`: on boards"
        " that nobody needs, for as long.",
    )
    project: Line | None = Field(
        None, description="On which it counts; its image boots where neither `image` nor `root` is named."
    )

    @model_validator(mode="after")
    def _asks_once(self) -> Self:
        if self.groups and self.asked() != Group():
            raise ValueError(_("ask either by `groups`, or by `count`, `board`, `type` and `where`"))
        return self

    def all_groups(self) -> tuple[Group, ...]:
        return tuple(one.asked() for one in self.groups) or (self.asked(),)


class BlockIn(Body):
    project: Line
    count: int = Field(1, ge=-(2**31), le=2**31)
    type: Line | None = Field(None, description="Boards of this type; or `where`, or both.")
    where: Line | None = Field(None, description="Boards that this expression fits.")
    starts: tuple[AwareDatetime, ...] = Field(max_length=1000, description="When each lesson begins.")
    for_s: float = Field(strict=True, ge=-1e9, le=1e9, description="How long each is.")
    ready_s: float = Field(
        READY.total_seconds(), strict=True, ge=-1e9, le=1e9, description="So long before it boards begin to boot."
    )
    turn_s: float | None = Field(
        None,
        strict=True,
        ge=-1e9,
        le=1e9,
        description="So long a member has a board when others wait; null: to the end.",
    )
    image: Line = Field("", description="A ref; empty: the project's.")

    def group(self) -> Group:
        return Group(self.count, "", self.type or "", self.where or "")


class SeatIn(Body):
    root: Line | None = Field(None, description="Kept aside, and booted again; left out: the project's image boots.")


class ExtensionIn(Body):
    by_s: float = Field(strict=True, ge=-1e9, le=1e9)


class HeartbeatIn(Body):
    ttl_s: float = Field(strict=True, ge=-1e9, le=1e9, description="It ends unless the next comes within this time.")


class SharingIn(Body):
    add: tuple[Line, ...] = Field((), max_length=100)
    remove: tuple[Line, ...] = Field((), max_length=100)


class ReleaseIn(Body):
    board: Line | None = Field(None, description="Of several this one alone.")
    fate: Fate | None = Field(None, description="Left out: aside, or discard where nobody can have written to it.")
    name: Line | None = Field(None, description="Of the image to keep, or of the root kept aside.")


class SaveIn(Body):
    image: Line = Field(description="Its name; a new version of it is made.")
    board: Line | None = Field(None, description="Of several.")
    after: After = Field(After.BOOT, description="`boot`: the same root again; `release`: the board is given back.")


Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="Of a file that was sent before.")]


class BootIn(Body):
    board: Line | None = Field(None, description="Of several.")
    kernel: Sha256 | None = None
    dtb: Sha256 | None = None
    initrd: Sha256 | None = None
    modules: Sha256 | None = None
    release: Line = Field("", description="Of the modules; with `from_root` of the kernel, left out: the newest.")
    append: str = Field("", max_length=1000, description="Words at the end of the kernel's command line.")
    without_initrd: bool = Field(False, description="Not even the image's, which goes with a kernel else.")
    from_root: bool = Field(False, description="The kernel in the root's own /boot.")
    once: bool = Field(False, description="What is restarted after that boots what was good before.")

    def asked(self) -> WantedKit:
        return WantedKit(**self.model_dump(exclude={"board", "once"}))


class CheckpointIn(Body):
    image: Line
    board: Line | None = Field(None, description="Of several this one.")


class UserGroupIn(Body):
    name: Line
    members: tuple[Line, ...] = Field((), max_length=1000)


class MembersIn(Body):
    add: tuple[Line, ...] = Field((), max_length=1000)
    remove: tuple[Line, ...] = Field((), max_length=1000)


class ProjectIn(Body):
    name: Line
    members: dict[Line, Part] = Field({}, max_length=1000)
    description: Line = ""
    image: Line = Field("", description="A ref, which its reservations boot where they name none.")


class ProjectChangeIn(Body):
    description: Line | None = Field(None, description="Left out: as it is.")
    image: Line | None = Field(None, description="Left out: as it is; empty: none.")


class PartsIn(Body):
    add: dict[Line, Part] = Field({}, max_length=1000)
    remove: tuple[Line, ...] = Field((), max_length=1000)
    team: Line | None = Field(
        None, description="Into which those who are added go; empty: none. Left out: they stay where they are."
    )


class RosterRowIn(Body):
    """What is wrong in it is told for all rows at once."""

    name: Line
    part: Line = Field("", description="`member` or `manager`; left out: what they are already, else a member.")
    team: Line | None = Field(None, description="Empty: none. Left out: the one that they are in already.")
    line: int | None = Field(
        None, ge=1, le=2**31, description="Where it stands in a file, for complaints; left out: its place here."
    )


class RosterIn(Body):
    rows: tuple[RosterRowIn, ...] = Field(description="1000 at most.")
    replace: bool = Field(False, description="Who is not named here is taken out, but for managers.")

    def asked(self) -> list[RosterRow]:
        return [RosterRow(one.line or at, one.name, one.part, one.team) for at, one in enumerate(self.rows, 1)]


class LinkIn(Body):
    for_s: float = Field(GOOD_FOR.total_seconds(), strict=True, ge=-1e9, le=1e9)
    most: int = Field(USES, ge=-(2**31), le=2**31, description="How many may come in by it.")
    team: Line = Field("", description="Which they are in then.")
    new_accounts: bool = Field(False, description="Strangers make an account by it. Admins may.")


class EnterIn(Body):
    code: Line


class VolumeIn(Body):
    name: Line
    size_bytes: int = Field(ge=0, le=1 << 62, description="How much may be written to it.")
    project: Line = Field("", description="Whose it is; left out: one's own.")
    path: Line = Field("", description="Where boards mount it; left out: /home and one's name, of a project /data.")
    site: Line = Field("", description="May be left out where the farm has one site.")


class VolumeChangeIn(Body):
    size_bytes: int | None = Field(None, ge=0, le=1 << 62, description="Never less than it has.")
    path: Line | None = None
