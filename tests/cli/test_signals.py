"""Signals that end the process become one KeyboardInterrupt, at a place where nothing is left half done."""

import asyncio
import signal

import pytest

from maps_data_registry.cli.signals import Interrupts

from .conftest import posix

pytestmark = posix


async def nothing() -> None:
    """Is never cancelled."""


def test_outside_of_the_event_loop_it_is_raised_at_once() -> None:
    with Interrupts() as interrupts:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        assert interrupts.exit_code == 143
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_what_is_ignored_stays_ignored() -> None:
    """As SIGHUP is under nohup, and SIGINT in a background job of a script."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGHUP, signal.SIGINT)}
    try:
        with Interrupts() as interrupts:
            for number in before:
                signal.raise_signal(number)
            interrupts.run(nothing)
            assert interrupts.exit_code == 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_inside_the_event_loop_it_cancels_and_is_raised_at_the_end() -> None:
    steps = []

    async def main() -> None:
        try:
            signal.raise_signal(signal.SIGHUP)
            steps.append("goes on to its next await")
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0)
            steps.append("cleaned up")

    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt):
        interrupts.run(main)
    assert interrupts.exit_code == 129
    assert steps == ["goes on to its next await", "cleaned up"]


def test_a_second_one_does_not_wait_for_the_end() -> None:
    async def main() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
            await asyncio.sleep(3600)
        finally:
            signal.raise_signal(signal.SIGINT)
            pytest.fail("it waited")

    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt):
        interrupts.run(main)
    assert interrupts.exit_code == 143


@pytest.mark.parametrize("when", ["__enter__", "get_loop", "close"])
def test_while_the_loop_is_made_and_closed_nothing_is_left_half_done(
    monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    original = getattr(asyncio.Runner, when)

    def interrupted(runner: asyncio.Runner) -> object:
        signal.raise_signal(signal.SIGINT)
        return original(runner)

    started = []

    async def main() -> None:
        started.append(when)

    monkeypatch.setattr(asyncio.Runner, when, interrupted)
    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt):
        interrupts.run(main)
    assert interrupts.exit_code == 130
    assert bool(started) == (when == "close")
