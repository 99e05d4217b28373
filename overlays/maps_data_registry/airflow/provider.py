"""What Airflow reads about this package when it starts. Imports nothing of Airflow, nor of the rest of the package."""

from typing import Any

CONNECTION_TYPE = "maps_data_registry"
HOOK_NAME = "Azure Maps Data Registry"


def get_provider_info() -> dict[str, Any]:
    """The entry point `apache_airflow_provider`: the connection type and its form.

    Its members are those of `provider.yaml`: https://airflow.apache.org/docs/apache-airflow-providers.
    """
    return {
        "package-name": "maps-data-registry",
        "name": HOOK_NAME,
        "description": "Waits for data register and replace operations of Azure Maps.",
        "extra-links": ["maps_data_registry.airflow.operator.OperationLink"],
        "connection-types": [
            {
                "connection-type": CONNECTION_TYPE,
                "hook-class-name": "maps_data_registry.airflow.DataRegistryHook",
                "hook-name": HOOK_NAME,
                "ui-field-behaviour": {
                    "hidden-fields": ["schema", "port"],
                    "relabeling": {
                        "host": "Geography or base URL",
                        "password": "Key, SAS token or client secret",
                        "login": "App registration's client id",
                    },
                    "placeholders": {"host": "us, eu or https://…"},
                },
                "conn-fields": {
                    "credential": {
                        "label": "Credential",
                        "schema": {
                            "type": "string",
                            "enum": ["subscription_key", "sas_token", "entra"],
                            "default": "subscription_key",
                        },
                    },
                    "account_client_id": {
                        "label": "Maps account's client id",
                        "description": "With entra.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "tenant_id": {
                        "label": "Tenant id",
                        "description": "With entra and a client secret.",
                        "schema": {"type": ["string", "null"]},
                    },
                },
            }
        ],
    }
