"""Wait for 200 operations in a real Airflow, rotate the key, kill the triggerer, and check what came of it.

API server, scheduler, DAG processor and triggerer are processes of their own, on SQLite; the emulator is the service.
Its journal, Airflow's database and its log files are the witnesses. Everything started here is ended here. With
--cases, what else happens to a task that is deferred follows: see airflow_cases.py.
"""

import contextlib
import secrets
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from airflow_demo import cases
from airflow_demo.engine import Engine, Failed, check, kill, say, wait_until
from maps_data_registry.emulator import EmulatedOperation, Emulator

# A fifth fails in the end; others meet throttling, a server that is down, a broken connection. None ends of itself.
NAMES = ("fails", "throttled", "completes", "unavailable", "reset-before-headers")
SCENARIOS = [f"{NAMES[n % 5]} polls=1000000 retry_after=20" for n in range(200)]
ENDS = {"Completed", "Failed"}
KEYS = [f"demo-{secrets.token_hex(16)}" for _ in range(2)]
CONNECTION = "maps_data_registry_default"
DOWN = 8.0  # seconds without a triggerer


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
    with Emulator(credentials=[KEYS[0]]) as service, contextlib.ExitStack() as processes:
        say("make Airflow's database")
        engine = Engine(home, {"DEMO_SCENARIOS": "\n".join(SCENARIOS)}, processes)
        check("maps-data-registry" in engine.airflow("providers", "list"), "Airflow lists the provider")
        engine.start("api-server")
        wait_until(engine.is_up, "the API server is up")
        connection = {"connection_id": CONNECTION, "conn_type": "maps_data_registry", "host": service.url}
        engine.call("POST", "connections", {**connection, "password": KEYS[0]})
        tested = engine.call("POST", "connections/test", {**connection, "password": KEYS[0]})
        check(tested["status"], f"the connection is tested: {tested['message']}")
        check(
            not engine.call("POST", "connections/test", {**connection, "password": KEYS[1]})["status"],
            "a connection with a wrong key is not taken for a good one",
        )
        say("start scheduler, DAG processor and triggerer")
        engine.start("scheduler", "--skip-serve-logs")
        engine.start("dag-processor")
        triggerer = engine.start("triggerer", "--skip-serve-logs")

        wait_until(lambda: states(home)["deferred"] == len(SCENARIOS), "all tasks are deferred", home_states(home))
        operations = list(service.operations.values())
        [dag_run] = engine.call("GET", "dags/nightly/dagRuns")["dag_runs"]
        path = f"dags/nightly/dagRuns/{dag_run['dag_run_id']}/taskInstances/wait/links?map_index=0"
        link = engine.call("GET", path)["extra_links"]["Operation"]
        check(link.startswith(operations[0].location), "a deferred task's page links to its operation")
        engine.call("PATCH", f"connections/{CONNECTION}?update_mask=password", {**connection, "password": KEYS[1]})
        service.credentials = [KEYS[1]]
        say("the key is rotated")
        finish(operations[:70])
        first = operations[:70]
        wait_until(lambda: all(ended(operation) for operation in first), "70 operations have ended", home_states(home))
        kill(triggerer)
        deferred = {n for n, state, _ in tasks(home) if state == "deferred"}
        say(f"the triggerer is killed; {len(deferred)} tasks are deferred")
        finish(operations[70:140])
        time.sleep(DOWN)
        engine.start("triggerer", "--skip-serve-logs")
        say("another one is started")
        both = operations[:140]
        wait_until(lambda: all(ended(operation) for operation in both), "140 operations have ended", home_states(home))
        finish(operations[140:])
        wait_until(lambda: states(home).keys() <= {"success", "failed"}, "all tasks have ended", home_states(home))
        judge(service, operations, deferred, home)
        if "--cases" in sys.argv:
            cases.run(engine, service, KEYS[1])
        files = [file.read_bytes() for file in home.rglob("*") if file.is_file()]
        found = [key for key in KEYS for content in files if key.encode() in content]
        check(not found, f"no key is in any of {len(files)} files")


def finish(operations: list[EmulatedOperation]) -> None:
    """Let the service be done with them: the next poll is told how they ended."""
    for operation in operations:
        operation.scenario = operation.scenario.model_copy(update={"polls": 0})


def ended(operation: EmulatedOperation) -> bool:
    return operation.outcome in ENDS


def judge(service: Emulator, operations: list[EmulatedOperation], deferred: set[int], home: Path) -> None:
    wanted = [(n, "failed" if scenario.startswith("fails") else "success", 1) for n, scenario in enumerate(SCENARIOS)]
    check(len(operations) == len(SCENARIOS), "each operation was registered once")
    check(tasks(home) == wanted, f"each task ended as its operation did, at the first try: {dict(states(home))}")
    failures = [
        "InvalidData: The data is not a valid GeoJSON." in log(home, n) for n, state, _ in wanted if state == "failed"
    ]
    check(all(failures), "each failure's log has the service's code and message")
    refused = sum(entry.status == 401 for entry in service.journal())
    check(0 < refused <= len(SCENARIOS) + 1, f"{refused} polls met the rotation, and one test of a wrong key")
    check(not any(entry.early for entry in service.journal()), f"{len(service.journal())} requests, none of them early")
    check(all(ended(operation) for operation in operations), "no operation was lost")
    told = [sum(entry.outcome in ENDS for entry in service.journal(operation)) for operation in operations]
    again = {n for n, times in enumerate(told) if times > 1}
    check(max(told) <= 2 and again <= deferred, "no operation was polled again by a triggerer that had seen it end")
    say(f"    ({len(again)} were, as the answer had died with the triggerer before Airflow saved it)")


def tasks(home: Path) -> list[tuple[int, str, int]]:
    """Index, state and try of each waiting task."""
    question = "SELECT map_index, state, try_number FROM task_instance WHERE task_id = 'wait' ORDER BY map_index"
    with contextlib.closing(sqlite3.connect(f"file:{home}/airflow.db?mode=ro", uri=True, timeout=30)) as database:
        return [(index, state or "none", try_number) for index, state, try_number in database.execute(question)]


def states(home: Path) -> Counter[str]:
    return Counter(state for _, state, _ in tasks(home))


def home_states(home: Path) -> Callable[[], object]:
    return lambda: dict(states(home))


def log(home: Path, map_index: int) -> str:
    return "".join(path.read_text() for path in home.glob(f"logs/*/*/task_id=wait/map_index={map_index}/*.log"))


if __name__ == "__main__":
    sys.exit(main())
