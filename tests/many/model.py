"""A model of the scheduler: scenarios drawn at random, runs of them on virtual time, and the rules in words of its own.

All times are multiples of 1/8 second and chance is a constant, so sums are exact and equal under every driver.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import anyio.lowlevel
import httpx
from attrs import define, field, frozen
from hypothesis import strategies as st

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
    ServiceUnreachable,
    UnrecognizedStatus,
    wait_for_operations,
    wait_for_operations_async,
)
from maps_data_registry_client import AuthenticatedClient
from tests.support import BASE_URL, client_of, reply

from .support import name_of, number_of, run_virtually, take_time, tasks_alive, virtual_loops

End = type[Exception] | None
"""How a wait ends: the class of its error, or None for a result."""

LONG = 50_000.0
"""Seconds after which nothing of any scenario can still run."""

ENDS: dict[str | int, End] = {
    "Completed": None,
    "Failed": OperationFailed,
    "not JSON": InvalidResponse,
    401: AuthenticationFailed,
    404: OperationNotFound,
    418: ServiceError,
}
TRANSIENT: dict[str | int, type[Exception]] = {
    "unreachable": ServiceUnreachable,
    **dict.fromkeys([408, 429, 500, 502, 503, 504], ServiceError),
}
THROTTLING = {429, 503}
UNKNOWN = "Paused"


# What may happen.


@frozen
class Step:
    """What one poll meets: a status, an HTTP status code, or no reply that can be read."""

    what: str | int
    retry_after: float | str | None = None
    latency: float = 0.0

    @property
    def asked(self) -> float | None:
        return self.retry_after if isinstance(self.retry_after, float) and self.what != "unreachable" else None

    def answer(self, name: str) -> httpx.Response:
        if self.what == "unreachable":
            raise httpx.ConnectError("refused")
        code = self.what if isinstance(self.what, int) else 200
        answer = reply(code=code, body=[] if self.what == "not JSON" else {"id": name, "status": self.what})
        if isinstance(self.retry_after, str):
            answer.headers["retry-after"] = self.retry_after
        elif self.retry_after is not None:
            answer.headers["retry-after-ms"] = f"{self.retry_after * 1000:.0f}"
        return answer


@frozen
class Arrival:
    """An operation that the iterable yields after a gap, and what its polls meet."""

    gap: float
    head_start: float | None
    """The Retry-After of its register response; None for a plain id."""
    steps: list[Step]
    is_one: bool = True
    """Or else it is something that names no operation."""


@frozen
class Scenario:
    arrivals: list[Arrival]
    policy: PollingPolicy
    chance: float
    concurrency: int
    timeout: float | None
    is_async_iterable: bool
    on_update: str | None
    """None, `sync` or `async`."""
    update_pause: float
    """Seconds that an async `on_update` takes."""
    fault: tuple[str, int] | None
    """The call of `on_update`, or the operation of the iterable, at which it raises."""
    leave: tuple[str, float] | None
    """`break` or `error` at an outcome's number, or `cancel` at a time."""
    handling: float
    """Seconds between two outcomes in which the caller does something else; polling continues."""

    @property
    def drivers(self) -> list[str]:
        needs_async = self.handling or (self.leave is not None and self.leave[0] == "cancel")
        return ["asyncio", "trio"] if needs_async else ["sync", "asyncio", "trio"]


def _seconds(*most: float) -> st.SearchStrategy[float]:
    return st.sampled_from([0.0, 0.125, 1.0, *most])


_pauses = st.none() | _seconds(10.0) | st.just("soon")
_going_on = st.sampled_from(["Running", "Running", UNKNOWN, *TRANSIENT])
_last = st.sampled_from(["Completed", "Completed", "Failed", *ENDS])
_steps = st.builds(
    lambda steps, last: [*steps, last],
    st.lists(st.builds(Step, _going_on, _pauses, _seconds(2.0)), max_size=5),
    st.builds(Step, _last, _pauses, _seconds(2.0)),
)
_policies = st.builds(
    PollingPolicy,
    interval=_seconds(4.0),
    growth=st.sampled_from([1, 2]),
    max_interval=_seconds(8.0),
    min_interval=_seconds(),
    jitter=st.sampled_from([0, 0.5, 1]),
    retries=st.integers(0, 3),
    backoff=_seconds(4.0),
    max_backoff=_seconds(8.0),
)
_positions = st.integers(0, 6)

scenarios = st.builds(
    Scenario,
    arrivals=st.lists(
        st.builds(
            Arrival, _seconds(), st.none() | _seconds(5.0), _steps, st.sampled_from([True, True, True, True, False])
        ),
        max_size=7,
    ),
    policy=_policies,
    chance=st.sampled_from([0, 0.5, 1]),
    concurrency=st.sampled_from([1, 2, 3, 8]),
    timeout=st.sampled_from([None, None, 1.0, 5.0, 20.0]),
    is_async_iterable=st.booleans(),
    on_update=st.sampled_from([None, "sync", "async"]),
    update_pause=_seconds(),
    fault=st.none() | st.tuples(st.sampled_from(["on_update", "iterable"]), _positions),
    leave=st.none()
    | st.tuples(st.sampled_from(["break", "error"]), _positions)
    | st.tuples(st.just("cancel"), _seconds(5.0, 20.0)),
    handling=st.sampled_from([0.0, 0.0, 0.0, 3.0]),
)


# What did happen.


@define
class Poll:
    step: Step
    sent: float
    ended: float | None = None
    """When the reply came, or None if the request was cancelled."""
    free: float | None = None
    """When `on_update` had returned as well."""


class Planned(Exception):
    """What the scenario has someone raise."""


@define
class Run:
    """One run of a scenario, and all that can be seen of it from outside."""

    scenario: Scenario
    reads: dict[int, float] = field(factory=dict)
    polls: dict[int, list[Poll]] = field(factory=lambda: defaultdict(list))
    outcomes: list[tuple[float, int, Outcome]] = field(factory=list)
    updates: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    fault: Planned | None = None
    """What was raised by `on_update` or the iterable, if it came to that."""
    raised: Exception | None = None
    """What came out of the `with`."""
    cut: float | None = None
    """When the caller left early, or something was raised."""
    is_closed: bool = False
    """Whether the async iterable has run its `finally`."""
    given: list[Any] = field(factory=list)
    """The operations, as the iterable yields them."""

    @property
    def events(self) -> int:
        """How much has happened so far."""
        return len(self.reads) + self.updates + sum(map(len, self.polls.values()))

    async def service(self, request: httpx.Request) -> httpx.Response:
        number = number_of(request.url.path)
        polls = self.polls[number]
        step = self.scenario.arrivals[number].steps[len(polls)]
        polls.append(poll := Poll(step, anyio.current_time()))
        await take_time(self, step.latency)
        poll.ended = poll.free = anyio.current_time()
        return step.answer(name_of(number))

    def operations(self) -> Any:
        for number, arrival in enumerate(self.scenario.arrivals):
            plain = name_of(number) if arrival.is_one else f"no operation {number}"
            started = httpx.Response(
                202,
                headers={
                    "operation-location": f"{BASE_URL}/dataRegistries/operations/{plain}",
                    "retry-after-ms": f"{(arrival.head_start or 0) * 1000:.0f}",
                },
            )
            self.given.append(plain if arrival.head_start is None or not arrival.is_one else started)
        return self._async_iterable() if self.scenario.is_async_iterable else self._iterable()

    def _iterable(self) -> Iterator[Any]:
        for number, operation in enumerate(self.given):
            self._read(number)
            yield operation
        self._fail_at("iterable", len(self.given))

    async def _async_iterable(self) -> AsyncIterator[Any]:
        try:
            for number, operation in enumerate(self.given):
                await anyio.sleep(self.scenario.arrivals[number].gap)
                self._read(number)
                yield operation
            self._fail_at("iterable", len(self.given))
        finally:
            self.is_closed = True

    def _read(self, number: int) -> None:
        self._fail_at("iterable", number)
        self.reads[number] = anyio.current_time()

    def _fail_at(self, where: str, number: int) -> None:
        if self.scenario.fault == (where, number):
            self.fault, self.cut = Planned(where), anyio.current_time()
            raise self.fault

    def on_update(self, update: OperationUpdate) -> object:
        self.updates += 1
        if self.scenario.on_update == "async":
            return self._on_update_async(update, self.updates - 1)
        self._fail_at("on_update", self.updates - 1)
        return None

    async def _on_update_async(self, update: OperationUpdate, number: int) -> None:
        poll = self.polls[number_of(update.operation_id)][-1]
        poll.free = None
        await anyio.sleep(self.scenario.update_pause)
        poll.free = anyio.current_time()
        self._fail_at("on_update", number)

    def take(self, outcome: Outcome, now: float) -> bool:
        """Note an outcome, and say whether the caller leaves now by `break`."""
        number = next(number for number, given in enumerate(self.given) if given is outcome.operation)
        self.outcomes.append((now, number, outcome))
        way, when = self.scenario.leave or ("", -1)
        if way not in {"break", "error"} or len(self.outcomes) <= when:
            return False
        self.cut = now if self.cut is None else self.cut
        if way == "error":
            raise Planned("the caller")
        return True

    def options(self) -> dict[str, Any]:
        return {
            "concurrency": self.scenario.concurrency,
            "on_update": self.on_update if self.scenario.on_update else None,
            "timeout": self.scenario.timeout,
            "policy": self.scenario.policy,
            "clock": Clock(monotonic=anyio.current_time, random=lambda: self.scenario.chance),
        }


def run(scenario: Scenario, driver: str) -> Run:
    """Run it on virtual time that begins at 0."""
    found = Run(scenario)
    client = client_of(httpx.MockTransport(found.service))
    if driver == "sync":
        _run_sync(found, client)
    else:
        run_virtually(driver, lambda: _run_async(found, client))
    return found


def _run_sync(found: Run, client: AuthenticatedClient) -> None:
    with virtual_loops() as loops:
        try:
            with wait_for_operations(client, found.operations(), **found.options()) as outcomes:
                for outcome in outcomes:
                    if found.take(outcome, loops[-1].time()):
                        break
        except Planned as error:
            found.raised = error


async def _run_async(found: Run, client: AuthenticatedClient) -> None:
    before = tasks_alive()
    way, when = found.scenario.leave or ("", 0.0)
    with anyio.move_on_after(when if way == "cancel" else LONG) as scope:
        await _wait_async(found, client)
    if scope.cancelled_caught:
        assert way == "cancel", "it never ends"
        found.cut = anyio.current_time() if found.cut is None else found.cut
    assert found.in_flight == 0
    await anyio.lowlevel.checkpoint()
    assert tasks_alive() == before
    events = found.events
    await anyio.sleep(LONG)
    assert found.events == events


async def _wait_async(found: Run, client: AuthenticatedClient) -> None:
    try:
        async with wait_for_operations_async(client, found.operations(), **found.options()) as outcomes:
            async for outcome in outcomes:
                if found.take(outcome, anyio.current_time()):
                    break
                await anyio.sleep(found.scenario.handling)
    except Planned as error:
        found.raised = error


# What ought to happen.


@define
class Wait:
    """One operation's wait by the rules, fed with what its polls met and when."""

    scenario: Scenario
    deadline: float
    due: float
    failures: int = 0
    pauses: int = 0
    """Intervals so far, of replies without a Retry-After."""
    has_ended: bool = False
    end: End = None
    throttled_until: float = 0.0
    """As far as the last reply says."""

    @classmethod
    def of(cls, scenario: Scenario, number: int, now: float) -> "Wait":
        limit = LONG if scenario.timeout is None else scenario.timeout
        return cls(scenario, now + limit, now + (scenario.arrivals[number].head_start or 0))

    def hear(self, step: Step, now: float) -> None:
        """Take note of a reply."""
        if step.what in TRANSIENT:
            pause = self._after_failure(step, now)
        else:
            self.failures = 0
            pause = self._after_answer(step)
        self.due = now + pause

    def _after_failure(self, step: Step, now: float) -> float:
        policy = self.scenario.policy
        longest = min(policy.backoff * 2**self.failures, policy.max_backoff)
        pause = max(self._jittered(step.asked) if step.asked else self.scenario.chance * longest, policy.min_interval)
        if self.failures == policy.retries and now < self.deadline:
            self._finish(TRANSIENT[step.what])
            pause = 0
        self.failures += 1
        if step.what in THROTTLING:
            self.throttled_until = now + (step.asked or pause)
        return pause

    def _after_answer(self, step: Step) -> float:
        policy, asked = self.scenario.policy, step.asked
        if step.what in ENDS:
            self._finish(ENDS[step.what])
        elif step.what == UNKNOWN and step.retry_after is None:
            self._finish(UnrecognizedStatus)
        elif asked is None:
            asked = policy.interval
            for _ in range(self.pauses):
                asked = min(asked, policy.max_interval) * policy.growth
            asked = min(asked, policy.max_interval)
            self.pauses += 1
        return max(self._jittered(asked or 0), policy.min_interval)

    def _jittered(self, pause: float) -> float:
        return pause * (1 + self.scenario.policy.jitter * self.scenario.chance)

    def _finish(self, end: End) -> None:
        self.has_ended, self.end = True, end


def foretold(scenario: Scenario, number: int, now: float) -> tuple[list[float], End, float]:
    """When an operation that is read now is polled, how it ends and when, if it never has to wait for another."""
    arrival, sent = scenario.arrivals[number], list[float]()
    if not arrival.is_one:
        return sent, InvalidOperation, now
    wait = Wait.of(scenario, number, now)
    for step in arrival.steps:
        if max(now, wait.due) >= wait.deadline:
            return sent, OperationTimeout, now
        sent.append(max(now, wait.due))
        now = sent[-1] + step.latency
        wait.hear(step, now)
        if scenario.on_update == "async" and is_reported(step, wait):
            now += scenario.update_pause
        if wait.has_ended:
            return sent, wait.end, now
    raise AssertionError("the last step ends a wait")


def is_reported(step: Step, wait: Wait) -> bool:
    """Whether a poll comes to `on_update`: all do but those whose error ends the wait."""
    return not wait.has_ended or wait.end in {None, OperationFailed}
