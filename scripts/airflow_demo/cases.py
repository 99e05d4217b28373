"""What else may happen to a deferred task, with two triggerers: the state that follows, and no poll after it.

A part of scripts/airflow-demo, after its main part.
"""

import contextlib
import secrets
import sqlite3
import time

from airflow_demo.engine import Engine, check, say, wait_until
from maps_data_registry.emulator import EmulatedOperation, Emulator

# What each task ends as, and a line of its log.
WANTED = {
    "execution_timeout": ("failed", "TaskDeferralTimeout"),
    "deleted_connection": ("failed", "the connection cannot be read"),
    "cleared": ("success", ""),
    "marked_failed": ("failed", ""),
    "marked_skipped": ("skipped", ""),
    "paused": ("success", ""),
}
RETRY_AFTER = 4
QUIET = 3 * RETRY_AFTER  # seconds in which a wait that goes on would poll


def run(engine: Engine, service: Emulator, key: str) -> None:
    """Each case, at the same time."""
    engine.start("triggerer", "--skip-serve-logs")
    say("a second triggerer is started")
    other = f"demo-{secrets.token_hex(16)}"
    service.credentials = [key, other]
    connection = {"connection_id": "deleted", "conn_type": "maps_data_registry", "host": service.url}
    engine.call("POST", "connections", {**connection, "password": other})
    scenario = f"never-ends retry_after={RETRY_AFTER}"
    operations = {task_id: service.start_operation(scenario) for task_id in WANTED}
    conf = {task_id: operation.id for task_id, operation in operations.items()}
    run_id = engine.call("POST", "dags/cases/dagRuns", {"logical_date": None, "conf": conf})["dag_run_id"]
    others = WANTED.keys() - {"execution_timeout"}  # which may be over before its second poll
    wait_until(lambda: all(operations[task_id].polls > 1 for task_id in others), "the triggerers poll all the others")

    engine.call("DELETE", "connections/deleted")
    service.credentials = [key]
    tries = operations["cleared"].polls
    engine.call("POST", "dags/cases/clearTaskInstances", _clear(run_id))
    for task_id, state in (("marked_failed", "failed"), ("marked_skipped", "skipped")):
        engine.call("PATCH", f"dags/cases/dagRuns/{run_id}/taskInstances/{task_id}", {"new_state": state})
    wait_until(lambda: operations["cleared"].polls > tries + 2, "the cleared task waits again")
    finish(operations["cleared"])
    done = WANTED.keys() - {"paused"}
    wait_until(
        lambda: all(states(engine)[task_id] == WANTED[task_id][0] for task_id in done),
        "all but the last case have ended",
        lambda: states(engine),
    )
    engine.call("PATCH", "dags/cases", {"is_paused": True})
    finish(operations["paused"])
    wait_until(lambda: operations["paused"].outcome == "Completed", "the paused DAG's operation has ended")
    before = {task_id: len(service.journal(operation)) for task_id, operation in operations.items()}
    time.sleep(QUIET)
    check(states(engine)["paused"] == "scheduled", "a paused DAG's task polls on, and is resumed no more")
    engine.call("PATCH", "dags/cases", {"is_paused": False})
    wait_until(lambda: states(engine)["paused"] == "success", "it ends when the DAG is no longer paused")
    for task_id, operation in operations.items():
        state, line = WANTED[task_id]
        text = "".join(path.read_text() for path in engine.home.glob(f"logs/*/*/task_id={task_id}/*.log"))
        check(states(engine)[task_id] == state and line in text, f"{task_id}: {state} {line}")
        check(len(service.journal(operation)) == before[task_id], f"{task_id}: no request after its end")
    early = sum(entry.early for operation in operations.values() for entry in service.journal(operation))
    check(early <= 1, "none but the cleared task's first poll came early")


def finish(operation: EmulatedOperation) -> None:
    operation.scenario = operation.scenario.parse(f"completes polls=0 retry_after={RETRY_AFTER}")


def states(engine: Engine) -> dict[str, str]:
    """The state of each case's task."""
    question = "SELECT task_id, state FROM task_instance WHERE dag_id = 'cases'"
    with contextlib.closing(
        sqlite3.connect(f"file:{engine.home}/airflow.db?mode=ro", uri=True, timeout=30)
    ) as database:
        return {task_id: state or "none" for task_id, state in database.execute(question)}


def _clear(run_id: str) -> dict[str, object]:
    return {"dry_run": False, "dag_run_id": run_id, "task_ids": ["cleared"], "only_failed": False}
