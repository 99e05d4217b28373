"""The live table, drawn without a terminal on a clock of the test's own."""

import errno
import io
import os
import signal
import sys
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from rich.console import Console
from rich.text import Text

from maps_data_registry import OperationFailed, OperationUpdate
from maps_data_registry.cli.live_table import LiveTable
from maps_data_registry.cli.output import Output
from maps_data_registry.cli.records import Record, record_of
from maps_data_registry_client.models import LongRunningOperationResult
from tests.support import VirtualClock

from .conftest import posix

RUNNING = LongRunningOperationResult(status="Running")


def operations(number: int) -> list[str]:
    return [f"{index:08x}-0000-0000-0000-000000000000" for index in range(number)]


def update(name: str, **changes: Any) -> OperationUpdate:
    fields = {"status": "Running", "retry_after": 8.0, "wait": 8.0, "polls": 2, "elapsed": 5.0, "result": RUNNING}
    return OperationUpdate(operation_id=name, **{**fields, **changes})


def completed(name: str) -> Record:
    return Record(operation_id=name, outcome="completed", status="Completed", polls=3, elapsed=12.4)


def display(names: list[str], time: VirtualClock, width: int = 90, height: int = 24) -> tuple[LiveTable, io.StringIO]:
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=width, height=height, color_system=None)
    return LiveTable(names, clock=time.clock, console=console), written


def drawn(shown: LiveTable) -> list[str]:
    size = shown._console.size
    console = Console(file=io.StringIO(), width=size.width, height=size.height)
    with console.capture() as captured:
        console.print(shown.render())
    return [line.rstrip() for line in captured.get().splitlines()]


def test_a_row_for_each_operation(time: VirtualClock) -> None:
    first, second, third = operations(3)
    shown, _ = display([first, second, third], time, width=90)
    shown.poll(update(first))
    shown.end(completed(third))
    time.now = 2.0
    assert drawn(shown) == [
        "operation                             status            polls  elapsed  next",
        f"{first}  Running               2      7 s   6 s",
        f"{second}  not polled",
        f"{third}  Completed             3     12 s",
        "3 operations: 1 completed, 1 running, 1 not polled, 2 s",
    ]


def test_a_bar_where_there_is_room(time: VirtualClock) -> None:
    [name] = operations(1)
    for width in (95, 96):
        shown, _ = display([name], time, width=width)
        shown.poll(update(name))
        assert ("━" in drawn(shown)[1]) == (width == 96)


def test_forty_columns_are_enough(time: VirtualClock) -> None:
    first, second, third = operations(3)
    shown, _ = display([first, second, third], time, width=40, height=10)
    shown.poll(update(first))
    shown.poll(update(third, status=None, result=None, problem=ValueError("HTTP 503: busy, try again")))
    failed = OperationFailed(
        LongRunningOperationResult.from_dict({"status": "Failed", "error": {"code": "InvalidData"}})
    )
    shown.end(record_of(second, failed), failed)
    assert drawn(shown) == [
        "operation status           elapsed next",
        "00000000… Running              5 s  8 s",
        "00000001… Failed               0 s",
        "00000002… HTTP 503: busy,…     5 s  8 s",
        "00000001… Failed: InvalidData (0 polls,…",
        "3 operations: 1 failed, 1 unanswered, 1",
        "running, 0 s",
    ]


def test_in_thirty_columns_every_header_is_whole(time: VirtualClock) -> None:
    [name] = operations(1)
    shown, _ = display([name], time, width=30)
    shown.poll(update(name, status="Waiting for its turn", wait=3599.0))
    assert drawn(shown)[:2] == ["operation status         next", "00000000… Waiting for… 3599 s"]


@pytest.mark.parametrize("width", [50, 60, 79, 80, 200])
def test_the_width_is_respected(time: VirtualClock, width: int) -> None:
    names = operations(2)
    shown, _ = display(names, time, width=width)
    shown.poll(update(names[0], status="\x1b[31m" + "long " * 50))
    lines = drawn(shown)
    assert max(map(len, lines)) <= width
    assert (names[0] in lines[1]) == (width >= 80)
    assert lines[1].startswith(names[0][:8])
    assert "\x1b" not in "".join(lines)


def test_of_many_only_what_is_active(time: VirtualClock) -> None:
    names = operations(5000)
    shown, _ = display(names, time, height=10)
    assert drawn(shown)[-1] == "5000 operations: 5000 not polled, 0 s"
    assert drawn(shown)[0].endswith("0/5000")
    for name in names[:4000]:
        shown.poll(update(name))
    time.now = 10.0
    for name in names[:1000]:
        shown.end(completed(name))
    lines = drawn(shown)
    assert len(lines) == 10
    assert lines[1].startswith(names[1000])
    assert lines[-3] == "… and 2994 more in progress"
    assert lines[-2].endswith(" 1000/5000 about 40 s left")
    assert lines[-1] == "5000 operations: 1000 completed, 3000 running, 1000 not polled, 10 s"


ESTIMATES = [(1.0, "about 99 s left"), (3.0, "about 5 min left"), (3600.0, "about 99 h left")]


@pytest.mark.parametrize(("elapsed", "expected"), ESTIMATES)
def test_the_time_left_is_estimated_from_what_ended_in_this_run(
    time: VirtualClock, elapsed: float, expected: str
) -> None:
    names = operations(200)
    shown, _ = display(names, time)
    for name in names[:100]:  # of a results file
        shown.end(completed(name))
    with shown:
        assert "left" not in drawn(shown)[-2]
        time.now = elapsed
        shown.end(completed(names[100]))
        assert expected in drawn(shown)[-2]


@pytest.mark.parametrize("height", [1, 2, 3, 5, 8, 24])
@pytest.mark.parametrize("number", [1, 5, 300])
def test_nothing_is_drawn_past_the_screen(time: VirtualClock, height: int, number: int) -> None:
    names = operations(number)
    shown, _ = display(names, time, height=height, width=100)
    for name in names[1:]:
        shown.poll(update(name))
    for _ in range(30):
        shown._messages.append(Text("a message"))
    lines = drawn(shown)
    assert len(lines) <= max(height, 4)
    assert lines[-1].startswith(f"{number} operation")


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


def test_messages_are_shown_in_short_and_stay_whole(time: VirtualClock, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = operations(2)
    shown, written = display([first, second], time)
    error = {"code": "InvalidData", "details": [{"code": "Ring"}, {"code": "Id"}]}
    failed = OperationFailed(LongRunningOperationResult.from_dict({"status": "Failed", "error": error}))

    async def watch() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(shown.refresh)
            await anyio.wait_all_tasks_blocked()
            shown.end(record_of(first, failed), failed)
            shown.say("a line between")
            assert drawn(shown)[-3:-1] == [f"{first} Failed: InvalidData (0 polls, 0 s)", "a line between"]
            tasks.cancel_scope.cancel()

    with shown:
        anyio.run(watch)
    shown.say("a line after")
    assert capsys.readouterr().err == "a line after\n"
    _, left, stays = written.getvalue().partition("\x1b[?1049l")
    assert left
    assert stays.startswith(
        f"{first} Failed: InvalidData (0 polls, 0 s)\n  ├─ Ring\n  └─ Id\na line between\noperation"
    )
    assert f"{second}  not polled" in stays


def test_a_terminal_that_is_gone_ends_nothing(time: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    [name] = operations(1)
    shown, written = display([name], time)

    def gone(_: str) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    async def watch() -> None:
        with anyio.move_on_after(0.3):
            await shown.refresh()

    monkeypatch.setattr(written, "write", gone)
    with shown:
        anyio.run(watch)
        shown.end(completed(name))
    assert shown.exit_code == 0


def test_lines_of_many_report_the_totals_from_time_to_time(
    time: VirtualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    names = operations(100)
    lines = Output(names, clock=time.clock)
    for name in names:
        time.now += 0.5
        lines.poll(update(name))
    assert capsys.readouterr().err.splitlines() == [
        f"100 operations: {polled} running, {100 - polled} not polled" for polled in (20, 40, 60, 80)
    ] + ["100 operations: 100 running"]


def test_lines_of_few_report_each_poll(time: VirtualClock, capsys: pytest.CaptureFixture[str]) -> None:
    [name] = operations(1)
    lines = Output([name], clock=time.clock)
    lines.poll(update(name))
    lines.poll(update(name, wait=None))
    assert capsys.readouterr().err == f"{name} Running (2 polls, 5 s), next poll in 8 s\n"
    assert lines.unfinished() == [name]


@pytest.mark.parametrize("as_json", [True, False])
def test_json_at_the_same_terminal_is_written_at_the_end(
    time: VirtualClock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    first, second = operations(2)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    shown, _ = display([first, second], time)
    shown.as_json = as_json
    with shown:
        shown.end(completed(first))
        assert capsys.readouterr().out == ""
    assert capsys.readouterr().out == (f"{completed(first).to_json()}\n" if as_json else "")


def test_the_table_is_redrawn_until_all_have_ended(time: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maps_data_registry.cli.live_table._REFRESH", 0.0)
    [name] = operations(1)
    shown, written = display([name], time)

    async def watch() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(shown.refresh)
            while written.getvalue().count("1 operation: 1 not polled") < 4:
                await anyio.lowlevel.checkpoint()
            shown.end(completed(name))

    with shown:
        anyio.run(watch)


@posix
def test_the_screen_is_left_while_the_process_is_stopped(time: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the signal has no effect, so the table comes back at once."""
    number = signal.SIGTSTP
    [name] = operations(1)
    shown, written = display([name], time)
    left = []

    def take_effect(number: int) -> None:
        left.append((number, written.getvalue()))
        shown.end(completed(name))

    async def watch() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(shown.refresh)
            await anyio.lowlevel.checkpoint()
            os.kill(os.getpid(), number)

    monkeypatch.setattr(signal, "raise_signal", take_effect)
    with shown:
        anyio.run(watch)
        [(raised, drawn)] = left
        assert raised == number
        assert drawn.endswith("\x1b[?1049l\x1b[?25h")
        assert written.getvalue().removeprefix(drawn).startswith("\x1b[?1049h\x1b[H\x1b[?25l")
    assert signal.getsignal(number) == signal.SIG_DFL


@posix
def test_a_stop_that_is_ignored_stays_ignored(time: VirtualClock) -> None:
    before = signal.signal(signal.SIGTSTP, signal.SIG_IGN)
    shown, _ = display([], time)
    try:
        anyio.run(shown.refresh)
        assert signal.getsignal(signal.SIGTSTP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTSTP, before)


def test_a_system_without_stops(time: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(signal, "SIGTSTP", raising=False)
    shown, _ = display([], time)
    anyio.run(shown.refresh)


@pytest.mark.parametrize(
    ("columns", "width"),
    [("1000000", 500), ("9" * 5000, 500), ("70", 70), ("0", 80), ("-1", 80), ("abc", 80), ("²", 80), ("", 80)],
)
def test_the_environment_does_not_stall_the_table(monkeypatch: pytest.MonkeyPatch, columns: str, width: int) -> None:
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((80, 25)))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("LINES", columns)
    table = LiveTable(operations(1))
    assert max(len(line) for line in table._console.render_lines(table.render())) <= 500
    assert table._console.width == width
    assert table._console.height <= 200
