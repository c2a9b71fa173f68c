"""Whether an archive is a container's, found out of names alone, and never at a stranger's leisure."""

from pathlib import Path

import pytest

from boardgrid.adapters.store import container
from boardgrid.adapters.store.cage import Cage
from boardgrid.adapters.store.limits import Limits
from boardgrid.adapters.store.source import Archive as Given
from boardgrid.adapters.store.source import stored
from tests.adapters.store.trees import Archive

pytestmark = pytest.mark.slow

LIMIT = 1 << 20


def kind_of(folder: Path, *members: tuple[str, bytes]) -> str:
    archive = Archive()
    for name, content in members:
        archive.file(name, content)
    file = folder / "archive.tar"
    file.write_bytes(archive.bytes().removeprefix(Archive().bytes()[:512]))  # without the folder that holds all
    given = stored(file, "archive.tar")
    (folder / "work").mkdir()
    cage = Cage(folder / "cage", folder / "work")
    cage.build()
    try:
        return container.kind_of(Given(given.fd, given.name, ()), Limits(LIMIT), cage)
    finally:
        cage.remove()


OCI = (("oci-layout", b"{}"), ("index.json", b"{}"))


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    ("members", "kind"),
    [
        ((("blobs/sha256/x", b"1"), *OCI), "oci-archive"),
        ((("manifest.json", b"[]"), (f"{'a' * 64}.tar", b"1")), "docker-archive"),
        ((*OCI, ("etc/hostname", b"1")), ""),
        ((("blobs/x", b"1"),), ""),
    ],
)
def test_a_container_is_known_by_what_lies_at_its_top(
    tmp_path: Path, members: tuple[tuple[str, bytes], ...], kind: str
) -> None:
    assert kind_of(tmp_path, *members) == kind


@pytest.mark.usefixtures("alone")
def test_more_members_than_any_image_has_are_not_all_looked_at(tmp_path: Path) -> None:
    assert kind_of(tmp_path, *((f"blobs/{number}", b"") for number in range(10_001)), *OCI) == ""


@pytest.mark.usefixtures("alone")
def test_more_than_the_limit_is_not_looked_at_for_what_follows(tmp_path: Path) -> None:
    assert kind_of(tmp_path, ("blobs/large", bytes(LIMIT + 1)), *OCI) == ""
