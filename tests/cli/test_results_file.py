"""The file of `--results`: what is in it is neither lost nor polled again."""

import errno
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from maps_data_registry import OperationFailed
from maps_data_registry.cli.inputs import UsageError
from maps_data_registry.cli.records import Record, record_of
from maps_data_registry.cli.results_file import ResultsFile
from maps_data_registry.emulator import Namespace
from maps_data_registry_client.models import LongRunningOperationResult
from tests.support import ID

from .conftest import Run, posix


def record(outcome: str = "completed", message: str | None = None) -> Record:
    error = {"code": "InvalidData", "message": 'a "quoted} one\nand more'} if outcome == "failed" else None
    name = str(uuid4())
    return Record(operation_id=name, outcome=outcome, status="x", polls=3, elapsed=1.5, message=message, error=error)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results.jsonl"


def written(path: Path, *records: Record) -> bytes:
    with ResultsFile(path) as results:
        for one in records:
            results.append(one)
    return path.read_bytes()


def read(path: Path) -> list[Record]:
    with ResultsFile(path) as results:
        return list(results.records.values())


def test_what_was_written_is_read(path: Path) -> None:
    records = [record(), record("failed", "Failed: InvalidData: \u2026"), record("unrecognized")]
    lines = written(path, *records).decode("ascii").splitlines()
    assert [json.loads(line)["operation_id"] for line in lines] == [one.operation_id for one in records]
    assert read(path) == records


def test_an_id_is_known_in_any_case(path: Path) -> None:
    one = record()
    written(path, one)
    path.write_text(path.read_text().replace(one.operation_id, one.operation_id.upper()))
    with ResultsFile(path) as results:
        assert list(results.records) == [one.operation_id]


def test_a_line_cut_off_anywhere_is_repaired(path: Path) -> None:
    first, second = record(), record("failed")
    whole = written(path, first, second)
    end_of_first = whole.index(b"\n") + 1
    for size in range(end_of_first, len(whole)):
        path.write_bytes(whole[:size])
        lost = size < len(whole) - 1  # without its end of line only, it is all there
        assert read(path) == ([first] if lost else [first, second])
        assert path.read_bytes() == (whole[:end_of_first] if lost else whole)


def test_zeros_in_the_place_of_a_lost_line(path: Path) -> None:
    whole = written(path, record())
    path.write_bytes(whole + bytes(512))
    assert len(read(path)) == 1
    assert path.read_bytes() == whole


FOREIGN = [
    b"0522b4fe-0539-4c6c-ba70-e35ec865d8e2",
    b"0522b4fe-0539-4c6c-ba70-e35ec865d8e2\n",
    b'{"operation_id": 1}\n',
    b'{"operation_id": "x", "outcome": "completed", "polls": 1, "elapsed": 1}\n',
    b'{"operation_id": "0522b4fe-0539-4c6c-ba70-e35ec865d8e2", "outcome": "x", "polls": 1, "elapsed": 1}\n',
    b'{"operation_id": "0522b4fe-0539-4c6c-ba70-e35ec865d8e2", "outcome": "completed", "polls": "1", "elapsed": 1}\n',
    b"[]\n",
    b"\n",
]


@pytest.mark.parametrize("content", FOREIGN)
def test_another_file_is_refused_and_left_as_it_is(path: Path, content: bytes) -> None:
    whole = written(path, record())
    path.write_bytes(whole + content)
    with pytest.raises(UsageError, match=r"results\.jsonl:2: not a line written by --results"):
        ResultsFile(path)
    assert path.read_bytes() == whole + content


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_another_encoding_is_named(path: Path, encoding: str) -> None:
    whole = f"{record('failed', 'é').to_json()}é\n".encode(encoding)
    path.write_bytes(whole)
    with pytest.raises(UsageError, match=r"results\.jsonl:1: not text in UTF-8: save it in that encoding"):
        ResultsFile(path)
    assert path.read_bytes() == whole


def test_members_of_a_later_version_are_no_fault(path: Path) -> None:
    one = record()
    path.write_text(one.to_json().replace("{", '{"operation_id": "x", "since": 7, ', 1) + "\n")
    assert read(path) == [one]


def test_one_process_at_a_time(path: Path) -> None:
    with ResultsFile(path), pytest.raises(UsageError, match=r"results\.jsonl: another process is writing to it"):
        ResultsFile(path)
    assert read(path) == []


def test_a_file_system_without_locks_is_warned_of(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def lock(file: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("maps_data_registry.cli.results_file.lock", lock)
    one = record()
    written(path, one)
    assert read(path) == [one]
    assert "results.jsonl cannot be locked, so let no other process write to it: No locks available" in caplog.text


def test_windows_locks_a_byte_that_no_reader_needs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There a lock keeps others from reading, and is as good as any where the file has no bytes."""
    locked: list[tuple[int, int]] = []

    class Msvcrt:
        LK_NBLCK = 2

        @staticmethod
        def locking(number: int, mode: int, size: int) -> None:
            place = os.lseek(number, 0, os.SEEK_CUR), size
            if mode != Msvcrt.LK_NBLCK or place in locked:
                raise PermissionError(errno.EACCES, "Permission denied")
            locked.append(place)

    one = record()
    written(path, one)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "msvcrt", Msvcrt)
    with ResultsFile(path) as results:
        assert [*results.records.values()] == [one]
        [(at, size)] = locked
        assert (at > path.stat().st_size, size) == (True, 1)
        with pytest.raises(UsageError, match="another process is writing to it"):
            ResultsFile(path)


@posix
@pytest.mark.parametrize(
    "member",
    [
        '"error": {"a": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '"error": {"a": ' + "[" * 2000 + "]" * 2000 + "}",
        '"elapsed": 1e999',
        '"elapsed": 1' + "0" * 400,
        '"outcome": "running"',
    ],
    ids=lambda member: member[:20],
)
def test_a_line_that_no_results_file_has(path: Path, member: str) -> None:
    line = f'{{"operation_id": "{ID}", "outcome": "failed", "polls": 1, "elapsed": 1, {member}}}\n'
    path.write_text(line)
    with pytest.raises(UsageError, match="1: not a line written by --results"), ResultsFile(path):
        pass
    assert path.read_text() == line


def test_a_pipe_is_refused(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(UsageError, match=r"results\.jsonl: not a regular file"):
        ResultsFile(path)


def test_nan_in_an_error_is_null(path: Path) -> None:
    result = LongRunningOperationResult.from_dict(
        json.loads('{"status": "Failed", "error": {"code": "A", "x": [NaN, Infinity, -1e999, 1.5]}}')
    )
    one = record_of(str(uuid4()), OperationFailed(result))
    assert json.loads(one.to_json(), parse_constant=pytest.fail)["error"] == {"code": "A", "x": [None, None, None, 1.5]}
    assert read_back(path, one.to_json().replace("1.5", "NaN")).error == {"code": "A", "x": [None] * 4}


def read_back(path: Path, line: str) -> Record:
    path.write_text(f"{line}\n")
    return read(path)[0]


def test_each_line_is_on_the_disk_before_the_next(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    monkeypatch.setattr(os, "fsync", lambda number: sizes.append(os.fstat(number).st_size))
    records = [record() for _ in range(3)]
    whole = written(path, *records)
    assert sizes == [(index + 1) * len(whole) // 3 for index in range(3)]


def test_finished_operations_are_not_polled_again(emulator: Namespace, run: Run, path: Path) -> None:
    scenarios = ("completes polls=0", "fails polls=0", "unknown-ending polls=0", "early-404 times=1 polls=0")
    ids = [emulator.start_operation(scenario).id for scenario in scenarios]
    arguments = ["wait", "--base-url", emulator.url, "--results", str(path), "--output", "json", *ids]
    first = run(*arguments)
    assert first.code == 3
    assert len(path.read_text().splitlines()) == 3
    polled = len(emulator.journal())
    second = run(*arguments)
    assert second.code == 1  # the failure of the first time still counts; what was not found has turned up
    assert [entry.operation_id for entry in emulator.journal()[polled:]] == [ids[3]]
    assert {*first.out.splitlines()} - {*second.out.splitlines()} == {
        line for line in first.out.splitlines() if ids[3] in line
    }
    assert path.read_text().splitlines() == second.out.splitlines()
    third = run(*arguments)
    assert third.code == 1
    assert third.out == second.out
    assert len(emulator.journal()) == polled + 1


def test_what_is_not_over_is_not_written(emulator: Namespace, run: Run, path: Path) -> None:
    ids = [emulator.start_operation(scenario).id for scenario in ("never-ends retry_after=9", "forbidden")]
    assert run("wait", "--base-url", emulator.url, "--timeout", 1, "--results", path, *ids).code == 4
    assert path.read_bytes() == b""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit for the size of files")
def test_a_file_that_cannot_grow_is_named(emulator: Namespace, path: Path) -> None:
    ids = [emulator.start_operation().id for _ in range(12)]
    arguments = ["wait", "--base-url", emulator.url, "--results", str(path), *ids]
    # -B: CPython would replace its bytecode by files that are cut short.
    command = shlex.join([sys.executable, "-B", "-m", "maps_data_registry", *arguments])
    done = subprocess.run(["sh", "-c", f"ulimit -f 1; exec {command}"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.endswith(f"maps-data-registry: {path}: File too large\n")
    assert "Exception ignored" not in done.stderr


def test_a_full_disk_ends_the_wait_in_one_line(
    emulator: Namespace, run: Run, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    done = run("wait", "--base-url", emulator.url, "--results", path, emulator.start_operation().id)
    assert (done.code, done.out) == (2, "")
    assert done.err.endswith(f"maps-data-registry: {path}: No space left on device\n")
