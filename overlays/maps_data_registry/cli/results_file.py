"""The file of `--results`: one line for each operation that has ended, on the disk before it is told of."""

import os
from pathlib import Path
from typing import Self

from .inputs import UsageError
from .records import Record

_BEGINNING = b'{"operation_id": "'  # of every line


class Journal:
    """A file of records, open for more of them, and for no other process.

    A last line that a crash cut off is completed if only its end of line is missing, else taken away.

    Raises:
        UsageError: if the file cannot be opened, is in use, or holds what is no record; it is then left as it is.
    """

    def __init__(self, path: Path) -> None:
        self.records: dict[str, Record] = {}
        """What was in the file, by operation id in lower case."""
        self._path = path
        try:
            self._file = path.open("a+b")
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror or error}") from error
        try:
            self._lock()
            self._read()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()

    def append(self, record: Record) -> None:
        """Write a record through to the disk.

        Raises:
            OSError: if that fails.
        """
        self._write(record.to_json().encode() + b"\n")

    def _lock(self) -> None:
        """The lock goes with the process, however that ends."""
        try:
            import fcntl
        except ImportError:  # Windows
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UsageError(f"{self._path}: another process is writing to it") from error

    def _read(self) -> None:
        self._file.seek(0)
        *lines, tail = self._file.read().split(b"\n")
        for number, line in enumerate(lines, start=1):
            self._keep(line, number)
        if tail:
            self._mend(tail, number=len(lines) + 1)

    def _keep(self, line: bytes, number: int) -> None:
        try:
            record = Record.from_json(line)
        except ValueError as error:
            raise UsageError(f"{self._path}:{number}: not a line that --results has written") from error
        self.records[record.operation_id.lower()] = record

    def _mend(self, tail: bytes, number: int) -> None:
        is_ours = tail.startswith(_BEGINNING) or _BEGINNING.startswith(tail)
        try:
            self._keep(tail, number)
        except UsageError:
            if not is_ours and tail.strip(b"\0"):  # some file systems fill up with zeros what a power cut took
                raise
            self._file.truncate(self._file.tell() - len(tail))
        else:
            self._write(b"\n")

    def _write(self, data: bytes) -> None:
        try:
            self._file.write(data)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            error.filename = str(self._path)
            raise
