"""A lock on an open file against other processes: it ends when the file is closed or the process ends.

Two system calls and no library: those that there are lock a second file beside the first, or want a temporary
directory to be imported, which a container with a read-only root does not have.
"""

import sys
from typing import IO

_BEYOND_THE_END = 0x7FFF_FFFE  # Windows keeps others from reading the bytes that are locked


def lock(file: IO[bytes]) -> None:
    """Lock the file without waiting; on Windows this moves its position.

    Raises:
        BlockingIOError, PermissionError: if another process holds the lock.
        OSError: if the file cannot be locked.
    """
    if sys.platform == "win32":
        import msvcrt

        file.seek(_BEYOND_THE_END)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
