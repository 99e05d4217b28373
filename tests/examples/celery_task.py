"""Celery: poll once and let the broker wait, so that no worker is held."""

from typing import Any

from celery import Celery

from maps_data_registry import (
    OperationFailed,
    ServiceError,
    ServiceUnreachable,
    UnrecognizedStatus,
    connect,
    get_operation,
)

app = Celery("maps", broker="memory://")


@app.task(bind=True, max_retries=None)
def follow(self: Any, operation_id: str) -> str:
    with connect("us") as client:
        try:
            update = get_operation(client, operation_id)
        except (ServiceError, ServiceUnreachable) as problem:
            raise self.retry(exc=problem, countdown=60, max_retries=8) from problem
    if update.wait is not None:
        raise self.retry(countdown=update.wait)
    if isinstance(update.problem, UnrecognizedStatus):
        raise update.problem
    if update.result is not None and update.status == "Failed":
        raise OperationFailed(update.result)
    return str(update.status)
