"""Container images as root file systems, honest ones and others."""

import gzip
import json
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from boardgrid.model.errors import Code, Invalid
from boardgrid.model.image import Manifest, PathSource
from tests.adapters.store import samples
from tests.adapters.store.bench import MIB, Bench
from tests.adapters.store.own_mounts import loops_below, mounts_below
from tests.adapters.store.trees import Archive, listing

pytestmark = pytest.mark.world

OCI = "application/vnd.oci.image"


def is_clean(bench: Bench) -> bool:
    drafts = [entry.name for entry in (bench.folder / "images").iterdir() if entry.name.startswith(".")]
    return (drafts, mounts_below(bench.folder), loops_below(bench.folder)) == ([], [], [])


async def made_of(bench: Bench, given: Path) -> Manifest:
    return await bench.images.build(uuid4(), PathSource(str(given)))


class Layout:
    """An OCI layout, blob by blob, however wrong."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "blobs" / "sha256").mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def blob(self, content: bytes, kind: str, **more: Any) -> dict[str, Any]:
        name = sha256(content).hexdigest()
        (self.folder / "blobs" / "sha256" / name).write_bytes(content)
        return {"mediaType": f"{OCI}.{kind}", "digest": f"sha256:{name}", "size": len(content), **more}

    def image(self, *layers: bytes, **more: Any) -> dict[str, Any]:
        kinds = "layer.v1.tar+gzip"
        blobs = [self.blob(gzip.compress(layer), kinds) for layer in layers]
        ids = [f"sha256:{sha256(layer).hexdigest()}" for layer in layers]
        config = {"architecture": "arm", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": ids}}
        told = {"config": self.blob(json.dumps(config).encode(), "config.v1+json"), "layers": blobs, "schemaVersion": 2}
        return self.blob(json.dumps(told).encode(), "manifest.v1+json", **more)

    def index(self, *images: dict[str, Any]) -> bytes:
        return json.dumps({"schemaVersion": 2, "manifests": list(images)}).encode()

    def of(self, *images: dict[str, Any]) -> Path:
        (self.folder / "index.json").write_bytes(self.index(*images))
        return self.folder

    def packed(self) -> Path:
        """By tar, from inside."""
        archive = self.folder.with_suffix(".tar")
        subprocess.run(["tar", "-C", self.folder, "-cf", archive, "."], check=True)
        return archive


@pytest.mark.parametrize("what", samples.WITHOUT_MACHINE)
async def test_each_format_gives_the_very_tree(bench: Bench, what: str) -> None:
    tree = samples.a_system(bench.imports / "system")
    as_folder = await made_of(bench, tree)
    manifest = await made_of(bench, samples.WITHOUT_MACHINE[what](tree, bench.imports / "given"))
    assert (manifest.digest, manifest.files) == (as_folder.digest, as_folder.files)
    assert is_clean(bench)


async def test_a_packed_archive_is_looked_into(bench: Bench) -> None:
    tree = samples.a_system(bench.imports / "system")
    given = samples.packed_by("zstd", samples.oci_archive(tree, bench.imports / "given"))
    assert (await made_of(bench, given)).digest == (await made_of(bench, tree)).digest


async def test_a_layout_that_tar_packed_from_inside_is_a_container(bench: Bench) -> None:
    layout = Layout(bench.imports / "layout")
    folder = layout.of(layout.image(Archive().folder("etc").file("etc/hostname", b"robot").bytes()))
    assert (await made_of(bench, layout.packed())).digest == (await made_of(bench, folder)).digest


async def test_a_layer_hides_and_replaces_what_is_below(bench: Bench) -> None:
    layout = Layout(bench.imports / "layout")
    below = Archive().folder("etc").file("etc/old", b"1").file("etc/kept", b"2").folder("var").file("var/x").bytes()
    above = Archive().file("etc/.wh.old").folder("var").file("var/.wh..wh..opq").file("var/y", b"3").bytes()
    joined = Archive().folder("etc").file("etc/kept", b"2").folder("var").file("var/y", b"3").bytes()
    image = await made_of(bench, layout.of(layout.image(below, above)))
    assert image.files == (await bench.blob(joined)).files


async def test_of_a_platform_and_what_was_noted_beside_it_the_platform_is_taken(bench: Bench) -> None:
    layout = Layout(bench.imports / "layout")
    arm = layout.image(Archive().file("a").bytes(), platform={"os": "linux", "architecture": "arm", "variant": "v7"})
    noted = layout.image(Archive().file("b").bytes(), platform={"os": "unknown", "architecture": "unknown"})
    both = layout.blob(layout.index(arm, noted), "index.v1+json")
    assert (await made_of(bench, layout.of(both))).files == 2


async def test_of_several_platforms_none_is_guessed(bench: Bench) -> None:
    layout = Layout(bench.imports / "layout")
    arms = [
        layout.image(Archive().file(name).bytes(), platform={"os": "linux", "architecture": name})
        for name in ("arm", "arm64")
    ]
    both = layout.blob(layout.index(*arms), "index.v1+json")
    with pytest.raises(Invalid, match=r"2 images instead of one \(linux/arm, linux/arm64\)") as raised:
        await made_of(bench, layout.of(both))
    assert "--override-arch" in raised.value.hint
    with pytest.raises(Invalid, match="2 images instead of one"):
        await made_of(bench, layout.of(*arms))


@pytest.mark.parametrize("top", ["/", "./", "//", "/./"])
async def test_the_tree_itself_may_be_a_member_of_a_layer_by_any_of_its_names(bench: Bench, top: str) -> None:
    layout = Layout(bench.imports / "layout")
    below = Archive().folder(top, mode=0o711).folder("etc").file("etc/a", b"1").bytes()
    joined = Archive().folder(".", mode=0o711).folder("etc").file("etc/a", b"1").bytes()
    same = await bench.blob(joined)
    assert (await made_of(bench, layout.of(layout.image(below)))).digest == same.digest
    assert (await bench.blob(below)).digest == same.digest


HOSTILE = {
    "an absolute name": Archive().file("/canary/new", b"x"),
    "a name that leads out": Archive().file("../../../canary/new", b"x"),
    "a file below its own link": Archive().link("out", "/canary").file("out/new", b"x"),
    "a hard link to outside": Archive().hard_link("mine", "/canary/secret"),
}


@pytest.mark.parametrize("what", HOSTILE)
async def test_a_hostile_layer_is_refused_by_name(bench: Bench, tmp_path: Path, what: str) -> None:
    (tmp_path / "canary").mkdir()
    (tmp_path / "canary" / "secret").write_text("mine")
    before, layout = listing(tmp_path / "canary"), Layout(bench.imports / "layout")
    with pytest.raises(Invalid, match="the archive is refused at") as raised:
        await made_of(bench, layout.of(layout.image(HOSTILE[what].bytes())))
    assert raised.value.code is Code.ARCHIVE_REFUSED
    assert listing(tmp_path / "canary") == before
    assert is_clean(bench)


async def test_a_link_of_a_layer_below_leads_nowhere_outside(bench: Bench, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    canary.mkdir()
    layout = Layout(bench.imports / "layout")
    below = Archive().link("out", str(canary)).link("up", "../../../..").bytes()
    above = Archive().file("out/new", b"x").file("up/new", b"x").bytes()
    try:
        await made_of(bench, layout.of(layout.image(below, above)))
    except Invalid as error:
        assert error.code is Code.ARCHIVE_REFUSED
    assert list(canary.iterdir()) == []
    assert is_clean(bench)


async def test_layers_count_together(bench: Bench) -> None:
    layout = Layout(bench.imports / "layout")
    layers = [Archive().file(f"zeros{number}", bytes(3 * MIB)).bytes() for number in range(4)]
    with pytest.raises(Invalid, match=r"layers of .* together over the site's limit") as raised:
        await made_of(bench.after(image_limit_bytes=8 * MIB), layout.of(layout.image(*layers)))
    assert raised.value.code is Code.IMAGE_TOO_LARGE
    assert is_clean(bench)


@pytest.mark.parametrize(
    "index",
    [
        b"", b"{", b"[]", b"null", b'{"manifests": {}}', b'{"manifests": [1]}', b'{"manifests": []}', b"[" * 100_000,
        b'{"manifests": [{"digest": "sha256:../../x", "mediaType": "application/vnd.oci.image.index.v1+json"}]}',
        b'{"manifests": [{"digest": 7, "platform": 7}]}',
    ],
)  # fmt: skip
async def test_an_index_that_is_none_is_refused(bench: Bench, index: bytes) -> None:
    layout = Layout(bench.imports / "layout")
    layout.of(layout.image(Archive().file("a").bytes()))
    (layout.folder / "index.json").write_bytes(index)
    with pytest.raises(Invalid) as raised:
        await made_of(bench, layout.folder)
    assert raised.value.code is Code.ARCHIVE_REFUSED
    assert is_clean(bench)
