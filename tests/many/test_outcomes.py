"""One outcome for each operation, as it ends, whatever becomes of it."""

import contextvars
from typing import Any
from uuid import UUID

import httpx
import pytest

from maps_data_registry import (
    InvalidOperation,
    OperationFailed,
    OperationNotFound,
    OperationTimeout,
    OperationUpdate,
    PollingPolicy,
    ServiceError,
    wait_for_operations,
    wait_for_operations_async,
)
from tests.support import BASE_URL, ID, LOCATION, client_of, failed, reply, running, scripted

from .conftest import Run
from .support import STEADY, Many, Service, after, name_of, names, never, number_of


def test_one_outcome_each_as_it_ends(many: Many) -> None:
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
    given: list[Any] = [*names(5), started, refused, "junk", 7]
    outcomes = many.outcomes(Service(answer, latency=0.1), given, policy=STEADY)
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
    assert many.now == pytest.approx(30.4)


def test_none_at_all(many: Many) -> None:
    assert many.outcomes(Service(never), []) == []
    assert many.now == 0


def test_the_same_operation_twice(many: Many) -> None:
    outcomes = many.outcomes(Service(after(0)), [name_of(1), f"{BASE_URL}/dataRegistries/operations/{name_of(1)}"])
    assert [outcome.operation_id for outcome in outcomes] == [name_of(1)] * 2
    assert len({outcome.operation for outcome in outcomes}) == 2


@pytest.mark.no_cover
def test_hundreds_in_flight(many: Many) -> None:
    service = Service(after(1, retry_after="5"), latency=0.1)
    outcomes = many.outcomes(service, names(300), concurrency=10_000)
    assert sorted(number_of(outcome.operation_id) for outcome in outcomes if outcome.result) == list(range(300))
    assert len(service.polled) == 600
    assert many.now < 6


@pytest.mark.slow
def test_thousands_in_flight(many: Many) -> None:
    service = Service(after(0), latency=10)
    outcomes = many.outcomes(service, names(3_000), concurrency=3_000)
    assert sorted(number_of(outcome.operation_id) for outcome in outcomes if outcome.result) == list(range(3_000))
    assert service.most_in_flight == 3_000
    assert many.now == 10


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"concurrency": 0}, ValueError),
        ({"concurrency": -1}, ValueError),
        ({"concurrency": 1.5}, TypeError),
        ({"concurrency": True}, TypeError),
        ({"timeout": 0}, ValueError),
        ({"timeout": "60"}, TypeError),
        ({"policy": {"interval": 1}}, TypeError),
        ({"clock": 3}, TypeError),
        ({"on_update": 3}, TypeError),
        ({"after": OperationUpdate(operation_id=ID)}, TypeError),
        ({"no_such": 3}, TypeError),
        ({"operations": LOCATION}, TypeError),
        ({"operations": httpx.URL(LOCATION)}, TypeError),
        ({"operations": UUID(ID)}, TypeError),
        ({"operations": ID.encode()}, TypeError),
        ({"operations": None}, TypeError),
        ({"operations": httpx.Response(202, headers={"Operation-Location": LOCATION})}, TypeError),
    ],
    ids=str,
)
@pytest.mark.parametrize("function", [wait_for_operations, wait_for_operations_async])
def test_arguments_are_checked_at_once(function: Any, options: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        function(client_of(scripted([])), **{"operations": [], **options})


@pytest.mark.parametrize("timeout", [None, 60])
def test_a_timeout_may_be_given_or_none(many: Many, timeout: float | None) -> None:
    [outcome] = many.outcomes(Service(after(1, retry_after="30")), names(1), timeout=timeout)
    assert outcome.result is not None


@pytest.mark.parametrize("asynchronous", [False, True])
def test_every_poll_is_an_update(many: Many, asynchronous: bool) -> None:
    updates: list[OperationUpdate] = []

    async def take(update: OperationUpdate) -> None:
        updates.append(update)

    many.outcomes(
        Service(after(2, retry_after="1")), names(3), on_update=take if asynchronous else updates.append, policy=STEADY
    )
    seen = [(update.polls, number_of(update.operation_id), update.status) for update in updates]
    statuses = {1: "Running", 2: "Running", 3: "Completed"}
    assert seen == [(polls, number, status) for polls, status in statuses.items() for number in range(3)]


PLACE = contextvars.ContextVar("place", default="nowhere")


def test_updates_come_in_the_callers_context(run: Run) -> None:
    """Which is where tracing finds its current span."""
    seen: list[str] = []

    async def main() -> None:
        PLACE.set("here")
        async with wait_for_operations_async(
            Service(after(0)).client, names(2), on_update=lambda _: seen.append(PLACE.get())
        ) as outcomes:
            assert len([outcome async for outcome in outcomes]) == 2

    run(main)
    assert seen == ["here"] * 2


def test_updates_come_in_the_callers_context_without_async() -> None:
    seen: list[str] = []

    def main() -> None:
        PLACE.set("here")
        client = Service(after(0)).client
        with wait_for_operations(client, names(2), on_update=lambda _: seen.append(PLACE.get())) as outcomes:
            assert len(list(outcomes)) == 2

    contextvars.copy_context().run(main)
    assert seen == ["here"] * 2


def test_errors_hold_no_frames(many: Many) -> None:
    """Neither the last nor those that were retried: the frames hold the request, and weigh more than the wait."""

    def refuse(number: int, _: int) -> httpx.Response:
        if number:
            raise httpx.ConnectError("refused")
        return reply(code=503)

    problems: list[BaseException | None] = []
    outcomes = many.outcomes(
        Service(refuse), names(2), policy=PollingPolicy(retries=1), on_update=lambda seen: problems.append(seen.problem)
    )
    problems.extend(outcome.error for outcome in outcomes)
    assert len(problems) == 4
    for link in problems:
        while link is not None:
            assert link.__traceback__ is None
            link = link.__cause__ or link.__context__


def test_they_say_how_far_they_are() -> None:
    with client_of(scripted([reply("Completed"), reply("Completed", body={"status": "Completed"})])) as client:
        outcomes = wait_for_operations(client, [ID, name_of(1)], concurrency=1)
        assert repr(outcomes) == "<Outcomes: not in its with>"
        with outcomes:
            next(outcomes)
            next(outcomes)
            assert repr(outcomes) == "<Outcomes: 2 of 2 read so far have ended>"
        assert repr(outcomes) == "<Outcomes: not in its with>"


def test_the_async_ones_too(run: Run) -> None:
    async def main() -> None:
        async with client_of(scripted([reply("Completed")])) as client:
            outcomes = wait_for_operations_async(client, [ID])
            assert repr(outcomes) == "<AsyncOutcomes: not in its async with>"
            async with outcomes:
                await anext(outcomes)
                assert repr(outcomes) == "<AsyncOutcomes: 1 of 1 read so far have ended>"

    run(main)
