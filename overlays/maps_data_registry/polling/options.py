"""The options of a wait, stated once: functions take them as `**options: Unpack[…]`, and `help()` shows each."""

import inspect
from collections.abc import Callable, Mapping
from typing import ParamSpec, TypedDict, TypeVar, get_args

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


def check_options(options: Mapping[str, object], known: type[ManyOptions]) -> None:
    """Raise TypeError for an unknown option, as Python does for an argument, and for a clock that is none."""
    for name in options.keys() - known.__annotations__.keys():
        raise TypeError(f"unexpected keyword argument {name!r}")
    if not isinstance(clock := options.get("clock", Clock()), Clock):
        raise TypeError(f"clock must be a Clock, not {type(clock).__name__}")


def show_options(function: Callable[P, R]) -> Callable[P, R]:
    """Make `help()` and `inspect.signature` show what is in `**options`, with the defaults of `Polling`."""
    signature = inspect.signature(function)
    *own, options = signature.parameters.values()
    (names,) = get_args(options.annotation)  # of Unpack
    known = inspect.signature(Polling).parameters
    added = [known[name] for name in names.__annotations__]
    vars(function)["__signature__"] = signature.replace(parameters=[*own, *added])
    return function
