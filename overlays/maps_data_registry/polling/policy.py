"""What a caller says about a wait, and what a wait reports back: plain values. Times are in seconds."""

import math
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from enum import Enum
from functools import lru_cache
from typing import Any, Final, Literal

from attrs import Attribute, field, fields, frozen

from maps_data_registry.errors import DataRegistryError
from maps_data_registry.text import as_on_the_wire
from maps_data_registry_client.models import LongRunningOperationResult


class Default(Enum):
    """The type of `DEFAULT`."""

    DEFAULT = "the policy's timeout"

    def __repr__(self) -> str:
        return self.name


DEFAULT: Final = Default.DEFAULT
"""Stands for a timeout that was not given, so that the policy's applies; None means no limit."""

Duration = float | timedelta
"""Seconds, or a timedelta."""

Timeout = Duration | None | Literal[Default.DEFAULT]
"""A limit: a duration, None for no limit, or `DEFAULT` for the policy's."""


def _as_seconds(value: Duration) -> float:
    return value.total_seconds() if isinstance(value, timedelta) else value


def _number(value: object, name: str, kind: str = "a number") -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be {kind}, not {type(value).__name__}")
    return value


def timeout_seconds(timeout: Any) -> float:
    """A timeout as seconds: infinite for None.

    Raises:
        TypeError: for anything but None, a number and a timedelta.
        ValueError: unless it is more than 0.
    """
    limit = math.inf if timeout is None else _number(_as_seconds(timeout), "timeout", "seconds or a timedelta")
    if not limit > 0:
        raise ValueError("timeout must be more than 0 seconds, or None for no limit")
    return limit


_LONG = 366 * 24 * 3600.0


def _between(least: float, most: float) -> Callable[[Any, "Attribute[Any]", Any], None]:
    def check(_: Any, attribute: "Attribute[Any]", value: Any) -> None:
        if not least <= _number(value, attribute.name) <= most:
            raise ValueError(f"{attribute.name} must be from {least:g} to {most:.15g}, not {value:.15g}")

    return check


def _whole(_: Any, attribute: "Attribute[Any]", value: Any) -> None:
    if not isinstance(value, int):
        raise TypeError(f"{attribute.name} must be a whole number, not {type(value).__name__}")


def _statuses(statuses: str | Iterable[str]) -> frozenset[str]:
    found = {statuses} if isinstance(statuses, str) or not isinstance(statuses, Iterable) else frozenset(statuses)
    for status in found:
        if not isinstance(status, str):
            raise TypeError(f"a status must be a string, not {type(status).__name__}")
    return frozenset(found)


def _fold(status: str) -> str:
    """A status as it is compared: without case and surrounding space."""
    return status.strip().casefold()


@lru_cache(maxsize=64)  # asked for at each poll, of the few sets that policies have
def _folded(statuses: frozenset[str]) -> frozenset[str]:
    return frozenset(map(_fold, statuses))


def _brief(self: Any) -> str:
    """A repr of the fields that differ from their defaults."""
    shown = [item for item in fields(type(self)) if getattr(self, item.name) != item.default]
    return f"{type(self).__name__}({', '.join(f'{item.name}={getattr(self, item.name)!r}' for item in shown)})"


@frozen(kw_only=True, repr=False)
class PollingPolicy:
    """How to wait. Every field has a sensible default. Durations are seconds or a timedelta.

    Attributes:
        interval: Seconds between two polls where the reply has no Retry-After. Default 5.
        growth: Factor applied to the interval after each such poll. Default 1.2.
        max_interval: Longest interval that it grows to, in seconds. Default 60.
        min_interval: Least seconds between two polls of one operation, whatever Retry-After says. Default 0.2.
        jitter: Largest fraction of a pause that is added at random. Nothing is subtracted: no poll comes early.
            Default 0.1.
        retries: Transient failures in a row that are retried; any readable reply resets the count. Default 8.
        backoff: Longest pause, in seconds, after the first transient failure without Retry-After; doubled for each
            further one. Default 1.
        max_backoff: Longest backoff that it grows to, in seconds. Default 60.
        timeout: Seconds for the whole wait where the call gives no timeout; None for no limit. Default 3600.
        succeeded: Statuses that end a wait with success. Case and surrounding space are ignored. Default `Completed`.
        failed: Statuses that end it with `OperationFailed`. Default `Failed`.
        in_progress: Statuses of a running operation: it is polled again even without a Retry-After. Default `Running`.

    Raises:
        ValueError: for a value out of range.
        TypeError: for a value of the wrong type.
    """

    interval: float = field(default=5.0, converter=_as_seconds, validator=_between(0, _LONG))
    growth: float = field(default=1.2, validator=_between(1, 100))
    max_interval: float = field(default=60.0, converter=_as_seconds, validator=_between(0, _LONG))
    min_interval: float = field(default=0.2, converter=_as_seconds, validator=_between(0, _LONG))
    jitter: float = field(default=0.1, validator=_between(0, 1))
    retries: int = field(default=8, validator=[_whole, _between(0, 10**6)])
    backoff: float = field(default=1.0, converter=_as_seconds, validator=_between(0, _LONG))
    max_backoff: float = field(default=60.0, converter=_as_seconds, validator=_between(0, _LONG))
    timeout: Duration | None = field(default=3600.0)
    succeeded: frozenset[str] = field(default=frozenset({"Completed"}), converter=_statuses)
    failed: frozenset[str] = field(default=frozenset({"Failed"}), converter=_statuses)
    in_progress: frozenset[str] = field(default=frozenset({"Running"}), converter=_statuses)

    def __attrs_post_init__(self) -> None:
        meanings = [_folded(statuses) for statuses in (self.succeeded, self.failed, self.in_progress)]
        if len(set().union(*meanings)) < sum(map(len, meanings)):
            raise ValueError("a status can mean one thing only: succeeded, failed or in progress")
        timeout_seconds(self.timeout)

    __repr__ = _brief

    def meaning_of(self, status: str | None) -> str | None:
        """What a status means: `succeeded`, `failed`, `in_progress`, or None if the policy does not know it."""
        if status is None:
            return None
        meanings, wanted = ("succeeded", "failed", "in_progress"), _fold(status)
        return next((meaning for meaning in meanings if wanted in _folded(getattr(self, meaning))), None)


def _sleep(pause: float) -> None:
    if pause > 0:  # time.sleep(0) is a system call, and many a poll is due at once
        time.sleep(pause)


async def _sleep_async(pause: float) -> None:
    import anyio  # which a sync wait need not load

    await anyio.sleep(pause)


@frozen(kw_only=True, repr=False)
class Clock:
    """The source of time and randomness, for tests to replace.

    Attributes:
        monotonic: Seconds on a scale that never goes back, as `time.monotonic`.
        wall: Seconds since the epoch, as `time.time`.
        sleep: Sleeps for so many seconds in sync code.
        sleep_async: Likewise in async code, under asyncio and trio.
        random: A number from 0 to 1, for jitter and backoff.
    """

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], None] = _sleep
    sleep_async: Callable[[float], Awaitable[None]] = _sleep_async
    random: Callable[[], float] = random.random

    __repr__ = _brief


@frozen(kw_only=True)
class OperationUpdate:
    """What one poll reported, and how far the wait was then.

    Attributes:
        operation_id: The operation.
        status: Last status seen, or None before the first.
        retry_after: Seconds that this reply asked the client to wait, or None if it did not say.
        wait: Seconds until the next poll, or None if this was the last.
        polls: Requests sent so far.
        elapsed: Seconds since the wait began.
        result: The last result that could be read.
        problem: The transient failure that this poll met, if it met one; from `get_operation`, an `UnrecognizedStatus`.
    """

    operation_id: str
    status: str | None = None
    retry_after: float | None = None
    wait: float | None = None
    polls: int = 0
    elapsed: float = 0.0
    result: LongRunningOperationResult | None = field(default=None, repr=as_on_the_wire)
    problem: DataRegistryError | None = None
