"""Thousands of operations at once: one outcome for each, as it ends. `scheduler` has the rules."""

import asyncio
import contextvars
import sys
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self, Unpack

import anyio
import httpx
from attrs import evolve

from maps_data_registry_client import AuthenticatedClient

from .decision import Polling
from .interrupts import HeldInterrupt
from .location import Operation, as_response
from .options import ManyOptions, check_options, show_options
from .policy import Clock, OperationUpdate
from .scheduler import Outcome, Scheduler


@show_options
def wait_for_operations_async(
    client: AuthenticatedClient,
    operations: "Iterable[Operation] | AsyncIterable[Operation]",
    *,
    concurrency: int = 64,
    on_update: Callable[[OperationUpdate], object] | None = None,
    **options: Unpack[ManyOptions],
) -> "AsyncOutcomes":
    """Poll until every operation has ended: one outcome for each, in the order in which they end.

        async with wait_for_operations_async(client, operations) as outcomes:
            async for outcome in outcomes:
                ...

    Polling continues while the caller handles an outcome. Leaving the `async with`, in whatever way, ends everything at
    once, requests in flight included. If *operations* is an async generator, it is closed then.

    Args:
        client: from `connect`.
        operations: operation ids, Operation-Location URLs and responses, read as they are needed. Anything
            else, or a response that refused the request, becomes an outcome with an error. A plain iterable must not
            block.
        concurrency: requests in flight at most.
        on_update: called with the `OperationUpdate` of each poll; what it returns is awaited if it can be.
        timeout: limit per operation, counted from when it is read, as seconds or a timedelta; None for no limit.
            Default: the policy's, an hour. To limit the whole wait, put a timeout around the loop.
        policy: how to wait.
        clock: source of time and randomness, to be replaced in tests.

    Raises:
        ValueError: at once, for a concurrency or timeout that is not more than 0.
        TypeError: at once, for a single operation, or an option of the wrong type; from the iteration,
            for a client with a transport that is sync only.
        RuntimeError: from the iteration, outside of the `async with`, or for a client that has been closed.
        Exception: from the iteration, whatever *operations* or *on_update* raise; it ends everything. If the body ends
            before the iteration has raised it, the `async with` does.
    """
    return AsyncOutcomes(client, _scheduler(operations, concurrency, on_update, options))


@show_options
def wait_for_operations(
    client: AuthenticatedClient,
    operations: "Iterable[Operation] | AsyncIterable[Operation]",
    *,
    concurrency: int = 64,
    on_update: Callable[[OperationUpdate], object] | None = None,
    **options: Unpack[ManyOptions],
) -> "Outcomes":
    """Poll until every operation has ended: one outcome for each, in the order in which they end.

        with wait_for_operations(client, operations) as outcomes:
            for outcome in outcomes:
                ...

    Requests go out on a private event loop that runs only inside `next()`: what the caller does between two outcomes
    delays the polls. No thread is started, except a daemon for each DNS lookup. The connections are not the
    client's: they are opened and closed here. A transport passed to `connect` must be async, or both. Leaving the
    `with`, in whatever way, ends everything at once.

    Args:
        client: from `connect`.
        operations: operation ids, Operation-Location URLs and responses, read as they are needed. Anything
            else, or a response that refused the request, becomes an outcome with an error.
        concurrency: requests in flight at most.
        on_update: called with the `OperationUpdate` of each poll; what it returns is awaited if it can be.
        timeout: limit per operation, counted from when it is read, as seconds or a timedelta; None for no limit.
            Default: the policy's, an hour.
        policy: how to wait.
        clock: source of time and randomness, to be replaced in tests.

    Raises:
        ValueError: at once, for a concurrency or timeout that is not more than 0.
        TypeError: at once, for a single operation, or an option of the wrong type; from the iteration,
            for a client with a transport that is sync only.
        RuntimeError: from the `with`, inside a running event loop, or for a client that has been closed; from the
            iteration, outside of the `with`.
        Exception: from the iteration, whatever *operations* or *on_update* raise; it ends everything. If the body ends
            before the iteration has raised it, the `with` does.
    """
    return Outcomes(client, _scheduler(operations, concurrency, on_update, options))


class AsyncOutcomes(AsyncIterator[Outcome]):
    """The outcomes of `wait_for_operations_async`, inside `async with`."""

    def __init__(self, client: AuthenticatedClient, make: Callable[[httpx.AsyncClient], Scheduler]) -> None:
        self._client = client
        self._make = make
        self._scheduler: Scheduler | None = None

    async def __aenter__(self) -> Self:
        if self._scheduler is not None:
            raise RuntimeError("these outcomes are already in use in an async with")
        self._scheduler = self._make(self._client.get_async_httpx_client())
        self._task = _start(self._scheduler)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        scheduler, self._scheduler = self._scheduler, None
        if scheduler is not None:
            await scheduler.stop()
            if kind is None:
                scheduler.raise_failure()

    def __repr__(self) -> str:
        return f"<AsyncOutcomes: {self._scheduler or 'not in its async with'}>"

    async def __anext__(self) -> Outcome:
        if self._scheduler is None:
            raise RuntimeError("use it inside: async with wait_for_operations_async(…) as outcomes")
        return await self._scheduler.next_outcome()


class Outcomes(Iterator[Outcome]):
    """The outcomes of `wait_for_operations`, inside `with`."""

    def __init__(self, client: AuthenticatedClient, make: Callable[[httpx.AsyncClient], Scheduler]) -> None:
        self._client = client
        self._make = make
        self._runner: asyncio.Runner | None = None
        self._stack = AsyncExitStack()

    def __enter__(self) -> Self:
        if _in_event_loop():
            raise RuntimeError("inside an event loop use wait_for_operations_async")
        if self._runner is not None:
            raise RuntimeError("these outcomes are already in use in a with")
        if self._client.get_httpx_client().is_closed:
            raise RuntimeError("the client has been closed")
        try:
            with HeldInterrupt() as interrupt:
                # With a factory of its own, it leaves the thread's own event loop alone.
                self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
                self._outcomes = interrupt.run(self._runner.get_loop(), self._open())
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with HeldInterrupt() as interrupt:
            runner, self._runner = self._runner, None
            if runner is not None:
                with runner:
                    interrupt.run(runner.get_loop(), self._stack.__aexit__(kind, error, traceback))

    def __repr__(self) -> str:
        return f"<Outcomes: {self._outcomes._scheduler if self._runner else 'not in its with'}>"

    def __next__(self) -> Outcome:
        if self._runner is None:
            raise RuntimeError("use it inside: with wait_for_operations(…) as outcomes")
        with HeldInterrupt() as interrupt:
            outcome = interrupt.run(self._runner.get_loop(), self._next())
        if outcome is None:
            raise StopIteration
        return outcome

    async def _next(self) -> Outcome | None:
        return await anext(self._outcomes, None)

    async def _open(self) -> AsyncOutcomes:
        twin = evolve(self._client)  # with the same credential and transport, and httpx clients of its own
        await self._stack.enter_async_context(twin.get_async_httpx_client())
        return await self._stack.enter_async_context(AsyncOutcomes(twin, self._make))


def _in_event_loop() -> bool:
    try:
        anyio.current_time()
    except RuntimeError:
        return False
    return True


def _start(scheduler: Scheduler) -> object:
    """Start the work as a task that belongs to no other, and return what keeps it alive.

    An `async with` may be left in another task, as that of a generator that nobody finishes. A task group that was
    entered there would cancel the wrong task, and a nursery would end the whole run.
    """
    if anyio.get_cancelled_exc_class() is asyncio.CancelledError:
        task = asyncio.create_task(scheduler.run())
        task.add_done_callback(lambda _: scheduler.end())
        return task
    import trio

    async def run() -> None:
        try:
            await scheduler.run()
        finally:
            scheduler.end()

    return trio.lowlevel.spawn_system_task(run, context=contextvars.copy_context())


def _scheduler(
    operations: "Iterable[Operation] | AsyncIterable[Operation]",
    concurrency: int,
    on_update: Callable[[OperationUpdate], object] | None,
    options: ManyOptions,
) -> Callable[[httpx.AsyncClient], Scheduler]:
    if isinstance(concurrency, bool) or not isinstance(concurrency, int):
        raise TypeError(f"concurrency must be a whole number, not {type(concurrency).__name__}")
    if concurrency < 1:
        raise ValueError("concurrency must be at least 1")
    if on_update is not None and not callable(on_update):
        raise TypeError(f"on_update must be a function, not {type(on_update).__name__}")
    check_options(options, ManyOptions)
    Polling("", **options | ManyOptions(clock=Clock()))  # raises for an option that cannot be right
    is_single = isinstance(operations, str | bytes) or as_response(operations) is not None
    if is_single or not isinstance(operations, Iterable | AsyncIterable):
        raise TypeError("operations must be an iterable of operations; for a single one use wait_for_operation")
    return lambda http: Scheduler(http, operations, concurrency, on_update, **options)
