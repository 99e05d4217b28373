"""The heart: what a reply means, and when to ask again.

`Polling` decides and does no I/O; the two drivers at the end sleep and ask, for one operation (for many: `scheduler`).

1. An operation is asked about at once, unless the response that started it brought a Retry-After.
2. A succeeded or failed word ends the wait, whatever the headers say. Both come with status 200.
3. A word in progress is asked about again after Retry-After, else after the policy's interval. Zero is a value.
4. A word that nobody knows, or none, is in progress if Retry-After says so, else the wait ends: it is over.
5. 408, 429, 500, 502, 503, 504 and failures of the connection are transient: asked again after Retry-After or a
   full-jitter backoff, so many times in a row. Every other refusal ends the wait.
6. The timeout covers requests and sleeps, and ends the wait as soon as the next poll would come too late.
7. Whatever ends a wait knows the operation, its last state, how often and how long it was asked.
8. No thread is started.
9. To go on in another process takes the operation id, nothing else. Whoever has the last update too can hand it over:
   then the deadline, the pause and the count of polls go on as well.
"""

import logging
import math
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TypeVar

import anyio
import httpx
from attrs import frozen

from maps_data_registry.errors import (
    DataRegistryError,
    OperationFailed,
    OperationTimeout,
    ServiceError,
    ServiceUnreachable,
    UnrecognizedStatus,
    known,
    one_line,
)
from maps_data_registry_client.models import LongRunningOperationResult

from .policy import DEFAULT, Clock, OperationUpdate, PollingPolicy, Timeout, limit
from .replies import Reply, read_result
from .retry_after import retry_after

_log = logging.getLogger("maps_data_registry")

TRANSIENT_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
_TRANSIENT_ERRORS = (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError, httpx.ProxyError)

E = TypeVar("E", bound=DataRegistryError)
AnyError = TypeVar("AnyError", bound=Exception)


class Polling:
    """One wait for one operation: decides what a reply means and when the next question is due.

    Does no I/O and never sleeps; it can be put aside between two questions and gone on with.
    """

    def __init__(
        self,
        operation_id: str,
        *,
        timeout: Timeout = DEFAULT,
        policy: PollingPolicy = PollingPolicy(),
        clock: Clock = Clock(),
        after: OperationUpdate | None = None,
    ) -> None:
        after = after or OperationUpdate(operation_id=operation_id)
        self.operation_id = operation_id
        self.polls = after.polls
        self.last = after.result
        self.ended = False
        self._policy = policy
        self._clock = clock
        now = clock.monotonic()
        self._start = now - after.elapsed
        self._deadline = self._start + limit(policy.timeout if timeout is DEFAULT else timeout)
        self._interval = policy.interval
        self._failures = 0  # in a row
        self._problem: DataRegistryError | None = None  # the last of them
        self._warned = False
        self.due = now + (after.wait or 0.0)
        """When to ask next, on the clock's monotonic scale."""

    @property
    def status(self) -> str | None:
        """The service's last word."""
        return known(self.last.status) if self.last else None

    def pause(self) -> float:
        """The seconds to sleep before the next question.

        Raises:
            OperationTimeout: if the question would come past the deadline.
        """
        now = self._clock.monotonic()
        pause = max(self.due - now, 0.0)
        if now + pause >= self._deadline:
            seen = f"last seen as {one_line(self.status)}" if self.status else "never seen"
            late = f", and the next poll in {pause:.0f} s would come too late" if now < self._deadline else ""
            raise self._placed(
                OperationTimeout(f"timed out after {now - self._start:.0f} s, {seen}{late}")
            ) from self._problem
        return pause

    def time_left(self) -> float:
        """The seconds until the deadline, at least a moment; infinite without a deadline."""
        return max(self._deadline - self._clock.monotonic(), 0.001)

    def decide(self, reply: Reply) -> OperationUpdate:
        """Take in what became of a question.

        Raises:
            DataRegistryError: what ends the wait without a terminal word, with the wait's account in it.
        """
        self.polls += 1
        try:
            self.last = read_result(reply)
        except DataRegistryError as error:
            return self._ask_again(error)
        self._failures, self._problem = 0, None
        seconds = retry_after(reply.headers, self._clock.wall) if isinstance(reply, httpx.Response) else None
        status = self.status
        if status in self._policy.succeeded or status in self._policy.failed:
            self.ended = True
            return self._update(seconds, None)
        if status not in self._policy.in_progress:
            self._expect_more(status, seconds)
        return self._update(seconds, self._next_wait(seconds))

    def outcome(self) -> LongRunningOperationResult:
        """The result of a wait that has ended.

        Raises:
            OperationFailed: if it ended in a word of failure.
        """
        if self.last is None or self.status not in self._policy.succeeded | self._policy.failed:
            raise RuntimeError("the wait has not ended")
        if self.status in self._policy.failed:
            raise self._placed(OperationFailed(self.last))
        return self.last

    def _expect_more(self, status: str | None, seconds: float | None) -> None:
        word = "no status" if status is None else f"the status {one_line(status)!r}"
        if seconds is None:
            raise self._placed(UnrecognizedStatus(f"{word} and no Retry-After, so it has ended, but how is not known"))
        if not self._warned:
            self._warned = True
            _log.warning("operation %s: %s, taken for in progress as Retry-After is there", self.operation_id, word)

    def _ask_again(self, error: DataRegistryError) -> OperationUpdate:
        self._placed(error)
        seconds = None
        if isinstance(error, ServiceError):
            seconds = error.retry_after = retry_after(error.headers, self._clock.wall)
        spent = self._failures >= self._policy.retries and self._clock.monotonic() < self._deadline
        if spent or not _is_transient(error):
            raise error
        self._problem = error.with_traceback(None)  # whose frames hold the reply, for as long as the wait goes on
        most = min(self._policy.backoff * 2.0 ** min(self._failures, 99), self._policy.max_backoff)
        wait = self._clock.random() * most if seconds is None else self._jittered(seconds)
        self._failures += 1
        _log.info("operation %s: asked again in %.1f s after %s", self.operation_id, wait, error.args[0])
        return self._update(seconds, wait, error)

    def _next_wait(self, seconds: float | None) -> float:
        if seconds is None:
            seconds = min(self._interval, self._policy.max_interval)
            self._interval = seconds * self._policy.growth
        return self._jittered(seconds)

    def _jittered(self, seconds: float) -> float:
        return seconds * (1 + self._policy.jitter * self._clock.random())

    def _update(
        self, seconds: float | None, wait: float | None, problem: DataRegistryError | None = None
    ) -> OperationUpdate:
        now = self._clock.monotonic()
        self.due = now + (wait or 0.0)
        return OperationUpdate(
            operation_id=self.operation_id,
            status=self.status,
            retry_after=seconds,
            wait=wait,
            polls=self.polls,
            elapsed=now - self._start,
            result=self.last,
            problem=problem,
        )

    def _placed(self, error: E) -> E:
        error.operation_id, error.last, error.polls = self.operation_id, self.last, self.polls
        error.elapsed = self._clock.monotonic() - self._start
        return error


def _is_transient(error: DataRegistryError) -> bool:
    if isinstance(error, ServiceError):
        return error.status_code in TRANSIENT_STATUSES
    cause: BaseException | None = error.__cause__ if isinstance(error, ServiceUnreachable) else None
    if not isinstance(cause, _TRANSIENT_ERRORS):
        return False
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    return cause is None  # a certificate that is not trusted will not be trusted the next time


def fetch(http: httpx.Client, request: httpx.Request, time_left: float) -> Reply:
    """Ask once, within *time_left* seconds. What the wire does comes back as a value."""
    try:
        return http.send(_within(time_left, time.monotonic(), request, http.timeout))
    except (httpx.RequestError, DataRegistryError) as error:
        return _without_request(error)


async def fetch_async(http: httpx.AsyncClient, request: httpx.Request, time_left: float) -> Reply:
    """As `fetch`, on the async client."""
    try:
        return await http.send(_within(time_left, anyio.current_time(), request, http.timeout))
    except (httpx.RequestError, DataRegistryError) as error:
        return _without_request(error)


def _within(time_left: float, now: float, request: httpx.Request, timeout: httpx.Timeout) -> httpx.Request:
    most = None if time_left == math.inf else time_left
    steps = {step: most if seconds is None else min(seconds, time_left) for step, seconds in timeout.as_dict().items()}
    request.extensions = {"timeout": steps, "deadline": now + time_left}
    return request


def _without_request(error: AnyError) -> AnyError:
    """The same error without the request and its credential, which each error of the chain and its frames hold."""
    link: BaseException | None = error
    while link is not None:
        link.__traceback__ = None
        if isinstance(link, httpx.RequestError):
            link._request = None
        link = link.__cause__ or link.__context__
    return error


def drive(polling: Polling, ask: Callable[[float], Reply], sleep: Callable[[float], None]) -> Iterator[OperationUpdate]:
    """Sleep and ask until it has ended."""
    while not polling.ended:
        sleep(polling.pause())
        yield polling.decide(ask(polling.time_left()))


@frozen
class drive_async(AsyncIterator[OperationUpdate]):  # noqa: N801 - it is called like its twin
    """As `drive`. No async generator: one that is left half-way is a warning under trio."""

    polling: Polling
    ask: Callable[[float], Awaitable[Reply]]
    sleep: Callable[[float], Awaitable[None]]

    async def __anext__(self) -> OperationUpdate:
        if self.polling.ended:
            raise StopAsyncIteration
        try:
            await self.sleep(self.polling.pause())
            return self.polling.decide(await self.ask(self.polling.time_left()))
        except BaseException:
            self.polling.ended = True  # as an exception ends the generator above
            raise
