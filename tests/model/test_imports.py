"""Where a site may import from."""

import pytest

from boardgrid.model.errors import Code, Invalid
from boardgrid.model.imports import Imports

ALLOWED = Imports(("/srv/images", "/srv/images/public"), ("https://images.example.org/boards/",))


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        ("/srv/images/a.tar", "/srv/images"),
        ("/srv/images/public/b", "/srv/images/public"),
        ("/srv/images", "/srv/images"),
    ],
)
def test_the_innermost_folder_is_the_one(path: str, folder: str) -> None:
    assert str(ALLOWED.folder_of(path)) == folder


@pytest.mark.parametrize("path", ["/etc/passwd", "/srv/images2/a.tar", "/srv/images/../x", "srv/images/a.tar", "/"])
def test_elsewhere_is_refused_with_the_places_that_would_do(path: str) -> None:
    with pytest.raises(Invalid) as raised:
        ALLOWED.folder_of(path)
    assert raised.value.code is Code.PATH_FORBIDDEN
    assert "/srv/images, /srv/images/public" in raised.value.hint


def test_an_address_lies_below_one_that_is_allowed_by_host_port_and_folder() -> None:
    ALLOWED.check_address("https://images.example.org/boards/tk1.tar")
    ALLOWED.check_address("https://images.example.org:443/boards/tk1.tar")
    for url in (
        "http://images.example.org/boards/tk1.tar",
        "https://images.example.org/board/tk1.tar",
        "https://images.example.org:8443/boards/tk1.tar",
        "https://evil.example.org/boards/tk1.tar",
    ):
        with pytest.raises(Invalid) as raised:
            ALLOWED.check_address(url)
        assert raised.value.code is Code.PATH_FORBIDDEN
        assert "https://images.example.org/boards/" in raised.value.hint


def test_where_nothing_is_allowed_the_hint_tells_of_the_other_ways() -> None:
    with pytest.raises(Invalid) as raised:
        Imports().folder_of("/srv/a.tar")
    assert "agent.import_dirs" in raised.value.hint
    with pytest.raises(Invalid) as raised:
        Imports().check_address("https://images.example.org/a.tar")
    assert "agent.import_urls" in raised.value.hint
