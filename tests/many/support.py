"""Thousands of operations on virtual time: a service that answers by number, and the three ways to wait for them."""

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import anyio
import httpx
import pytest
import trio
import trio.testing
from attrs import define, field

from maps_data_registry import Clock, Outcome, PollingPolicy, wait_for_operations, wait_for_operations_async
from maps_data_registry_client import AuthenticatedClient
from tests.support import ID, client_of, reply, running

EAGER = PollingPolicy(min_interval=0)
"""Zero pauses are zero here."""

STEADY = PollingPolicy(min_interval=0, jitter=0)


def name_of(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012x}"


def number_of(name: str | None) -> int:
    assert name is not None
    return int(name[-12:], 16)


def names(count: int) -> list[str]:
    return [name_of(number) for number in range(count)]


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


def virtual_clock() -> Clock:
    return Clock(monotonic=anyio.current_time, random=random.Random(7).random)


Answer = Callable[[int, int], httpx.Response]
"""The reply to the nth poll (from 0) of an operation, given by its number."""


class InFlight(Protocol):
    """Counts the requests that are under way."""

    in_flight: int
    most_in_flight: int


async def take_time(service: InFlight, latency: float) -> None:
    """Keep a request for so many seconds."""
    service.in_flight += 1
    service.most_in_flight = max(service.most_in_flight, service.in_flight)
    try:
        await anyio.sleep(latency)
    finally:
        service.in_flight -= 1


@define
class Service:
    """Answers after *latency* virtual seconds, and writes down who polled when."""

    answer: Answer
    latency: float = 0.0
    polled: list[tuple[float, int]] = field(factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    _polls: Counter[int] = field(factory=Counter)

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        number = number_of(request.url.path)
        self.polled.append((anyio.current_time(), number))
        await take_time(self, self.latency)
        self._polls[number] += 1
        answer = self.answer(number, self._polls[number] - 1)
        content = answer.content.replace(ID.encode(), name_of(number).encode())
        headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
        return httpx.Response(answer.status_code, content=content, headers=headers)

    @property
    def order(self) -> list[int]:
        return [number for _, number in self.polled]

    def times_of(self, wanted: int) -> list[float]:
        return [moment for moment, number in self.polled if number == wanted]

    @property
    def client(self) -> AuthenticatedClient:
        return client_of(httpx.MockTransport(self))


def after(polls: int, retry_after: str = "0") -> Answer:
    """Completed after so many polls that say Running."""
    return lambda _, poll: reply("Completed") if poll >= polls else running(retry_after=retry_after)


def never(_: int, __: int) -> httpx.Response:
    return running(retry_after="1")


def first_only(number: int, _: int) -> httpx.Response:
    """One that has completed, and others that never do."""
    return reply("Completed") if number == 0 else running(retry_after="1")


def tasks_alive() -> int:
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        return trio.lowlevel.current_statistics().tasks_living


def run_virtually(library: str, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run async code on virtual time that begins at 0."""
    if library == "trio":
        trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))  # some versions of anyio.run drop the clock
    else:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(main())


@contextmanager
def virtual_loops() -> Iterator[list[VirtualLoop]]:
    """The private event loops of `wait_for_operations` run on virtual time; yields those made so far."""
    loops: list[VirtualLoop] = []

    def new_loop() -> VirtualLoop:
        loops.append(VirtualLoop())
        return loops[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "new_event_loop", new_loop)
        yield loops


@define
class Many:
    """Waits for many operations, in one of the three ways, on virtual time that begins at 0."""

    library: str
    """`sync`, `asyncio` or `trio`."""
    now: float = 0.0
    """When the last wait was over."""

    def outcomes(self, service: Service, operations: Any, *, count: int | None = None, **options: Any) -> list[Outcome]:
        """The outcomes of all operations, or of the first *count* that end."""
        return self.outcomes_of(service.client, operations, count=count, **options)

    def outcomes_of(
        self, client: AuthenticatedClient, operations: Any, *, count: int | None = None, **options: Any
    ) -> list[Outcome]:
        options = {"clock": virtual_clock(), "policy": EAGER, **options}
        ended: list[Outcome] = []
        if self.library == "sync":
            with virtual_loops() as loops:
                try:
                    with wait_for_operations(client, operations, **options) as outcomes:
                        ended.extend(itertools.islice(outcomes, count))
                finally:
                    self.now = loops[-1].time()
            return ended

        async def main() -> None:
            try:
                async with wait_for_operations_async(client, operations, **options) as outcomes:
                    async for outcome in outcomes:
                        ended.append(outcome)
                        if len(ended) == count:
                            break
            finally:
                self.now = anyio.current_time()

        run_virtually(self.library, main)
        return ended


def errors_of(outcomes: Iterable[Outcome]) -> dict[int, type[Exception] | None]:
    """The class of each operation's error, by its number."""
    return {number_of(outcome.operation_id): type(outcome.error) if outcome.error else None for outcome in outcomes}
