"""The scheduler against a model of it: whatever happens in whichever order, the promises hold, under every driver.

More, and others each time: `pytest tests/many/test_model.py --hypothesis-profile search`, which takes 5,000 scenarios.
"""

import itertools
import math
from collections import Counter

import pytest
from hypothesis import given, settings

from maps_data_registry import InvalidOperation, OperationTimeout

from .model import End, Run, Scenario, Wait, foretold, run, scenarios

IS_SEARCH = settings.get_current_profile_name() == "search"


def examples(count: int) -> settings:
    """So many, the same each time; by the profile `search`, as many as it says."""
    return settings() if IS_SEARCH else settings(max_examples=count, derandomize=True)


def ends(found: Run) -> dict[int, End]:
    return {number: type(outcome.error) if outcome.error else None for _, number, outcome in found.outcomes}


def counts(found: Run) -> dict[int, int]:
    return {number: len(polls) for number, polls in found.polls.items()}


def check(scenario: Scenario) -> None:
    runs = [run(scenario, driver) for driver in scenario.drivers]
    for found in runs:
        check_alone(found)
    if all(found.cut is None for found in runs) and scenario.timeout is None:
        for found in runs:  # no clock has a say in it: all agree with the model, and so with each other
            for number in range(len(scenario.arrivals)):
                sent, end, _ = foretold(scenario, number, 0)
                assert (len(found.polls[number]), ends(found)[number]) == (len(sent), end)


def check_alone(found: Run) -> None:
    check_errors(found)
    check_end(found)
    check_in_flight(found)
    check_reading(found)
    throttled = throttles(found)
    for number in found.reads:
        check_outcome(found, number)
        check_times(found, number, throttled)
        if not throttled and len(found.scenario.arrivals) <= found.scenario.concurrency:
            check_exactly(found, number)


def check_errors(found: Run) -> None:
    """What is raised surfaces once, as itself: the caller's own error if it came first."""
    way = found.scenario.leave[0] if found.scenario.leave else ""
    if found.fault is None:
        assert (found.raised is not None) == (way == "error" and found.cut is not None)
    elif found.raised is not found.fault:
        is_callers = way == "error" and str(found.raised) == "the caller"
        assert is_callers or way == "cancel"
    if found.raised is not None:
        assert found.raised.__cause__ is None
        assert found.raised.__context__ is None


def check_end(found: Run) -> None:
    """One outcome for each operation, never two; none is missing unless the wait was cut; nothing happens after it."""
    numbers = Counter(number for _, number, _ in found.outcomes)
    assert set(numbers.values()) <= {1}
    assert found.in_flight == 0
    assert found.is_closed or not found.scenario.is_async_iterable or not found.reads
    if found.cut is None:
        assert set(numbers) == set(range(len(found.scenario.arrivals)))
        return
    moments = [*found.reads.values(), *(poll.sent for polls in found.polls.values() for poll in polls)]
    assert max(moments, default=0) <= found.cut


def check_in_flight(found: Run) -> None:
    assert found.most_in_flight <= found.scenario.concurrency
    for polls in found.polls.values():
        assert all(one.ended is not None and one.ended <= other.sent for one, other in itertools.pairwise(polls))


def check_reading(found: Run) -> None:
    """The next operation is read when the one before it has been polled, if that is due, and else at once."""
    released: float | None = 0.0
    for number, arrival in enumerate(found.scenario.arrivals):
        gap = arrival.gap if found.scenario.is_async_iterable else 0.0
        if number not in found.reads:
            assert found.cut is not None
            assert released is None or released + gap >= found.cut
            return
        now = found.reads[number]
        assert released is not None
        assert now == released + gap
        released = now
        if arrival.is_one and not arrival.head_start:
            polls = found.polls[number]
            given_up = [seen for seen, other, _ in found.outcomes if other == number]
            released = polls[0].sent if polls else given_up[0] if given_up and not found.scenario.handling else None
            if released is None and given_up:
                return  # seen too late to say when


def check_outcome(found: Run, number: int) -> None:
    """What its polls met decides about an operation's outcome; only a timeout may come in between."""
    seen = [(moment, outcome) for moment, other, outcome in found.outcomes if other == number]
    if not found.scenario.arrivals[number].is_one:
        assert all(isinstance(outcome.error, InvalidOperation) for _, outcome in seen)
        assert not found.polls[number]
        return
    wait = Wait.of(found.scenario, number, found.reads[number])
    for poll in found.polls[number]:
        assert not wait.has_ended
        if poll.ended is not None:
            wait.hear(poll.step, poll.ended)
    for moment, outcome in seen:
        assert found.polls[number] == [] or found.polls[number][-1].free is not None
        assert (outcome.error is None) == (outcome.result is not None)
        if isinstance(outcome.error, OperationTimeout):
            assert not wait.has_ended
            pause = max([until for _, until in throttles(found)], default=0.0)
            latest = max(wait.due, pause + pause * found.scenario.policy.jitter * found.scenario.chance)
            assert max(latest, moment) >= wait.deadline
        else:
            assert wait.has_ended
            assert (type(outcome.error) if outcome.error else None) == wait.end


def throttles(found: Run) -> list[tuple[float, float]]:
    """From when until when nothing may be sent."""
    spans = []
    for number, polls in found.polls.items():
        wait = Wait.of(found.scenario, number, found.reads[number])
        for poll in polls:
            if poll.ended is not None:
                wait.throttled_until = 0.0
                wait.hear(poll.step, poll.ended)
                if wait.throttled_until > poll.ended:
                    spans.append((poll.ended, wait.throttled_until))
    return spans


def check_times(found: Run, number: int, throttled: list[tuple[float, float]]) -> None:
    """No poll before its due time, past the deadline or while throttled; and none later than the bound.

    The bound: with n operations, each other one is polled at most once before this one. So at most (n - 1) //
    concurrency rounds come first, each as long as the longest request with its `on_update`. And in all that time, no
    worker is free.
    """
    scenario = found.scenario
    if not scenario.arrivals[number].is_one:
        return
    steps = [step for arrival in scenario.arrivals for step in arrival.steps]
    longest = max(step.latency for step in steps) + (scenario.update_pause if scenario.on_update == "async" else 0)
    bound = (len(scenario.arrivals) - 1) // scenario.concurrency * longest
    ready = found.reads[number]
    wait = Wait.of(scenario, number, ready)
    polls = found.polls[number]
    for poll in [*polls, None]:
        latest = max(wait.due, ready)
        while (pause := max((end for start, end in throttled if start <= latest + bound), default=0.0) - latest) > 0:
            latest += pause * (1 + scenario.policy.jitter * scenario.chance)
        outcome = next((moment for moment, other, _ in found.outcomes if other == number), None)
        if poll is None:
            if wait.has_ended or outcome is not None:
                late = ready if wait.has_ended or max(wait.due, ready) >= wait.deadline else latest + bound
                assert outcome is None or scenario.handling or outcome <= late
            else:
                assert found.cut is not None
                assert found.cut <= latest + bound
            return
        assert max(wait.due, ready) <= poll.sent < wait.deadline
        assert not any(start < poll.sent < end for start, end in throttled)
        assert poll.sent <= latest + bound
        if latest < poll.sent:
            check_busy(found, latest, poll.sent)
        if poll.ended is None or poll.free is None:
            assert found.cut is not None
            return
        wait.hear(poll.step, poll.ended)
        ready = poll.free


def check_busy(found: Run, since: float, until: float) -> None:
    """While an operation is kept waiting, no worker is free."""
    spans = [
        (poll.sent, math.inf if poll.free is None else poll.free) for polls in found.polls.values() for poll in polls
    ]
    marks = sorted({since, until, *(mark for span in spans for mark in span if since < mark < until)})
    for start, end in itertools.pairwise(marks):
        assert sum(sent <= start and free >= end for sent, free in spans) == found.scenario.concurrency


def check_exactly(found: Run, number: int) -> None:
    """With a worker for each operation and no throttling, none has to wait for another: all is known beforehand."""
    sent, end, ended = foretold(found.scenario, number, found.reads[number])
    polls = [poll.sent for poll in found.polls[number]]
    assert polls == sent[: len(polls)]
    assert found.cut is not None or len(polls) == len(sent)
    for moment, other, outcome in found.outcomes:
        if other == number:
            assert (type(outcome.error) if outcome.error else None) == end
            assert moment == ended or (found.scenario.handling and moment > ended)
    if found.cut is not None and ended < found.cut and not found.scenario.handling:
        assert number in ends(found)


@examples(40)
@given(scenarios)
def test_the_promises_hold(scenario: Scenario) -> None:
    check(scenario)


@pytest.mark.slow
@examples(300)
@given(scenarios)
def test_the_promises_hold_in_more_scenarios(scenario: Scenario) -> None:
    check(scenario)
