"""What of the Airflow extra works, and is looked at, without Airflow."""

from importlib import metadata, util

import pytest

from maps_data_registry import airflow
from maps_data_registry.airflow import provider


def test_airflow_finds_the_provider() -> None:
    [entry] = metadata.entry_points(group="apache_airflow_provider", module=provider.__name__)
    info = entry.load()()
    assert info["package-name"] == metadata.metadata("maps-data-registry")["Name"]
    [connection] = info["connection-types"]
    assert connection["connection-type"] == provider.CONNECTION_TYPE
    assert set(connection["conn-fields"]) == {"credential", "account_client_id", "tenant_id"}


@pytest.mark.skipif(util.find_spec("airflow") is not None, reason="Airflow is there")
def test_without_airflow_one_line_says_what_to_install() -> None:
    with pytest.raises(ImportError, match=r"pip install 'maps-data-registry\[airflow\]'"):
        _ = airflow.DataRegistryHook


def test_there_are_no_other_names() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = airflow.no_such_name  # type: ignore[attr-defined]
