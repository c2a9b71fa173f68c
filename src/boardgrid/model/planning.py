"""
Planning: what each board is wished to be, and whom it may be given to.

A board's wish changes by the methods of :class:`Standing` alone, so these rules hold for every use case:

* the generation rises with each change of the wish or of what the agent knows of the board, and never falls;
* only :meth:`Standing.deployed` and :meth:`Standing.again` name a new deployment, so nothing else restarts a board: a
  wish that is merely *opened* asks for no step (see ``next_step``);
* a board has a *tenant* from its deployment until it was seen parked. While it has one it is given to nobody, and that
  tenant's root goes to no other board: its export may still be there.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from uuid import UUID

from boardgrid.messages import _
from boardgrid.model.board import Board, BoardType, Boot
from boardgrid.model.errors import Code, Invalid
from boardgrid.model.image import Image, ImageState, Kernel, Manifest, NfsBoot
from boardgrid.model.question import Question
from boardgrid.model.root import Root, RootState
from boardgrid.model.volume import Volume, VolumeState
from boardgrid.model.wish import (
    BoardWish,
    Deployed,
    Gone,
    ImageWish,
    Parked,
    PowerOrder,
    QuestionWish,
    RootWish,
    VolumeWish,
    Wish,
)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a board stands: what it is wished to be, and what came of it."""

    board: Board
    generation: int = 1
    wish: Wish = field(default_factory=Parked)
    is_reached: bool = False  # the agent has told that the wish of this generation is so
    tenant: UUID | None = None  # the deployment whose root may still be offered to it; None: it is clean
    order: PowerOrder | None = None

    @property
    def is_clean(self) -> bool:
        return self.tenant is None

    @property
    def is_at_rest(self) -> bool:
        """Parked, with nobody's root on it; whoever holds it may have it, be it set aside for others."""
        return self.is_clean and isinstance(self.wish, Parked)

    @property
    def is_offered(self) -> bool:
        """
        Whether it may be given to the next user.

        A board that was never used is offered before any agent saw it: there is nobody's root on it to be afraid of.
        """
        return self.is_at_rest and self.board.is_fit

    @property
    def is_being_cleaned(self) -> bool:
        """Whether it will be offered as soon as it was seen parked."""
        return not self.is_clean and self.board.is_fit and isinstance(self.wish, Parked)

    def deployed(self, wish: Deployed) -> "Standing":
        """
        Give it to a deployment.

        Raises:
            ValueError: it is not offered; whoever asks has looked.
        """
        if not self.is_offered:
            raise ValueError(f"{self.board.name} is not offered")
        return replace(self._wished(wish), tenant=wish.deployment, order=None)

    def again(self, wish: Deployed) -> "Standing":
        """
        Another deployment of the root that its holder has.

        Raises:
            ValueError: it runs another root, or is not clean; whoever asks has looked.
        """
        has_it = isinstance(self.wish, Deployed) and self.wish.root == wish.root
        if not has_it and not self.is_at_rest:
            raise ValueError(f"{self.board.name} is not at rest")
        return replace(self._wished(wish), tenant=wish.deployment, order=None)

    def opened(self, keeps: tuple[UUID, ...] = ()) -> "Standing":
        """
        The deployment that it is wished to run is its user's from now on.

        Args:
            keeps: other kits that it may have to go back to.
        """
        if not isinstance(self.wish, Deployed) or self.wish.opened:
            return self
        return self._wished(replace(self.wish, opened=True, keeps=keeps))

    def is_held_by(self, reservation: int) -> bool:
        return isinstance(self.wish, Deployed) and self.wish.reservation == reservation

    def admitting(self, keys: tuple[str, ...]) -> "Standing":
        """These may log in to what runs on it, in the place of those before."""
        if not isinstance(self.wish, Deployed) or self.wish.keys == keys:
            return self
        return self._wished(replace(self.wish, keys=keys))

    def without(self, volumes: Collection[UUID]) -> "Standing":
        """What runs on it goes on without these."""
        if not isinstance(self.wish, Deployed):
            return self
        left = tuple(one for one in self.wish.volumes if one.volume not in volumes)
        return self if left == self.wish.volumes else self._wished(replace(self.wish, volumes=left))

    def parked(self, keeps: tuple[UUID, ...] = ()) -> "Standing":
        """
        Take it back.

        Args:
            keeps: kits of its root, where that boots here again.
        """
        match self.wish:
            case Deployed():
                return replace(self._wished(Parked(keeps)), order=None)
            case Parked():
                return replace(self, wish=Parked(keeps))  # nothing is to be done to the board
            case Gone():
                return self

    def leaving(self) -> "Standing":
        return self if isinstance(self.wish, Gone) else replace(self._wished(Gone()), order=None)

    def declared(self, board: Board) -> "Standing":
        """Its declaration changed: where that is more than what people choose it by, the agent looks at it anew."""
        return replace(self if board.plain == self.board.plain else self._wished(self.wish), board=board)

    def set_aside(self, why: str) -> "Standing":
        """Not offered from now on; empty: fit again. The agent need not know."""
        return replace(self, board=replace(self.board, set_aside=why))

    def fit(self) -> "Standing":
        """Somebody has seen to it: it is offered again, and where it is not as wished yet, the agent tries anew."""
        again = self if self.is_reached else self._wished(self.wish)
        return again.set_aside("")

    def reached(self) -> "Standing":
        """The agent told that its wish is so; one that was seen parked is clean."""
        return replace(self, is_reached=True, tenant=self.tenant if isinstance(self.wish, Deployed) else None)

    def as_wish(self, type_: BoardType) -> BoardWish:
        """Args: type_: plain, as the agent knows it."""
        if isinstance(self.wish, Deployed) and self.wish.boot_s > type_.boot_s:
            type_ = replace(type_, boot_s=self.wish.boot_s)
        return BoardWish(self.board.plain, type_, self.generation, self.wish, self.order, self.is_reached)

    def _wished(self, wish: Wish) -> "Standing":
        return replace(self, wish=wish, generation=self.generation + 1, is_reached=False)


def root_wish(root: Root) -> RootWish | None:
    """
    The wish for a root that was given up; a root that is in no wish is never touched.

    It goes out at once: the agent acts on it only when the root is exported to no board any more.
    """
    return RootWish(root.id) if root.state is RootState.GOING else None


def image_wish(image: Image) -> ImageWish | None:
    """The wish for an image that is to be made or to go. One that is made from a root waits for its fence, as above."""
    match image.state:
        case ImageState.BUILDING:
            return ImageWish(image.id, image.source, image.making)
        case ImageState.GOING:
            return ImageWish(image.id, None)
        case ImageState.FAILED if image.manifest is not None:
            return ImageWish(image.id, None)  # it was made, and is not to be
        case _:
            return None


def volume_wish(volume: Volume) -> VolumeWish | None:
    """The wish for a volume that is to be made, to grow or to go, which waits until no board has it."""
    match volume.state:
        case VolumeState.MAKING:
            return VolumeWish(volume.id, volume.size_bytes, is_there=volume.made_bytes > 0)
        case VolumeState.GOING:
            return VolumeWish(volume.id, None)
        case _:
            return None


def question_wish(question: Question) -> QuestionWish | None:
    return QuestionWish(question.id, question.asked) if question.is_open else None


def kernel_for(board: Board, type_: BoardType, ref: str, manifest: Manifest) -> Kernel | None:
    """
    The kernel of this image that this board boots; None where the board brings its own.

    Raises:
        Invalid: IMAGE_MISFIT or KERNEL_MISSING; this image can never run on this board.
    """
    if manifest.arch != type_.arch:
        raise Invalid(
            Code.IMAGE_MISFIT,
            _("{image} is made for {arch}, but boards of type {type} are {wanted}")
            if manifest.arch
            else _("nothing in {image} tells its architecture, but boards of type {type} are {wanted}"),
            hint=_("choose an image for {wanted}, or a board for {arch}")
            if manifest.arch
            else _("choose an image for {wanted}"),
            image=ref,
            arch=manifest.arch,
            type=type_.name,
            wanted=type_.arch,
        )
    match board.boot:
        case Boot.PXELINUX | Boot.GRUB:
            return _bootable_kernel(board, type_, ref, manifest)
        case Boot.FLASHED:
            _check_modules(board, ref, manifest)
            return None


def _bootable_kernel(board: Board, type_: BoardType, ref: str, manifest: Manifest) -> Kernel:
    if not manifest.kernels:
        raise Invalid(
            Code.KERNEL_MISSING,
            _("{image} has no kernel, and {board} gets its kernel from the image"),
            hint=_("install one in the image's /boot, or choose a board whose kernel is flashed"),
            image=ref,
            board=board.name,
        )
    fitting = [kernel for kernel in manifest.kernels if kernel.dtbs or not type_.fdt]
    for kernel in fitting:
        if kernel.nfs is not NfsBoot.NO:
            return kernel
    if fitting:
        raise Invalid(
            Code.IMAGE_MISFIT,
            _("the kernel {release} in {image} cannot boot over NFS: {why}"),
            hint=_("`boardgrid image show {image}` tells it of each kernel; install one with an initramfs for NFS"),
            release=fitting[0].release,
            image=ref,
            why=fitting[0].why,
        )
    raise Invalid(
        Code.KERNEL_MISSING,
        _("no kernel in {image} comes with device trees, and boards of type {type} boot with {fdt}"),
        hint=_("install the kernel's device trees in the image"),
        image=ref,
        type=type_.name,
        fdt=type_.fdt,
    )


def _check_modules(board: Board, ref: str, manifest: Manifest) -> None:
    # Without its modules a kernel may lack the very drivers its user came for; one we do not know may be right.
    if not board.kernel or board.kernel in manifest.modules:
        return
    raise Invalid(
        Code.IMAGE_MISFIT,
        _("{board} always boots the kernel {kernel} that was flashed to it, and {image} has modules for {has}"),
        hint=_("install the modules of {kernel} in the image, or choose another board"),
        board=board.name,
        kernel=board.kernel,
        image=ref,
        has=", ".join(manifest.modules) or _("no kernel"),
    )
