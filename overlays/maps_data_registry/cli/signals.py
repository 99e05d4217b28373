"""Signals that end the process or stop it, while there is something to report or a terminal to give back."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine, Iterator
from types import FrameType
from typing import Any, Self

from maps_data_registry.polling.interrupts import Cancellable

_ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_DEFAULTS = (signal.SIG_DFL, signal.default_int_handler)


class Interrupts:
    """Inside its `with`, Ctrl+C, SIGTERM and SIGHUP raise KeyboardInterrupt, unless the process was to ignore them."""

    exit_code = 0
    """What the process should return after the first of them; 0 as long as none came."""

    def __init__(self) -> None:
        self._is_running = False
        self._work = Cancellable()

    def __enter__(self) -> Self:
        ours = [number for number in _ENDING if signal.getsignal(number) in _DEFAULTS]
        self._before = {number: signal.signal(number, self._take) for number in ours}
        return self

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def run(self, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run *main* in a new event loop.

        Inside of it an exception could be raised anywhere. So the first signal cancels *main*, and is raised when the
        loop has been closed; a second one does not wait for that.
        """
        self._is_running = True
        try:
            with contextlib.suppress(asyncio.CancelledError), asyncio.Runner() as runner:
                loop = runner.get_loop()
                loop.set_exception_handler(lambda *_: None)  # of tasks that are cut off
                self._work.run(loop, main())
        finally:
            self._is_running = False
        if self.exit_code:
            raise KeyboardInterrupt

    def _take(self, number: int, _: FrameType | None) -> None:
        is_first = not self.exit_code
        self.exit_code = self.exit_code or 128 + number
        if not (is_first and self._is_running):
            raise KeyboardInterrupt
        self._work.cancel()


@contextlib.contextmanager
def around_stops(leave: Callable[[], object], enter: Callable[[], object]) -> Iterator[None]:
    """Inside a running event loop: call *leave* before Ctrl+Z takes effect, and *enter* when the process goes on."""
    loop = asyncio.get_running_loop()
    number = getattr(signal, "SIGTSTP", None)
    if number is None or signal.getsignal(number) is not signal.SIG_DFL:  # Windows has none
        yield
        return

    def take_effect() -> None:
        loop.remove_signal_handler(number)
        leave()
        signal.raise_signal(number)
        loop.add_signal_handler(number, take_effect)
        enter()

    loop.add_signal_handler(number, take_effect)
    try:
        yield
    finally:
        loop.remove_signal_handler(number)
