"""Waiting inside Airflow: a deferrable operator, its trigger, and the hook of its connection.

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
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

import attrs

from maps_data_registry_client import AuthenticatedClient
from maps_data_registry_client.models import LongRunningOperationResult

from .airflow_provider import CONNECTION_TYPE, HOOK_NAME
from .auth import Credential, SasToken, SubscriptionKey
from .connection import connect
from .entra import EntraToken
from .errors import DataRegistryError, InvalidCredential, OperationFailed, one_line
from .operations import watch_operation, watch_operation_async
from .origin import GEOGRAPHIES, endpoint
from .policy import OperationUpdate, PollingPolicy

try:
    from airflow.sdk import BaseHook, BaseOperator
    from airflow.sdk.exceptions import AirflowFailException, TaskDeferred
    from airflow.triggers.base import BaseTrigger, TriggerEvent
except ModuleNotFoundError as missing:
    if not (missing.name or "").startswith("airflow"):
        raise
    raise ImportError("the Airflow operator is an extra: pip install 'maps-data-registry[airflow]'") from None

DEFAULT_CONNECTION = f"{CONNECTION_TYPE}_default"

GRACE = 60.0
"""Seconds after the deadline until Airflow itself ends a wait, which it must where no triggerer runs."""


class DataRegistryHook(BaseHook):
    """Makes clients out of a connection: `with DataRegistryHook().get_conn() as client`."""

    conn_name_attr = "conn_id"
    default_conn_name = DEFAULT_CONNECTION
    conn_type = CONNECTION_TYPE
    hook_name = HOOK_NAME

    def __init__(self, conn_id: str = DEFAULT_CONNECTION) -> None:
        super().__init__()
        self.conn_id = conn_id

    def get_conn(self) -> AuthenticatedClient:
        """Make a client, as `connect` does.

        Raises:
            ValueError: for a host that is neither a geography nor a usable base URL.
            InvalidCredential: for a credential that cannot be right.
            ImportError: for Entra without the `entra` extra.
        """
        connection = self.get_connection(self.conn_id)
        host = connection.host or ""
        url = endpoint(host, None) if host in GEOGRAPHIES else endpoint(None, host)
        return connect(base_url=str(url), credential=_credential(connection))


@attrs.define(slots=False, eq=False, repr=False, kw_only=True)
class DataRegistryOperationTrigger(BaseTrigger):
    """Waits for one operation in the triggerer, and fires one event.

    Its fields are all there is to a wait, so that any triggerer can go on with it; none is a secret. Moments are
    seconds since 1970, on the wall clock, so that a restart extends nothing.
    """

    operation_id: str
    endpoint: str
    """Where the operation is, even if the connection's host is changed meanwhile."""
    conn_id: str
    """The connection whose credential signs."""
    policy: dict[str, Any]
    """`PollingPolicy`'s arguments."""
    started: float
    """When the operator asked first."""
    due: float
    """When to ask next."""
    deadline: float | None
    """When to give up, or None."""
    result: dict[str, Any] | None
    """The last result until now, as on the wire."""

    def __attrs_pre_init__(self) -> None:
        super().__init__()

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and the fields, as Airflow keeps them."""
        return f"{type(self).__module__}.{type(self).__qualname__}", attrs.asdict(self)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and fire the event that `WaitForDataRegistryOperation` goes on with."""
        yield TriggerEvent(await self._wait())

    async def _wait(self) -> dict[str, Any]:
        connection = await BaseHook.aget_connection(self.conn_id)
        after = update = self._so_far(time.time())
        timeout = None if self.deadline is None else self.deadline - self.started
        policy = PollingPolicy(**self.policy)
        try:
            async with _shared_client(connection, self.endpoint) as client:
                polls = watch_operation_async(client, self.operation_id, timeout=timeout, policy=policy, after=after)
                async for update in polls:
                    self.log.info(_told(update))
        except DataRegistryError as error:
            # Without polls of its own, the error came before the first question here.
            return _event(self.operation_id, error.polls or after.polls, error.last or after.result, error)
        return _event(self.operation_id, update.polls, update.result)

    def _so_far(self, now: float) -> OperationUpdate:
        # Past the due time, another triggerer may have asked before it died: the whole pause is left once more.
        wait = self.due - now if now <= self.due else self.due - self.started
        return OperationUpdate(
            operation_id=self.operation_id, wait=wait, polls=1, elapsed=now - self.started, result=_read(self.result)
        )


class WaitForDataRegistryOperation(BaseOperator):
    """Waits for an operation without holding a worker; its result is pushed to XCom.

    Asks once in the worker, so that what is over, or cannot be asked about, needs no triggerer. The triggerer asks
    from then on. An operation that failed fails the task with the service's code and message, and Airflow does not try
    again: the data must be mended first. Every other failure is retried as the task's `retries` have it.

    Args:
        operation: operation id or Operation-Location; templated, so an XCom too.
        conn_id: the Airflow connection, see the top of this module.
        timeout: for the whole wait, on the wall clock, as a timedelta or in seconds; None for no limit.
        policy: `PollingPolicy`'s arguments, such as `{"interval": 30}`, for replies without Retry-After and failures.
        deferrable: False waits in the worker.

    Raises:
        AirflowFailException: if the operation ended without success.
        DataRegistryError: if the wait ended otherwise: see `watch_operation`.
    """

    template_fields = ("operation", "conn_id")

    def __init__(
        self,
        *,
        operation: str,
        conn_id: str = DEFAULT_CONNECTION,
        timeout: timedelta | float | None = 3600.0,
        policy: Mapping[str, Any] | None = None,
        deferrable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.operation = operation
        self.conn_id = conn_id
        self.timeout = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        self.policy = dict(policy or {})
        self.deferrable = deferrable
        PollingPolicy(**self.policy)  # a mistake is to show when the DAG is read

    def execute(self, context: Any) -> dict[str, Any]:
        """Ask once, then defer; or ask until it has ended."""
        started = time.time()
        with DataRegistryHook(self.conn_id).get_conn() as client:
            endpoint = str(client.get_httpx_client().base_url)
            polls = watch_operation(client, self.operation, timeout=self.timeout, policy=PollingPolicy(**self.policy))
            updates = map(self._noted, polls)
            update = next(updates) if self.deferrable else deque(updates, maxlen=1).pop()
        if update.wait is not None:
            raise TaskDeferred(
                trigger=self._trigger(update, update.wait, endpoint, started),
                method_name="execute_complete",
                timeout=None if self.timeout is None else timedelta(seconds=self.timeout + GRACE),
            )
        return self.execute_complete(context, _event(update.operation_id, update.polls, update.result))

    def execute_complete(self, context: Any, event: dict[str, Any]) -> dict[str, Any]:
        """End the task as the wait has ended."""
        if event["problem"] is not None:
            error = DataRegistryError(*event["problem"])
            error.operation_id, error.last, error.polls = event["operation_id"], _read(event["result"]), event["polls"]
            raise error
        if event["status"] in PollingPolicy(**self.policy).failed:
            failed = OperationFailed(LongRunningOperationResult.from_dict(event["result"]))
            failed.operation_id = event["operation_id"]
            self.log.error("%s", failed.tree)
            raise AirflowFailException(str(failed))
        return dict(event["result"])

    def _noted(self, update: OperationUpdate) -> OperationUpdate:
        self.log.info(_told(update))
        return update

    def _trigger(self, update: OperationUpdate, wait: float, endpoint: str, started: float) -> BaseTrigger:
        return DataRegistryOperationTrigger(
            operation_id=update.operation_id,
            endpoint=endpoint,
            conn_id=self.conn_id,
            policy=self.policy,
            started=started,
            due=time.time() + wait,
            deadline=None if self.timeout is None else started + self.timeout,
            result=_wire(update.result),
        )


def _told(update: OperationUpdate) -> str:
    word = update.problem or one_line(update.status or "no status")
    return f"poll {update.polls}: {word}" + ("" if update.wait is None else f", next in {update.wait:.1f} s")


def _event(
    operation_id: str, polls: int, result: LongRunningOperationResult | None, problem: DataRegistryError | None = None
) -> dict[str, Any]:
    """What the trigger tells the operator, as JSON."""
    return {
        "operation_id": operation_id,
        "status": (_wire(result) or {}).get("status"),
        "polls": polls,
        "result": _wire(result),
        "problem": None if problem is None else [problem.args[0], problem.next_step],
    }


def _wire(result: LongRunningOperationResult | None) -> dict[str, Any] | None:
    return None if result is None else result.to_dict()


def _read(result: dict[str, Any] | None) -> LongRunningOperationResult | None:
    return None if result is None else LongRunningOperationResult.from_dict(result)


@attrs.define
class _Shared:
    client: AuthenticatedClient
    users: int = 0


_clients: dict[object, _Shared] = {}


@contextlib.asynccontextmanager
async def _shared_client(connection: Any, endpoint: str) -> AsyncIterator[AuthenticatedClient]:
    """The one client of all triggers here with the same connection: thousands share a few sockets and a token."""
    key = (endpoint, connection.login, connection.password, connection.extra)
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


def _credential(connection: Any) -> Credential:
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
