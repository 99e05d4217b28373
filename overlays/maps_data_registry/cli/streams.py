"""Standard input, output and error, whatever they are connected to."""

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

STANDARD_OUTPUT = "standard output"
"""What messages call it."""


class OutputClosed(Exception):
    """Standard output was closed at its other end."""


def prepare() -> None:
    """Replace characters that a stream cannot encode or decode: not every code page has those of an error tree.

    Where standard output was closed from the start, Python drops what is written to it: make it a closed pipe instead.
    """
    if sys.stdout is None:
        reading, writing = os.pipe()
        sys.stdout = os.fdopen(writing, "w")
        os.close(reading)
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def write_result(text: str) -> None:
    """Write a line to standard output, at once.

    Raises:
        OutputClosed: if it has no reader any more.
        OSError: if it cannot be written, with `STANDARD_OUTPUT` as the file's name.
    """
    try:
        with naming(STANDARD_OUTPUT):
            _write(sys.stdout, text)
    except OSError as error:
        if error.errno in {errno.EPIPE, errno.EINVAL}:  # the latter is what a closed pipe is on Windows
            raise OutputClosed from error
        raise


def write_note(text: str) -> None:
    """Write a line to standard error if that is possible: no result depends on it."""
    with contextlib.suppress(OSError):
        _write(sys.stderr, text)


def _write(stream: TextIO, text: str) -> None:
    stream.write(f"{text}\n")
    stream.flush()


def discard_output() -> None:
    """Send what Python still holds of standard output nowhere: it would fail once more at exit."""
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person sees what is written to a stream."""
    return stream is not None and stream.isatty()


@contextlib.contextmanager
def naming(what: str) -> Iterator[None]:
    """Name the file in an OSError that does not, as those of reading and writing do not."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or what
        raise
