"""The file of `--results`: one line for each operation that has ended, on the disk before it is reported."""

import logging
import os
import stat
from pathlib import Path
from typing import Self

from .inputs import NOT_UTF8, UsageError
from .locking import lock
from .records import Record
from .streams import naming

_BEGINNING = b'{"operation_id": "'  # of every line
_log = logging.getLogger(__name__)


class ResultsFile:
    """A file of records, open for appending and locked against other processes.

    A last line that a crash cut off is completed if only its end of line is missing, else removed.

    Raises:
        UsageError: if it is no regular file, cannot be opened, is in use, or holds something that is no record; the
            file is then left as it is.
    """

    def __init__(self, path: Path) -> None:
        self.records: dict[str, Record] = {}
        """What was in the file, by operation id in lower case."""
        self._path = path
        try:
            if path.exists() and not stat.S_ISREG(path.stat().st_mode):
                raise UsageError(f"{path}: not a regular file")
            self._file = path.open("a+b")
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}") from error
        try:
            self._lock()
            with naming(str(path)):
                self._read()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        with naming(str(self._path)):  # a full disk fails once more here
            self._file.close()

    def append(self, record: Record) -> None:
        """Write a record through to the disk.

        Raises:
            OSError: if that fails.
        """
        self._write(record.to_json().encode() + b"\n")

    def _lock(self) -> None:
        """Lock the file until it is closed, or the process ends, however that happens."""
        try:
            lock(self._file)
        except (BlockingIOError, PermissionError) as error:
            raise UsageError(f"{self._path}: another process is writing to it") from error
        except OSError as error:  # some network file systems have no locks
            _log.warning("%s cannot be locked, so let no other process write to it: %s", self._path, error.strerror)

    def _read(self) -> None:
        self._file.seek(0)
        *lines, tail = self._file.read().split(b"\n")
        for number, line in enumerate(lines, start=1):
            self._add_line(line, number)
        if tail:
            self._repair(tail, number=len(lines) + 1)

    def _add_line(self, line: bytes, number: int) -> None:
        try:
            record = Record.from_json(line.decode())
            if not record.ended:
                raise ValueError("not an end")
        except UnicodeDecodeError as error:
            raise UsageError(f"{self._path}:{number}: {NOT_UTF8}") from error
        except ValueError as error:
            raise UsageError(f"{self._path}:{number}: not a line written by --results") from error
        self.records[record.operation_id.lower()] = record

    def _repair(self, tail: bytes, number: int) -> None:
        is_ours = tail.startswith(_BEGINNING) or _BEGINNING.startswith(tail)
        try:
            self._add_line(tail, number)
        except UsageError:
            if not is_ours and tail.strip(b"\0"):  # some file systems fill up with zeros what a power cut took
                raise
            self._file.truncate(self._file.tell() - len(tail))
        else:
            self._write(b"\n")

    def _write(self, data: bytes) -> None:
        with naming(str(self._path)):
            self._file.write(data)
            self._file.flush()
            os.fsync(self._file.fileno())
