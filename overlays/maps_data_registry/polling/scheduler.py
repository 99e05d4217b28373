"""Who is asked when, of thousands.

A heap holds the waits in order of their due times, and only the slots for requests in flight are tasks. A poll that is
due waits for a free slot in that order, is never sent early, and the policy's jitter keeps those with the same
Retry-After apart.

The next operation is read when the one before it has got its slot, and while fewer than `MAX_PENDING` are held. So
new operations take their turn among the polls that are due, and ten million ids need no more memory than that. While
there are waits, the reader pauses for three times as long as the event loop's turn took: on a busy one a poll that is
due comes before an operation that is not.

A reply of 429 or 503 speaks for the whole client: nothing is sent until its Retry-After, or the backoff in its place,
has passed. What comes due in the meantime is put off to that moment, with jitter in proportion.
"""

import contextlib
import heapq
import inspect
import math
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable

import anyio
import httpx
from anyio.lowlevel import checkpoint
from attrs import define, field, frozen

from maps_data_registry.errors import DataRegistryError, OperationFailed, OperationTimeout, ServiceError
from maps_data_registry_client.models import LongRunningOperationResult

from .decision import Polling, fetch_async
from .operations import Operation, begin, questions
from .policy import Clock, OperationUpdate, PollingPolicy, Timeout

MAX_PENDING = 100_000
"""Operations held at once: read from the iterable, with an outcome that has not been taken yet."""

_LONGEST_PAUSE = 0.05  # seconds of the reader: a turn may also be long for what a caller does in it
_SLOW_DOWN = frozenset({429, 503})


@frozen
class Outcome:
    """How the wait for one operation ended: one of `result` and `error` is there, the other is None."""

    operation: Operation
    """As it was given."""
    operation_id: str | None
    """None if what was given names no operation."""
    result: LongRunningOperationResult | None = None
    """The result of an operation that succeeded."""
    error: DataRegistryError | None = None
    """What `wait_for_operation` would have raised, without a traceback."""


class Scheduler:
    """What is due when, and who asks. All of it runs on one event loop, so between two awaits nothing changes."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        operations: Iterable[Operation] | AsyncIterable[Operation],
        concurrency: int,
        timeout: Timeout,
        policy: PollingPolicy,
        on_update: Callable[[OperationUpdate], object] | None,
        clock: Clock,
    ) -> None:
        self._http = http
        self._question = questions(http)
        self._operations = operations
        self._unused = concurrency  # slots that never had anything to do
        self._free: list[_Slot] = []  # slots that have nothing to do at present
        self._timeout = timeout
        self._policy = policy
        self._on_update = on_update
        self._clock = clock
        self._heap: list[tuple[float, int, Operation, Polling]] = []
        self._pushed = 0  # so far: of equal due times, the first pushed comes first
        self._pending = 0  # operations without an outcome
        self._newest: Polling | None = None  # until it gets its first slot
        self._all_read = False
        self._quiet_until = -math.inf
        self._quiet = 0.0  # the seconds of that
        self._alarm = -math.inf  # when the dispatcher wakes by itself
        self._room = anyio.Event()  # wakes the reader
        self._news = anyio.Event()  # wakes the consumer
        self._outcomes: deque[Outcome] = deque()
        self._over = False
        self._error: BaseException | None = None

    async def next_outcome(self) -> Outcome:
        """Wait for the next outcome. Raises StopAsyncIteration, or what went wrong, if there will be none."""
        await checkpoint()
        while not self._outcomes:
            if self._over:
                raise self._error or StopAsyncIteration
            self._news = anyio.Event() if self._news.is_set() else self._news
            await self._news.wait()
        self._room.set()
        return self._outcomes.popleft()

    async def run(self) -> None:
        """Read, sleep and dispatch until every operation has its outcome."""
        try:
            async with anyio.create_task_group() as self._tasks:
                self._tasks.start_soon(self._read)
                while self._pending or not self._all_read:
                    await self._sleep()
                    self._dispatch()
                self._tasks.cancel_scope.cancel()  # the slots
        except BaseExceptionGroup as group:
            self._error = _first(group)
        else:
            if self._pending or not self._all_read:  # a task group takes such a cancellation for its own
                self._error = RuntimeError("the operations or on_update awaited something that was cancelled")
        finally:
            self._over = True
            self._news.set()

    async def _read(self) -> None:
        async with contextlib.aclosing(_each(self._operations)) as operations:
            async for operation in operations:
                self._admit(operation)
                self._dispatch()
                while self._newest is not None or self._pending + len(self._outcomes) >= MAX_PENDING:
                    self._room = anyio.Event()
                    await self._room.wait()
                await self._give_way()
        self._all_read = True
        self._dispatch()

    async def _give_way(self) -> None:
        """Leave the event loop to the waits, if there are any, for three times as long as its present turn takes."""
        before = self._clock.monotonic()
        await checkpoint()
        if self._heap:
            await self._clock.sleep_async(min(3 * (self._clock.monotonic() - before), _LONGEST_PAUSE))

    def _admit(self, operation: Operation) -> None:
        self._pending += 1
        try:
            polling = begin(self._http, operation, self._timeout, self._policy, self._clock)
        except DataRegistryError as error:
            self._end(Outcome(operation, None, error=error.with_traceback(None)))
            return
        if polling.due <= self._clock.monotonic():
            self._newest = polling
        self._push(operation, polling)

    def _push(self, operation: Operation, polling: Polling) -> None:
        if self._in_time(operation, polling):
            self._pushed += 1
            heapq.heappush(self._heap, (polling.due, self._pushed, operation, polling))

    def _in_time(self, operation: Operation, polling: Polling) -> bool:
        """Whether the next poll comes before the deadline. If not, the wait has its outcome now."""
        try:
            polling.pause()
        except OperationTimeout as error:
            self._fail(operation, polling, error)
            return False
        return True

    def _pop(self) -> tuple[Operation, Polling] | None:
        """The poll that has been due for longest."""
        while self._heap and self._heap[0][0] <= (now := self._clock.monotonic()):
            _, _, operation, polling = heapq.heappop(self._heap)
            if now < self._quiet_until:
                polling.due = self._quiet_until + self._quiet * self._policy.jitter * self._clock.random()
                self._push(operation, polling)
            elif self._in_time(operation, polling):  # it may have waited for its slot for too long
                self._started(polling)
                return operation, polling
        return None

    def _dispatch(self) -> None:
        """Give the free slots to what is due, and wake the dispatcher if it has something else to wait for now."""
        while self._has_slot and (due := self._pop()) is not None:
            if self._free:
                self._free.pop().take(due)
            else:
                self._unused -= 1
                self._tasks.start_soon(self._serve, _Slot(due))
        over = self._all_read and not self._pending
        if over or (self._has_slot and self._heap and self._heap[0][0] < self._alarm):
            self._nap.cancel()

    @property
    def _has_slot(self) -> bool:
        return bool(self._free or self._unused)

    async def _sleep(self) -> None:
        self._alarm = self._heap[0][0] if self._has_slot and self._heap else math.inf
        with anyio.CancelScope() as self._nap:
            if self._alarm == math.inf:
                await anyio.sleep_forever()
            await self._clock.sleep_async(max(self._alarm - self._clock.monotonic(), 0.0))
        self._alarm = -math.inf

    async def _serve(self, slot: "_Slot") -> None:
        while True:
            await self._poll(*slot.due)
            await checkpoint()
            if (due := self._pop()) is not None:
                slot.due = due
                self._dispatch()
                continue
            slot.taken = anyio.Event()
            self._free.append(slot)
            self._dispatch()
            await slot.taken.wait()

    async def _poll(self, operation: Operation, polling: Polling) -> None:
        request = self._question(polling.operation_id)
        reply = await fetch_async(self._http, request, polling.time_left())
        try:
            update = polling.decide(reply)
        except DataRegistryError as error:
            self._heed(error, 0.0)
            self._fail(operation, polling, error)
            return
        self._heed(update.problem, update.wait or 0.0)
        if self._on_update is not None and inspect.isawaitable(awaitable := self._on_update(update)):
            await awaitable
        if not polling.ended:
            self._push(operation, polling)
            return
        try:
            self._end(Outcome(operation, polling.operation_id, polling.outcome()))
        except OperationFailed as error:
            self._fail(operation, polling, error)

    def _heed(self, problem: Exception | None, wait: float) -> None:
        if isinstance(problem, ServiceError) and problem.status_code in _SLOW_DOWN:
            quiet = wait if problem.retry_after is None else problem.retry_after
            asked = (self._clock.monotonic() + quiet, quiet)
            self._quiet_until, self._quiet = max((self._quiet_until, self._quiet), asked)

    def _fail(self, operation: Operation, polling: Polling, error: DataRegistryError) -> None:
        self._started(polling)
        self._end(Outcome(operation, polling.operation_id, error=error.with_traceback(None)))

    def _end(self, outcome: Outcome) -> None:
        self._pending -= 1
        self._outcomes.append(outcome)
        self._news.set()

    def _started(self, polling: Polling) -> None:
        if polling is self._newest:
            self._newest = None
            self._room.set()


@define(eq=False)
class _Slot:
    """For one request in flight at a time. Its task waits for the next, as a new one would cost more."""

    due: tuple[Operation, Polling]
    taken: anyio.Event = field(init=False)

    def take(self, due: tuple[Operation, Polling]) -> None:
        self.due = due
        self.taken.set()


async def _each(operations: Iterable[Operation] | AsyncIterable[Operation]) -> AsyncGenerator[Operation, None]:
    if isinstance(operations, AsyncIterable):
        async for operation in operations:
            yield operation
    else:
        for operation in operations:
            yield operation


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, StopAsyncIteration):  # which would say that all have been told
        failure = RuntimeError("on_update raised StopAsyncIteration")
        failure.__cause__ = error
        return failure
    return error
