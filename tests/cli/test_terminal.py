"""The command at a real terminal, in a process of its own."""

import json
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from maps_data_registry.emulator import Namespace

from .conftest import Run, posix
from .terminal import KEY, Server, Terminal

pytestmark = [posix, pytest.mark.slow]

LONG = "never-ends retry_after=30"
ERROR = {"code": "InvalidData", "message": "No GeoJSON.", "details": [{"code": "Ring"}, {"code": "Id"}]}
FAILS = json.dumps({"name": "fails", "polls": 0, "error": ERROR})


def start(emulator: Namespace, *scenarios: str) -> list[str]:
    return [emulator.start_operation(scenario).id for scenario in scenarios]


def waiting(emulator: Namespace) -> tuple[str, ...]:
    return "wait", "--base-url", emulator.url


def test_the_table_moves_and_stays(emulator: Namespace, server: Server) -> None:
    ids = start(emulator, "completes polls=1 retry_after=1", FAILS)
    with Terminal(server, *waiting(emulator), *ids) as terminal:
        terminal.until(f"{ids[0]}  Running")
        assert b"\x1b[?1049h" in terminal.raw
        assert "elapsed  next" in terminal.text
        assert terminal.end() == 1
        assert not terminal.alternate
        lines = terminal.text.splitlines()
    assert lines[0].startswith(f"{ids[1]} Failed: InvalidData: No GeoJSON. (1 poll")
    assert lines[1:3] == ["  ├─ Ring", "  └─ Id"]
    assert lines[4].startswith(f"{ids[0]}  Completed             2")
    assert lines[5].startswith(f"{ids[1]}  Failed                1")
    assert lines[6].startswith("2 operations: 1 completed, 1 failed, ")
    assert len(lines) == 7
    assert b"\x1b[?25h" in terminal.raw  # the cursor is back
    assert b"\x1b[32m" in terminal.raw  # Completed is green


def test_it_fits_a_narrow_terminal_and_one_that_changes(emulator: Namespace, server: Server) -> None:
    ids = start(emulator, LONG, LONG)
    with Terminal(server, *waiting(emulator), *ids, columns=48, lines=10) as terminal:
        terminal.until(f"{ids[0][:8]}… Running")
        terminal.resize(100, 30)
        terminal.until(lambda: terminal.screen[2].startswith(f"{ids[1]}  Running"))
        assert not any(terminal.screen[4:])
        terminal.resize(60, 5)
        terminal.until(lambda: "0/2" in terminal.screen[-2])
        terminal.resize(40, 10)
        terminal.until(lambda: terminal.screen[2].startswith(f"{ids[1][:8]}… Running"))
        assert terminal.screen[0] == "operation status           elapsed next"
        terminal.press(b"\x03")
        assert terminal.end() == 130


def test_many_stay_readable(emulator: Namespace, server: Server, tmp_path: Path) -> None:
    listed = tmp_path / "ids"
    ids = start(emulator, FAILS, *["completes retry_after=1 polls=1"] * 300)
    listed.write_text("\n".join(ids))
    with Terminal(server, *waiting(emulator), "--from", str(listed), lines=12) as terminal:
        terminal.until("more in progress")
        assert "/301" in terminal.screen[-2]
        assert terminal.end() == 1
        lines = terminal.text.splitlines()
    assert lines[0].startswith(f"{ids[0]} Failed")
    assert lines[1:3] == ["  ├─ Ring", "  └─ Id"]
    assert lines[3].startswith("301 operations: 300 completed, 1 failed, ")
    assert len(lines) == 4


@pytest.mark.parametrize(
    ("env", "options"), [({"TERM": "dumb"}, ()), ({}, ("--no-progress",))], ids=["a dumb terminal", "--no-progress"]
)
def test_plain_lines(emulator: Namespace, server: Server, env: dict[str, str], options: tuple[str, ...]) -> None:
    ids = start(emulator, "completes polls=1 retry_after=0")
    with Terminal(server, *waiting(emulator), *options, *ids, env=env) as terminal:
        assert terminal.end() == 0
        assert terminal.text.splitlines()[1].startswith(f"{ids[0]} Completed (2 polls")
        assert b"\x1b" not in terminal.raw


def test_no_color(emulator: Namespace, server: Server) -> None:
    ids = start(emulator, FAILS)
    with Terminal(server, *waiting(emulator), *ids, env={"NO_COLOR": "1"}) as terminal:
        assert terminal.end() == 1
        assert f"{ids[0]}  Failed" in terminal.text
        assert not [code for code in (b"31m", b"32m", b"33m", b"36m") if code in terminal.raw]


def test_results_go_to_standard_output_and_the_table_to_the_terminal(
    emulator: Namespace, server: Server, tmp_path: Path
) -> None:
    ids = start(emulator, "completes polls=0", FAILS)
    out = tmp_path / "out"
    with Terminal(server, *waiting(emulator), "--output", "json", *ids, stdout=str(out)) as terminal:
        assert terminal.end() == 1
        assert f"{ids[0]}  Completed" in terminal.text
        assert "├─ Ring" in terminal.text
    assert {json.loads(line)["outcome"] for line in out.read_text().splitlines()} == {"completed", "failed"}


def test_json_at_a_terminal_is_not_broken_by_the_table(emulator: Namespace, server: Server) -> None:
    ids = start(emulator, "completes polls=1 retry_after=1")
    with Terminal(server, *waiting(emulator), "--output", "json", *ids, columns=300) as terminal:
        assert terminal.end() == 0
        assert json.loads(terminal.text.splitlines()[0])["operation_id"] == ids[0]


def test_logs_come_in_plain_lines(emulator: Namespace, server: Server) -> None:
    ids = start(emulator, "completes polls=1 retry_after=0")
    with Terminal(server, *waiting(emulator), "-v", *ids, columns=300) as terminal:
        assert terminal.end() == 0
        lines = terminal.text.splitlines()
    assert [line.startswith("INFO httpx: HTTP Request") for line in lines] == [True, False, True, False]
    assert KEY not in terminal.text


def test_quiet_shows_results_only(emulator: Namespace, server: Server) -> None:
    ids = start(emulator, "completes polls=1 retry_after=0", "unauthorized")
    with Terminal(server, *waiting(emulator), "--quiet", *ids, columns=300) as terminal:
        assert terminal.end() == 3
        assert sorted(line[:36] for line in terminal.text.splitlines()) == sorted(ids)


@pytest.mark.parametrize("signal_name", ["SIGTERM", "SIGHUP"])
def test_a_killed_command_leaves_the_terminal(emulator: Namespace, server: Server, signal_name: str) -> None:
    number = signal.Signals[signal_name]
    ids = start(emulator, LONG)
    with Terminal(server, *waiting(emulator), *ids, columns=400) as terminal:
        terminal.until("Running")
        terminal.signal(number)
        assert terminal.end() == 128 + number
        assert not terminal.alternate
        assert terminal.text.endswith(f"\nto resume: maps-data-registry {shlex.join([*waiting(emulator), *ids])}")
        assert terminal.raw.rindex(b"\x1b[?25h") > terminal.raw.rindex(b"\x1b[?25l")


def test_ctrl_c_shows_how_to_go_on(emulator: Namespace, server: Server, run: Run) -> None:
    ids = start(emulator, LONG, "completes polls=0", LONG)
    with Terminal(server, *waiting(emulator), *ids, columns=400) as terminal:
        terminal.until("1 completed, 2 running")
        terminal.press(b"\x03")
        assert terminal.end() == 130
        expected = terminal.text
    assert f"interrupted: 2 of 3 not ended\n  {ids[0]} Running\n  {ids[2]} Running\n" in expected
    assert b"\x1b[?25h" in terminal.raw
    command = shlex.split(expected.partition("to resume: ")[2])
    assert command == ["maps-data-registry", *waiting(emulator), ids[0], ids[2]]
    for name in (ids[0], ids[2]):
        emulator.operations[name].scenario = emulator.scenario
    assert run(*command[1:]).code == 0


def test_ctrl_c_while_operations_are_typed(emulator: Namespace, server: Server) -> None:
    with Terminal(server, *waiting(emulator), "-") as terminal:
        terminal.press(start(emulator, LONG)[0].encode() + b"\r")
        terminal.press(b"\x03")
        assert terminal.end() == 130
        assert "maps-data-registry: interrupted" in terminal.text
    assert not emulator.journal()


def test_ctrl_c_at_any_moment(emulator: Namespace, server: Server) -> None:
    chance = random.Random(7)
    codes = set()
    for _ in range(20):
        ids = start(emulator, *["completes polls=2 retry_after=0"] * 40)
        with Terminal(server, *waiting(emulator), "--concurrency", "2", *ids) as terminal:
            time.sleep(chance.uniform(0, 0.5))
            terminal.press(b"\x03")
            codes.add(terminal.end())
            assert "Traceback" not in terminal.text
    assert codes <= {0, 130, -signal.SIGINT}  # the last: when all is expected, and Python cleans up
    assert 130 in codes


@pytest.mark.parametrize("module", ["typer", "httpx", "maps_data_registry.cli.commands", "anyio"])
def test_ctrl_c_while_modules_are_imported(emulator: Namespace, module: str) -> None:
    [name] = start(emulator, LONG)
    command = [sys.executable, "-v", "-m", "maps_data_registry", *waiting(emulator), name]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ}) as process:
        assert process.stderr is not None
        expected = []
        for line in process.stderr:
            expected.append(line)
            if line.startswith(f"import '{module}"):
                process.send_signal(signal.SIGINT)
                break
        expected += process.stderr.readlines()
    assert process.returncode == 130
    assert "Traceback" not in "".join(expected)
    assert [line for line in expected if "interrupted" in line]
