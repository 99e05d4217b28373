"""Poll an operation once, watch it, wait for it: each sync and, with the suffix `_async`, async.

The async functions run under asyncio and trio. One client's async side belongs to one event loop at a time.
"""

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Unpack

import httpx
from attrs import frozen

from maps_data_registry.errors import AuthenticationFailed, UnrecognizedStatus
from maps_data_registry_client import AuthenticatedClient
from maps_data_registry_client.models import LongRunningOperationResult

from .decision import Polling
from .location import Operation, as_response, parse_operation_id
from .options import WaitOptions, check_options, show_options
from .policy import Clock, OperationUpdate, PollingPolicy
from .replies import Reply, refusal_of
from .request import build_request, poll, poll_async
from .retry_after import retry_after

_ONE_POLL = PollingPolicy(retries=0, jitter=0, timeout=None)


def get_operation(client: AuthenticatedClient, operation: "Operation") -> OperationUpdate:
    """Poll once, and report what the reply says. A failed operation is a result like any other here.

    Args:
        client: from `connect`.
        operation: an operation id, an Operation-Location URL, or the response of the register or replace request.

    Returns:
        The `status`, the whole `result`, `retry_after` (seconds) if the reply names one, and in `wait` the seconds to
        sleep before the next poll, or None if the operation has ended. If it has ended with an unknown status,
        `problem` is an `UnrecognizedStatus`.

    Raises:
        InvalidOperation: before anything is sent.
        DataRegistryError: if no result came; nothing is retried.
    """
    http = client.get_httpx_client()
    polling = start_polling(http, operation, policy=_ONE_POLL)
    return _reported(polling, poll(http, build_request(http, polling)))


async def get_operation_async(client: AuthenticatedClient, operation: "Operation") -> OperationUpdate:
    """Poll once, and report what the reply says: `get_operation` for async code.

    Args:
        client: from `connect`.
        operation: an operation id, an Operation-Location URL, or a register or replace response.

    Returns:
        The `status`, the whole `result`, `retry_after` (seconds) if the reply names one, and in `wait` the seconds to
        sleep before the next poll, or None if the operation has ended.

    Raises:
        InvalidOperation: before anything is sent.
        DataRegistryError: if no result came; nothing is retried.
    """
    http = client.get_async_httpx_client()
    polling = start_polling(http, operation, policy=_ONE_POLL)
    return _reported(polling, await poll_async(http, build_request(http, polling)))


@show_options
def watch_operation(
    client: AuthenticatedClient, operation: "Operation", **options: Unpack[WaitOptions]
) -> Iterator[OperationUpdate]:
    """Poll until the operation has ended: one update per poll, the last one terminal, be it a success or a failure.

    Args:
        client: from `connect`.
        operation: an operation id, an Operation-Location URL, or the response of the register or replace request that
            started it, whose Retry-After is then honoured before the first poll.
        timeout: limit on everything, requests and sleeps, as seconds or a timedelta; None for no limit. Default: the
            policy's, an hour.
        policy: how to wait.
        after: the last update of an earlier wait, to resume it: with its count of polls, after its `wait`, and with
            its `elapsed` counted against the timeout.
        clock: source of time and randomness, to be replaced in tests.

    Raises:
        InvalidOperation: at once, before anything is sent.
        DataRegistryError: from the iteration, if the wait ends without a terminal update: `OperationTimeout`,
            `ServiceError`, `ServiceUnreachable`, `InvalidResponse`, `TokenUnavailable`, `UnrecognizedStatus`.
    """
    http = client.get_httpx_client()
    polling = start_polling(http, operation, **options)
    return _drive(polling, http, build_request(http, polling))


@show_options
def watch_operation_async(
    client: AuthenticatedClient, operation: "Operation", **options: Unpack[WaitOptions]
) -> AsyncIterator[OperationUpdate]:
    """Poll until the operation has ended: `watch_operation` for async code, to be used with `async for`.

    Args:
        client: from `connect`.
        operation: an operation id, an Operation-Location URL, or a register or replace response.
        timeout: limit on everything, as seconds or a timedelta; None for no limit. Default: the policy's, an hour.
        policy: how to wait.
        after: the last update of an earlier wait, to resume from.
        clock: source of time and randomness, to be replaced in tests.

    Raises:
        InvalidOperation: at once, before anything is sent.
        DataRegistryError: from the iteration, as `watch_operation` raises it.
    """
    http = client.get_async_httpx_client()
    polling = start_polling(http, operation, **options)
    return _DriveAsync(polling, http, build_request(http, polling))


@show_options
def wait_for_operation(
    client: AuthenticatedClient,
    operation: "Operation",
    *,
    on_update: Callable[[OperationUpdate], object] | None = None,
    **options: Unpack[WaitOptions],
) -> LongRunningOperationResult:
    """Poll until the operation has ended, and return its result.

    Args:
        client: from `connect`.
        operation: an operation id, an Operation-Location URL, or the response of the register or replace request that
            started it, whose Retry-After is then honoured before the first poll.
        on_update: called with the `OperationUpdate` of each poll; what it raises ends the wait.
        timeout: limit on everything, requests and sleeps, as seconds or a timedelta; None for no limit. Default: the
            policy's, an hour.
        policy: how to wait.
        after: the last update of an earlier wait, to resume it: with its count of polls, after its `wait`, and with
            its `elapsed` counted against the timeout.
        clock: source of time and randomness, to be replaced in tests.

    Raises:
        OperationFailed: if the operation ended without success.
        OperationTimeout: if the timeout has passed, or would before the next poll. The operation itself keeps running.
        AuthenticationFailed, OperationNotFound, ServiceError: if the service refuses the request.
        ServiceUnreachable, TokenUnavailable: if no reply or no token came, after the policy's retries.
        InvalidResponse, UnrecognizedStatus: if the reply cannot be read, or its status is unknown.
        InvalidOperation: at once, if *operation* names no operation of the client's endpoint.
    """
    http = client.get_httpx_client()
    polling = start_polling(http, operation, **options)
    for update in _drive(polling, http, build_request(http, polling)):
        if on_update is not None and inspect.isawaitable(found := on_update(update)):
            if inspect.iscoroutine(found):
                found.close()  # or Python warns that it was never awaited
            raise TypeError("on_update is async: use wait_for_operation_async")
    return polling.outcome()


@show_options
async def wait_for_operation_async(
    client: AuthenticatedClient,
    operation: "Operation",
    *,
    on_update: Callable[[OperationUpdate], object] | None = None,
    **options: Unpack[WaitOptions],
) -> LongRunningOperationResult:
    """Poll until the operation has ended, and return its result: `wait_for_operation` for async code.

    Args:
        client: from `connect`.
        operation: an operation id, an Operation-Location URL, or a register or replace response.
        on_update: called with the `OperationUpdate` of each poll; what it returns is awaited if it can be.
        timeout: limit on everything, as seconds or a timedelta; None for no limit. Default: the policy's, an hour.
        policy: how to wait.
        after: the last update of an earlier wait, to resume from.
        clock: source of time and randomness, to be replaced in tests.

    Raises:
        OperationFailed: if the operation ended without success.
        OperationTimeout: if the timeout has passed, or would before the next poll. The operation itself keeps running.
        DataRegistryError: whatever else ends the wait, as `wait_for_operation` raises it.
    """
    http = client.get_async_httpx_client()
    polling = start_polling(http, operation, **options)
    async for update in _DriveAsync(polling, http, build_request(http, polling)):
        if on_update is not None and inspect.isawaitable(awaitable := on_update(update)):
            await awaitable
    return polling.outcome()


def start_polling(
    http: httpx.Client | httpx.AsyncClient, operation: "Operation", **options: Unpack[WaitOptions]
) -> Polling:
    """A wait that begins now; the Retry-After of a register response comes first.

    Raises:
        InvalidOperation: for what names no operation of this client's endpoint.
        ServiceError: for the response of a request that was refused.
    """
    check_options(options, WaitOptions)
    now = options.get("clock", Clock()).wall
    response = as_response(operation)
    if response is not None and response.is_error:
        refusal = refusal_of(response, now)
        refusal.args = (f"the register or replace request was refused: {refusal.args[0]}",)
        if not isinstance(refusal, AuthenticationFailed):
            refusal.advice = "no operation was started: correct the request, or send it again"
        raise refusal
    name = parse_operation_id(operation if response is None else response, http.base_url)
    if response is not None and options.get("after") is None:
        options["after"] = OperationUpdate(operation_id=name, wait=retry_after(response.headers, now))
    return Polling(name, **options)


def _reported(polling: Polling, reply: Reply) -> OperationUpdate:
    try:
        return polling.decide(reply)
    except UnrecognizedStatus as ended:
        return polling.update(None, None, ended.with_traceback(None))


def _drive(polling: Polling, http: httpx.Client, request: httpx.Request) -> Iterator[OperationUpdate]:
    while not polling.ended:
        polling.check_deadline()
        polling.clock.sleep(polling.pause())
        yield polling.decide(poll(http, request))


@frozen
class _DriveAsync(AsyncIterator[OperationUpdate]):
    """Like `_drive`, but not an async generator: trio warns about one that is abandoned half-way."""

    polling: Polling
    http: httpx.AsyncClient
    request: httpx.Request

    async def __anext__(self) -> OperationUpdate:
        if self.polling.ended:
            raise StopAsyncIteration
        try:
            self.polling.check_deadline()
            await self.polling.clock.sleep_async(self.polling.pause())
            return self.polling.decide(await poll_async(self.http, self.request))
        except BaseException:
            self.polling.ended = True  # as an exception ends the generator above
            raise
