"""The deadline of the present sync request, which each step towards it may ask for."""

import math
import time
from contextvars import ContextVar

TOO_SLOW = "the time for the whole request is up"

deadline: ContextVar[float] = ContextVar("deadline", default=math.inf)
"""When the present request must be over, on the monotonic clock."""


def time_left(timeout: float | None) -> float:
    """The smaller of *timeout* and the seconds until the deadline.

    Raises:
        TimeoutError: if there are none.
    """
    left = deadline.get() - time.monotonic()
    if left <= 0:
        raise TimeoutError(TOO_SLOW)
    return left if timeout is None else min(left, timeout)
