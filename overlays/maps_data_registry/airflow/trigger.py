"""The wait in the triggerer, and the event that reports its end."""

import time
from collections.abc import AsyncIterator
from typing import Any

import attrs
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.triggers.base import BaseTrigger, TriggerEvent

from maps_data_registry import (
    AuthenticationFailed,
    DataRegistryError,
    OperationUpdate,
    PollingPolicy,
    watch_operation_async,
)
from maps_data_registry.text import one_line
from maps_data_registry_client.models import LongRunningOperationResult
from maps_data_registry_contract import API_VERSION, GET_OPERATION

from .advice import in_airflow
from .hook import DataRegistryHook, secret_of, shared_client


@attrs.define(slots=False, eq=False, repr=False, kw_only=True)
class DataRegistryOperationTrigger(BaseTrigger):
    """Waits for one operation in the triggerer, and fires one event.

    Its fields are the whole state of a wait, so that any triggerer can resume it; none is a secret. Times are
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
    """When the operator polled first."""
    due: float
    """When to poll next."""
    deadline: float | None
    """When to give up, or None."""
    result: dict[str, Any] | None
    """The last result until now, as on the wire."""
    version: int = 1
    """Of these fields. One that is added needs a default: what an older version deferred must run."""

    def __attrs_pre_init__(self) -> None:
        super().__init__()

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and the fields, as Airflow keeps them."""
        return "maps_data_registry.airflow.DataRegistryOperationTrigger", attrs.asdict(self)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and fire the event that resumes `WaitForDataRegistryOperation`."""
        event = await self._wait()
        yield TriggerEvent({**event, "url": operation_url(self.endpoint, self.operation_id)})

    async def _wait(self) -> dict[str, Any]:
        start = after = self._so_far(time.time())
        try:
            connection = await self._connection()
            while True:
                try:
                    last = await self._poll(connection, after)
                    return event_of(self.operation_id, last.polls, last.result)
                except AuthenticationFailed as refused:
                    if after is not start and refused.last is after.result:  # no reply since the last time
                        raise
                    after = self._after(refused)
                    connection = await self._changed_connection(connection, refused)
        except DataRegistryError as error:
            # Without polls of its own, the error came before the first poll here.
            return event_of(
                self.operation_id, error.polls or after.polls, error.last or after.result, in_airflow(error)
            )

    async def _poll(self, connection: Any, after: OperationUpdate) -> OperationUpdate:
        update = after
        timeout = None if self.deadline is None else self.deadline - self.started
        policy = PollingPolicy(**self.policy)
        async with shared_client(connection, self.endpoint) as client:
            polls = watch_operation_async(client, self.operation_id, timeout=timeout, policy=policy, after=after)
            async for update in polls:
                self.log.info(log_line(update))
        return update

    async def _connection(self) -> Any:
        try:
            return await DataRegistryHook.aget_connection(self.conn_id)
        except AirflowNotFoundException as missing:
            error = DataRegistryError(f"the connection cannot be read: {missing}")
            error.advice = "add the connection, then clear the task"
            raise error from None

    async def _changed_connection(self, known: Any, refused: AuthenticationFailed) -> Any:
        # Keys are rotated by giving the connection the other one: what was read before is refused from then on.
        connection = await self._connection() if refused.status_code == 401 else known
        if secret_of(connection) == secret_of(known):
            raise refused
        self.log.info("poll %d: HTTP 401, next with the connection's new credential", refused.polls)
        return connection

    def _after(self, refused: AuthenticationFailed) -> OperationUpdate:
        return OperationUpdate(
            operation_id=self.operation_id,
            wait=max(refused.retry_after or 0.0, PollingPolicy(**self.policy).min_interval),
            polls=refused.polls,
            elapsed=time.time() - self.started,
            result=refused.last,
        )

    def _so_far(self, now: float) -> OperationUpdate:
        # Past the due time, another triggerer may have polled before it died: the whole pause is left once more.
        wait = self.due - now if now <= self.due else self.due - self.started
        return OperationUpdate(
            operation_id=self.operation_id,
            wait=wait,
            polls=1,
            elapsed=now - self.started,
            result=from_json(self.result),
        )


def operation_url(endpoint: str, operation_id: str) -> str:
    """Where the service answers polls of an operation."""
    path = GET_OPERATION.path.replace("{operationId}", operation_id)
    return f"{endpoint.rstrip('/')}{path}?api-version={API_VERSION}"


def log_line(update: OperationUpdate) -> str:
    """One poll as a line of the task's log."""
    seen = update.problem.args[0] if update.problem else one_line(update.status or "no status")
    return f"poll {update.polls}: {seen}" + ("" if update.wait is None else f", next in {update.wait:.1f} s")


def event_of(
    operation_id: str, polls: int, result: LongRunningOperationResult | None, problem: DataRegistryError | None = None
) -> dict[str, Any]:
    """What the trigger reports to the operator, as JSON."""
    return {
        "operation_id": operation_id,
        "status": (to_json(result) or {}).get("status"),
        "polls": polls,
        "result": to_json(result),
        "problem": None if problem is None else [problem.args[0], problem.next_step],
    }


def to_json(result: LongRunningOperationResult | None) -> dict[str, Any] | None:
    """A result as JSON, as on the wire."""
    return None if result is None else result.to_dict()


def from_json(result: dict[str, Any] | None) -> LongRunningOperationResult | None:
    """The reverse of `to_json`."""
    return None if result is None else LongRunningOperationResult.from_dict(result)
