"""Signals while a private event loop runs: what it runs is cancelled, and nothing is raised inside a callback."""

import asyncio
import signal
import threading
from collections.abc import Coroutine
from typing import Any, Self, TypeVar

T = TypeVar("T")


class Cancellable:
    """What a private event loop runs. A signal's handler may cancel it at any moment, before it begins too."""

    is_cancelled = False
    _task: asyncio.Task[Any] | None = None

    def run(self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop until it has ended, or was cancelled."""
        self._task = task = loop.create_task(coroutine)
        if self.is_cancelled:
            task.cancel()
        return loop.run_until_complete(task)

    def cancel(self) -> None:
        """Cancel it in the loop's next turn, unless it has ended."""
        self.is_cancelled = True
        if self._task is not None and not self._task.done():
            self._task.get_loop().call_soon_threadsafe(self._task.cancel)


class HeldInterrupt(Cancellable):
    """Holds Ctrl+C back: it cancels what the event loop runs, and is raised when that has come to rest.

    asyncio itself raises it inside a callback once its main task is done. A wake-up is lost then, and something waits
    for ever. Here only a second Ctrl+C is raised at once.
    """

    def __enter__(self) -> Self:
        is_main_thread = threading.current_thread() is threading.main_thread()
        self._is_ours = is_main_thread and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._is_ours:
            signal.signal(signal.SIGINT, self._hold)
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if self.is_cancelled:
            raise KeyboardInterrupt from None

    def _hold(self, *_: object) -> None:
        if self.is_cancelled:
            raise KeyboardInterrupt
        self.cancel()
