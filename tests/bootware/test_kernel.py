from pathlib import Path

import pytest

from boardgrid.bootware.kernel import NETWORK_MODULES, Kernel
from boardgrid.model.errors import Fault


def test_modules_come_each_after_what_it_needs_and_nothing_else_comes(kernel: Kernel) -> None:
    names = [Path(path).stem for path in kernel.modules(NETWORK_MODULES)]
    assert names == [
        "virtio_mmio",
        "virtio_pci",
        "failover",
        "virtio_net",
        "virtio_rng",
        "sunrpc",
        "lockd",
        "nfs",
        "nfsv3",
    ]


def test_what_is_built_into_the_kernel_is_no_module(kernel: Kernel) -> None:
    assert kernel.modules(["af_packet"]) == {}


def test_a_module_that_is_not_there_is_named(kernel: Kernel) -> None:
    with pytest.raises(Fault, match=r"kernel 6\.1\.0-1-armmp has no module warp-drive"):
        kernel.modules(["warp-drive"])


def test_modprobe_is_told_what_to_load_first_at_the_end_of_the_line(kernel: Kernel) -> None:
    lines = kernel.tables(kernel.modules(["nfsv3", "virtio_net"]))["modules.dep"].splitlines()
    assert "kernel/fs/nfsv3.ko: kernel/fs/nfs.ko kernel/fs/lockd.ko kernel/net/sunrpc.ko" in lines
    assert "kernel/net/sunrpc.ko:" in lines
    assert "kernel/drivers/virtio_net.ko: kernel/drivers/failover.ko" in lines


def test_a_package_without_a_kernel_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="holds 0 kernels instead of one"):
        Kernel.of(tmp_path)
