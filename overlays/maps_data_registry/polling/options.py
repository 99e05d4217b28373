"""The options of a wait, stated once: functions take them as `**options: Unpack[…]`, and `help()` shows each."""

import inspect
from collections.abc import Callable
from typing import ParamSpec, TypedDict, TypeVar

from .decision import Polling
from .policy import Clock, OperationUpdate, PollingPolicy, Timeout

P = ParamSpec("P")
R = TypeVar("R")


class ManyOptions(TypedDict, total=False):
    """The options of a wait for many operations. Their defaults are those of `Polling`."""

    timeout: Timeout
    policy: PollingPolicy
    clock: Clock


class WaitOptions(ManyOptions, total=False):
    """The options of a wait for one operation."""

    after: OperationUpdate | None


def show_options(options: type[ManyOptions]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make `help()` and `inspect.signature` show *options*, with their defaults, in place of `**options`."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)
        known = inspect.signature(Polling).parameters
        own = [item for item in signature.parameters.values() if item.kind is not item.VAR_KEYWORD]
        added = [known[name] for name in options.__annotations__]
        vars(function)["__signature__"] = signature.replace(parameters=[*own, *added])
        return function

    return decorate
