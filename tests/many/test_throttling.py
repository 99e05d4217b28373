"""A reply of 429 or 503 speaks for the whole client: all of it is quiet for as long as that asks."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator

import anyio
import httpx
import pytest

from maps_data_registry import Clock, OperationTimeout, PollingPolicy, ServiceError
from tests.support import LOCATION, reply

from .support import EAGER, STEADY, Answer, Many, Service, after, errors_of, name_of, names


def throttled_once(when: Callable[[int, int], bool], then: Answer, **throttling: str) -> Answer:
    code = int(throttling.pop("code", "429"))
    return lambda number, poll: reply(code=code, **throttling) if when(number, poll) else then(number, poll)


@pytest.mark.parametrize("code", ["429", "503"])
def test_nothing_is_sent_until_the_retry_after_has_passed_and_then_no_burst(many: Many, code: str) -> None:
    service = Service(
        throttled_once(lambda number, poll: (number, poll) == (20, 1), after(2, "1"), code=code, retry_after="30")
    )
    outcomes = many.outcomes(service, names(40), concurrency=40)
    assert errors_of(outcomes) == dict.fromkeys(range(40))
    throttled = service.times_of(20)[1]
    later = [moment for moment, _ in service.polled if moment > throttled]
    assert min(later) >= throttled + 30
    spread = [moment for moment in later if moment < throttled + 34]
    assert max(spread) <= throttled + 33  # a tenth of the pause
    busiest = Counter(int(moment / 0.3) for moment in later)
    assert max(busiest.values()) < 15


@pytest.mark.parametrize("headers", [{}, {"retry_after": "0"}, {"retry_after": "soon"}], ids=str)
def test_without_a_retry_after_it_is_the_backoff(many: Many, headers: dict[str, str]) -> None:
    service = Service(
        throttled_once(lambda number, poll: (number, poll) == (0, 0), after(1, "1"), code="503", **headers)
    )
    policy = PollingPolicy(backoff=60, jitter=0)
    chance = Clock(monotonic=anyio.current_time, random=lambda: 0.5)
    outcomes = many.outcomes(service, names(3), concurrency=1, policy=policy, clock=chance)
    assert errors_of(outcomes) == dict.fromkeys(range(3))
    assert [moment for moment, _ in service.polled] == [0, 30, 30, 30, 31, 31]


@pytest.mark.parametrize("concurrency", [2, 64])
def test_one_that_outlasts_the_timeout_ends_the_waits_now(many: Many, concurrency: int) -> None:
    service = Service(throttled_once(lambda number, _: number == 0, after(1, "1"), retry_after="3600"), latency=0.5)
    outcomes = many.outcomes(service, names(9), timeout=100, concurrency=concurrency)
    assert errors_of(outcomes) == dict.fromkeys(range(9), OperationTimeout)
    assert many.now < 2


def test_the_one_that_ends_a_wait_throttles_the_others_too(many: Many) -> None:
    service = Service(throttled_once(lambda number, _: number == 0, after(1, "1"), retry_after="30"), latency=1)
    outcomes = many.outcomes(service, names(3), policy=PollingPolicy(retries=0, jitter=0))
    assert errors_of(outcomes) == {0: ServiceError, 1: None, 2: None}
    assert [moment for moment, number in service.polled if number] == [0, 0, 31, 31]


def test_a_longer_one_extends_it_and_a_shorter_one_does_not_cut_it_short(many: Many) -> None:
    asked = {0: "20", 1: "50", 2: "5"}

    def answer(number: int, poll: int) -> httpx.Response:
        return reply(code=429, retry_after=asked[number]) if poll == 0 and number in asked else reply("Completed")

    service = Service(answer, latency=1)
    many.outcomes(service, names(5), concurrency=4, policy=STEADY)
    assert service.polled[:4] == [(0, 0), (0, 1), (0, 2), (0, 3)]
    assert [moment for moment, _ in service.polled[4:]] == [51, 51, 51, 51]


def test_other_refusals_throttle_nobody(many: Many) -> None:
    def answer(number: int, poll: int) -> httpx.Response:
        return (
            reply(code=[408, 500, 504][number], retry_after="30")
            if poll == 0 and number < 3
            else after(2, "1")(0, poll)
        )

    service = Service(answer)
    many.outcomes(service, names(6), policy=STEADY)
    assert service.times_of(4) == service.times_of(5) == [0, 1, 2]


def test_nothing_is_read_meanwhile_so_that_no_timeout_runs_for_what_cannot_be_polled(many: Many) -> None:
    read: list[float] = []

    def operations() -> Iterator[str]:
        for number in range(100):
            read.append(anyio.current_time())
            yield name_of(number)

    service = Service(throttled_once(lambda number, poll: (number, poll) == (3, 0), after(0), retry_after="30"))
    outcomes = many.outcomes(service, operations(), concurrency=4, timeout=35, policy=EAGER)
    assert errors_of(outcomes) == dict.fromkeys(range(100))
    assert sum(moment < 30 for moment in read) <= 8


def test_a_register_response_waits_for_both_its_own_retry_after_and_the_throttle(many: Many) -> None:
    def started(number: int, retry_after: str) -> httpx.Response:
        headers = {"Operation-Location": LOCATION[:-36] + name_of(number), "Retry-After": retry_after}
        return httpx.Response(202, headers=headers)

    service = Service(throttled_once(lambda number, poll: (number, poll) == (0, 0), after(0), retry_after="30"))
    many.outcomes(service, [name_of(0), started(1, "10"), started(2, "60")], policy=STEADY)
    assert service.polled[1:] in ([(30, 0), (30, 1), (60, 2)], [(30, 1), (30, 0), (60, 2)])


def test_an_outage_is_a_few_warnings_for_all_of_them(many: Many, caplog: pytest.LogCaptureFixture) -> None:
    service = Service(lambda _, poll: reply(code=500) if poll < 6 else reply("Completed"))
    with caplog.at_level(logging.WARNING, "maps_data_registry"):
        many.outcomes(service, names(200))
    failures = [vars(record)["transient_failure"] for record in caplog.records]
    assert failures == [1, *range(10, 100, 10), *range(100, 1000, 100), 1000]
