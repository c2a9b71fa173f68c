from pathlib import Path

import pytest

from boardgrid.model.errors import Invalid
from boardgrid.socketpath import check_socket_path


def test_a_path_that_the_kernel_would_not_take_is_refused() -> None:
    check_socket_path(Path("/state/run/lab.sock"))
    with pytest.raises(Invalid, match="too long for a Unix socket: 109 bytes, at most 100"):
        check_socket_path(Path("/" + "x" * 99 + "/lab.sock"))


def test_bytes_count_not_letters() -> None:
    check_socket_path(Path("/" + "x" * 99))
    with pytest.raises(Invalid, match="101 bytes"):
        check_socket_path(Path("/" + "ö" * 50))
