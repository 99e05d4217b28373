"""Many operations at once, on a virtual clock: order, spacing, throttling, laziness, every way to leave."""

import asyncio
import contextlib
import gc
import itertools
import random
import sys
import tracemalloc
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest
import trio.testing
from attrs import define, field

from maps_data_registry import (
    AuthenticationFailed,
    Clock,
    InvalidOperation,
    InvalidResponse,
    OperationFailed,
    OperationNotFound,
    OperationTimeout,
    OperationUpdate,
    Outcome,
    PollingPolicy,
    ServiceError,
    SubscriptionKey,
    UnrecognizedStatus,
    connect,
    wait_for_operations,
    wait_for_operations_async,
)
from maps_data_registry.emulator import Namespace
from maps_data_registry.polling import many, scheduler
from maps_data_registry_client import AuthenticatedClient

from .support import BASE_URL, KEY, LOCATION, client_of, failed, reply, running, scripted

STEADY = PollingPolicy(jitter=0)


def name_of(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012x}"


def number_of(name: str) -> int:
    return int(name[-12:], 16)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on which time passes only while nothing else is to be done."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        select = self._selector.select  # type: ignore[attr-defined]  # the one way to see that a loop is idle

        def jump(timeout: float | None = None) -> Any:
            assert timeout is not None, "everything waits for something that never comes"
            self._now += timeout
            return select(0)

        self._selector.select = jump  # type: ignore[attr-defined]

    def time(self) -> float:
        return self._now


Run = Callable[[Callable[[], Awaitable[None]]], None]


@pytest.fixture(params=["asyncio", "trio"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a test under either library, on virtual time that begins at 0."""

    def run(main: Callable[[], Awaitable[None]]) -> None:
        if request.param == "asyncio":
            options: dict[str, Any] = {"loop_factory": VirtualLoop}
        else:
            options = {"clock": trio.testing.MockClock(autojump_threshold=0)}
        anyio.run(main, backend=request.param, backend_options=options)

    return run


def clock() -> Clock:
    return Clock(monotonic=anyio.current_time, random=random.Random(7).random)


Answer = Callable[[int, int], httpx.Response]
"""The reply to the nth poll (from 0) of an operation, given by its number."""


@define
class Service:
    """Answers after *latency* virtual seconds, and writes down who asked when."""

    answer: Answer
    latency: float = 0.0
    asked: list[tuple[float, int]] = field(factory=list)
    polls: Counter[int] = field(factory=Counter)
    in_flight: int = 0
    most_in_flight: int = 0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        number = number_of(request.url.path)
        self.asked.append((anyio.current_time(), number))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await anyio.sleep(self.latency)
        finally:
            self.in_flight -= 1
        self.polls[number] += 1
        return self.answer(number, self.polls[number] - 1)

    @property
    def order(self) -> list[int]:
        return [number for _, number in self.asked]

    @property
    def client(self) -> AuthenticatedClient:
        return client_of(httpx.MockTransport(self))


def after(polls: int, retry_after: str = "0") -> Answer:
    """Completed after so many polls that say Running."""
    return lambda _, poll: reply("Completed") if poll >= polls else running(retry_after=retry_after)


def never(_: int, __: int) -> httpx.Response:
    return running(retry_after="1")


async def all_of(service: Service, operations: Any, **options: Any) -> list[Outcome]:
    return [
        outcome async for outcome in wait_for_operations_async(service.client, operations, clock=clock(), **options)
    ]


def names(count: int) -> list[str]:
    return [name_of(number) for number in range(count)]


# What becomes of each


def test_one_outcome_each_as_it_ends(run: Run) -> None:
    def answer(number: int, poll: int) -> httpx.Response:
        match number:
            case 0:
                return after(3, retry_after="10")(number, poll)
            case 1:
                return failed(code="InvalidData", message="no GeoJSON")
            case 2:
                return reply(code=404)
            case 3:
                return running(retry_after="9999")
        return after(1, retry_after="5")(number, poll)

    refused = httpx.Response(400, json={"error": {"code": "BadRequest"}})
    started = httpx.Response(202, headers={"Operation-Location": LOCATION[:-36] + name_of(5), "Retry-After": "20"})
    given = [*names(5), started, refused, "junk", 7]

    async def main() -> None:
        outcomes = await all_of(Service(answer, latency=0.1), given, policy=STEADY)
        ended = {str(outcome.operation): outcome for outcome in outcomes}
        assert len(ended) == len(outcomes) == len(given)
        assert all((outcome.result is None) != (outcome.error is None) for outcome in outcomes)
        order = [number_of(outcome.operation_id) for outcome in outcomes if outcome.operation_id]
        assert set(order[:3]) == {1, 2, 3}
        assert order[3:] == [4, 5, 0]
        assert isinstance(ended["junk"].error, InvalidOperation)
        assert isinstance(ended["7"].error, InvalidOperation)
        assert isinstance(ended[str(refused)].error, ServiceError)
        assert isinstance(ended[name_of(1)].error, OperationFailed)
        assert isinstance(ended[name_of(2)].error, OperationNotFound)
        assert isinstance(ended[name_of(3)].error, OperationTimeout)
        assert ended[name_of(0)].result is not None
        assert ended[str(started)].operation_id == name_of(5)
        assert all(outcome.error is None or outcome.error.__traceback__ is None for outcome in outcomes)
        assert anyio.current_time() == pytest.approx(30.4)

    run(main)


def test_none_at_all(run: Run) -> None:
    async def main() -> None:
        assert await all_of(Service(never), []) == []

    run(main)


def test_the_same_operation_twice(run: Run) -> None:
    async def main() -> None:
        outcomes = await all_of(Service(after(0)), [name_of(1), f"{BASE_URL}/dataRegistries/operations/{name_of(1)}"])
        assert [outcome.operation_id for outcome in outcomes] == [name_of(1)] * 2
        assert len({outcome.operation for outcome in outcomes}) == 2

    run(main)


@pytest.mark.parametrize(
    ("options", "error"),
    [({"concurrency": 0}, ValueError), ({"timeout": 0}, ValueError), ({"operations": LOCATION}, TypeError)],
)
@pytest.mark.parametrize("function", [wait_for_operations, wait_for_operations_async])
def test_arguments_are_judged_at_once(function: Any, options: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        function(client_of(scripted([])), **{"operations": [], **options})


# When


def test_none_early_and_no_bursts(run: Run) -> None:
    service = Service(after(3, retry_after="5"), latency=0.02)

    async def main() -> None:
        outcomes = await all_of(service, names(300), concurrency=300)
        assert all(outcome.result for outcome in outcomes)

    run(main)
    asked: dict[int, list[float]] = defaultdict(list)
    for moment, number in service.asked:
        asked[number].append(moment)
    for moments in asked.values():
        assert all(5.02 <= later - earlier <= 5.521 for earlier, later in itertools.pairwise(moments))
    busiest = Counter(int(moment / 0.01) for moment, _ in service.asked if moment > 1)
    assert max(busiest.values()) < 25  # of 300; spread evenly over half a second it is 6


def test_a_due_poll_waits_for_a_slot_in_order(run: Run) -> None:
    def answer(number: int, poll: int) -> httpx.Response:
        return after(1, retry_after=str(20 - number))(number, poll)

    service = Service(answer, latency=3)

    async def main() -> None:
        await all_of(service, names(6), concurrency=1, policy=STEADY)

    run(main)
    # Operation n is first asked at 3n, and due again at 3n + 3 + 20 - n: the first one first, each 2 s after another.
    assert service.order == [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5]
    assert service.asked[6:] == [(23, 0), (26, 1), (29, 2), (32, 3), (35, 4), (38, 5)]


def test_the_sooner_due_is_asked_sooner(run: Run) -> None:
    """Also when it becomes known while the later one is already slept for."""
    service = Service(lambda number, poll: after(1, retry_after=str(30 - 10 * number))(number, poll), latency=1)

    async def main() -> None:
        await all_of(service, names(3), policy=STEADY)

    run(main)
    assert service.asked[3:] == [(11, 2), (21, 1), (31, 0)]


@pytest.mark.parametrize("concurrency", [1, 7, 50])
def test_no_more_in_flight_than_allowed(run: Run, concurrency: int) -> None:
    service = Service(after(2, retry_after="0"), latency=1)

    async def main() -> None:
        await all_of(service, names(50), concurrency=concurrency)

    run(main)
    assert service.most_in_flight == concurrency
    assert len(service.asked) == 150


def test_operations_that_never_rest_leave_the_others_their_turn(run: Run) -> None:
    def answer(number: int, poll: int) -> httpx.Response:
        return running(retry_after="0") if number < 4 else after(1, retry_after="0")(number, poll)

    service = Service(answer, latency=1)

    async def main() -> None:
        outcomes = wait_for_operations_async(service.client, names(20), concurrency=2, clock=clock())
        async with aclosing(outcomes):
            ended = [number_of((await anext(outcomes)).operation_id or "") for _ in range(16)]
        assert sorted(ended) == list(range(4, 20))

    run(main)


@pytest.mark.parametrize(
    ("answer", "look", "least", "most"),
    [
        (after(0), 0.01, 0, 0),
        (after(1, retry_after="86400"), 0.01, 0.0299, 0.0501),
        (after(1, retry_after="86400"), 1.0, 0.0499, 0.0501),
    ],
    ids=["no waits", "three turns", "not for ever"],
)
def test_reading_leaves_a_busy_event_loop_to_the_waits(
    run: Run, answer: Answer, look: float, least: float, most: float
) -> None:
    """The time of a turn is that of a look at the clock or three."""
    looks = itertools.count()
    service = Service(answer)
    slow = Clock(monotonic=lambda: anyio.current_time() + look * next(looks))

    async def main() -> None:
        async for _ in wait_for_operations_async(service.client, names(20), policy=STEADY, timeout=None, clock=slow):
            pass

    run(main)
    first = [moment for moment, _ in service.asked[10:20]]
    assert all(least <= later - earlier <= most for earlier, later in itertools.pairwise(first))


def test_the_timeout_is_each_operations_own(run: Run) -> None:
    async def main() -> None:
        outcomes = await all_of(Service(never, latency=4), names(4), concurrency=1, timeout=10, policy=STEADY)
        assert all(isinstance(outcome.error, OperationTimeout) for outcome in outcomes)
        assert anyio.current_time() > 10

    run(main)


def test_a_timeout_while_waiting_for_a_slot(run: Run) -> None:
    service = Service(after(0))

    async def dawdle(_: OperationUpdate) -> None:
        await anyio.sleep(40)

    async def main() -> None:
        outcomes = await all_of(service, names(3), concurrency=1, timeout=30, on_update=dawdle)
        errors = {outcome.operation: outcome.error for outcome in outcomes}
        assert isinstance(errors[name_of(1)], OperationTimeout)  # read at 0, with no slot before 40
        assert errors[name_of(0)] is errors[name_of(2)] is None
        assert service.asked == [(0, 0), (40, 2)]

    run(main)


# Throttling


def test_429_and_503_quiet_the_whole_client(run: Run) -> None:
    def answer(number: int, poll: int) -> httpx.Response:
        if number == 20 and poll == 1:
            return reply(code=429, retry_after="30")
        return after(2, retry_after="1")(number, poll)

    service = Service(answer)

    async def main() -> None:
        assert [outcome.error for outcome in await all_of(service, names(40), concurrency=40)] == [None] * 40

    run(main)
    throttled = service.asked[[moment_of for moment_of, _ in service.asked].index(second(service, 20))][0]
    later = [moment for moment, _ in service.asked if moment > throttled]
    assert min(later) >= throttled + 30
    busiest = Counter(int(moment / 0.3) for moment in later)
    assert max(busiest.values()) < 15  # spread over a tenth of the quiet


def second(service: Service, wanted: int) -> float:
    """The moment of an operation's second poll."""
    return [moment for moment, number in service.asked if number == wanted][1]


def test_503_without_retry_after_quiets_it_for_the_backoff(run: Run) -> None:
    def answer(number: int, poll: int) -> httpx.Response:
        return reply(code=503) if number == 0 and poll == 0 else after(1, retry_after="1")(number, poll)

    service = Service(answer)
    policy = PollingPolicy(backoff=60, jitter=0)

    async def main() -> None:
        chance = Clock(monotonic=anyio.current_time, random=lambda: 0.5)
        outcomes = wait_for_operations_async(service.client, names(3), concurrency=1, policy=policy, clock=chance)
        assert [outcome.error async for outcome in outcomes] == [None] * 3

    run(main)
    assert [moment for moment, _ in service.asked] == [0, 30, 30, 30, 31, 31]


def test_a_quiet_that_outlasts_the_timeout_ends_the_wait_now(run: Run) -> None:
    def answer(number: int, poll: int) -> httpx.Response:
        return reply(code=429, retry_after="3600") if number == 0 else after(1, retry_after="1")(number, poll)

    service = Service(answer, latency=0.5)

    async def main() -> None:
        outcomes = await all_of(service, names(9), timeout=100)
        assert all(isinstance(outcome.error, OperationTimeout) for outcome in outcomes)
        assert anyio.current_time() < 2

    run(main)


def test_other_refusals_and_failures_slow_nobody_else(run: Run) -> None:
    def answer(number: int, poll: int) -> httpx.Response:
        if number == 0:
            raise httpx.ConnectError("refused")
        return reply(code=500, retry_after="99") if number == 1 else reply("Completed")

    async def main() -> None:
        outcomes = wait_for_operations_async(
            Service(answer, latency=1).client, names(5), concurrency=2, clock=clock(), timeout=3600
        )
        async with aclosing(outcomes):
            assert {number_of((await anext(outcomes)).operation_id or "") for _ in range(3)} == {2, 3, 4}
            assert anyio.current_time() < 4

    run(main)


# What is read


def test_operations_are_read_as_they_are_needed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "MAX_PENDING", 50)
    read = itertools.count()
    service = Service(after(1, retry_after="1"), latency=0.1)

    async def main() -> None:
        outcomes = wait_for_operations_async(
            service.client, (name_of(next(read)) for _ in itertools.count()), concurrency=4, clock=clock()
        )
        assert next(read) == 0  # nothing before the first is asked for
        async with aclosing(outcomes):
            for taken in range(1, 200):
                await anext(outcomes)
                assert len(set(service.order)) <= 50 + taken
            await anyio.sleep(100)  # a slow consumer: what is pending ends, and no more is read
        assert next(read) <= 1 + 50 + 200

    run(main)


def test_what_is_no_operation_does_not_flood(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "MAX_PENDING", 50)

    async def main() -> None:
        outcomes = wait_for_operations_async(Service(never).client, itertools.repeat("junk"), clock=clock())
        async with aclosing(outcomes):
            for _ in range(200):
                assert isinstance((await anext(outcomes)).error, InvalidOperation)

    run(main)


def test_an_async_iterable_that_dawdles_delays_no_poll(run: Run) -> None:
    service = Service(after(2, retry_after="1"))

    async def dawdling() -> AsyncIterator[str]:
        for number in range(3):
            yield name_of(number)
            await anyio.sleep(100)

    async def main() -> None:
        outcomes = await all_of(service, dawdling(), policy=STEADY, concurrency=1)
        assert len(outcomes) == 3

    run(main)
    assert service.asked == [(100 * number + poll, number) for number in range(3) for poll in range(3)]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_what_the_iterable_raises_ends_everything(run: Run, asynchronous: bool) -> None:
    def broken() -> Iterator[str]:
        yield name_of(0)
        raise LookupError("no more")

    async def broken_too() -> AsyncIterator[str]:
        for name in broken():
            yield name

    service = Service(never, latency=1)

    async def main() -> None:
        outcomes = wait_for_operations_async(service.client, broken_too() if asynchronous else broken(), clock=clock())
        with pytest.raises(LookupError, match="no more"):
            await anext(outcomes)
        assert service.in_flight == 0
        assert [outcome async for outcome in outcomes] == []

    run(main)


# Updates


@pytest.mark.parametrize("asynchronous", [False, True])
def test_updates(run: Run, asynchronous: bool) -> None:
    updates: list[OperationUpdate] = []

    async def take(update: OperationUpdate) -> None:
        await anyio.lowlevel.checkpoint()
        updates.append(update)

    async def main() -> None:
        await all_of(Service(after(2, retry_after="1")), names(3), on_update=take if asynchronous else updates.append)

    run(main)
    assert Counter(update.operation_id for update in updates) == dict.fromkeys(names(3), 3)
    assert [update.status for update in updates if update.polls == 3] == ["Completed"] * 3


@pytest.mark.parametrize("error", [LookupError("stop"), OperationNotFound(reply(code=404))])
def test_what_on_update_raises_ends_everything(run: Run, error: Exception) -> None:
    service = Service(never, latency=1)

    def on_update(_: OperationUpdate) -> None:
        raise error

    async def main() -> None:
        outcomes = wait_for_operations_async(service.client, names(9), on_update=on_update, clock=clock())
        with pytest.raises(type(error)) as caught:
            await anext(outcomes)
        assert caught.value is error
        assert service.in_flight == 0

    run(main)


def test_no_outcome_is_lost_to_a_cancellation_from_inside() -> None:
    async def on_update(_: OperationUpdate) -> None:
        task = asyncio.ensure_future(asyncio.sleep(0))
        task.cancel()
        await task

    async def main() -> None:
        outcomes = wait_for_operations_async(Service(never).client, names(3), on_update=on_update)
        with pytest.raises(RuntimeError, match="something that was cancelled"):
            await anext(outcomes)

    asyncio.run(main())


def test_no_outcome_is_lost_to_a_stop_from_inside(run: Run) -> None:
    def on_update(_: OperationUpdate) -> None:
        raise StopAsyncIteration

    async def main() -> None:
        outcomes = wait_for_operations_async(Service(never).client, names(3), on_update=on_update)
        with pytest.raises(RuntimeError, match="on_update raised StopAsyncIteration"):
            await anext(outcomes)

    run(main)


def test_failures_hold_no_frames(run: Run) -> None:
    """Neither the last nor those that were asked again: the frames hold the request, and weigh more than the wait."""

    def refuse(request: httpx.Request) -> httpx.Response:
        if number_of(request.url.path):
            raise httpx.ConnectError("refused")
        return reply(code=503)

    problems: list[BaseException | None] = []

    async def main() -> None:
        outcomes = wait_for_operations_async(
            client_of(httpx.MockTransport(refuse)), names(2), policy=PollingPolicy(retries=1), clock=clock(),
            on_update=lambda update: problems.append(update.problem),
        )  # fmt: skip
        problems.extend([outcome.error async for outcome in outcomes])

    run(main)
    assert len(problems) == 4
    for link in problems:
        while link is not None:
            assert link.__traceback__ is None
            link = link.__cause__ or link.__context__


def test_a_closed_client_ends_everything(run: Run) -> None:
    async def main() -> None:
        client = Service(never).client
        await client.get_async_httpx_client().aclose()
        with pytest.raises(RuntimeError, match="closed"):
            await anext(wait_for_operations_async(client, names(3)))

    run(main)


# Ways to leave


def left_behind() -> int:
    """Tasks beside the present one."""
    try:
        return len(asyncio.all_tasks()) - 1
    except RuntimeError:
        return trio.lowlevel.current_statistics().tasks_living - trio_tasks_of_its_own


trio_tasks_of_its_own = 3  # init, main and the one that waits for callbacks
Leave = Callable[[Service], Awaitable[None]]


def outcomes_of(service: Service) -> "many.Outcomes":
    """One that has ended, and many that never will."""
    return wait_for_operations_async(service.client, names(50), concurrency=8, clock=clock())


async def leave_by_break(service: Service) -> None:
    async for _ in outcomes_of(service):
        break


async def leave_by_exception(service: Service) -> None:
    with contextlib.suppress(LookupError):
        async for _ in outcomes_of(service):
            raise LookupError


async def leave_by_aclose(service: Service) -> None:
    outcomes = outcomes_of(service)
    await anext(outcomes)
    await outcomes.aclose()
    assert service.in_flight == 0
    assert [outcome async for outcome in outcomes] == []
    await outcomes.aclose()


async def leave_by_cancelling(service: Service) -> None:
    with anyio.move_on_after(5) as scope:
        async for _ in outcomes_of(service):
            pass
    assert scope.cancelled_caught
    assert service.in_flight == 0


async def leave_while_handling(service: Service) -> None:
    with anyio.move_on_after(5):
        async for _ in outcomes_of(service):
            await anyio.sleep_forever()


async def leave_to_the_collector(service: Service) -> None:
    outcomes = outcomes_of(service)
    await anext(outcomes)
    cycle: list[object] = [outcomes]
    cycle.append(cycle)
    del outcomes, cycle
    gc.collect()


async def leave_before_the_start(service: Service) -> None:
    outcomes_of(service)
    await outcomes_of(service).aclose()


async def leave_to_another_task(service: Service) -> None:
    """Closed while another task waits for the next one."""
    outcomes = outcomes_of(service)
    rest: list[Outcome] = []

    async def consume() -> None:
        rest.extend([outcome async for outcome in outcomes])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(consume)
        await anyio.sleep(5)
        await outcomes.aclose()
    assert len(rest) == 1


@pytest.mark.parametrize(
    "leave",
    [
        leave_by_break,
        leave_by_exception,
        leave_by_aclose,
        leave_by_cancelling,
        leave_while_handling,
        leave_to_the_collector,
        leave_before_the_start,
        leave_to_another_task,
    ],
)
def test_leaving_leaves_nothing_behind(run: Run, leave: Leave) -> None:
    service = Service(lambda number, poll: reply("Completed") if number == 0 else running(retry_after="1"), latency=0.4)

    async def main() -> None:
        before = left_behind()
        await leave(service)
        await anyio.sleep(0.001)
        assert left_behind() == before
        assert service.in_flight == 0
        asked = len(service.asked)
        await anyio.sleep(100)
        assert len(service.asked) == asked

    run(main)


def test_the_end_of_the_loop_ends_it(run: Run) -> None:
    service = Service(lambda number, poll: reply("Completed") if number == 0 else running(retry_after="1"), latency=9)
    kept = []

    async def main() -> None:
        kept.append(outcomes_of(service))
        await anext(kept[0])
        await anyio.sleep(1)
        assert service.in_flight == 8

    run(main)
    assert service.in_flight == 0
    kept.clear()  # the loop is gone


# Without async


def sync_client(answer: Answer) -> tuple[AuthenticatedClient, list[int]]:
    asked: list[int] = []
    polls: Counter[int] = Counter()

    def handle(request: httpx.Request) -> httpx.Response:
        number = number_of(request.url.path)
        asked.append(number)
        polls[number] += 1
        return answer(number, polls[number] - 1)

    return client_of(httpx.MockTransport(handle)), asked


def test_sync_is_lazy_and_leaves_the_clients_own_connections_alone() -> None:
    client, asked = sync_client(after(1, retry_after="0"))
    with client:
        outcomes = wait_for_operations(client, map(name_of, itertools.count()), concurrency=2)
        assert asked == []
        taken = [next(outcomes) for _ in range(10)]
        assert all(outcome.result for outcome in taken)
        assert len(set(asked)) < 30
        assert isinstance(outcomes, Iterator)
        outcomes.close()  # type: ignore[attr-defined]  # a generator, which the annotation keeps open
        assert client.get_httpx_client().is_closed is False
        assert client.get_async_httpx_client().is_closed is False


def test_sync_to_the_end_and_with_errors() -> None:
    client, _ = sync_client(lambda number, poll: reply(code=404) if number == 1 else reply("Completed"))
    outcomes = list(wait_for_operations(client, names(3)))
    assert sorted((outcome.operation_id, type(outcome.error)) for outcome in outcomes if outcome.error) == [
        (name_of(1), OperationNotFound)
    ]
    with pytest.raises(LookupError):
        list(wait_for_operations(client, names(3), on_update=lambda update: dict[str, str]()[update.operation_id]))


def test_sync_inside_an_event_loop_says_what_to_call() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="wait_for_operations_async"):
            next(wait_for_operations(Service(never).client, names(1)))

    asyncio.run(main())


# Over real sockets

FATES = {
    "completes retry_after=0": None,
    "null-error retry_after=0": None,
    "throttled retry_after=0": None,
    "unavailable retry_after=0": None,
    "server-error retry_after=0": None,
    "reset-before-headers retry_after=0": None,
    "reset-after-headers retry_after=0": None,
    "hostile-retry-after retry_after=0 value=soon": None,
    "fails retry_after=0": OperationFailed,
    "early-404 retry_after=0": OperationNotFound,
    "unauthorized retry_after=0": AuthenticationFailed,
    "status-520 retry_after=0": ServiceError,
    "not-an-object retry_after=0": InvalidResponse,
    "unknown-ending retry_after=0": UnrecognizedStatus,
}


@pytest.mark.parametrize("library", ["sync", "asyncio", "trio"])
def test_with_the_emulators_faults(data_registry_emulator: Namespace, library: str) -> None:
    emulator = data_registry_emulator
    fates = {emulator.start_operation(scenario).location: fate for scenario, fate in FATES.items() for _ in range(4)}
    policy = PollingPolicy(interval=0.01, backoff=0.01)

    async def main() -> list[Outcome]:
        async with connect(base_url=emulator.url, credential=SubscriptionKey(KEY)) as client:
            return [outcome async for outcome in wait_for_operations_async(client, fates, concurrency=8, policy=policy)]

    if library == "sync":
        with connect(base_url=emulator.url, credential=SubscriptionKey(KEY)) as client:
            outcomes = list(wait_for_operations(client, fates, concurrency=8, policy=policy))
    else:
        outcomes = anyio.run(main, backend=library)
    assert {outcome.operation: outcome.error and type(outcome.error) for outcome in outcomes} == fates
    assert len(outcomes) == len(fates)
    assert not any(entry.early for entry in emulator.journal())


# Memory


def test_memory_does_not_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = reply("Completed")

    async def fetch(*_: Any) -> httpx.Response:
        await asyncio.sleep(0)
        return answer

    monkeypatch.setattr(scheduler, "fetch_async", fetch)
    monkeypatch.setattr(scheduler, "questions", lambda _: lambda _: None)
    blocks, sizes = [], []

    async def main() -> None:
        outcomes = wait_for_operations_async(client_of(scripted([])), map(name_of, range(100_000)), concurrency=1)
        ended = 0
        async for _ in outcomes:
            ended += 1
            if ended == 90_000:
                tracemalloc.start()  # not before, as it makes everything four times as slow
            if ended in (5_000, 92_000, 100_000):
                gc.collect()
                blocks.append(sys.getallocatedblocks())
                sizes.append(tracemalloc.get_traced_memory()[0])
        assert ended == 100_000

    try:
        asyncio.run(main())
    finally:
        tracemalloc.stop()
    assert blocks[2] - blocks[0] < 1_000
    assert sizes[2] - sizes[1] < 8_000  # a byte per operation
