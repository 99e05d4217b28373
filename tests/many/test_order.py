"""Who is polled when: never early, the longest due first, and everyone in turn."""

import itertools
from collections import Counter, defaultdict
from collections.abc import AsyncIterator

import anyio
import httpx
import pytest

from maps_data_registry import Clock, OperationUpdate, PollingPolicy
from tests.support import reply, running

from .support import STEADY, Many, Service, after, name_of, names, number_of


@pytest.mark.no_cover
def test_no_poll_is_early_and_none_come_in_a_burst(many: Many) -> None:
    service = Service(after(3, retry_after="5"), latency=0.02)
    outcomes = many.outcomes(service, names(150), concurrency=150)
    assert all(outcome.result for outcome in outcomes)
    polled: dict[int, list[float]] = defaultdict(list)
    for moment, number in service.polled:
        polled[number].append(moment)
    assert len(polled) == 150
    for moments in polled.values():
        assert all(5.02 <= later - earlier <= 5.521 for earlier, later in itertools.pairwise(moments))
    busiest = Counter(int(moment / 0.01) for moment, _ in service.polled if moment > 1)
    assert max(busiest.values()) < 15  # of 150; spread evenly over half a second it is 3


def test_zero_pauses_keep_to_the_least_interval(many: Many) -> None:
    service = Service(after(3, retry_after="0"))
    many.outcomes(service, names(2), policy=PollingPolicy(jitter=0))
    assert service.times_of(0) == service.times_of(1) == pytest.approx([0, 0.2, 0.4, 0.6])


def test_a_due_poll_waits_for_a_worker_in_order(many: Many) -> None:
    def answer(number: int, poll: int) -> httpx.Response:
        return after(1, retry_after=str(20 - number))(number, poll)

    service = Service(answer, latency=3)
    many.outcomes(service, names(6), concurrency=1, policy=STEADY)
    # Operation n is first polled at 3n, and due again at 3n + 3 + 20 - n: the first one first, each 2 s after another.
    assert service.order == [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5]
    assert service.polled[6:] == [(23, 0), (26, 1), (29, 2), (32, 3), (35, 4), (38, 5)]


def test_the_sooner_due_is_polled_sooner(many: Many) -> None:
    """Also when it becomes known while the later one is already slept for."""
    service = Service(lambda number, poll: after(1, retry_after=str(30 - 10 * number))(number, poll), latency=1)
    many.outcomes(service, names(3), policy=STEADY)
    assert service.polled[3:] == [(11, 2), (21, 1), (31, 0)]


def test_those_due_at_the_same_time_keep_their_order(many: Many) -> None:
    service = Service(after(2, retry_after="10"))
    many.outcomes(service, names(50), policy=STEADY, concurrency=3)
    assert service.order == [*range(50)] * 3
    assert {moment for moment, _ in service.polled} == {0, 10, 20}


@pytest.mark.no_cover
@pytest.mark.parametrize("concurrency", [1, 7, 50])
def test_no_more_in_flight_than_allowed(many: Many, concurrency: int) -> None:
    service = Service(after(2, retry_after="0"), latency=1)
    many.outcomes(service, names(50), concurrency=concurrency)
    assert service.most_in_flight == concurrency
    assert len(service.polled) == 150


def test_operations_that_never_rest_leave_the_others_their_turn(many: Many) -> None:
    def answer(number: int, poll: int) -> httpx.Response:
        return running(retry_after="0") if number < 4 else after(1, retry_after="0")(number, poll)

    outcomes = many.outcomes(Service(answer, latency=1), names(20), count=16, concurrency=2)
    assert sorted(number_of(outcome.operation_id) for outcome in outcomes) == list(range(4, 20))


def test_new_operations_take_their_turn_among_the_due_polls(many: Many) -> None:
    service = Service(after(1, retry_after="0"), latency=1)
    many.outcomes(service, names(6), concurrency=1, policy=STEADY)
    assert service.order == [0, 1, 0, 2, 1, 3, 2, 4, 3, 5, 4, 5]


def test_an_async_iterable_that_dawdles_delays_no_poll(many: Many) -> None:
    service = Service(after(2, retry_after="1"))

    async def dawdling() -> AsyncIterator[str]:
        for number in range(3):
            yield name_of(number)
            await anyio.sleep(100)

    assert len(many.outcomes(service, dawdling(), policy=STEADY, concurrency=1)) == 3
    assert service.polled == [(100 * number + poll, number) for number in range(3) for poll in range(3)]


def test_an_async_iterable_that_never_yields_again_keeps_back_no_outcome(many: Many) -> None:
    async def silent() -> AsyncIterator[str]:
        for number in range(3):
            yield name_of(number)
        await anyio.sleep_forever()

    service = Service(after(2, retry_after="1"))
    outcomes = many.outcomes(service, silent(), count=3, policy=STEADY)
    assert [number_of(outcome.operation_id) for outcome in outcomes] == [0, 1, 2]
    assert many.now == 2


def test_a_slow_on_update_keeps_its_worker_and_delays_nobody_else(many: Many) -> None:
    async def on_update(update: OperationUpdate) -> None:
        if update.operation_id == name_of(0):
            await anyio.sleep(50)

    service = Service(after(2, retry_after="10"))
    many.outcomes(service, names(3), concurrency=2, policy=STEADY, on_update=on_update)
    assert service.times_of(0) == [0, 50, 100]  # due at 10 and at 60, had it been faster
    assert service.times_of(1) == service.times_of(2) == [0, 10, 20]
    assert many.now == 150


def test_a_clock_that_jumps_ahead_makes_polls_due_and_one_that_jumps_back_makes_none_early(many: Many) -> None:
    jumps = iter([0.0, 0.0, -30.0, 1000.0])
    jumped = 0.0

    def answer(number: int, poll: int) -> httpx.Response:
        nonlocal jumped
        jumped += next(jumps, 0.0)
        return after(3, retry_after="10")(number, poll)

    service = Service(answer)
    clock = Clock(monotonic=lambda: anyio.current_time() + jumped, random=lambda: 0.0)
    outcomes = many.outcomes(service, names(2), clock=clock, timeout=None)
    assert [outcome.error for outcome in outcomes] == [None, None]
    for number in range(2):
        times = service.times_of(number)
        assert len(times) == 4
        assert all(later - earlier <= 50 for earlier, later in itertools.pairwise(times))


@pytest.mark.parametrize("wakes", [0.5, 0.999])
def test_a_sleep_that_ends_too_soon_makes_no_poll_early(many: Many, wakes: float) -> None:
    async def sleep(pause: float) -> None:
        await anyio.sleep(pause * wakes if pause > 0.001 else 0.001)

    service = Service(after(2, retry_after="10"))
    many.outcomes(service, names(2), clock=Clock(monotonic=anyio.current_time, sleep_async=sleep), policy=STEADY)
    times = service.times_of(0)
    assert all(10 <= later - earlier <= 10.01 for earlier, later in itertools.pairwise(times))


def test_failures_and_refusals_slow_nobody_else(many: Many) -> None:
    def answer(number: int, poll: int) -> httpx.Response:
        if number == 0:
            raise httpx.ConnectError("refused")
        return reply(code=500, retry_after="99") if number == 1 else reply("Completed")

    outcomes = many.outcomes(Service(answer, latency=1), names(5), count=3, concurrency=2, timeout=3600)
    assert {number_of(outcome.operation_id) for outcome in outcomes} == {2, 3, 4}
    assert many.now < 4
