"""`wait --results`, killed at random moments, loses nothing and repeats nothing."""

import json
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from maps_data_registry.emulator import Namespace

from .conftest import posix
from .terminal import KEY, Server

KILLS = 50
OPERATIONS = 400


@posix
@pytest.mark.slow
def test_killed_fifty_times(emulator: Namespace, server: Server, tmp_path: Path) -> None:
    chance = random.Random(11)
    results, errors = tmp_path / "results.jsonl", tmp_path / "errors"
    scenarios = ["completes polls=1 retry_after=0", "fails polls=2 retry_after=0"]
    ids = {emulator.start_operation(chance.choice(scenarios)).id for _ in range(OPERATIONS)}
    listed = tmp_path / "ids.txt"
    listed.write_text("\n".join(sorted(ids)))
    arguments = ("wait", "--base-url", emulator.url, "--from", str(listed), "--results", str(results))
    command = (*arguments, "--concurrency", "1")

    def start() -> int:
        return server.start(*command, env={"AZURE_MAPS_SUBSCRIPTION_KEY": KEY}, stderr=str(errors))

    def known() -> list[str]:
        """The operations of the file's whole lines."""
        whole = results.read_bytes().split(b"\n")[:-1] if results.exists() else []
        return [json.loads(line)["operation_id"] for line in whole]

    progress = set()
    for _ in range(KILLS):
        before, polled = known(), len(emulator.entries)
        pid = start()
        deadline = time.monotonic() + 20
        while len(emulator.entries) < polled + 3 and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.02))
        os.kill(pid, signal.SIGKILL)
        assert server.wait(pid) == -signal.SIGKILL
        after = known()
        assert after[: len(before)] == before
        assert not set(before) & {entry.operation_id for entry in list(emulator.entries)[polled:]}
        progress.add(len(after))
    assert len(progress) > KILLS // 2  # most of them fell into the work
    assert max(progress) < OPERATIONS

    assert server.wait(start()) == 1
    assert "Traceback" not in errors.read_text()
    assert Counter(known()) == Counter(ids)
    ends = Counter(entry.operation_id for entry in emulator.entries if entry.outcome in {"Completed", "Failed"})
    assert set(ends) == ids
    assert sum(ends.values()) <= OPERATIONS + KILLS  # an end that a kill keeps from the disk is polled once more
