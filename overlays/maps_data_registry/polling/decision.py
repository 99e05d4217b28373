"""The heart: what a reply means, and when to poll next. Decides, sends nothing and never sleeps.

1. An operation is polled at once, unless the response that started it brought a Retry-After.
2. A succeeded or failed status ends the wait, whatever the headers say. Both come with HTTP status 200.
3. A status in progress is polled again after Retry-After, else after the policy's interval. Zero is a value, but two
   polls are never closer than `min_interval`. Jitter only ever adds.
4. An unknown or missing status is in progress if there is a Retry-After header, readable or not. Otherwise the
   operation has ended, and how is not known.
5. 408, 429, 500, 502, 503, 504, failures of the connection, and a token lost to a network fault are transient:
   retried after Retry-After or a full-jitter backoff, a bounded number of times in a row. Every other refusal ends the
   wait. A Retry-After of zero from a failing server leaves the backoff.
6. The timeout covers requests and sleeps, and ends the wait as soon as the next poll would come too late.
7. Whatever ends a wait names the operation, its last state, the polls made, and the time they took.
8. A reply about another operation is never an answer.
9. Resuming in another process takes the operation id, nothing else. If the last update is passed as `after`, the
   deadline, the pause and the count of polls are resumed as well.
"""

import logging
from itertools import count
from typing import TypeVar

import httpx

from maps_data_registry.errors import (
    TRANSIENT_STATUSES,
    DataRegistryError,
    OperationFailed,
    OperationNotFound,
    OperationTimeout,
    ServiceError,
    ServiceUnreachable,
    TokenUnavailable,
    UnrecognizedStatus,
)
from maps_data_registry.text import one_line, unset_to_none
from maps_data_registry.wire.failures import PermanentFailure
from maps_data_registry_client.models import LongRunningOperationResult

from .policy import DEFAULT, Clock, OperationUpdate, PollingPolicy, Timeout, timeout_seconds
from .replies import Answer, Reply, read_reply

_log = logging.getLogger("maps_data_registry")

_TRANSIENT_ERRORS = (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError, httpx.ProxyError)

E = TypeVar("E", bound=DataRegistryError)


class Polling:
    """One wait for one operation. It can be set aside between two polls and resumed."""

    def __init__(
        self,
        operation_id: str,
        *,
        timeout: "Timeout" = DEFAULT,
        policy: PollingPolicy = PollingPolicy(),
        clock: Clock = Clock(),
        after: OperationUpdate | None = None,
    ) -> None:
        if not isinstance(policy, PollingPolicy):
            raise TypeError(f"policy must be a PollingPolicy, not {type(policy).__name__}")
        after = after or OperationUpdate(operation_id=operation_id)
        if after.operation_id.lower() != operation_id.lower():
            raise ValueError(f"after is an update of another operation: {one_line(after.operation_id)}")
        self.operation_id = operation_id
        self.polls = after.polls
        self.last = after.result
        self.ended = False
        self.policy = policy
        self.clock = clock
        now = clock.monotonic()
        self._start = now - after.elapsed
        self._interval = policy.interval
        self._failures = 0  # in a row
        self._problem: DataRegistryError | None = None  # the last of them
        self._warned = False
        self.transient_failures = count(1)
        """Their numbers in this wait; those of many operations share one count."""
        self.deadline = self._start + timeout_seconds(policy.timeout if timeout is DEFAULT else timeout)
        """When the wait must be over, on the clock's monotonic scale."""
        self.due = now + (after.wait or 0.0)
        """When to poll next, on the same scale."""

    @property
    def status(self) -> str | None:
        """The last status seen."""
        return unset_to_none(self.last.status) if self.last else None

    def pause(self) -> float:
        """The seconds to sleep before the next poll."""
        return max(self.due - self.clock.monotonic(), 0.0)

    def check_deadline(self) -> None:
        """Raise OperationTimeout if the next poll would come past the deadline."""
        now = self.clock.monotonic()
        if max(self.due, now) < self.deadline:
            return
        seen = f"last seen as {one_line(self.status)}" if self.status else "no status seen"
        late = f", and the next poll in {self.due - now:.0f} s would come too late" if now < self.deadline else ""
        problem = f"; last problem: {self._problem.args[0]}" if self._problem else ""
        text = f"timed out after {now - self._start:.0f} s, {seen}{late}{problem}"
        raise self._with_progress(OperationTimeout(text)) from self._problem

    def decide(self, reply: Reply) -> OperationUpdate:
        """Process the reply to a poll, and say when to poll next.

        Raises:
            DataRegistryError: what ends the wait without a terminal status, with the wait's account in it.
        """
        self.polls += 1
        answer = read_reply(reply, self.operation_id, self.clock.wall)
        if isinstance(answer, DataRegistryError):
            return self._retry(answer)
        self.last = answer.result
        self._failures, self._problem = 0, None
        meaning = self.policy.meaning_of(self.status)
        self.ended = meaning in {"succeeded", "failed"}
        if meaning is None:
            self._check_unknown(answer)
        return self.update(answer.retry_after, None if self.ended else self._next_wait(answer.retry_after))

    def outcome(self) -> LongRunningOperationResult:
        """The result of a wait that has ended.

        Raises:
            OperationFailed: if it ended with a status of failure.
        """
        if self.last is None or not self.ended:
            raise RuntimeError("the wait has not ended")
        if self.policy.meaning_of(self.status) == "failed":
            raise self._with_progress(OperationFailed(self.last))
        return self.last

    def _check_unknown(self, answer: Answer) -> None:
        status = "no status" if self.status is None else f"the unknown status {one_line(self.status)!r}"
        if not answer.asks_for_more:
            raise self._with_progress(UnrecognizedStatus(f"ended with {status} (no Retry-After came)"))
        if not self._warned:
            self._warned = True
            _log.warning("operation %s: %s, treated as in progress as it has a Retry-After", self.operation_id, status)

    def _retry(self, error: DataRegistryError) -> OperationUpdate:
        if isinstance(error, OperationNotFound) and self.last is not None:
            seen = one_line(self.status or "no status")
            error.args = (f"{str(error.args[0]).rstrip('.')}, though it was seen as {seen} before",)
        self._with_progress(error)
        spent = self._failures >= self.policy.retries and self.clock.monotonic() < self.deadline
        if spent or not _is_transient(error):
            raise error
        self._problem = error
        longest = min(self.policy.backoff * 2.0 ** min(self._failures, 99), self.policy.max_backoff)
        backoff = self.clock.random() * longest
        asked = error.retry_after if isinstance(error, ServiceError) else None
        wait = max(self._jittered(asked) if asked else backoff, self.policy.min_interval)
        self._failures += 1
        number = next(self.transient_failures)
        step = 10 ** max(len(str(number)) - 1, 1)  # the first is a warning, then each tenth, each hundredth, …
        level = logging.WARNING if number == 1 or number % step == 0 else logging.INFO
        values = self.operation_id, error.args[0], self._failures, self.policy.retries, wait
        extra = {"transient_failure": number}
        _log.log(level, "operation %s: %s; retry %d of %d in %.1f s", *values, extra=extra)
        return self.update(asked, wait, error)

    def _next_wait(self, asked: float | None) -> float:
        if asked is None:
            asked = min(self._interval, self.policy.max_interval)
            self._interval = asked * self.policy.growth
        return max(self._jittered(asked), self.policy.min_interval)

    def _jittered(self, pause: float) -> float:
        return pause * (1 + self.policy.jitter * self.clock.random())

    def update(
        self, asked: float | None, wait: float | None, problem: DataRegistryError | None = None
    ) -> OperationUpdate:
        """Where the wait stands after a reply that asked for so many seconds, with so many until the next poll."""
        now = self.clock.monotonic()
        self.due = now + (wait or 0.0)
        return OperationUpdate(
            operation_id=self.operation_id,
            status=self.status,
            retry_after=asked,
            wait=wait,
            polls=self.polls,
            elapsed=now - self._start,
            result=self.last,
            problem=problem,
        )

    def _with_progress(self, error: E) -> E:
        return error.with_progress(self.operation_id, self.last, self.polls, self.clock.monotonic() - self._start)


def _is_transient(error: DataRegistryError) -> bool:
    if isinstance(error, ServiceError):
        return error.status_code in TRANSIENT_STATUSES
    if isinstance(error, TokenUnavailable):
        return error.is_transient
    cause = error.__cause__ if isinstance(error, ServiceUnreachable) else None
    return isinstance(cause, _TRANSIENT_ERRORS) and not isinstance(cause, PermanentFailure)
