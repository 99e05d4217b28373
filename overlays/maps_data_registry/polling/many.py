"""Thousands of operations at once: one outcome for each, as it ends. `scheduler` has the rules."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import Self

import httpx
from attrs import evolve

from maps_data_registry.wire.background import Background, running_loop
from maps_data_registry_client import AuthenticatedClient

from .operations import Operation
from .policy import DEFAULT, Clock, OperationUpdate, PollingPolicy, Timeout, limit
from .scheduler import Outcome, Scheduler


def wait_for_operations(
    client: AuthenticatedClient,
    operations: Iterable[Operation] | AsyncIterable[Operation],
    *,
    concurrency: int = 64,
    timeout: Timeout = DEFAULT,
    policy: PollingPolicy = PollingPolicy(),
    on_update: Callable[[OperationUpdate], object] | None = None,
    clock: Clock = Clock(),
) -> Iterator[Outcome]:
    """As `wait_for_operations_async`, on an event loop of its own that runs while the next outcome is waited for.

    What the caller does between two outcomes therefore delays the polls. No thread is started, and the connections
    are not the client's own: they are opened and closed here.

    Raises:
        RuntimeError: from the iteration, inside a running event loop.
    """
    twin = evolve(client)  # with the same credential and transport, and httpx clients of its own
    outcomes = wait_for_operations_async(
        twin, operations, concurrency=concurrency, timeout=timeout, policy=policy, on_update=on_update, clock=clock
    )
    return _step_by_step(twin, outcomes)


def wait_for_operations_async(
    client: AuthenticatedClient,
    operations: Iterable[Operation] | AsyncIterable[Operation],
    *,
    concurrency: int = 64,
    timeout: Timeout = DEFAULT,
    policy: PollingPolicy = PollingPolicy(),
    on_update: Callable[[OperationUpdate], object] | None = None,
    clock: Clock = Clock(),
) -> "Outcomes":
    """Poll until every operation has ended: one outcome for each, in the order in which they end.

    The polls go on while the caller handles an outcome. Leaving the loop, `aclose()`, and cancelling the task that
    waits for the next outcome end everything at once.

    Args:
        client: from `connect`.
        operations: operation ids, Operation-Location URLs and responses, read as they are needed. One that is none
            of these, or a response of refusal, is an outcome with an error. A plain iterable must not block.
        concurrency: requests in flight at most.
        timeout: seconds for each operation, from when it is read; None for no limit; the policy's (an hour) if not
            given. For a limit on the whole, put one around the loop.
        policy: how to wait.
        on_update: called with the update of each poll; what it returns is awaited if it can be.
        clock: time and chance, for tests.

    Raises:
        ValueError: at once, for a concurrency or timeout that is not more than 0.
        TypeError: at once, for one operation in the place of many.
        Exception: from the iteration, what *operations*, *on_update* or a closed client raise; it ends everything.
    """
    if concurrency < 1:
        raise ValueError("concurrency must be at least 1")
    limit(None if timeout is DEFAULT else timeout)
    if isinstance(operations, str | httpx.Response):
        raise TypeError("operations must be an iterable of operations; for a single one there is wait_for_operation")
    http = client.get_async_httpx_client()
    return Outcomes(Scheduler(http, operations, concurrency, timeout, policy, on_update, clock))


class Outcomes(AsyncIterator[Outcome]):
    """The outcomes of `wait_for_operations_async`. Nothing is sent before the first one is asked for.

    The work is done by a task of its own: no task group or cancel scope can stay open in an async generator, which
    may be left at any `yield` (PEP 789).
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._work: Background | None = None
        self._over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome:
        if self._over:
            raise StopAsyncIteration
        if self._work is None:
            self._work = Background(self._scheduler.run)
        try:
            return await self._scheduler.next_outcome()
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """End everything at once, requests in flight included."""
        self._over = True
        if self._work is not None:
            await self._work.aclose()

    def __del__(self) -> None:
        if self._work is not None:
            self._work.abandon()


def _step_by_step(client: AuthenticatedClient, outcomes: Outcomes) -> Iterator[Outcome]:
    async def step() -> Outcome | None:
        return await anext(outcomes, None)

    async def close() -> None:
        await outcomes.aclose()
        await client.get_async_httpx_client().aclose()

    if running_loop() is not None:
        raise RuntimeError("inside an event loop use wait_for_operations_async")
    with asyncio.Runner() as runner:
        try:
            while (outcome := runner.run(step())) is not None:
                yield outcome
        finally:
            runner.run(close())
