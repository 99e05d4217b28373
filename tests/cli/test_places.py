"""The command in the places where it runs: a read-only container, a process without standard streams."""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from maps_data_registry.cli import streams
from maps_data_registry.emulator import Namespace

from .conftest import posix
from .test_commands import UNKNOWN

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


# A name server that does not answer, for one name.
SLOW_NAMES = """
import socket, sys, time
answer = socket.getaddrinfo

def getaddrinfo(host, *rest, **options):
    if host in ("slow.test", b"slow.test"):
        print("looks up", file=sys.stderr, flush=True)
        time.sleep(20)
    return answer(host, *rest, **options)

socket.getaddrinfo = getaddrinfo
from maps_data_registry.cli import main
sys.exit(main())
"""


@pytest.mark.slow
def test_no_exit_waits_for_the_look_up_of_a_name() -> None:
    arguments = ["wait", "--base-url", "https://slow.test", "--timeout", "1s", UNKNOWN]
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", SLOW_NAMES, *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout.startswith(f"{UNKNOWN} timed out after 1 s")) == (3, True)
    assert time.monotonic() - begun < 20


@posix
@pytest.mark.slow
def test_nor_does_ctrl_c() -> None:
    command = [sys.executable, "-c", SLOW_NAMES, "wait", "--base-url", "https://slow.test", UNKNOWN]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "looks up\n"
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, shown = process.communicate(timeout=60)
        assert process.returncode == 130
        assert time.monotonic() - begun < 15
    assert "Traceback" not in shown
