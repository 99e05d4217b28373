"""The task that waits."""

import time
from collections import deque
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseOperator, BaseOperatorLink
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred

from maps_data_registry import DataRegistryError, OperationFailed, OperationUpdate, PollingPolicy, watch_operation
from maps_data_registry_client.models import LongRunningOperationResult

from .advice import in_airflow
from .hook import DEFAULT_CONNECTION, DataRegistryHook
from .trigger import DataRegistryOperationTrigger, event_of, from_json, log_line, operation_url, to_json

GRACE = 60.0
"""Seconds after the deadline until Airflow itself ends a wait, which it must where no triggerer runs."""


class OperationLink(BaseOperatorLink):
    """On the task's page: the address of what it waits for, which the service shows to a credential only."""

    name = "Operation"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """The address, once the operator has polled."""
        return str(operator.operation_url)


class WaitForDataRegistryOperation(BaseOperator):
    """Waits for an operation without holding a worker; its result is pushed to XCom.

    Polls once in the worker, so that what has ended, or is refused, needs no triggerer. The triggerer polls from then
    on, first after Retry-After, or after the policy's `max_interval` if the worker met a transient failure. A triggerer
    that takes over a wait repeats that pause, as it cannot know when the last poll was: so no poll comes early,
    unless the service has begun to ask for a longer Retry-After than at first.

    An operation that failed fails the task with the service's code and message, and Airflow does not try
    again: the data must be fixed first. Every other failure is retried according to the task's `retries`.

    Args:
        operation: operation id or Operation-Location; templated, so an XCom too.
        data_registry_conn_id: the Airflow connection; `maps_data_registry.airflow.hook` lists its fields.
        timeout: for the whole wait, on the wall clock, as a timedelta or in seconds; None for no limit.
        policy: `PollingPolicy`'s arguments, such as `{"interval": 30}`, for replies without Retry-After and failures.
        deferrable: False waits in the worker. Default: Airflow's `[operators] default_deferrable`.
        execution_timeout: as of any operator; a deferred wait keeps to it, too.

    Raises:
        AirflowFailException: if the operation ended without success.
        DataRegistryError: if the wait ended otherwise: see `watch_operation`.
    """

    template_fields = ("operation", "data_registry_conn_id")
    operator_extra_links = (OperationLink(),)
    operation_url = ""

    def __init__(
        self,
        *,
        operation: str,
        data_registry_conn_id: str = DEFAULT_CONNECTION,
        timeout: timedelta | float | None = 3600.0,
        policy: Mapping[str, Any] | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.operation = operation
        self.data_registry_conn_id = data_registry_conn_id
        self.timeout = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        self.policy = dict(policy or {})
        self.deferrable = deferrable
        PollingPolicy(**self.policy)  # a mistake is to show when the DAG is read

    def execute(self, context: Any) -> dict[str, Any]:
        """Poll once, then defer; or poll until it has ended."""
        try:
            return self._wait(context)
        except DataRegistryError as error:
            in_airflow(error)
            raise

    def _wait(self, context: Any) -> dict[str, Any]:
        started = time.time()
        with DataRegistryHook(self.data_registry_conn_id).get_conn() as client:
            endpoint = str(client.get_httpx_client().base_url)
            polls = watch_operation(client, self.operation, timeout=self.timeout, policy=PollingPolicy(**self.policy))
            updates = map(self._logged, polls)
            update = next(updates) if self.deferrable else deque(updates, maxlen=1).pop()
        self.operation_url = operation_url(endpoint, update.operation_id)
        if update.wait is not None:
            raise TaskDeferred(
                trigger=self._trigger(update, self._pause(update), endpoint, started),
                method_name="execute_complete",
                timeout=self._limit(),
            )
        return self._end(event_of(update.operation_id, update.polls, update.result))

    def execute_complete(self, context: Any, event: dict[str, Any]) -> dict[str, Any]:
        """End the task as the wait has ended."""
        self.operation_url = event.get("url", "")
        return self._end(event)

    def _end(self, event: dict[str, Any]) -> dict[str, Any]:
        if event["problem"] is not None:
            summary, next_step = event["problem"]
            error = DataRegistryError(summary)
            error.advice, error.operation_id = next_step, event["operation_id"]
            error.last, error.polls = from_json(event["result"]), event["polls"]
            raise error
        if PollingPolicy(**self.policy).meaning_of(event["status"]) == "failed":
            failed = OperationFailed(LongRunningOperationResult.from_dict(event["result"]))
            failed.operation_id = event["operation_id"]
            self.log.error("%s", failed.tree)
            raise AirflowFailException(str(failed))
        return dict(event["result"])

    def _logged(self, update: OperationUpdate) -> OperationUpdate:
        self.log.info(log_line(update))
        return update

    def _pause(self, update: OperationUpdate) -> float:
        # It is left again after a triggerer's restart. Without an answer, what the service would ask for is not known.
        least = 0.0 if update.problem is None else PollingPolicy(**self.policy).max_interval
        return max(update.wait or 0.0, least)

    def _limit(self) -> timedelta | None:
        # Airflow counts execution_timeout in the worker only.
        own = None if self.timeout is None else timedelta(seconds=self.timeout + GRACE)
        return min((limit for limit in (own, self.execution_timeout) if limit is not None), default=None)

    def _trigger(
        self, update: OperationUpdate, wait: float, endpoint: str, started: float
    ) -> DataRegistryOperationTrigger:
        return DataRegistryOperationTrigger(
            operation_id=update.operation_id,
            endpoint=endpoint,
            conn_id=self.data_registry_conn_id,
            policy=self.policy,
            started=started,
            due=time.time() + wait,
            deadline=None if self.timeout is None else started + self.timeout,
            result=to_json(update.result),
        )
