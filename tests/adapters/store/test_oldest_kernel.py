"""
The store on the kernel that Debian's users have.

Its overlayfs knows no uuid=, and tells roots apart all the same; its tmpfs keeps no attributes of users, and images do.
"""

import os
import sys
from pathlib import Path

import pytest

from tests.world.exports_guest import Guest

PROJECT = Path(__file__).parents[3]
FILES = (
    "tests/contract/test_roots.py",
    "tests/contract/test_volumes.py",
    *(f"tests/adapters/store/test_{name}.py" for name in ("overlay", "persona", "import")),
)
TESTS = (
    "test_an_unmounted_root_keeps_its_files_and_is_mounted_by_cloning_it_again",
    "test_each_deployment_of_a_root_has_a_host_key_of_its_own",
    "test_two_roots_of_one_image_are_two_file_systems",
    "test_a_root_is_the_same_file_system_after_it_was_mounted_again",
    "test_a_root_can_be_exported_and_does_nothing_on_the_server",
    "test_files_and_folders_have_one_device_number",
    "test_an_overlay_gives_handles_that_outlive_its_remount",
    "test_a_kept_root_has_nothing_of_its_deployment_and_all_of_its_user",
    "test_what_users_attached_to_their_files_is_kept",
    "test_an_upload_is_fetched_and_made",
    "test_one_grows_with_its_files_and_never_becomes_smaller",
)
LIMIT_S = 1800
pytestmark = [pytest.mark.world, pytest.mark.slow, pytest.mark.timeout(LIMIT_S + 600)]


def test_roots_are_made_and_mounted_again_on_debians_own_kernel(tmp_path: Path) -> None:
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "boardgrid"
    # Loading what the tests do not need takes long in a machine that is all software.
    words = ["env", "PYTEST_DISABLE_PLUGIN_AUTOLOAD=1", sys.executable, "-m", "pytest", "-p", "pytest_asyncio.plugin"]
    words += ["-p", "pytest_timeout", "-p", "no:cacheprovider", "--timeout=600", "-v", *FILES]

    status = Guest.made(cache).run(PROJECT, tmp_path, *words, "-k", " or ".join(TESTS), timeout_s=LIMIT_S)

    log = (tmp_path / "log").read_text(errors="replace")
    assert status == 0, log[-20_000:]
    for test in TESTS:
        assert f"::{test}" in log
