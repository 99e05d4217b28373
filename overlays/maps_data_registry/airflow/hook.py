"""Clients out of an Airflow connection.

A connection of the type `maps_data_registry` has these fields; the password is the one secret, which Airflow
encrypts and masks:

    host      geography (us, eu) or base URL
    password  subscription key, SAS token or client secret
    login     app registration's client id, with a client secret
    extra     credential: subscription_key (if it says nothing), sas_token or entra
              account_client_id: the Maps account's client id, with entra
              tenant_id: the app registration's tenant, with a client secret

Entra without a password is azure-identity's default chain: workload identity, managed identity and so on.
"""

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import attrs
from airflow.sdk import BaseHook

from maps_data_registry import (
    DataRegistryError,
    EntraToken,
    InvalidCredential,
    OperationNotFound,
    SasToken,
    SubscriptionKey,
    connect,
    get_operation,
)
from maps_data_registry_client import AuthenticatedClient
from maps_data_registry_contract import GEOGRAPHIES

from .provider import CONNECTION_TYPE, HOOK_NAME

DEFAULT_CONNECTION = f"{CONNECTION_TYPE}_default"

_NO_OPERATION = "00000000-0000-0000-0000-000000000000"


class DataRegistryHook(BaseHook):
    """Makes clients out of a connection: `with DataRegistryHook().get_conn() as client`."""

    conn_name_attr = "data_registry_conn_id"
    default_conn_name = DEFAULT_CONNECTION
    conn_type = CONNECTION_TYPE
    hook_name = HOOK_NAME

    def __init__(self, data_registry_conn_id: str = DEFAULT_CONNECTION) -> None:
        super().__init__()
        self.data_registry_conn_id = data_registry_conn_id

    def get_conn(self) -> AuthenticatedClient:
        """Make a client, as `connect` does.

        Raises:
            ValueError: for a host that is neither a geography nor a usable base URL.
            InvalidCredential: for a credential that cannot be right.
            ImportError: for Entra without the `entra` extra.
        """
        connection = self.get_connection(self.data_registry_conn_id)
        host = connection.host or ""
        geography = next((name for name in GEOGRAPHIES if name == host), None)
        return connect(geography, _credential(connection), base_url=None if geography else host)

    def test_connection(self) -> tuple[bool, str]:
        """Poll an operation that cannot exist, which is a 404 to a good credential, and creates nothing."""
        try:
            client = self.get_conn()
        except (ValueError, ImportError) as error:
            return False, f"Nothing was sent: {error}"
        with client:
            tried = f"Polled the operation {_NO_OPERATION} of {client.get_httpx_client().base_url.host}"
            try:
                get_operation(client, _NO_OPERATION)
            except DataRegistryError as error:
                if isinstance(error, OperationNotFound) and error.code:  # a web server's own 404 has none
                    return True, f"{tried}: HTTP 404 {error.code}, so the credential is accepted. Nothing was created."
                return False, f"{tried}: {error.args[0]}"
        return False, f"{tried}: it was found, so this is not Azure Maps."


@attrs.define
class _Shared:
    client: AuthenticatedClient
    users: int = 0


_clients: dict[object, _Shared] = {}


@contextlib.asynccontextmanager
async def shared_client(connection: Any, endpoint: str) -> AsyncIterator[AuthenticatedClient]:
    """The one client of all triggers here with the same connection: thousands share a few sockets and a token."""
    key = (endpoint, *secret_of(connection))
    if key not in _clients:
        _clients[key] = _Shared(connect(base_url=endpoint, credential=_credential(connection)))
    shared = _clients[key]
    shared.users += 1
    try:
        yield shared.client
    finally:
        shared.users -= 1
        if not shared.users:
            del _clients[key]
            await shared.client.get_async_httpx_client().aclose()


def secret_of(connection: Any) -> tuple[object, ...]:
    """What of a connection makes its credential, to compare."""
    return connection.login, connection.password, connection.extra


def _credential(connection: Any) -> EntraToken | SasToken | SubscriptionKey:
    """The credential of an Airflow connection.

    Not out of `extra_dejson`: that talks to the supervisor, which must not happen on the triggerer's event loop.
    """
    extra = json.loads(connection.extra or "{}")
    secret = connection.password or ""
    match extra.get("credential") or "subscription_key":
        case "subscription_key":
            return SubscriptionKey(secret)
        case "sas_token":
            return SasToken(secret)
        case "entra":
            return EntraToken(_identity(connection.login, secret, extra), extra.get("account_client_id"))
        case _:
            raise InvalidCredential("the connection's credential must be subscription_key, sas_token or entra")


def _identity(client_id: str, secret: str, extra: Mapping[str, str]) -> Any:
    try:
        from azure.identity import ClientSecretCredential, DefaultAzureCredential
    except ImportError as error:
        raise ImportError("an Entra connection needs: pip install 'maps-data-registry[airflow,entra]'") from error
    return ClientSecretCredential(extra.get("tenant_id", ""), client_id, secret) if secret else DefaultAzureCredential()
