"""The command in the places where it runs: a read-only container, a process without standard streams."""

import contextlib
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from maps_data_registry.cli import streams
from maps_data_registry.emulator import Namespace

from .conftest import posix

# Refuses every change of the file system outside of one directory, as the mounts of a container do.
READ_ONLY = """
import errno, os, sys
volume = sys.argv.pop(1)
CHANGES = {"os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.link", "os.symlink", "os.truncate"}

def refuse(event, arguments):
    writes = event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    path = arguments[0] if writes or event in CHANGES else None
    if isinstance(path, str | bytes) and not os.path.abspath(os.fsdecode(path)).startswith((volume, os.devnull)):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

sys.addaudithook(refuse)
import tempfile
try:
    tempfile.gettempdir()
except FileNotFoundError:
    from maps_data_registry.cli import main
    sys.exit(main())
"""


@posix
@pytest.mark.parametrize("home", [None, "/nonexistent"], ids=["no HOME", "no such HOME"])
@pytest.mark.parametrize("command", ["status", "wait", "wait --results"])
def test_a_read_only_root_without_tmp(emulator: Namespace, tmp_path: Path, command: str, home: str | None) -> None:
    operation = emulator.start_operation("completes polls=0")
    results = tmp_path / "results.jsonl"
    arguments = [*command.split(), *([str(results)] if "--results" in command else [])]
    environment = {name: value for name, value in os.environ.items() if name != "HOME"}
    done = subprocess.run(
        [sys.executable, "-c", READ_ONLY, tmp_path, *arguments, "--base-url", emulator.url, operation.id],
        env=environment | ({} if home is None else {"HOME": home}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{operation.id} Completed")
    assert results.exists() == ("--results" in command)


CLOSED = ["0", "1", "2", "01", "02", "12", "012"]


@posix
@pytest.mark.parametrize("closed", CLOSED)
def test_streams_that_were_closed_from_the_start(emulator: Namespace, tmp_path: Path, closed: str) -> None:
    """Output that goes nowhere is an error; anything else does without what it does not have."""
    operation = emulator.start_operation("completes polls=0")
    results = tmp_path / "results.jsonl"
    closing = " ".join(f"{number}>&-" for number in closed)
    for arguments in (
        ["wait", "--base-url", emulator.url, "--results", str(results), operation.id],
        *([["--help"], ["wait", "--help"], ["--version"]] if closed in {"1", "12"} else []),
    ):
        command = shlex.join([sys.executable, "-m", "maps_data_registry", *arguments])
        done = subprocess.run(["sh", "-c", f"exec {command} {closing}"], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (141 if "1" in closed else 0, "")
    assert results.read_text().count("\n") == 1


def test_standard_output_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    streams.prepare()
    output, errors = sys.stdout, sys.stderr
    assert output is not None
    assert errors is not None
    with pytest.raises(streams.OutputClosed):
        streams.write_result("lost")
    streams.write_note("lost")
    with contextlib.suppress(BrokenPipeError):
        output.close()
    errors.close()
