"""A command line as this system's shell reads it."""

import os
import re
import shlex
from collections.abc import Sequence

_PLAIN = re.compile(r"[\w.:/\\=+-]+")


def quoted(words: Sequence[str]) -> str:
    """The words, quoted for a POSIX shell, or on Windows for cmd and PowerShell."""
    if os.name != "nt":
        return shlex.join(words)
    from subprocess import list2cmdline

    return " ".join(word if _PLAIN.fullmatch(word) else f'"{list2cmdline([word]).strip(chr(34))}"' for word in words)
