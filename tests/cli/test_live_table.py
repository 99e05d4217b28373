"""The live table, drawn without a terminal on a clock of the test's own."""

import io
import sys
from typing import Any

import anyio
import pytest
from rich.console import Console

from maps_data_registry import OperationFailed, OperationUpdate
from maps_data_registry.cli.live_table import Display
from maps_data_registry.cli.output import Lines
from maps_data_registry.cli.records import Record, record_of
from maps_data_registry_client.models import LongRunningOperationResult
from tests.support import VirtualClock

RUNNING = LongRunningOperationResult(status="Running")


def operations(number: int) -> list[str]:
    return [f"{index:08x}-0000-0000-0000-000000000000" for index in range(number)]


def update(name: str, **changes: Any) -> OperationUpdate:
    fields = {"status": "Running", "retry_after": 8.0, "wait": 8.0, "polls": 2, "elapsed": 5.0, "result": RUNNING}
    return OperationUpdate(operation_id=name, **{**fields, **changes})


def completed(name: str) -> Record:
    return Record(operation_id=name, outcome="completed", status="Completed", polls=3, elapsed=12.4)


def display(names: list[str], time: VirtualClock, width: int = 90, height: int = 24) -> tuple[Display, io.StringIO]:
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=width, height=height, color_system=None)
    return Display(names, clock=time.clock, console=console), written


def drawn(shown: Display) -> list[str]:
    console = shown._console
    with console.capture() as captured:
        console.print(shown.render())
    return [line.rstrip() for line in captured.get().splitlines()]


def test_a_row_for_each_operation(time: VirtualClock) -> None:
    first, second, third = operations(3)
    shown, _ = display([first, second, third], time, width=120)
    shown.poll(update(first))
    shown.end(completed(third))
    time.now = 2.0
    assert drawn(shown) == [
        "operation                             status         polls  elapsed  next",
        f"{first}  Running            2      7 s   6 s  ━━━━━━━━━━━━━━━",
        f"{second}  not asked yet",
        f"{third}  Completed          3     12 s",
        "3 operations: 1 completed, 2 running, 2 s",
    ]


@pytest.mark.parametrize("width", [50, 60, 79, 80, 200])
def test_the_width_is_respected(time: VirtualClock, width: int) -> None:
    names = operations(2)
    shown, _ = display(names, time, width=width)
    shown.poll(update(names[0], status="\x1b[31m" + "long " * 50))
    lines = drawn(shown)
    assert max(map(len, lines)) <= min(width, 110)
    assert (names[0] in lines[1]) == (width >= 80)
    assert lines[1].startswith(names[0][:8])
    assert "\x1b" not in "".join(lines)


def test_of_many_only_what_is_active(time: VirtualClock) -> None:
    names = operations(5000)
    shown, _ = display(names, time, height=10)
    assert drawn(shown) == ["5000 operations: 5000 running, 0 s"]
    for name in names[:4000]:
        shown.poll(update(name))
    for name in names[:1000]:
        shown.end(completed(name))
    lines = drawn(shown)
    assert len(lines) == 9
    assert lines[1].startswith(names[1000])
    assert lines[-2:] == ["… and 2994 more in progress", "5000 operations: 1000 completed, 4000 running, 0 s"]


def test_a_transient_failure_shows_until_the_next_reply(time: VirtualClock) -> None:
    [name] = operations(1)
    shown, _ = display([name], time)
    shown.poll(update(name, problem=ValueError("HTTP 503: busy")))
    assert "HTTP 503: busy" in drawn(shown)[1]
    shown.poll(update(name))
    assert "Running" in drawn(shown)[1]


def test_a_poll_that_is_due_has_no_time_left(time: VirtualClock) -> None:
    [name] = operations(1)
    shown, _ = display([name], time)
    shown.poll(update(name, wait=0.0))
    time.now = 60.0
    assert " 65 s   0 s" in drawn(shown)[1]


def test_failures_stay_above_the_table(time: VirtualClock) -> None:
    first, second = operations(2)
    shown, written = display([first, second], time)
    error = {"code": "InvalidData", "details": [{"code": "Ring"}, {"code": "Id"}]}
    failed = OperationFailed(LongRunningOperationResult.from_dict({"status": "Failed", "error": error}))
    with shown:
        shown.end(record_of(first, failed), failed)
        shown.say("a word between")
    told = written.getvalue()
    assert f"{first} Failed: InvalidData (0 polls, 0 s)\n  ├─ Ring\n  └─ Id\n" in told
    assert "a word between\n" in told
    assert told.count("├─ Ring") == 1


def test_lines_of_many_tell_the_totals_from_time_to_time(
    time: VirtualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    names = operations(100)
    lines = Lines(names, clock=time.clock)
    for name in names:
        time.now += 0.5
        lines.poll(update(name))
    assert capsys.readouterr().err.splitlines() == ["100 operations: 100 running"] * 5


def test_lines_of_few_tell_each_poll(time: VirtualClock, capsys: pytest.CaptureFixture[str]) -> None:
    [name] = operations(1)
    lines = Lines([name], clock=time.clock)
    lines.poll(update(name))
    lines.poll(update(name, wait=None))
    assert capsys.readouterr().err == f"{name} Running (2 polls, 5 s), next poll in 8 s\n"
    assert lines.running() == [name]


def test_json_at_a_terminal_goes_above_the_table(time: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = operations(2)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    for as_json in (True, False):
        shown, written = display([first, second], time)
        shown.as_json = as_json
        shown.end(completed(first))
        assert (completed(first).to_json() in written.getvalue().replace("\n", "")) == as_json


def test_the_table_is_redrawn_at_an_even_pace(time: VirtualClock) -> None:
    shown, written = display(operations(1), time)

    async def watch() -> None:
        with shown, anyio.move_on_after(0.6):
            await shown.refresh()

    anyio.run(watch)
    assert written.getvalue().count("1 operation: 1 running") >= 3
