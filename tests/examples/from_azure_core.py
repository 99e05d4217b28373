"""From azure-core's poller: its `begin_…().result(timeout)`, its `done()` and its `continuation_token()`."""

from maps_data_registry import OperationFailed, OperationTimeout, connect, get_operation, wait_for_operation


def result(operation: str, seconds: float) -> str | None:
    """`poller.result(timeout)`, which returns whatever there is when the time is up: here that is an error."""
    with connect("us") as client:
        try:
            return str(wait_for_operation(client, operation, timeout=seconds).status)
        except OperationFailed as failed:  # HttpResponseError there
            return failed.code
        except OperationTimeout:
            return None


def done(operation: str) -> bool:
    """`poller.done()`. There is no token to continue with: the operation id is all that it takes."""
    with connect("us") as client:
        return get_operation(client, operation).wait is None
