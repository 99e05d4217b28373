"""A JSON object in the log for each poll."""

import json
import logging

from maps_data_registry import OperationUpdate, connect, wait_for_operation

log = logging.getLogger("waits")


def as_json(update: OperationUpdate) -> None:
    names = ("operation_id", "status", "retry_after", "wait", "polls", "elapsed")
    entry: dict[str, object] = {name: getattr(update, name) for name in names}
    log.info(json.dumps(entry | {"problem": str(update.problem) if update.problem else None}))


def wait_and_log(operation: str) -> None:
    with connect("us") as client:
        wait_for_operation(client, operation, on_update=as_json)
