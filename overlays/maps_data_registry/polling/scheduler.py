"""Schedules the polls of thousands of operations.

A heap holds the waits in order of their due times, and only requests in flight are tasks. A poll that is due waits for
a worker in that order, is never sent early, and the policy's jitter keeps those with the same Retry-After apart.

The next operation is read when a worker has taken the one before it, and while fewer than `MAX_PENDING` are held. So
new operations take their turn among the polls that are due, and ten million ids need no more memory than that.

A reply of 429 or 503 speaks for the whole client: nothing is sent until its Retry-After, or the backoff in its place,
has passed. What comes due in the meantime is put off to that moment, with jitter in proportion.
"""

import contextlib
import heapq
import inspect
import math
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from typing import Unpack

import anyio
import httpx
from attrs import define, frozen

from maps_data_registry.errors import DataRegistryError, OperationFailed, OperationTimeout, ServiceError
from maps_data_registry_client.models import LongRunningOperationResult

from .asking import poll_async, request_factory
from .decision import Polling
from .location import Operation
from .operations import start_polling
from .options import ManyOptions
from .policy import Clock, OperationUpdate

MAX_PENDING = 100_000
"""Operations held at once: read from the iterable, with an outcome that has not been taken yet."""

_THROTTLING = frozenset({429, 503})


@frozen
class Outcome:
    """How the wait for one operation ended: one of `result` and `error` is there, the other is None.

    Attributes:
        operation: The operation as it was given.
        operation_id: Its id, or None if what was given names no operation.
        result: The result of an operation that succeeded.
        error: What `wait_for_operation` would have raised, without a traceback.
    """

    operation: Operation
    operation_id: str | None
    result: LongRunningOperationResult | None = None
    error: DataRegistryError | None = None


@define(eq=False)
class Wait:
    """An operation on its way to its outcome."""

    operation: Operation
    polling: Polling
    is_new: bool = True
    """Until a worker takes it for the first time."""


class DueQueue:
    """Waits in order of their due times; of equal ones, the first put comes first.

    Takers stand in line. The first one sleeps until a wait is due.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Wait]] = []
        self._count = 0  # of waits put so far
        self._line = anyio.Lock()
        self._sleep: anyio.CancelScope | None = None  # of the first in line

    def put(self, wait: Wait) -> None:
        """Take in a wait."""
        self._count += 1
        heapq.heappush(self._heap, (wait.polling.due, self._count, wait))
        if self._sleep is not None and self._heap[0][2] is wait:
            self._sleep.cancel()  # the first in line must look again

    async def take(self) -> Wait:
        """The wait that has been due for longest, as soon as there is one."""
        async with self._line:
            while (pause := self._pause()) > 0:
                with anyio.CancelScope() as self._sleep:
                    await (anyio.sleep_forever() if pause == math.inf else self._clock.sleep_async(pause))
                self._sleep = None
            return heapq.heappop(self._heap)[2]

    def _pause(self) -> float:
        return self._heap[0][0] - self._clock.monotonic() if self._heap else math.inf


class Scheduler:
    """Reads, polls and hands out outcomes. All of it runs on one event loop: between two awaits nothing changes."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        operations: Iterable[Operation] | AsyncIterable[Operation],
        concurrency: int,
        on_update: Callable[[OperationUpdate], object] | None,
        **options: Unpack[ManyOptions],
    ) -> None:
        self._http = http
        self._operations = operations
        self._concurrency = concurrency
        self._on_update = on_update
        self._options = options
        self._clock = options.get("clock", Clock())
        self._build = request_factory(http)
        self._due = DueQueue(self._clock)
        self._workers = 0
        self._pending = 0  # operations without an outcome
        self._all_read = False
        self._held = anyio.Semaphore(MAX_PENDING)
        self._taken = anyio.Semaphore(0)  # one for each new operation that a worker has taken
        self._throttled_until = -math.inf
        self._throttle = 0.0  # the seconds of that
        self._outcomes, self._inbox = anyio.create_memory_object_stream[Outcome](math.inf)
        self._error: BaseException | None = None

    async def next_outcome(self) -> Outcome:
        """Wait for the next outcome. Raises StopAsyncIteration, or what went wrong, if there will be none."""
        try:
            outcome = await self._inbox.receive()
        except (anyio.EndOfStream, anyio.ClosedResourceError):
            raise self._error or StopAsyncIteration from None
        self._held.release()
        return outcome

    def close(self) -> None:
        """Hand out nothing more."""
        self._inbox.close()

    async def run(self) -> None:
        """Read and poll until every operation has its outcome."""
        try:
            async with anyio.create_task_group() as self._tasks:
                self._tasks.start_soon(self._read)
        except BaseExceptionGroup as group:
            self._error = _first(group)
        else:
            if self._pending or not self._all_read:  # the task group swallows a cancellation that it did not start
                self._error = RuntimeError("the operations or on_update awaited something that was cancelled")
        finally:
            self._outcomes.close()

    async def _read(self) -> None:
        async with contextlib.aclosing(_each(self._operations)) as operations:
            async for operation in operations:
                await self._held.acquire()
                self._pending += 1
                if self._start(operation):
                    await self._taken.acquire()
        self._all_read = True
        self._end_if_done()

    def _start(self, operation: Operation) -> bool:
        """Begin a wait, and say whether a worker can take it now."""
        try:
            polling = start_polling(self._http, operation, **self._options)
        except DataRegistryError as error:
            self._end(Outcome(operation, None, error=error.with_traceback(None)))
            return False
        wait = Wait(operation, polling)
        if not self._put(wait):
            return False
        if self._workers < self._concurrency:
            self._workers += 1
            self._tasks.start_soon(self._work)
        wait.is_new = polling.due <= self._clock.monotonic()
        return wait.is_new

    def _put(self, wait: Wait) -> bool:
        """Queue a wait for its next poll, unless that would come past the deadline: then it has its outcome now."""
        try:
            wait.polling.check_deadline()
        except OperationTimeout as error:
            self._fail(wait, error)
            return False
        self._due.put(wait)
        return True

    async def _work(self) -> None:
        while True:
            wait = await self._due.take()
            if wait.is_new:
                wait.is_new = False
                self._taken.release()
            if self._clock.monotonic() < self._throttled_until:
                jitter = self._throttle * wait.polling.policy.jitter * self._clock.random()
                wait.polling.due = self._throttled_until + jitter
                self._put(wait)
            else:
                await self._poll(wait)

    async def _poll(self, wait: Wait) -> None:
        polling = wait.polling
        try:
            polling.check_deadline()  # it may have waited for its worker for too long
            update = polling.decide(await poll_async(self._http, self._build(polling)))
        except DataRegistryError as error:
            self._throttle_by(error, 0.0)
            self._fail(wait, error)
            return
        self._throttle_by(update.problem, update.wait or 0.0)
        if self._on_update is not None and inspect.isawaitable(awaitable := self._on_update(update)):
            await awaitable
        if not polling.ended:
            self._put(wait)
            return
        try:
            result = polling.outcome()
        except OperationFailed as failed:
            self._fail(wait, failed)
        else:
            self._end(Outcome(wait.operation, polling.operation_id, result))

    def _throttle_by(self, problem: Exception | None, wait: float) -> None:
        if isinstance(problem, ServiceError) and problem.status_code in _THROTTLING:
            pause = wait if problem.retry_after is None else problem.retry_after
            asked = (self._clock.monotonic() + pause, pause)
            self._throttled_until, self._throttle = max((self._throttled_until, self._throttle), asked)

    def _fail(self, wait: Wait, error: DataRegistryError) -> None:
        self._end(Outcome(wait.operation, wait.polling.operation_id, error=error.with_traceback(None)))

    def _end(self, outcome: Outcome) -> None:
        self._pending -= 1
        self._outcomes.send_nowait(outcome)
        self._end_if_done()

    def _end_if_done(self) -> None:
        if self._all_read and not self._pending:
            self._tasks.cancel_scope.cancel()  # the workers


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
    if isinstance(error, StopAsyncIteration):  # which would say that there are no more outcomes
        failure = RuntimeError("on_update raised StopAsyncIteration")
        failure.__cause__ = error
        return failure
    return error
