"""A store to work at, as an agent has it."""

from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from uuid import UUID, uuid4

from boardgrid.adapters.shell import SubprocessShell
from boardgrid.adapters.store import manifests
from boardgrid.adapters.store.images import StoredImages
from boardgrid.adapters.store.kits import StoredKits
from boardgrid.adapters.store.roots import StoredRoots
from boardgrid.adapters.store.store import Store
from boardgrid.adapters.store.volumes import StoredVolumes
from boardgrid.model.headroom import Headroom
from boardgrid.model.image import AS_USUAL, BlobSource, Making, Manifest, PathSource
from boardgrid.ports import Persona, Shell
from boardgrid.testing import FakeBlobs, FakeDownloads, FakeKitchen
from tests.adapters.store.trees import a_tree

MIB = 1 << 20
LITTLE_KEPT_FREE = Headroom(0.01)
ALL_KEPT_FREE = Headroom(1.0, most_bytes=1 << 60)


def a_persona() -> Persona:
    return Persona(uuid4(), "tk1-1.lab.boardgrid", ("ssh-ed25519 AAAAada", "ssh-ed25519 AAAAagent"), {"BOARD": "tk1-1"})


@dataclass
class Bench:
    """A store, a folder to import from, and what is made of both. A second bench on one folder is a new agent."""

    folder: Path
    imports: Path
    shell: Shell = field(default_factory=SubprocessShell)
    promise: bool = True
    image_limit_bytes: int = 1 << 30
    headroom: Headroom = LITTLE_KEPT_FREE
    boot_parts: Path | None = None

    def __post_init__(self) -> None:
        self.blobs, self.downloads, self.kitchen = FakeBlobs(), FakeDownloads(), FakeKitchen()
        self.store = Store(self.folder, self.shell, promise=self.promise)
        self.roots = StoredRoots(self.store)
        self.volumes = StoredVolumes(self.store)
        self.kits = StoredKits(self.store, self.roots, self.blobs, self.boot_parts)
        self.images = StoredImages(
            self.store,
            self.roots,
            self.blobs,
            self.downloads,
            self.kitchen,
            import_dirs=[self.imports],
            image_limit_bytes=self.image_limit_bytes,
            headroom=self.headroom,
            boot_parts=self.boot_parts,
            make_s=600,
        )

    def after(self, **changes: object) -> "Bench":
        """The same store, as an agent finds it that comes next."""
        settings = {
            "shell": SubprocessShell(),
            "promise": self.promise,
            "headroom": self.headroom,
            "boot_parts": self.boot_parts,
        }
        return Bench(self.folder, self.imports, **{**settings, **changes})  # type: ignore[arg-type] # a test's words

    async def image(self) -> UUID:
        """A small image, with a tree as of a board."""
        tree = self.imports / "tiny"
        if not tree.exists():
            a_tree(tree)
        image = uuid4()
        await self.images.build(image, PathSource(str(tree)))
        return image

    def stored(self) -> dict[UUID, Manifest]:
        """The images that lie in the store whole."""
        files = (self.folder / "images").glob("[!.]*/manifest.json")
        return {UUID(file.parent.name): manifests.read(file.read_text()) for file in files}

    async def blob(self, archive: bytes, making: Making = AS_USUAL) -> Manifest:
        digest = sha256(archive).hexdigest()
        self.blobs.blobs[digest] = archive
        return await self.images.build(uuid4(), BlobSource(digest, len(archive)), making)
