"""Where things lie in a store."""

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from boardgrid.adapters.store.farms import Farms
from boardgrid.adapters.store.tree import TreePath

_DRAFT, _GOING = ".new-", ".gone-"


@dataclass(frozen=True, slots=True)
class ImagePlace:
    """The folder of one image. All of it is written before the folder gets its name, and never again."""

    folder: Path

    @property
    def erofs(self) -> Path:
        return self.folder / "tree.erofs"

    @property
    def manifest(self) -> Path:
        return self.folder / "manifest.json"

    @property
    def tree(self) -> TreePath:
        return TreePath(str(self.folder / "tree"))

    def kernel(self, number: int) -> Path:
        """The folder with the files of one of its kernels, by its place in the manifest."""
        return self.folder / "boot" / str(number)


@dataclass(frozen=True, slots=True)
class RootPlace:
    """The folder of one root."""

    folder: Path

    @property
    def upper(self) -> Path:
        """The file system with all that was changed."""
        return self.folder / "upper.ext4"

    @property
    def meta(self) -> Path:
        return self.folder / "meta.json"

    @property
    def frozen(self) -> Path:
        """A mark: its file system is frozen, or was when whoever froze it was killed."""
        return self.folder / "frozen"

    @property
    def begun(self) -> Path:
        """What the farm has written into the tree, where it did not come to an end."""
        return self.folder / "begun"

    @property
    def disk(self) -> TreePath:
        """Where *upper* is mounted for the moment in which the overlay is joined."""
        return TreePath(str(self.folder / "disk"))

    @property
    def layer(self) -> TreePath:
        """What was changed, in that."""
        return TreePath(str(self.folder / "disk" / "upper"))

    @property
    def tree(self) -> TreePath:
        return TreePath(str(self.folder / "tree"))


@dataclass(frozen=True, slots=True)
class VolumePlace:
    """The folder of one volume."""

    folder: Path

    @property
    def file(self) -> Path:
        """The file system."""
        return self.folder / "volume.ext4"

    @property
    def tree(self) -> TreePath:
        return TreePath(str(self.folder / "tree"))


@dataclass(frozen=True, slots=True)
class Layers:
    """A root's tree in its parts, not joined."""

    upper: Path  # a file like that of a root
    below: TreePath
    options: tuple[str, ...]  # of overlayfs
    farms: Farms  # what the farm wrote into it


@dataclass(frozen=True, slots=True)
class Places:
    """A store's folder."""

    folder: Path  # absolute, without links: it is compared with what the kernel says is mounted

    def image(self, image: UUID) -> ImagePlace:
        return ImagePlace(self.folder / "images" / str(image))

    def image_draft(self, image: UUID) -> Path:
        return self.folder / "images" / f"{_DRAFT}{image}"

    def image_going(self, image: UUID) -> Path:
        return self.folder / "images" / f"{_GOING}{image}"

    def root(self, root: UUID) -> RootPlace:
        return RootPlace(self.folder / "roots" / str(root))

    def root_draft(self, root: UUID) -> RootPlace:
        return RootPlace(self.folder / "roots" / f"{_DRAFT}{root}")

    def root_going(self, root: UUID) -> RootPlace:
        return RootPlace(self.folder / "roots" / f"{_GOING}{root}")

    def volume(self, volume: UUID) -> VolumePlace:
        return VolumePlace(self.folder / "volumes" / str(volume))

    def volume_draft(self, volume: UUID) -> VolumePlace:
        return VolumePlace(self.folder / "volumes" / f"{_DRAFT}{volume}")

    def volume_going(self, volume: UUID) -> VolumePlace:
        return VolumePlace(self.folder / "volumes" / f"{_GOING}{volume}")

    def kit(self, kit: UUID) -> Path:
        return self.folder / "kits" / str(kit)

    def kit_draft(self, kit: UUID) -> Path:
        return self.folder / "kits" / f"{_DRAFT}{kit}"

    def kit_going(self, kit: UUID) -> Path:
        return self.folder / "kits" / f"{_GOING}{kit}"

    def roots(self) -> list[UUID]:
        return self._all("roots")

    def volumes(self) -> list[UUID]:
        return self._all("volumes")

    def kits(self) -> list[UUID]:
        return self._all("kits")

    def _all(self, kind: str) -> list[UUID]:
        folder = self.folder / kind
        if not folder.is_dir():
            return []
        found = []
        for entry in folder.iterdir():
            try:
                found.append(UUID(entry.name))
            except ValueError:
                continue  # a draft, or what is being removed
        return sorted(found)

    def disks(self) -> list[Path]:
        """The files of all roots and volumes that room was promised to, those included that are just being made."""
        roots = [*map(self.root, self.roots()), *map(RootPlace, self.leftovers("roots"))]
        volumes = [*map(self.volume, self.volumes()), *map(VolumePlace, self.leftovers("volumes"))]
        return [*(one.upper for one in roots), *(one.file for one in volumes)]

    def leftovers(self, kind: str) -> list[Path]:
        """
        What was being made or removed, among *kind* (images, roots, volumes, kits): now, or by one that was killed
        in it.
        """
        folder = self.folder / kind
        if not folder.is_dir():
            return []
        return [entry for entry in folder.iterdir() if entry.name.startswith((_DRAFT, _GOING))]
