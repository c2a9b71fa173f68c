"""File descriptors: a process at a door needs one for each who comes."""

import resource


def use_all() -> None:
    """Have as many as this process may; systemd and shells give 1024 of them to those who do not ask."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
