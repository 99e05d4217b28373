"""Ask about an operation, watch it, wait for it: each sync and, with the suffix `_async`, async.

An *operation* is an operation id, an `Operation-Location` URL, or the `httpx.Response` of the register or replace
request that started it; the last one's Retry-After is waited before the first poll.

The async functions run under asyncio and trio. Under asyncio requests go through aiohttp, under trio through httpx's
own transport. One client's async side belongs to one event loop at a time.
"""

import inspect
import math
from collections.abc import AsyncIterator, Callable, Iterator
from functools import lru_cache, partial

import httpx

from maps_data_registry.errors import DataRegistryError
from maps_data_registry.wire.origin import operation_id
from maps_data_registry_client import AuthenticatedClient

# The one underscore name that is used of the generated code: its I/O-free half, which builds a request's parts.
from maps_data_registry_client.api.data_registry.get_operation import _get_kwargs
from maps_data_registry_client.models import LongRunningOperationResult

from .decision import Polling, drive, drive_async, fetch, fetch_async
from .policy import DEFAULT, Clock, OperationUpdate, PollingPolicy, Timeout
from .replies import Reply, read_result
from .retry_after import retry_after

Operation = str | httpx.Response

_NIL = "00000000-0000-0000-0000-000000000000"


def get_operation(client: AuthenticatedClient, operation: Operation) -> LongRunningOperationResult:
    """Ask once. A failed operation is a result like any other here.

    Raises:
        InvalidOperation: before anything is sent.
        DataRegistryError: if no result came; nothing is asked again.
    """
    http = client.get_httpx_client()
    name = _name(http, operation)
    return _answer(name, fetch(http, question(http, name), math.inf))


async def get_operation_async(client: AuthenticatedClient, operation: Operation) -> LongRunningOperationResult:
    """As `get_operation`."""
    http = client.get_async_httpx_client()
    name = _name(http, operation)
    return _answer(name, await fetch_async(http, question(http, name), math.inf))


def watch_operation(
    client: AuthenticatedClient,
    operation: Operation,
    *,
    timeout: Timeout = DEFAULT,
    policy: PollingPolicy = PollingPolicy(),
    after: OperationUpdate | None = None,
    clock: Clock = Clock(),
) -> Iterator[OperationUpdate]:
    """Poll until the operation has ended: one update per poll, the last one terminal, be it a success or a failure.

    Args:
        client: from `connect`.
        operation: see the top of this module.
        timeout: seconds for everything, requests and sleeps; None for no limit; the policy's (an hour) if not given.
        policy: how to wait.
        after: an earlier wait's last update: go on with its count, the `elapsed` of its timeout, and its `wait` first.
        clock: time and chance, for tests.

    Raises:
        InvalidOperation: at once, before anything is sent.
        DataRegistryError: from the iteration, if the wait ends without a terminal update: `OperationTimeout`,
            `ServiceError`, `ServiceUnreachable`, `InvalidResponse`, `UnrecognizedStatus`.
    """
    http = client.get_httpx_client()
    polling, request = _begin(http, operation, timeout, policy, after, clock)
    return drive(polling, partial(fetch, http, request), clock.sleep)


def watch_operation_async(
    client: AuthenticatedClient,
    operation: Operation,
    *,
    timeout: Timeout = DEFAULT,
    policy: PollingPolicy = PollingPolicy(),
    after: OperationUpdate | None = None,
    clock: Clock = Clock(),
) -> AsyncIterator[OperationUpdate]:
    """As `watch_operation`, for `async for`."""
    http = client.get_async_httpx_client()
    polling, request = _begin(http, operation, timeout, policy, after, clock)
    return drive_async(polling, partial(fetch_async, http, request), clock.sleep_async)


def wait_for_operation(
    client: AuthenticatedClient,
    operation: Operation,
    *,
    timeout: Timeout = DEFAULT,
    policy: PollingPolicy = PollingPolicy(),
    after: OperationUpdate | None = None,
    on_update: Callable[[OperationUpdate], object] | None = None,
    clock: Clock = Clock(),
) -> LongRunningOperationResult:
    """Poll until the operation has ended, and return its result.

    The arguments are those of `watch_operation`. *on_update* is called with each update; what it raises ends the wait.

    Raises:
        OperationFailed: if the operation ended without success.
        InvalidOperation, DataRegistryError: as `watch_operation`.
    """
    http = client.get_httpx_client()
    polling, request = _begin(http, operation, timeout, policy, after, clock)
    for update in drive(polling, partial(fetch, http, request), clock.sleep):
        if on_update is not None and inspect.iscoroutine(coroutine := on_update(update)):
            coroutine.close()
            raise TypeError("on_update is async: use wait_for_operation_async")
    return polling.outcome()


async def wait_for_operation_async(
    client: AuthenticatedClient,
    operation: Operation,
    *,
    timeout: Timeout = DEFAULT,
    policy: PollingPolicy = PollingPolicy(),
    after: OperationUpdate | None = None,
    on_update: Callable[[OperationUpdate], object] | None = None,
    clock: Clock = Clock(),
) -> LongRunningOperationResult:
    """As `wait_for_operation`. What *on_update* returns is awaited if it can be."""
    http = client.get_async_httpx_client()
    polling, request = _begin(http, operation, timeout, policy, after, clock)
    async for update in drive_async(polling, partial(fetch_async, http, request), clock.sleep_async):
        if on_update is not None and inspect.isawaitable(awaitable := on_update(update)):
            await awaitable
    return polling.outcome()


def question(http: httpx.Client | httpx.AsyncClient, name: str) -> httpx.Request:
    """The request that asks about the operation of that id."""
    return http.build_request(**_get_kwargs(name))


def questions(http: httpx.AsyncClient) -> Callable[[str], httpx.Request]:
    """A `question` for thousands: from a template, in a fifth of the time. URLs, half of that, are kept for some."""
    template = question(http, _NIL)
    before, after = str(template.url).split(_NIL)
    url = lru_cache(maxsize=2048)(lambda name: httpx.URL(f"{before}{name}{after}"))
    return lambda name: httpx.Request(template.method, url(name), headers=template.headers)


def begin(
    http: httpx.Client | httpx.AsyncClient,
    operation: Operation,
    timeout: Timeout,
    policy: PollingPolicy,
    clock: Clock,
    after: OperationUpdate | None = None,
) -> Polling:
    """The decision of a wait that begins now.

    Raises:
        InvalidOperation: for what names no operation of this client's endpoint.
        ServiceError: for the response of a request that was refused.
    """
    name = _name(http, operation)
    if after is None and isinstance(operation, httpx.Response):
        after = OperationUpdate(operation_id=name, wait=retry_after(operation.headers, clock.wall))
    return Polling(name, timeout=timeout, policy=policy, after=after, clock=clock)


def _name(http: httpx.Client | httpx.AsyncClient, operation: Operation) -> str:
    if isinstance(operation, httpx.Response) and operation.is_error:
        read_result(operation)  # the request that should have started it was refused: say why
    return operation_id(operation, http.base_url)


def _answer(name: str, reply: Reply) -> LongRunningOperationResult:
    try:
        return read_result(reply)
    except DataRegistryError as error:
        error.operation_id, error.polls = name, 1
        raise


def _begin(
    http: httpx.Client | httpx.AsyncClient,
    operation: Operation,
    timeout: Timeout,
    policy: PollingPolicy,
    after: OperationUpdate | None,
    clock: Clock,
) -> tuple[Polling, httpx.Request]:
    """The decision and the request of a wait, which is built once and sent for every poll."""
    polling = begin(http, operation, timeout, policy, clock, after)
    return polling, question(http, polling.operation_id)
