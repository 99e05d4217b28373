"""What is polled, what is shown, and the exit code: against the emulator, over a real socket."""

import errno
import importlib
import io
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from maps_data_registry.emulator import Emulator, Namespace
from maps_data_registry.wire import guard
from maps_data_registry.wire.transports import CallersTransport
from tests.support import ID

from .conftest import Run, posix
from .terminal import KEY

UNKNOWN = "00000000-0000-0000-0000-000000000000"


def interrupt_when(reached: Callable[[], object], number: int = signal.SIGINT) -> None:
    while not reached():
        time.sleep(0.001)
    os.kill(os.getpid(), number)


def at(service: Namespace) -> tuple[str, str]:
    return "--base-url", service.url


# The scenario, then for each command: the exit code, and what the line says after the id.
ENDINGS = [
    ("completes polls=0", 0, "Completed (1 poll", 0, "Completed (1 poll"),
    ("completes polls=2 retry_after=0", 4, "Running (1 poll", 0, "Completed (3 polls"),
    ("fails polls=0", 1, "Failed: InvalidData: The data is not", 1, "Failed: InvalidData: The data is not"),
    (
        "unknown-ending polls=0",
        1,
        "ended with the unknown status 'Cancelled'",
        1,
        "ended with the unknown status 'Cancelled'",
    ),
    ("no-status-ending polls=0", 1, "ended with no status", 1, "ended with no status"),
    ("unknown-status times=1 polls=0 retry_after=0", 4, "Validating (1 poll", 0, "Completed (2 polls"),
    ("no-status times=1 polls=0 retry_after=0", 4, "running (1 poll", 0, "Completed (2 polls"),
    ("forbidden", 3, "HTTP 403 Forbidden: The caller has no role", 3, "HTTP 403 Forbidden: The caller has no role"),
    ("unauthorized", 3, "HTTP 401 Unauthorized", 3, "HTTP 401 Unauthorized"),
    ("early-404", 3, "HTTP 404 NotFound", 3, "HTTP 404 NotFound"),
    ("throttled retry_after=0 polls=0", 3, "HTTP 429 TooManyRequests", 0, "Completed (2 polls"),
    ("not-an-object", 3, "HTTP 200, but the reply cannot be read", 3, "HTTP 200, but the reply cannot be read"),
    ("redirect", 3, "HTTP 307", 3, "HTTP 307"),
]


@pytest.mark.parametrize(("scenario", "code", "expected"), [row[:3] for row in ENDINGS])
def test_status_polls_once(emulator: Namespace, run: Run, scenario: str, code: int, expected: str) -> None:
    operation = emulator.start_operation(scenario)
    done = run("status", *at(emulator), operation.id)
    assert (done.code, done.out.count("\n")) == (code, 1)
    assert done.out.startswith(f"{operation.id} {expected}")
    assert len(emulator.journal(operation)) == 1


@pytest.mark.parametrize(("scenario", "code", "expected"), [(row[0], *row[3:]) for row in ENDINGS])
def test_wait_polls_until_it_has_ended(emulator: Namespace, run: Run, scenario: str, code: int, expected: str) -> None:
    operation = emulator.start_operation(scenario)
    done = run("wait", *at(emulator), operation.location)
    assert (done.code, done.out.count("\n")) == (code, 1)
    assert done.out.startswith(f"{operation.id} {expected}")


def test_nobody_listens(run: Run) -> None:
    done = run("status", "--base-url", "http://127.0.0.1:1", UNKNOWN)
    assert done.code == 3
    assert done.out.startswith(f"{UNKNOWN} no reply from http://127.0.0.1:1: connection refused")


def test_the_highest_code_wins_and_the_end_sums_up(emulator: Namespace, run: Run) -> None:
    ids = [emulator.start_operation(scenario).id for scenario in ("completes polls=0", "fails polls=0", "early-404")]
    done = run("wait", *at(emulator), *ids)
    assert done.code == 3
    assert "3 operations: 1 completed, 1 failed, 1 refused\n" in done.err
    assert "hint: check the id, and that the geography is the one" in done.err


@pytest.mark.parametrize(
    ("scenario", "hint"),
    [
        ("redirect", "hint: no redirect is followed"),
        ("huge-body size=2000000", "hint: check whether something between this machine and the service answers"),
        ("throttled", ""),
    ],
)
def test_an_error_brings_its_own_hint(emulator: Namespace, run: Run, scenario: str, hint: str) -> None:
    done = run("status", *at(emulator), emulator.start_operation(scenario).id)
    assert done.code == 3
    assert done.err.startswith(hint)
    assert bool(hint) == bool(done.err)


def test_a_hint_is_given_once(emulator: Namespace, run: Run) -> None:
    ids = [emulator.start_operation("unauthorized").id for _ in range(3)]
    done = run("status", *at(emulator), *ids)
    assert done.code == 3
    assert done.err.count("hint: check that the credential belongs") == 1


def test_the_whole_error_is_reported(emulator: Namespace, run: Run) -> None:
    error = {"code": "InvalidData", "details": [{"code": "Ring"}], "innererror": {"code": "Parser"}}
    operation = emulator.start_operation(json.dumps({"name": "fails", "polls": 0, "error": error}))
    done = run("wait", *at(emulator), operation.id)
    assert [line.strip() for line in done.out.splitlines()[1:]] == ["├─ Ring", "└─ Parser"]
    done = run("wait", *at(emulator), "--output", "json", operation.id)
    record = json.loads(done.out)
    assert record.pop("elapsed") >= 0
    assert record == {
        "operation_id": operation.id,
        "outcome": "failed",
        "status": "Failed",
        "polls": 1,
        "message": "Failed: InvalidData",
        "error": error,
    }


def test_nothing_from_the_wire_moves_the_cursor(emulator: Namespace, run: Run) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\r\n\u202e"
    error = {"code": evil, "message": evil, "details": [{"code": evil, "target": evil}] * 2}
    ids = [emulator.start_operation(json.dumps({"name": "fails", "polls": 0, "error": error})).id]
    for output in ("text", "json"):
        done = run("wait", *at(emulator), "-v", "--output", output, *ids)
        assert done.code == 1
        assert (done.out + done.err).replace("\n", "").isprintable()


def test_each_poll_of_a_few_is_reported(emulator: Namespace, run: Run) -> None:
    operation = emulator.start_operation("unavailable retry_after=0 polls=1")
    done = run("wait", *at(emulator), operation.id)
    assert done.code == 0
    first, second = done.err.splitlines()
    assert first.startswith(
        f"{operation.id} HTTP 503 ServiceUnavailable: The service is busy; try again. (1 poll, 0 s)"
    )
    assert second.startswith(f"{operation.id} Running (2 polls, ")
    assert second.endswith("next poll in 0 s")


def test_many_are_reported_as_totals(emulator: Namespace, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maps_data_registry.cli.output._PAUSE", 0.0)
    ids = [emulator.start_operation().id for _ in range(12)]
    done = run("wait", *at(emulator), *ids)
    assert done.code == 0
    assert done.out.count("Completed") == 12
    expected = done.err.splitlines()
    assert len(expected) == 13
    assert expected[0].startswith("12 operations: ")
    assert expected[-1] == "12 operations: 12 completed"


def test_the_time_is_up(emulator: Namespace, run: Run) -> None:
    ids = [emulator.start_operation(scenario).id for scenario in ("never-ends retry_after=9", "fails polls=0")]
    done = run("wait", *at(emulator), "--timeout", 2, "--no-progress", *ids)
    assert done.code == 4
    assert f"{ids[0]} timed out after" in done.out
    assert f"still running: 1 of 2\n  {ids[0]} Running\n" in done.err
    command = shlex.split(done.err.partition("to resume: ")[2])
    assert command == ["maps-data-registry", "wait", *at(emulator), "--timeout", "2", "--no-progress", ids[0]]
    emulator.operations[ids[0]].scenario = emulator.scenario
    assert run(*command[1:]).code == 0


@posix
def test_to_go_on_takes_the_same_standard_input_where_many_came_from_it(
    emulator: Namespace, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [emulator.start_operation("never-ends retry_after=9").id for _ in range(11)]
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(ids)))
    done = run("wait", *at(emulator), "--timeout", "1", "-")
    resume = (
        f"to resume, with the same standard input: maps-data-registry wait {' '.join(at(emulator))} --timeout 1 -\n"
    )
    assert done.err.endswith(resume)


@posix
@pytest.mark.parametrize("many", [False, True])
def test_the_command_to_go_on(emulator: Namespace, run: Run, tmp_path: Path, many: bool) -> None:
    """With a results file, or with more operations than fit on a line, it is the same command again."""
    ids = [emulator.start_operation("never-ends retry_after=9").id for _ in range(11 if many else 1)]
    listed = tmp_path / "ids of today.txt"
    listed.write_text("\n".join(ids))
    options = ["--from", str(listed), "--timeout", "1"] + ([] if many else ["--results", str(tmp_path / "results")])
    done = run("wait", *at(emulator), *options, ids[0])
    assert done.code == 4
    assert ("  … and 1 more\n" in done.err) == many
    command = shlex.split(done.err.partition("to resume: ")[2])
    assert sorted(command) == sorted(["maps-data-registry", "wait", *at(emulator), *options, ids[0]])


def test_no_limit_and_an_interval(emulator: Namespace, run: Run) -> None:
    operation = emulator.start_operation("completes polls=2 form=none")
    done = run("wait", *at(emulator), "--timeout", "none", "--interval", "0", "--concurrency", 1, operation.id)
    assert done.code == 0
    assert "next poll in 0 s" in done.err


@posix
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("when", ["before the first reply", "between two polls"])
def test_an_interrupt(emulator: Namespace, run: Run, when: str, name: str) -> None:
    number = getattr(signal, name)
    scenario = "slow-headers pace=5" if when == "before the first reply" else "never-ends retry_after=60"
    operation = emulator.start_operation(scenario)

    def reached() -> object:
        return operation.polls and (when == "before the first reply" or emulator.journal(operation))

    thread = threading.Thread(target=interrupt_when, args=[reached, number])
    thread.start()
    done = run("wait", *at(emulator), "--timeout", "none", operation.id)
    thread.join()
    assert (done.code, done.out) == (128 + number, "")
    assert "interrupted: 1 of 1 not ended\n" in done.err
    assert f"\n  {operation.id} " in done.err
    assert "hint: with --results FILE" in done.err
    assert f"\nto resume: maps-data-registry wait {' '.join(at(emulator))} --timeout none {operation.id}\n" in done.err


def interrupt() -> str:
    raise KeyboardInterrupt


@pytest.mark.parametrize("command", ["status", "wait"])
def test_an_interrupt_before_anything_is_polled(
    emulator: Namespace, run: Run, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(sys, "stdin", iter(interrupt, ""))
    done = run(command, *at(emulator), "-")
    assert (done.code, done.out, done.err) == (130, "", "maps-data-registry: interrupted\n")


@posix
def test_a_status_that_is_cut_short_says_so(emulator: Namespace, run: Run) -> None:
    ids = [emulator.start_operation("completes polls=0").id for _ in range(2)]
    last = emulator.start_operation("slow-headers pace=5")
    thread = threading.Thread(target=interrupt_when, args=[lambda: last.polls])
    thread.start()
    done = run("status", *at(emulator), *ids, last.id)
    thread.join()
    assert (done.code, done.out.count("Completed")) == (130, 2)
    assert done.err.splitlines() == ["interrupted: 2 of 3 polled", "3 operations: 2 completed, 1 not polled"]


def test_operations_of_both_geographies_in_one_run(
    running_emulator: Emulator, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    us, eu = (running_emulator.namespace(f"both-{geography}") for geography in ("us", "eu"))
    monkeypatch.setattr("maps_data_registry.cli.inputs.SERVER_URL", us.url.replace("-us", "-{geography}"))
    endings = [(us, "completes"), (eu, "fails"), (us, "completes")]
    locations = [service.start_operation(f"{ending} polls=0").location for service, ending in endings]
    for command in ("status", "wait"):
        done = run(command, *locations)
        assert done.code == 1
        assert "3 operations: 2 completed, 1 failed\n" in done.err
    assert (len(us.journal()), len(eu.journal())) == (4, 2)
    assert run("wait", locations[0]).code == 0


@posix
def test_to_go_on_names_locations_where_they_were_given(emulator: Namespace, run: Run) -> None:
    location = emulator.start_operation("never-ends retry_after=9").location
    done = run("wait", *at(emulator), "--timeout", "1s", "--no-progress", location)
    assert done.code == 4
    assert done.err.splitlines()[-3:-1] == ["still running: 1 of 1", f"  {location.rpartition('/')[2]} Running"]
    command = shlex.split(done.err.partition("to resume: ")[2])
    assert command == ["maps-data-registry", "wait", *at(emulator), "--timeout", "1", "--no-progress", location]


def test_what_was_never_answered_is_not_called_running(run: Run) -> None:
    done = run("wait", "--base-url", "http://127.0.0.1:1", "--timeout", "1", UNKNOWN)
    assert done.code == 3
    assert done.out.startswith(f"{UNKNOWN} timed out after ")
    assert "running" not in done.out + done.err


def interrupt_in_a_class() -> int:
    """Python up to 3.11 makes a RuntimeError of whatever `__set_name__` raises."""
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt as error:
        raise RuntimeError("Error calling __set_name__") from error


@pytest.mark.parametrize("interrupted", [interrupt, interrupt_in_a_class])
def test_an_interrupt_while_modules_are_imported(
    run: Run, monkeypatch: pytest.MonkeyPatch, interrupted: Callable[[], object]
) -> None:
    monkeypatch.setattr("maps_data_registry.cli.app.run", interrupted)
    done = run("wait", UNKNOWN)
    assert (done.code, done.err) == (130, "maps-data-registry: interrupted\n")
    assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL
    monkeypatch.setattr(sys, "stderr", None)
    assert run("wait", UNKNOWN).code == 130


def test_another_runtime_error_is_a_fault(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fault() -> int:
        raise RuntimeError("a fault")

    monkeypatch.setattr("maps_data_registry.cli.app.run", fault)
    with pytest.raises(RuntimeError, match="a fault"):
        run("--version")


def test_verbose_tells_of_requests_without_secrets(emulator: Namespace, run: Run) -> None:
    operation = emulator.start_operation("throttled retry_after=0 polls=0")
    done = run("wait", *at(emulator), "--verbose", operation.id)
    assert done.code == 0
    assert "INFO httpx: HTTP Request: GET " in done.err
    assert "WARNING maps_data_registry: operation " in done.err
    again = emulator.start_operation("throttled retry_after=0 polls=0")
    quiet = run("wait", *at(emulator), again.id)
    assert not {"INFO", "WARNING"} & set(quiet.err.split())
    assert quiet.err.count("HTTP 429") == 1


@pytest.mark.parametrize("width", ["40", "80", "200"])
@pytest.mark.parametrize("command", [(), ("status",), ("wait",), ("emulator",), ("emulator", "start")])
def test_help_speaks_a_shell_users_language(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], width: str
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    shown = run(*command, "--help").out
    assert not re.search(r"[<>{]|\(1h\)|list\[|range|an\.\.\.", shown.replace("{SCENARIO}...", ""))
    expected: dict[tuple[str, ...], tuple[str, str]] = {
        ("wait",): ("[OPERATION]...", "1h]"),
        ("emulator",): ("--host HOST", "--port PORT"),
    }
    assert all(words in shown for words in expected.get(command, ()))


@posix
def test_nobody_reads(emulator: Namespace, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ids = [emulator.start_operation().id for _ in range(3)]
    with os.fdopen(writing, "w") as nobody:
        monkeypatch.setattr(sys, "stdout", nobody)
        done = run("wait", *at(emulator), *ids)
    assert done.code == 141
    assert "maps-data-registry" not in done.err


@posix
def test_the_disk_is_full(emulator: Namespace, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        done = run("status", *at(emulator), emulator.start_operation().id)
        assert done.code == 2
        assert done.err.endswith("maps-data-registry: standard output: No space left on device\n")


@posix
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["emulator"]])
def test_the_disk_is_full_at_exit_too(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "maps_data_registry", *arguments]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "maps-data-registry: standard output: No space left on device\n")


def test_a_code_page_without_the_characters_of_a_tree(
    emulator: Namespace, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = {"code": "A", "details": [{"code": "B"}]}
    operation = emulator.start_operation(json.dumps({"name": "fails", "polls": 0, "error": error}))
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="cp1252", write_through=True))
    assert run("wait", *at(emulator), operation.id).code == 1
    assert written.getvalue().splitlines()[1] == b"  ?? B"


def test_a_closed_pipe_on_windows(emulator: Namespace, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """There writing to it fails with EINVAL."""

    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(errno.EINVAL, "Invalid argument")

        def fileno(self) -> int:
            return os.open(os.devnull, os.O_WRONLY)

    monkeypatch.setattr(sys, "stdout", Closed())
    done = run("wait", *at(emulator), emulator.start_operation("completes polls=0").id)
    assert (done.code, "maps-data-registry" in done.err) == (141, False)


@posix
@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("wait", "--help")])
def test_nobody_reads_the_help(run: Run, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as nobody:
        monkeypatch.setattr(sys, "stdout", nobody)
        done = run(*arguments)
    assert (done.code, done.err) == (141, "")


def test_no_arguments_show_the_help(run: Run) -> None:
    done = run()
    assert (done.code, done.out) == (2, "")
    assert done.err == run("--help").out


def test_out_of_memory(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", iter(no_memory, ""))
    done = run("status", "--geography", "us", "-")
    assert (done.code, done.err) == (2, "maps-data-registry: out of memory\n")


def no_memory() -> str:
    raise MemoryError


def test_standard_input_that_cannot_be_read(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with os.fdopen(os.open(os.devnull, os.O_WRONLY)) as unreadable:
        monkeypatch.setattr(sys, "stdin", unreadable)
        done = run("status", "--geography", "us", "-")
    assert (done.code, done.err) == (2, f"maps-data-registry: standard input: {os.strerror(errno.EBADF)}\n")


def test_quiet_leaves_out_all_but_results(emulator: Namespace, run: Run) -> None:
    ids = [emulator.start_operation(scenario).id for scenario in ("completes polls=1 retry_after=0", "unauthorized")]
    done = run("wait", *at(emulator), "--quiet", *ids)
    assert (done.code, done.out.count("\n"), done.err) == (3, 2, "")


def test_an_interrupt_when_all_is_done(emulator: Namespace, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nothing to go on with then."""
    ids = [emulator.start_operation("completes polls=0").id for _ in range(2)]
    written = []

    class Interrupting(io.StringIO):
        def write(self, text: str) -> int:
            written.append(text)
            if len(written) == 1:
                signal.raise_signal(signal.SIGINT)
            return len(text)

    monkeypatch.setattr(sys, "stderr", Interrupting())
    assert run("wait", *at(emulator), *ids).code == 130
    assert written[0] == "2 operations: 2 completed\n"
    assert written[1] == "interrupted: 0 of 2 not ended\n"
    assert "to go on" not in "".join(written)


def answer_with(monkeypatch: pytest.MonkeyPatch, answer: Callable[[httpx.Request], httpx.Response]) -> None:
    """Without sockets, whose async generators lead coverage astray at their end, in Python 3.11."""
    monkeypatch.setattr(guard, "OwnTransports", lambda *_: CallersTransport(httpx.MockTransport(answer)))


def test_an_interrupt_while_polls_are_under_way(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: httpx.Request) -> httpx.Response:
        signal.raise_signal(signal.SIGINT)
        return httpx.Response(200, json={"status": "Running"}, headers={"Retry-After": "3600"})

    answer_with(monkeypatch, interrupt)
    done = run("wait", "--geography", "us", ID)
    assert done.code == 130
    assert "to resume: maps-data-registry wait" in done.err


def test_a_time_limit_that_comes_first(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    running = httpx.Response(200, json={"status": "Running"}, headers={"Retry-After": "3600"})
    answer_with(monkeypatch, lambda _: running)
    done = run("wait", "--geography", "us", "--timeout", "60", ID)
    assert done.code == 4
    assert "to resume: maps-data-registry wait" in done.err


def test_standard_output_that_has_no_reader(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

        def fileno(self) -> int:
            return os.open(os.devnull, os.O_WRONLY)

    answer_with(monkeypatch, lambda _: httpx.Response(200, json={"status": "Completed"}))
    monkeypatch.setattr(sys, "stdout", Closed())
    assert run("status", "--geography", "us", ID).code == 141
    assert run("wait", "--geography", "us", ID).code == 141


def test_help_names_the_exit_codes(run: Run) -> None:
    for arguments in (["--help"], ["wait", "-h"], ["status", "--help"]):
        done = run(*arguments)
        assert done.code == 0
        assert all(f"\n    {code:>3}  " in done.out for code in (0, 1, 2, 3, 4, 130, 141))
        assert "AZURE_MAPS_SUBSCRIPTION_KEY" in done.out


def test_a_terminal_gets_the_table(emulator: Namespace, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    operation = emulator.start_operation("completes polls=0")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    done = run("wait", *at(emulator), operation.id)
    assert done.code == 0
    assert "1 operation: 1 completed" in done.err


def test_version(run: Run) -> None:
    from importlib import metadata

    assert run("--version").out == metadata.version("maps-data-registry") + "\n"


def test_the_module(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["maps_data_registry", "--version"])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module("maps_data_registry.__main__")
    assert ended.value.code == 0


COMPLETIONS = [
    ({"COMP_WORDS": "x w", "COMP_CWORD": "1"}, 0, "wait\n", ""),
    ({"COMP_WORDS": "x wait --geography ", "COMP_CWORD": "3"}, 0, "us\neu\n", ""),
    ({"COMP_WORDS": "x w"}, 2, "", "maps-data-registry: nothing to complete\n"),
    ({"COMP_WORDS": "x w", "COMP_CWORD": "x"}, 2, "", "maps-data-registry: nothing to complete\n"),
]


@pytest.mark.parametrize(("line", "code", "out", "err"), COMPLETIONS)
def test_completion(line: dict[str, str], code: int, out: str, err: str) -> None:
    environment = {**os.environ, "_MAPS_DATA_REGISTRY_COMPLETE": "complete_bash", **line}
    command = Path(sys.executable).with_name("maps-data-registry")
    done = subprocess.run([command], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (code, out, err)


def test_a_fault_of_the_program_is_shown(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fault() -> str:
        raise ValueError("a fault")

    monkeypatch.setattr(sys, "stdin", iter(fault, ""))
    with pytest.raises(ValueError, match="a fault"):
        run("status", "--geography", "us", "-")


def test_completion_that_fails_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_MAPS_DATA_REGISTRY_COMPLETE", "complete_bash")
    monkeypatch.delenv("COMP_WORDS", raising=False)
    done = run()
    assert (done.code, done.err) == (2, "maps-data-registry: nothing to complete\n")


class Finalized:
    def __init__(self, raises: BaseException) -> None:
        self.raises = raises

    def __del__(self) -> None:
        raise self.raises


def test_what_a_finalizer_raises_is_not_shown(emulator: Namespace, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [emulator.start_operation("completes polls=0").id]

    def read() -> str:
        Finalized(OSError("late"))
        return lines.pop() if lines else ""

    monkeypatch.setattr(sys, "stdin", iter(read, ""))
    done = run("status", *at(emulator), "-")
    assert (done.code, done.err) == (0, "")


@posix
def test_few_descriptors(emulator: Namespace) -> None:
    """Too few for an event loop: one line, and nothing of the loop that could not be made."""
    operation = emulator.start_operation()
    command = shlex.join([sys.executable, "-m", "maps_data_registry", "wait", *at(emulator), operation.id])
    done = subprocess.run(["sh", "-c", f"ulimit -n 6; exec {command}"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert os.strerror(errno.EMFILE) in done.stderr
    assert "Traceback" not in done.stderr


def test_the_module_is_the_command_and_its_help_imports_nothing_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "maps_data_registry", "wait", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Usage: python -m maps_data_registry wait" in done.stdout
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "typer" in imported
    assert not imported & {"aiohttp", "anyio", "asyncio", "attrs", "httpx", "maps_data_registry_client", "rich"}


@pytest.mark.parametrize(("missing", "importer"), [("typer", "app"), ("rich", "live_table")])
def test_a_missing_extra_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch, missing: str, importer: str) -> None:
    for name in list(sys.modules):
        if name.partition(".")[0] == missing or name == f"maps_data_registry.cli.{importer}":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    done = run("wait", "--geography", "us", UNKNOWN)
    assert done.code == 2
    assert done.err == "maps-data-registry: the command is an extra: pip install 'maps-data-registry[cli]'\n"


def test_another_missing_module_is_a_fault(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "maps_data_registry.cli.app")
    monkeypatch.setitem(sys.modules, "maps_data_registry.cli.shell", None)
    with pytest.raises(ModuleNotFoundError, match="shell"):
        run("--version")


def test_the_emulator_serves_until_it_is_interrupted(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    def interrupt() -> None:
        transport = httpx.HTTPTransport(retries=20)  # connecting, with a backoff
        with httpx.Client(transport=transport) as client:
            client.get(f"http://127.0.0.1:{port}/health")
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    done = run("emulator", "--port", port, "--scenario", "fails polls=0")
    thread.join()
    assert (done.code, done.out) == (0, f"http://127.0.0.1:{port}\n")


def test_the_emulator_lists_its_scenarios(run: Run) -> None:
    done = run("emulator", "--scenario", "?")
    assert done.code == 0
    assert "\nnever-ends              Running for ever.\n" in done.out


def test_an_emulator_that_cannot_be(run: Run, emulator: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = run("emulator", "--scenario", "nonsense")
    assert unknown.code == 2
    assert unknown.err.startswith("maps-data-registry: scenario: unknown scenario 'nonsense', choose from")
    taken = run("emulator", "--port", emulator.url.split(":")[2].partition("/")[0])
    assert taken.code == 2
    assert "Address already in use" in taken.err
    monkeypatch.setitem(sys.modules, "maps_data_registry.emulator", None)
    assert run("emulator").code == 2


def test_the_key_is_taken_from_the_environment(emulator: Namespace, run: Run) -> None:
    emulator.credentials = {KEY}
    operation = emulator.start_operation("completes polls=0")
    assert run("status", *at(emulator), operation.id).code == 0
    emulator.credentials = {"another"}
    assert run("status", *at(emulator), operation.id).code == 3
