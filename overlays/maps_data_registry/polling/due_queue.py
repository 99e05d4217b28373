"""A queue of what is due at some time, for tasks that wait for it."""

import heapq
import math
from typing import Generic, TypeVar

import anyio

from .policy import Clock

T = TypeVar("T")


class DueQueue(Generic[T]):
    """Items in order of their due times, on the clock's monotonic scale; of equal ones, the first put comes first.

    Takers stand in line. The first one sleeps until an item is due. One that is cancelled takes nothing with it.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, T]] = []
        self._count = 0  # of items put so far
        self._line = anyio.Lock()
        self._sleep: anyio.CancelScope | None = None  # of the first in line

    def put(self, item: T, due: float) -> None:
        """Add an item."""
        self._count += 1
        heapq.heappush(self._heap, (due, self._count, item))
        if self._sleep is not None and self._heap[0][1] == self._count:
            self._sleep.cancel()  # the first in line must look again

    async def take(self) -> T:
        """Remove and return the item that has been due for longest, as soon as there is one."""
        async with self._line:
            while (pause := self._pause()) > 0:
                with anyio.CancelScope() as self._sleep:
                    await (anyio.sleep_forever() if pause == math.inf else self._clock.sleep_async(pause))
                self._sleep = None
            return heapq.heappop(self._heap)[2]

    def _pause(self) -> float:
        return self._heap[0][0] - self._clock.monotonic() if self._heap else math.inf
