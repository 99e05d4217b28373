"""A task for each thing that may happen to one that is deferred: the DAG of scripts/airflow-demo --cases."""

from datetime import timedelta
from typing import Any

from airflow.sdk import dag

from maps_data_registry.airflow import WaitForDataRegistryOperation


@dag(schedule=None, is_paused_upon_creation=False)
def cases() -> None:
    """Each task waits for the operation that the run's configuration names by the task's id."""
    options: dict[str, dict[str, Any]] = {
        "execution_timeout": {"execution_timeout": timedelta(seconds=20)},
        "deleted_connection": {"data_registry_conn_id": "deleted"},
        "cleared": {},
        "marked_failed": {},
        "marked_skipped": {},
        "paused": {},
    }
    for task_id, more in options.items():
        WaitForDataRegistryOperation(
            task_id=task_id, operation=f"{{{{ dag_run.conf['{task_id}'] }}}}", deferrable=True, timeout=900, **more
        )


cases()
