"""
System calls that Python does not have. The first is openat2(2): names that are resolved inside a folder, whatever links
lie there.
"""

import ctypes
import errno
import os

_OPENAT2 = 437  # the same number on every architecture

NO_XDEV = 0x01
NO_MAGICLINKS = 0x02
NO_SYMLINKS = 0x04
BENEATH = 0x08  # a link that leads out of the folder is an error
IN_ROOT = 0x10  # the folder is "/": a link that leads out of it leads to something inside

_TRIES = 100
_WRITE = 2  # of sync_file_range(2)

_libc = ctypes.CDLL(None, use_errno=True)


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def openat2(folder: int, name: bytes, flags: int, resolve: int) -> int:
    """
    Open what *name* leads to, seen from the open *folder*.

    Raises:
        OSError: as open(2); EXDEV where a link leads out.
    """
    if b"\0" in name:  # the kernel would see what is before it
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), os.fsdecode(name))
    how = _OpenHow(flags=flags | os.O_CLOEXEC, mode=0, resolve=resolve)
    for _attempt in range(_TRIES):
        fd: int = _libc.syscall(
            ctypes.c_long(_OPENAT2),
            ctypes.c_int(folder),
            ctypes.c_char_p(name),
            ctypes.byref(how),
            ctypes.c_size_t(ctypes.sizeof(how)),
        )
        if fd >= 0:
            return fd
        error = ctypes.get_errno()
        if error != errno.EAGAIN:  # EAGAIN: something was renamed meanwhile, and the kernel could not be sure
            break
    raise OSError(error, os.strerror(error), os.fsdecode(name))


def sync_file_system(fd: int) -> None:
    """Write down what the file system of *fd* has in memory, and nothing of the others."""
    if _libc.syncfs(ctypes.c_int(fd)):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def begin_to_write(fd: int) -> None:
    """Have the disk begin with what was written to a file so far, and do not wait for it."""
    _libc.sync_file_range(ctypes.c_int(fd), ctypes.c_int64(0), ctypes.c_int64(0), ctypes.c_uint(_WRITE))
