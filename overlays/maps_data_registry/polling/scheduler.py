"""Schedules the polls of thousands of operations.

A heap holds the waits in order of their due times, and only requests in flight are tasks. A poll that is due waits for
a worker in that order, is never sent early, and the policy's jitter keeps those with the same Retry-After apart.

The next operation is read when the one before it is polled, and while fewer than `MAX_PENDING` are held. So new
operations take their turn among the polls that are due, and ten million ids need no more memory than that.

A reply of 429 or 503 speaks for the whole client: nothing is sent until its Retry-After, or the backoff in its place,
has passed. What comes due in the meantime is put off to that moment, with jitter in proportion.
"""

import inspect
import math
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable
from itertools import count
from typing import Unpack

import anyio
import httpx
from attrs import define, field, frozen

from maps_data_registry.errors import DataRegistryError, OperationFailed, OperationTimeout, ServiceError
from maps_data_registry.text import as_on_the_wire
from maps_data_registry_client.models import LongRunningOperationResult

from .decision import Polling
from .due_queue import DueQueue
from .location import Operation
from .operations import start_polling
from .options import ManyOptions
from .policy import Clock, OperationUpdate
from .request import poll_async, request_factory

MAX_PENDING = 100_000
"""Operations held at once: read from the iterable, with an outcome that has not been taken yet."""

_THROTTLING = frozenset({429, 503})


@frozen
class Outcome:
    """How the wait for one operation ended: exactly one of `result` and `error` is set.

    Attributes:
        operation: The operation as it was given.
        operation_id: Its id, or None if what was given names no operation or is an error response.
        result: The result of an operation that succeeded.
        error: What `wait_for_operation` would have raised, without a traceback.
    """

    operation: Operation
    operation_id: str | None
    result: LongRunningOperationResult | None = field(default=None, repr=as_on_the_wire)
    error: DataRegistryError | None = None


@define(eq=False)
class Wait:
    """An operation on its way to its outcome."""

    operation: Operation
    polling: Polling
    holds_reader: bool
    """Whether the next operation is read only when this one has been polled."""


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
        self._due = DueQueue[Wait](self._clock)
        self._workers = 0
        self._read_so_far = self._ended_so_far = 0
        self._pending = 1  # operations without an outcome, and the reading of them
        self._held = anyio.Semaphore(MAX_PENDING)
        self._may_read = anyio.Semaphore(0)
        self._throttled_until = -math.inf
        self._transient_failures = count(1)
        self._outcomes = deque[Outcome]()
        self._available = anyio.Semaphore(0)  # one for each outcome, and one for the end
        self._scope = anyio.CancelScope()
        self._ended = anyio.Event()
        self._failure: BaseException | None = None

    def __repr__(self) -> str:
        return f"{self._ended_so_far} of {self._read_so_far} read so far have ended"

    async def next_outcome(self) -> Outcome:
        """Wait for the next outcome. Raises StopAsyncIteration, or what went wrong, if there will be none."""
        await self._available.acquire()
        if self._outcomes:
            self._held.release()
            return self._outcomes.popleft()
        self._available.release()  # the end is the end for everyone
        self.raise_failure()
        raise StopAsyncIteration

    def raise_failure(self) -> None:
        """Raise what went wrong, unless that has been done."""
        failure, self._failure = self._failure, None
        if isinstance(failure, StopAsyncIteration):
            raise RuntimeError("the operations or on_update raised StopAsyncIteration") from failure
        if failure is not None:
            raise failure

    async def run(self) -> None:
        """Read and poll until every operation has its outcome, or until `stop`."""
        with self._scope:
            async with anyio.create_task_group() as self._tasks:
                self._tasks.start_soon(self._supervise, self._read)

    def end(self) -> None:
        """To be called when `run` has ended, or was cancelled before it began."""
        if self._failure is None and not self._scope.cancel_called:  # a task group swallows such a cancellation
            self._failure = RuntimeError("the operations or on_update awaited something that was cancelled")
        self._available.release()
        self._ended.set()

    async def stop(self) -> None:
        """End everything at once, requests in flight included, also for a caller that is being cancelled."""
        self._scope.cancel()
        with anyio.CancelScope(shield=True):
            await self._ended.wait()

    async def _supervise(self, work: Callable[[], Awaitable[None]]) -> None:
        """Keep what goes wrong first, as itself, and end everything. A task group would make a group of it."""
        try:
            await work()
        except (anyio.get_cancelled_exc_class(), GeneratorExit):
            raise
        except BaseException as error:
            if self._failure is None:
                self._failure = error
            self._scope.cancel()

    async def _read(self) -> None:
        if isinstance(self._operations, AsyncIterable):
            try:
                async for operation in self._operations:
                    await self._admit(operation)
            finally:
                if isinstance(self._operations, AsyncGenerator):
                    await self._operations.aclose()  # where it has run, as an event loop wants it
        else:
            for operation in self._operations:
                await self._admit(operation)
        self._end_one()

    async def _admit(self, operation: Operation) -> None:
        await self._held.acquire()
        self._pending += 1
        self._read_so_far += 1
        try:
            polling = start_polling(self._http, operation, **self._options)
        except DataRegistryError as error:
            self._hand_out(Outcome(operation, None, error=error.with_traceback(None)))
            return
        polling.transient_failures = self._transient_failures
        is_due = polling.due <= self._clock.monotonic()
        self._put(Wait(operation, polling, holds_reader=is_due))
        if self._workers < self._concurrency:
            self._workers += 1
            self._tasks.start_soon(self._supervise, self._work)
        if is_due:
            await self._may_read.acquire()

    def _put(self, wait: Wait) -> None:
        """Queue a wait for its next poll, unless that would come past the deadline: then it has its outcome now."""
        try:
            wait.polling.check_deadline()
        except OperationTimeout as error:
            self._fail(wait, error)
        else:
            self._due.put(wait, wait.polling.due)

    async def _work(self) -> None:
        while True:
            wait = await self._due.take()
            now = self._clock.monotonic()
            if (pause := self._throttled_until - now) > 0:
                wait.polling.due = now + pause * (1 + wait.polling.policy.jitter * self._clock.random())
                self._put(wait)
            else:
                self._release_reader(wait)
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
            self._hand_out(Outcome(wait.operation, polling.operation_id, result))

    def _throttle_by(self, problem: Exception | None, wait: float) -> None:
        if isinstance(problem, ServiceError) and problem.status_code in _THROTTLING:
            pause = problem.retry_after or wait
            self._throttled_until = max(self._throttled_until, self._clock.monotonic() + pause)

    def _release_reader(self, wait: Wait) -> None:
        if wait.holds_reader:
            wait.holds_reader = False
            self._may_read.release()

    def _fail(self, wait: Wait, error: DataRegistryError) -> None:
        self._release_reader(wait)
        self._hand_out(Outcome(wait.operation, wait.polling.operation_id, error=error.with_traceback(None)))

    def _hand_out(self, outcome: Outcome) -> None:
        self._outcomes.append(outcome)
        self._ended_so_far += 1
        self._available.release()
        self._end_one()

    def _end_one(self) -> None:
        self._pending -= 1
        if not self._pending:
            self._scope.cancel()  # the workers
