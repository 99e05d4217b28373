"""Wait for 200 operations in a real Airflow, kill its triggerer in the middle, and check what came of it.

API server, scheduler, DAG processor and triggerer are processes of their own, on SQLite; the emulator is the service.
Its journal, Airflow's database and its log files are the witnesses. Everything started here is ended here.
"""

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from maps_data_registry.emulator import EmulatedOperation, Emulator

DAGS = Path(__file__).resolve().with_name("dags")
AIRFLOW = str(Path(sys.executable).parent / "airflow")
# A fifth fails in the end; others meet throttling, a server that is down, a broken connection. None ends of itself.
NAMES = ("fails", "throttled", "completes", "unavailable", "reset-before-headers")
SCENARIOS = [f"{NAMES[n % 5]} polls=1000000 retry_after=20" for n in range(200)]
ENDS = {"Completed", "Failed"}
KEY = f"demo-{secrets.token_hex(16)}"
TIMEOUT = 900.0  # seconds, for all of it
DOWN = 8.0  # seconds without a triggerer

began = time.monotonic()


class Failed(Exception):
    """The demo did not go as it should."""


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    home = Path(tempfile.mkdtemp(prefix="airflow-demo-"))
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(shutil.rmtree, home)
        try:
            run(home)
        except Failed as failed:
            cleanup.pop_all()
            say(f"FAILED: {failed}\nAirflow's logs and database are in {home}")
            return 1
    say("all is well")
    return 0


def run(home: Path) -> None:
    with Emulator(credentials=[KEY]) as service, contextlib.ExitStack() as processes:
        port = free_port()
        environment = settings(home, port, service.url)
        say("make Airflow's database")
        airflow(environment, "db", "migrate")
        listed = airflow(environment, "providers", "list")
        check("maps-data-registry" in listed, "`airflow providers list` shows maps-data-registry")
        say("start API server, scheduler, DAG processor and triggerer")
        processes.enter_context(process(home, environment, "api-server"))
        wait_until(lambda: is_up(port), "the API server is up")
        processes.enter_context(process(home, environment, "scheduler", "--skip-serve-logs"))
        processes.enter_context(process(home, environment, "dag-processor"))
        triggerer = processes.enter_context(process(home, environment, "triggerer", "--skip-serve-logs"))

        wait_until(lambda: states(home)["deferred"] == len(SCENARIOS), "all tasks are deferred", home)
        operations = list(service.operations.values())
        finish(operations[:70])
        wait_until(lambda: all(ended(operation) for operation in operations[:70]), "70 operations have ended", home)
        kill(triggerer)
        deferred = {n for n, state, _ in tasks(home) if state == "deferred"}
        say(f"the triggerer is killed; {len(deferred)} tasks are deferred")
        finish(operations[70:140])
        time.sleep(DOWN)
        processes.enter_context(process(home, environment, "triggerer", "--skip-serve-logs"))
        say("another one is started")
        wait_until(lambda: all(ended(operation) for operation in operations[:140]), "140 operations have ended", home)
        finish(operations[140:])
        wait_until(lambda: states(home).keys() <= {"success", "failed"}, "all tasks have ended", home)
        judge(service, deferred, home)


def finish(operations: list[EmulatedOperation]) -> None:
    """Let the service be done with them: the next poll is told how they ended."""
    for operation in operations:
        operation.scenario = operation.scenario.model_copy(update={"polls": 0})


def ended(operation: EmulatedOperation) -> bool:
    return operation.outcome in ENDS


def judge(service: Emulator, deferred: set[int], home: Path) -> None:
    operations = list(service.operations.values())
    wanted = [(n, "failed" if scenario.startswith("fails") else "success", 1) for n, scenario in enumerate(SCENARIOS)]
    check(len(operations) == len(SCENARIOS), "each operation was registered once")
    check(tasks(home) == wanted, f"each task ended as its operation did, at the first try: {dict(states(home))}")
    failures = [
        "InvalidData: The data is not a valid GeoJSON." in log(home, n) for n, state, _ in wanted if state == "failed"
    ]
    check(all(failures), "each failure's log has the service's code and message")
    check(not any(entry.early for entry in service.journal()), f"{len(service.journal())} requests, none of them early")
    check(all(ended(operation) for operation in operations), "no operation was lost")
    told = [sum(entry.outcome in ENDS for entry in service.journal(operation)) for operation in operations]
    again = {n for n, times in enumerate(told) if times > 1}
    check(max(told) <= 2 and again <= deferred, "no operation was polled again by a triggerer that had seen it end")
    say(f"    ({len(again)} were, as the answer had died with the triggerer before Airflow saved it)")
    files = [file.read_bytes() for file in home.rglob("*") if file.is_file()]
    check(not any(KEY.encode() in content for content in files), f"the key is in none of {len(files)} files")


def settings(home: Path, port: int, service: str) -> dict[str, str]:
    options = {
        "API__HOST": "127.0.0.1",
        "API__PORT": str(port),
        "API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "CORE__DAGS_FOLDER": str(DAGS),
        "CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__MAX_ACTIVE_TASKS_PER_DAG": str(len(SCENARIOS)),
        "CORE__PARALLELISM": "4",
        "TRIGGERER__JOB_HEARTBEAT_SEC": "1",
        "TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "10",
    }
    connection = {"conn_type": "maps_data_registry", "host": service, "password": KEY}
    return {
        # Without bytecode each of 400 task processes would compile what it imports.
        **{name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHONDONTWRITE"))},
        **{f"AIRFLOW__{name}": value for name, value in options.items()},
        "AIRFLOW_HOME": str(home),
        "AIRFLOW_CONN_MAPS_DATA_REGISTRY_DEFAULT": json.dumps(connection),
        "DEMO_SCENARIOS": "\n".join(SCENARIOS),
    }


def airflow(environment: dict[str, str], *command: str) -> str:
    done = subprocess.run([AIRFLOW, *command], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"airflow {' '.join(command)}: {done.stderr[-2000:]}")
    return done.stdout


@contextlib.contextmanager
def process(home: Path, environment: dict[str, str], *command: str) -> Iterator["subprocess.Popen[bytes]"]:
    """One of Airflow's processes, in a process group with its children."""
    with (home / f"{command[0]}.out").open("ab") as output:
        started = subprocess.Popen(
            [AIRFLOW, *command], env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield started
    finally:
        kill(started)


def kill(started: "subprocess.Popen[bytes]") -> None:
    if started.poll() is None:  # not reaped, so its id is still its own
        os.killpg(started.pid, signal.SIGKILL)
        started.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def is_up(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v2/version", timeout=5) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


def tasks(home: Path) -> list[tuple[int, str, int]]:
    """Index, state and try of each waiting task."""
    question = "SELECT map_index, state, try_number FROM task_instance WHERE task_id = 'wait' ORDER BY map_index"
    with contextlib.closing(sqlite3.connect(f"file:{home}/airflow.db?mode=ro", uri=True, timeout=30)) as database:
        return [(index, state or "none", try_number) for index, state, try_number in database.execute(question)]


def states(home: Path) -> Counter[str]:
    return Counter(state for _, state, _ in tasks(home))


def log(home: Path, map_index: int) -> str:
    return "".join(path.read_text() for path in home.glob(f"logs/*/*/task_id=wait/map_index={map_index}/*.log"))


def wait_until(holds: Callable[[], bool], what: str, home: Path | None = None) -> None:
    said = time.monotonic()
    while not holds():
        now = time.monotonic()
        if now - began > TIMEOUT:
            raise Failed(f"not within {TIMEOUT:.0f} s: {what}")
        if home and now - said > 20:
            said = now
            say(f"… until {what}: {dict(states(home))}")
        time.sleep(0.5)
    say(what)


def check(holds: bool, claim: str) -> None:
    if not holds:
        raise Failed(f"not so: {claim}")
    say(f"ok: {claim}")


def say(text: str) -> None:
    print(f"{time.monotonic() - began:6.1f} s  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
