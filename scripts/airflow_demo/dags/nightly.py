"""Registers a batch of data, and waits for all of it: the DAG of scripts/airflow-demo."""

import os
from uuid import uuid4

from airflow.sdk import dag, task

from maps_data_registry.airflow import DataRegistryHook, WaitForDataRegistryOperation
from maps_data_registry_contract import API_VERSION


@dag(schedule="@once", is_paused_upon_creation=False)
def nightly() -> None:
    """Two tasks, the second of them once for each operation."""

    @task
    def register() -> list[str]:
        with DataRegistryHook().get_conn() as client:
            http = client.get_httpx_client()
            return [
                http.put(
                    f"/dataRegistries/{uuid4()}?api-version={API_VERSION}", headers={"x-emulator-scenario": scenario}
                ).headers["Operation-Location"]
                for scenario in os.environ["DEMO_SCENARIOS"].splitlines()
            ]

    WaitForDataRegistryOperation.partial(task_id="wait", retries=1, timeout=900, policy={"max_interval": 25}).expand(
        operation=register()
    )


nightly()
