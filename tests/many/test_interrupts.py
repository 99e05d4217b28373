"""Ctrl+C in `wait_for_operations`, step by step; `tests/wire/test_interrupts.py` has it at random moments."""

import asyncio
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from maps_data_registry import wait_for_operations
from maps_data_registry.polling.interrupts import HeldInterrupt
from maps_data_registry.polling.many import AsyncOutcomes

from .support import Service, never, virtual_clock


def interrupt(*_: object) -> None:
    signal.raise_signal(signal.SIGINT)


def test_an_interrupt_is_held_until_the_loop_is_at_rest() -> None:
    ended: list[str] = []

    async def main() -> None:
        interrupt()
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("cancelled")

    with asyncio.Runner() as runner, pytest.raises(KeyboardInterrupt), HeldInterrupt() as held:
        held.run(runner.get_loop(), main())
    assert ended == ["cancelled"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_one_that_comes_before_anything_runs_cancels_it_too() -> None:
    with asyncio.Runner() as runner, pytest.raises(KeyboardInterrupt), HeldInterrupt() as held:  # noqa: PT012 - what is held
        interrupt()
        held.run(runner.get_loop(), asyncio.sleep(60))


def test_one_that_comes_when_it_has_ended_is_raised_at_the_end() -> None:
    ended: list[str] = []
    with asyncio.Runner() as runner, pytest.raises(KeyboardInterrupt), HeldInterrupt() as held:  # noqa: PT012 - what is held
        held.run(runner.get_loop(), asyncio.sleep(0))
        interrupt()
        ended.append("not before")
    assert ended == ["not before"]


def test_a_second_one_is_raised_at_once() -> None:
    with asyncio.Runner() as runner, pytest.raises(KeyboardInterrupt), HeldInterrupt():  # noqa: PT012 - what is held
        runner.get_loop()
        interrupt()
        with pytest.raises(KeyboardInterrupt):
            interrupt()


def test_a_handler_of_the_callers_own_stays() -> None:
    caught: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: caught.append(number))
    try:
        with asyncio.Runner() as runner, HeldInterrupt() as held:
            held.run(runner.get_loop(), asyncio.sleep(0))
            interrupt()
    finally:
        signal.signal(signal.SIGINT, before)
    assert caught == [signal.SIGINT]


def test_another_thread_has_no_signals() -> None:
    def run() -> bool:
        with asyncio.Runner() as runner, HeldInterrupt() as held:
            held.run(runner.get_loop(), asyncio.sleep(0))
        return threading.current_thread() is not threading.main_thread()

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(run).result()


def test_an_interrupt_while_it_is_entered_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    loops: list[asyncio.AbstractEventLoop] = []
    new_event_loop = asyncio.new_event_loop

    def noted() -> asyncio.AbstractEventLoop:
        loops.append(new_event_loop())
        return loops[-1]

    async def enter(self: Any) -> Any:
        interrupt()
        await asyncio.sleep(60)

    monkeypatch.setattr(asyncio, "new_event_loop", noted)
    monkeypatch.setattr(AsyncOutcomes, "__aenter__", enter)
    with pytest.raises(KeyboardInterrupt), wait_for_operations(Service(never).client, [], clock=virtual_clock()):
        pass
    assert [loop.is_closed() for loop in loops] == [True]
