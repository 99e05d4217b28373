"""What a caller says about a wait, and what a wait says back: plain values."""

import math
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from enum import Enum
from typing import Any, Final, Literal

import anyio
from attrs import Attribute, field, frozen

from maps_data_registry_client.models import LongRunningOperationResult


class Default(Enum):
    """The type of `DEFAULT`."""

    DEFAULT = "the policy's timeout"


DEFAULT: Final = Default.DEFAULT
"""Not given. None means no limit, so it cannot mean this."""

Timeout = float | None | Literal[Default.DEFAULT]


def _between(least: float, most: float) -> Callable[[Any, "Attribute[Any]", Any], None]:
    def check(_: Any, attribute: "Attribute[Any]", value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"{attribute.name} must be a number, not {type(value).__name__}")
        if not least <= value <= most:
            raise ValueError(f"{attribute.name} must be from {least:g} to {most:g}, not {value}")

    return check


_LONG = 366 * 24 * 3600.0


def _words(words: str | Iterable[str]) -> frozenset[str]:
    return frozenset({words} if isinstance(words, str) else words)


def limit(timeout: float | None) -> float:
    """A timeout as seconds: infinite for None.

    Raises:
        ValueError: unless it is more than 0.
    """
    if timeout is None:
        return math.inf
    if not timeout > 0:
        raise ValueError("timeout must be more than 0 seconds, or None for no limit")
    return float(timeout)


@frozen(kw_only=True)
class PollingPolicy:
    """How to wait. Every field has a default that serves; times are in seconds.

    Raises:
        ValueError: for a value out of range.
        TypeError: for one that is no number.
    """

    interval: float = field(default=5.0, validator=_between(0, _LONG))
    """Between two polls, where the reply has no Retry-After."""
    growth: float = field(default=1.2, validator=_between(1, 100))
    """What the interval is multiplied with after each such poll."""
    max_interval: float = field(default=60.0, validator=_between(0, _LONG))
    """What the interval grows to at most."""
    jitter: float = field(default=0.1, validator=_between(0, 1))
    """The share of a wait that chance may add to it. It never takes away: no poll comes early."""
    retries: int = field(default=8, validator=_between(0, 10**6))
    """Transient failures in a row that are asked again; a reply that can be read sets the count back."""
    backoff: float = field(default=1.0, validator=_between(0, _LONG))
    """The longest wait after the first transient failure without Retry-After; doubled for each further one."""
    max_backoff: float = field(default=60.0, validator=_between(0, _LONG))
    """What the backoff grows to at most."""
    timeout: float | None = field(default=3600.0)
    """The whole wait, where the call gives no timeout; None for no limit."""
    succeeded: frozenset[str] = field(default=frozenset({"Completed"}), converter=_words)
    """Words that end a wait well."""
    failed: frozenset[str] = field(default=frozenset({"Failed"}), converter=_words)
    """Words that end it badly."""
    in_progress: frozenset[str] = field(default=frozenset({"Running"}), converter=_words)
    """Words that mean: ask again, even where Retry-After is missing."""

    def __attrs_post_init__(self) -> None:
        words = [*self.succeeded, *self.failed, *self.in_progress]
        if len(words) > len(set(words)):
            raise ValueError("a status word can mean one thing only: succeeded, failed or in progress")
        limit(self.timeout)


def _sleep(seconds: float) -> None:
    if seconds > 0:  # time.sleep(0) is a system call, and many a poll is due at once
        time.sleep(seconds)


@frozen(kw_only=True)
class Clock:
    """Time and chance, so that a test needs neither."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], None] = _sleep
    sleep_async: Callable[[float], Awaitable[None]] = anyio.sleep
    random: Callable[[], float] = random.random


@frozen(kw_only=True)
class OperationUpdate:
    """What one poll told, and how far the wait was then."""

    operation_id: str
    status: str | None = None
    """The service's last word, or None before the first."""
    retry_after: float | None = None
    """Seconds that this reply asked for, or None if it did not say."""
    wait: float | None = None
    """Seconds until the next poll, or None if this was the last."""
    polls: int = 0
    """Questions asked so far."""
    elapsed: float = 0.0
    """Seconds since the wait began."""
    result: LongRunningOperationResult | None = None
    """The last result that could be read."""
    problem: Exception | None = None
    """The transient failure that this poll met, if it met one."""
