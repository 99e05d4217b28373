"""What the iterable and `on_update` raise ends everything and comes out as itself; misuse says so in a line."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import httpx
import pytest

from maps_data_registry import (
    OperationNotFound,
    OperationUpdate,
    Outcome,
    wait_for_operations,
    wait_for_operations_async,
)
from tests.support import client_of, reply

from .conftest import Run
from .support import (
    EAGER,
    Many,
    Service,
    after,
    first_only,
    name_of,
    names,
    never,
    number_of,
    run_virtually,
    virtual_clock,
)


def broken(error: BaseException, count: int = 1) -> Iterator[str]:
    yield from names(count)
    raise error


async def broken_async(error: BaseException, count: int = 1) -> AsyncIterator[str]:
    for name in names(count):
        yield name
    raise error


ERRORS = [
    LookupError("no more"),
    OperationNotFound(reply(code=404)),
    ExceptionGroup("of the caller's own", [LookupError(), ExceptionGroup("inside", [KeyError()])]),
    SystemExit(3),
]
NAMES_OF_ERRORS = ["error", "one of ours", "group", "exit"]


@pytest.mark.parametrize("error", ERRORS, ids=NAMES_OF_ERRORS)
@pytest.mark.parametrize("operations", [broken, broken_async])
def test_what_the_iterable_raises_ends_everything(many: Many, operations: Callable[..., Any], error: Any) -> None:
    service = Service(never, latency=1)
    with pytest.raises(type(error)) as caught:
        many.outcomes(service, operations(error))
    assert caught.value is error
    assert service.in_flight == 0


@pytest.mark.parametrize("error", ERRORS, ids=NAMES_OF_ERRORS)
@pytest.mark.parametrize("asynchronous", [False, True])
def test_what_on_update_raises_ends_everything(many: Many, asynchronous: bool, error: Any) -> None:
    def on_update(_: OperationUpdate) -> None:
        raise error

    async def on_update_async(_: OperationUpdate) -> None:
        await anyio.sleep(1)
        raise error

    service = Service(never, latency=1)
    with pytest.raises(type(error)) as caught:
        many.outcomes(service, names(9), on_update=on_update_async if asynchronous else on_update)
    assert caught.value is error
    assert service.in_flight == 0


def test_an_error_keeps_its_cause(many: Many) -> None:
    error, cause = LookupError(), KeyError()
    error.__cause__ = cause
    with pytest.raises(LookupError) as caught:
        many.outcomes(Service(never), broken(error))
    assert caught.value.__cause__ is cause


@pytest.mark.parametrize("where", ["on_update", "operations", "async operations"])
def test_a_stop_from_inside_does_not_pass_for_the_end(many: Many, where: str) -> None:
    def on_update(_: OperationUpdate) -> None:
        if where == "on_update":
            raise StopAsyncIteration

    class Stops:
        def __iter__(self) -> Iterator[str]:
            return self

        def __next__(self) -> str:
            raise StopAsyncIteration

    operations: dict[str, Any] = {"operations": Stops(), "async operations": broken_async(StopAsyncIteration())}
    with pytest.raises(RuntimeError, match="StopAsyncIteration"):
        many.outcomes(Service(never), operations.get(where, names(3)), on_update=on_update)


def test_the_outcomes_before_an_error_come_first(run: Run) -> None:
    ended: list[int] = []

    async def main() -> None:
        async with wait_for_operations_async(
            Service(after(0), latency=1).client, broken(LookupError("no more"), 5), concurrency=1, clock=virtual_clock()
        ) as outcomes:
            await anyio.sleep(100)
            ended.extend([number_of((await anext(outcomes)).operation_id) for _ in range(4)])
            with pytest.raises(LookupError, match="no more"):
                await anext(outcomes)
            assert [outcome async for outcome in outcomes] == []

    run(main)
    assert ended == [0, 1, 2, 3]


def test_an_error_that_nobody_took_is_raised_on_leaving(many: Many) -> None:
    error = LookupError("no more")

    def operations() -> Iterator[str]:
        yield "junk"
        raise error

    with pytest.raises(LookupError) as caught:
        many.outcomes(Service(never), operations(), count=1)
    assert caught.value is error


def test_the_first_error_is_the_one_that_comes_out(many: Many) -> None:
    async def on_update(update: OperationUpdate) -> None:
        if number_of(update.operation_id) == 0:
            await anyio.sleep(1)
            raise LookupError("first")
        try:
            await anyio.sleep(2)
        finally:
            raise KeyError("second")

    with pytest.raises(LookupError, match="first"):
        many.outcomes(Service(never), names(2), on_update=on_update)


def test_an_error_is_raised_once(run: Run) -> None:
    async def main() -> None:
        async with wait_for_operations_async(Service(never).client, broken(LookupError())) as outcomes:
            with pytest.raises(LookupError):
                await anext(outcomes)
            assert await anext(outcomes, None) is None

    run(main)


def test_an_error_of_the_body_comes_before_one_that_nobody_took(run: Run) -> None:
    async def main() -> None:
        async with wait_for_operations_async(Service(never).client, broken(LookupError())):
            await anyio.sleep(1)
            raise KeyError("the body's")

    with pytest.raises(KeyError, match="the body's"):
        run(main)


def test_an_async_generator_is_closed_where_it_ran_and_what_that_raises_is_not_lost(run: Run) -> None:
    closed: list[object] = []

    async def operations() -> AsyncIterator[str]:
        try:
            for name in names(100):
                yield name
        finally:
            closed.append(anyio.get_current_task())
            raise LookupError("on closing")

    async def main() -> None:
        given = operations()
        async with wait_for_operations_async(Service(first_only, latency=1).client, given, concurrency=2) as outcomes:
            await anext(outcomes)
        assert closed

    with pytest.raises(LookupError, match="on closing"):
        run(main)
    assert len(closed) == 1


def test_any_async_iterable_serves(run: Run) -> None:
    async def main() -> None:
        send, receive = anyio.create_memory_object_stream[str](3)
        with receive:
            with send:
                for name in names(3):
                    send.send_nowait(name)
            async with wait_for_operations_async(Service(after(0)).client, receive) as outcomes:
                ended = [number_of(outcome.operation_id) async for outcome in outcomes]
        assert sorted(ended) == [0, 1, 2]

    run(main)


def test_an_async_iterable_of_the_callers_stays_open(run: Run) -> None:
    async def main() -> None:
        send, receive = anyio.create_memory_object_stream[str](10)
        with send, receive:
            send.send_nowait(name_of(0))
            async with wait_for_operations_async(Service(first_only).client, receive) as outcomes:
                await anext(outcomes)
            send.send_nowait(name_of(1))
            assert receive.receive_nowait() == name_of(1)

    run(main)


def test_no_outcome_is_lost_to_a_cancellation_from_inside() -> None:
    async def on_update(_: OperationUpdate) -> None:
        task = asyncio.ensure_future(asyncio.sleep(0))
        task.cancel()
        await task

    async def main() -> None:
        async with wait_for_operations_async(Service(never).client, names(3), on_update=on_update) as outcomes:
            with pytest.raises(RuntimeError, match="something that was cancelled"):
                await anext(outcomes)

    asyncio.run(main())


@pytest.mark.parametrize("in_flight", [0, 3], ids=["before it has begun", "in flight"])
def test_no_outcome_is_lost_to_one_who_cancels_all_other_tasks(in_flight: int) -> None:
    service = Service(never, latency=3600)

    async def main() -> None:
        async with wait_for_operations_async(service.client, names(3)) as outcomes:
            if in_flight:
                await asyncio.sleep(1)
            assert service.in_flight == in_flight
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            with pytest.raises(RuntimeError, match="cancelled"):
                await anext(outcomes)
        assert service.in_flight == 0

    run_virtually("asyncio", main)


def test_a_closed_client_says_so(run: Run) -> None:
    async def main() -> None:
        client = Service(never).client
        await client.get_async_httpx_client().aclose()
        async with wait_for_operations_async(client, names(3)) as outcomes:
            with pytest.raises(RuntimeError, match="closed"):
                await anext(outcomes)

    run(main)


def test_a_client_that_is_closed_meanwhile_ends_everything(run: Run) -> None:
    async def main() -> None:
        client = Service(never).client
        async with wait_for_operations_async(client, names(3), clock=virtual_clock()) as outcomes:
            await anyio.sleep(5)
            await client.get_async_httpx_client().aclose()
            with pytest.raises(RuntimeError, match="closed"):
                await anext(outcomes)

    run(main)


def test_a_transport_that_is_sync_only_says_so_in_a_line(many: Many) -> None:
    class Sync(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            raise AssertionError

    with pytest.raises(TypeError, match="async transport") as caught:
        many.outcomes_of(client_of(Sync()), names(3))
    assert "\n" not in str(caught.value)


# Outside of `with`


def test_outside_of_async_with_it_says_so_in_a_line_and_does_nothing(run: Run) -> None:
    service = Service(first_only)
    outside = re.compile(r"async with .*wait_for_operations_async.* as outcomes")

    async def main() -> None:
        outcomes = wait_for_operations_async(service.client, names(3), clock=virtual_clock())
        with pytest.raises(RuntimeError, match=outside) as caught:
            await anext(outcomes)
        assert "\n" not in str(caught.value)
        with pytest.raises(RuntimeError, match=outside):
            [outcome async for outcome in outcomes]
        assert not service.polled
        async with outcomes:
            await anext(outcomes)
        with pytest.raises(RuntimeError, match=outside):
            await anext(outcomes)
        await outcomes.__aexit__(None, None, None)  # again, as an exit stack might

    run(main)


def test_outside_of_with_it_says_so_in_a_line_and_does_nothing() -> None:
    service = Service(first_only)
    outside = re.compile(r"with .*wait_for_operations.* as outcomes")
    outcomes = wait_for_operations(service.client, names(3))
    with pytest.raises(RuntimeError, match=outside) as caught:
        next(outcomes)
    assert "\n" not in str(caught.value)
    assert not service.polled
    with outcomes:
        next(outcomes)
    with pytest.raises(RuntimeError, match=outside):
        list(outcomes)
    outcomes.__exit__(None, None, None)  # again, as an exit stack might


def test_the_sync_twin_entered_twice_says_so_too() -> None:
    with wait_for_operations(Service(after(0)).client, names(3), policy=EAGER) as outcomes:
        with pytest.raises(RuntimeError, match="already in use in a with"):
            outcomes.__enter__()
        assert len(list(outcomes)) == 3


def test_entered_twice_at_once_says_so(run: Run) -> None:
    async def main() -> None:
        async with wait_for_operations_async(Service(after(0)).client, names(3), policy=EAGER) as outcomes:
            with pytest.raises(RuntimeError, match="async with"):
                await outcomes.__aenter__()
            assert len([outcome async for outcome in outcomes]) == 3

    run(main)


def test_entered_again_it_goes_on_with_what_the_iterable_has_left(run: Run) -> None:
    operations = iter(names(20))

    async def main() -> None:
        outcomes = wait_for_operations_async(Service(after(0)).client, operations, concurrency=1, clock=virtual_clock())
        async with outcomes:
            first: Outcome = await anext(outcomes)
        async with outcomes:
            rest = [number_of(outcome.operation_id) async for outcome in outcomes]
        assert first.operation_id == name_of(0)
        assert rest == list(range(rest[0], 20))

    run(main)
