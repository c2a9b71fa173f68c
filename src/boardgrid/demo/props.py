"""What the demo's boards boot: an image, a holding kernel, and the files that were once flashed on one of them."""

import hashlib
import os
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import boardgrid.bootware
from boardgrid.demo.programs import ran
from boardgrid.demo.stage import Stage
from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault

ARMHF = "armhf"
_BUILD_S = 1800.0  # packages come over a slow line


@dataclass(frozen=True, slots=True)
class Props:
    image: Path  # a tar archive
    kernel: Path  # these two lie in the flash of the flashed board
    initrd: Path
    release: str  # of that kernel


def is_made(stage: Stage, arch: str = ARMHF) -> bool:
    return _image(stage, arch).exists() and _holding_mark(stage, arch).exists()


def make(stage: Stage, within_s: float = _BUILD_S) -> Props:
    """
    Raises:
        Fault: Debian's packages could not be had, or not *within_s* for each of the two things that are made of them.
    """
    return _flashed(stage, make_for(stage, ARMHF, within_s))


def make_for(stage: Stage, arch: str, within_s: float = _BUILD_S) -> Path:
    """
    The holding kernel and the image, whose path is returned, for boards of one architecture.

    Raises:
        Fault: as above.
    """
    image = _image(stage, arch)
    if not image.exists():
        _bootware(arch, "tiny", str(image), within_s=within_s)
    if not _holding_mark(stage, arch).exists():
        key = stage.layout.agent_key
        _bootware(arch, "holding", str(stage.layout.holding), "--agent-key", f"{key}.pub", within_s=within_s)
        _holding_mark(stage, arch).touch()
    return image


def _age() -> str:
    """Another one when the code that makes these things is another."""
    files = sorted(path for path in Path(boardgrid.bootware.__path__[0]).rglob("*") if path.suffix != ".pyc")
    summary = hashlib.sha256()
    for file in files:
        if file.is_file():
            summary.update(file.read_bytes())
    return summary.hexdigest()[:12]


def _image(stage: Stage, arch: str) -> Path:
    return stage.props / f"tiny-{arch}-{_age()}.tar"


def _holding_mark(stage: Stage, arch: str) -> Path:
    # The key that may log in to the holding system is in it.
    key = hashlib.sha256(Path(f"{stage.layout.agent_key}.pub").read_bytes()).hexdigest()[:12]
    return stage.layout.holding / f".made-{arch}-{_age()}-{key}"


def _bootware(arch: str, *words: str, within_s: float) -> None:
    hint = _("it is made from Debian packages: is Debian's mirror in reach?")
    argv = [sys.executable, "-m", "boardgrid.bootware", "--arch", arch, *words]
    shown = _("putting together what the boards boot")
    done = ran(argv, shown=shown, within_s=within_s, hint=hint)
    if done.returncode:
        raise Fault(
            Code.PROGRAM_FAILED,
            _("what the boards boot could not be put together: {said}"),
            hint=hint,
            said=done.stderr.strip()[-2000:],
        )


def _flashed(stage: Stage, image: Path) -> Props:
    folder = stage.props / f"flashed-{_age()}"
    folder.mkdir(exist_ok=True)
    with tarfile.open(image) as archive:
        names = [name.removeprefix("./") for name in archive.getnames()]
        kernel = next(name for name in names if name.startswith("boot/vmlinuz-"))
        initrd = next(name for name in names if name.startswith("boot/initrd.img-"))
        release = kernel.removeprefix("boot/vmlinuz-")
        files = [(folder / f"vmlinuz-{release}", kernel), (folder / f"initrd-{release}", initrd)]
        for path, name in files:
            if not path.exists():
                _extract(archive, name, path)
    return Props(image, files[0][0], files[1][0], release)


def _extract(archive: tarfile.TarFile, name: str, path: Path) -> None:
    content = archive.extractfile(name)
    if content is None:
        raise Fault(Code.KERNEL_MISSING, _("{name} in the tiny image is no file"), name=name)
    beside = path.with_suffix(".new")
    with beside.open("wb") as file:
        file.write(content.read())
        os.fchmod(file.fileno(), 0o644)
    beside.replace(path)
