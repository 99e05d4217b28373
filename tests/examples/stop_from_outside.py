"""Stop a sync wait from another thread, at once and not after its pause. In async code, cancel its task."""

import threading

from maps_data_registry import Clock, Operation, connect, wait_for_operation

stop = threading.Event()


class Stopped(Exception):
    """Somebody has set `stop`. The operation keeps running."""


def _sleep(seconds: float) -> None:
    if stop.wait(seconds):
        raise Stopped


def wait_until_stopped(operation: Operation) -> None:
    with connect("us") as client:
        wait_for_operation(client, operation, clock=Clock(sleep=_sleep))
