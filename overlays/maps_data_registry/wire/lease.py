"""What each step on a socket needs: the time that is left for it, and httpcore's exceptions for what goes wrong."""

import contextlib
import math
import time
from collections.abc import Iterator
from typing import Any


class Lease:
    """What a network backend knows of the request that it serves. A transport has one request at a time."""

    deadline = math.inf
    """When the request must be over, on `time.monotonic`."""

    step: float | None = None
    """The timeout of a step that has none of its own, as those of SOCKS: the one for connecting."""

    stream: Any = None
    """The connection that was opened last: httpcore leaves it open where TLS or SOCKS fails on it."""

    def left(self, timeout: float | None) -> float:
        """The smaller of *timeout*, or else `step`, and the seconds until the deadline.

        Raises:
            TimeoutError: if there are none.
        """
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        step = self.step if timeout is None else timeout
        return left if step is None else min(left, step)


@contextlib.contextmanager
def map_errors(timed_out: type[Exception], failed: type[Exception]) -> Iterator[None]:
    """Raise what a socket raises as httpcore's exceptions."""
    try:
        yield
    except TimeoutError as error:
        raise timed_out(str(error)) from error
    except (OSError, UnicodeError) as error:  # ssl.SSLError is an OSError; a host name may be none
        raise failed(str(error)) from error
