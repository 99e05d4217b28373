"""What only the sync function does: a private event loop, which runs inside `next()` and is gone after the `with`."""

import itertools
import signal
import threading
from collections import defaultdict
from collections.abc import Iterator

import httpx
import pytest

from maps_data_registry import OperationUpdate, wait_for_operations
from tests.support import VirtualClock

from .conftest import Run
from .support import EAGER, Service, after, first_only, name_of, names, never


def test_the_clients_own_connections_are_left_alone() -> None:
    service = Service(after(1))
    with service.client as client:
        with wait_for_operations(client, map(name_of, itertools.count()), concurrency=2, policy=EAGER) as outcomes:
            assert all(next(outcomes).result for _ in range(10))
            assert len(set(service.order)) < 30
            assert isinstance(outcomes, Iterator)
        assert client.get_httpx_client().is_closed is False
        assert client.get_async_httpx_client().is_closed is False


def test_inside_an_event_loop_it_says_what_to_call(run: Run) -> None:
    async def main() -> None:
        outcomes = wait_for_operations(Service(never).client, names(1))
        with pytest.raises(RuntimeError, match="wait_for_operations_async"), outcomes:
            raise AssertionError

    run(main)


def test_no_thread_is_started() -> None:
    service = Service(after(1))
    before = threading.enumerate()
    with wait_for_operations(service.client, names(10), policy=EAGER) as outcomes:
        assert all(threading.enumerate() == before for _ in outcomes)


def test_a_closed_client_says_so() -> None:
    with Service(never).client as client:
        pass
    with pytest.raises(RuntimeError, match="closed"), wait_for_operations(client, names(3)):
        raise AssertionError


def test_ctrl_c_ends_it_and_comes_out_as_itself() -> None:
    def interrupted(number: int, poll: int) -> httpx.Response:
        if number == 2:
            signal.raise_signal(signal.SIGINT)
        return first_only(number, poll)

    service = Service(interrupted, latency=0.01)
    with pytest.raises(KeyboardInterrupt), wait_for_operations(service.client, names(50)) as outcomes:
        for _ in outcomes:
            pass
    assert service.in_flight == 0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_after_ctrl_c_the_caller_may_go_on_inside() -> None:
    service = Service(after(0), latency=0.001)
    interrupts = iter([True])

    def on_update(_: OperationUpdate) -> None:
        if next(interrupts, False):
            signal.raise_signal(signal.SIGINT)

    with wait_for_operations(service.client, names(5), on_update=on_update) as outcomes:
        with pytest.raises(KeyboardInterrupt):
            next(outcomes)
        assert len(list(outcomes)) == 5


def test_a_virtual_clock_serves(time: VirtualClock) -> None:
    service = Service(after(3, retry_after="3600"))
    polled: dict[str, list[float]] = defaultdict(list)
    with wait_for_operations(
        service.client,
        names(5),
        clock=time.clock,
        timeout=None,
        on_update=lambda update: polled[update.operation_id].append(time.now),
    ) as outcomes:
        assert len(list(outcomes)) == 5
    for times in polled.values():
        assert len(times) == 4
        assert all(later - earlier >= 3600 for earlier, later in itertools.pairwise(times))
