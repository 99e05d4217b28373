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
from typing import Any

from maps_data_registry.emulator import Emulator, Operation

SCRIPTS = Path(__file__).resolve().parent
AIRFLOW = str(Path(sys.executable).parent / "airflow")
# A fifth fails in the end; others meet throttling, a server that is down, a connection that breaks. No one ends alone.
NAMES = ("fails", "throttled", "completes", "unavailable", "reset-before-headers")
SCENARIOS = [f"{NAMES[n % 5]} polls=1000000 retry_after=10" for n in range(200)]
KEY = f"demo-{secrets.token_hex(16)}"
TIMEOUT = 1200.0  # seconds, for all of it
DOWN = 8.0  # seconds without a triggerer
TO_BE_SAVED = 10.0  # seconds that an event may need from the wire into Airflow's database

began = time.monotonic()


class Failed(Exception):
    """The demo did not go as it should."""


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    home = Path(tempfile.mkdtemp(prefix="airflow-demo-"))
    try:
        run(home)
    except Failed as failed:
        say(f"FAILED: {failed}\nAirflow's logs and database are in {home}")
        return 1
    shutil.rmtree(home)
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
        killed = service.now()
        say(f"the triggerer is killed; {states(home)['deferred']} tasks are deferred")
        finish(operations[70:140])
        time.sleep(DOWN)
        processes.enter_context(process(home, environment, "triggerer", "--skip-serve-logs"))
        say("another one is started")
        wait_until(lambda: all(ended(operation) for operation in operations[:140]), "140 operations have ended", home)
        finish(operations[140:])
        wait_until(lambda: states(home).keys() <= {"success", "failed"}, "all tasks have ended", home)
        judge(service, killed, home)


def finish(operations: list[Operation]) -> None:
    """Let the service be done with them: the next poll is told how they ended."""
    for operation in operations:
        operation.scenario = operation.scenario.model_copy(update={"polls": 0})


def ended(operation: Operation) -> bool:
    return operation.outcome in {"Completed", "Failed"}


def judge(service: Emulator, killed: float, home: Path) -> None:
    operations = list(service.operations.values())
    tasks = query(home, "SELECT map_index, state, try_number FROM task_instance WHERE task_id = 'wait' ORDER BY 1")
    wanted = [(n, "failed" if scenario.startswith("fails") else "success", 1) for n, scenario in enumerate(SCENARIOS)]
    check(len(operations) == len(SCENARIOS), "each operation was registered once")
    check(tasks == wanted, f"each task ended as its operation did, at the first try: {dict(states(home))}")
    failures = [
        "InvalidData: The data is not a valid GeoJSON." in log(home, n) for n, state, _ in wanted if state == "failed"
    ]
    check(all(failures), "each failure's log has the service's code and message")
    check(not any(entry.early for entry in service.journal()), f"{len(service.journal())} requests, none of them early")
    check(all(ended(operation) for operation in operations), "no operation was lost")
    ends = [[entry.at for entry in service.journal(o) if entry.outcome in {"Completed", "Failed"}] for o in operations]
    again = [told for told in ends if len(told) > 1]
    check(
        all(len(told) == 2 and killed - TO_BE_SAVED <= told[0] <= killed for told in again),
        f"none was asked about after its end, but for {len(again)} whose end was told while the triggerer was killed",
    )
    check(
        not any(KEY.encode() in file.read_bytes() for file in home.rglob("*") if file.is_file()), "no file has the key"
    )


def settings(home: Path, port: int, service: str) -> dict[str, str]:
    options = {
        "API__HOST": "127.0.0.1",
        "API__PORT": str(port),
        "API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "CORE__DAGS_FOLDER": str(SCRIPTS / "airflow_dags"),
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


def query(home: Path, question: str) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(f"file:{home}/airflow.db?mode=ro", uri=True, timeout=30)) as database:
        return database.execute(question).fetchall()


def states(home: Path) -> Counter[str]:
    rows = query(home, "SELECT state, COUNT(*) FROM task_instance WHERE task_id = 'wait' GROUP BY state")
    return Counter({state or "none": count for state, count in rows})


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
