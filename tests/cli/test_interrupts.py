"""Ctrl+C at random moments of a wait: it ends at once, in one piece."""

import json
import os
import random
import shlex
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from maps_data_registry.emulator import Namespace

from .conftest import posix
from .terminal import KEY, Server

INTERRUPTS = 24
NOISE = ("Traceback", "never retrieved", "never awaited", "Warning", "Exception")
PATIENCE = 20.0  # seconds; it takes a fraction of one, but machines are shared


@posix
@pytest.mark.slow
@pytest.mark.parametrize("results", [False, True], ids=["plain", "--results"])
def test_ctrl_c_at_random_moments(emulator: Namespace, server: Server, tmp_path: Path, results: bool) -> None:
    chance = random.Random(25)
    file, listed = tmp_path / "results.jsonl", tmp_path / "ids.txt"
    ids = [emulator.start_operation("never-ends retry_after=0").id for _ in range(20)]
    listed.write_text("\n".join(ids))
    options = ["--results", str(file)] if results else []
    command = ["wait", "--from", str(listed), "--base-url", emulator.url, *options]
    codes, resumed = set(), 0

    def polls() -> int:
        return sum(operation.polls for operation in list(emulator.operations.values()))

    def are_more_than(before: int) -> bool:
        return polls() > before

    for number in range(INTERRUPTS // 2):
        if results:
            ids.append(emulator.start_operation("completes polls=1 retry_after=0").id)
            listed.write_text("\n".join(ids))
        polled = polls()
        out, err = (tmp_path / f"{name}{number}" for name in ("out", "err"))
        pid = server.start(*command, env={"AZURE_MAPS_SUBSCRIPTION_KEY": KEY}, stdout=str(out), stderr=str(err))
        until(partial(takes_interrupts, pid))
        if number % 2:  # in the midst of the polls; else in what comes before
            until(partial(are_more_than, polled + chance.randrange(3)))
        time.sleep(chance.uniform(0, 0.05))
        os.kill(pid, signal.SIGINT)
        at = time.monotonic()
        codes.add(server.wait(pid))
        assert time.monotonic() - at < PATIENCE
        shown = err.read_text()
        assert not [word for word in NOISE if word in shown]
        last = shown.splitlines()[-1]
        if "to resume: " in shown:
            resumed += 1
            assert last == f"to resume: {shlex.join(['maps-data-registry', *command])}"
        else:
            assert last == "maps-data-registry: interrupted"
        if file.exists():
            lines = file.read_text().splitlines(keepends=True)
            assert all(line.endswith("\n") and json.loads(line)["outcome"] == "completed" for line in lines)
    assert codes == {130}
    assert resumed >= INTERRUPTS // 4  # all those in the midst of the polls


def until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def takes_interrupts(pid: int) -> bool:
    """Whether the command has a handler for Ctrl+C; it was forked from a process that ignores it."""
    status = Path(f"/proc/{pid}/status").read_text()
    return bool(int(status.partition("SigCgt:")[2].split()[0], 16) & 1 << signal.SIGINT - 1)
