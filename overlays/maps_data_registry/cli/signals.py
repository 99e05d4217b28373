"""Signals that stop or end the process, while it holds the terminal in another state than it found it in."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator

_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGTSTP") if hasattr(signal, name)]


@contextlib.contextmanager
def around_signals(leave: Callable[[], object], enter: Callable[[], object]) -> Iterator[None]:
    """Inside a running event loop: call *leave* before such a signal takes effect, and *enter* if that was a stop."""
    loop = asyncio.get_running_loop()

    def take_effect(number: signal.Signals) -> None:
        loop.remove_signal_handler(number)
        leave()
        signal.raise_signal(number)
        loop.add_signal_handler(number, take_effect, number)
        enter()

    ours = [number for number in _SIGNALS if signal.getsignal(number) is signal.SIG_DFL]
    with contextlib.suppress(NotImplementedError):  # Windows
        for number in ours:
            loop.add_signal_handler(number, take_effect, number)
    try:
        yield
    finally:
        with contextlib.suppress(NotImplementedError):
            for number in ours:
                loop.remove_signal_handler(number)
