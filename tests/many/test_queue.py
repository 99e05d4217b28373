"""The queue alone: items come out in order of their due times, never early, each once, whoever is cancelled."""

import random
from collections.abc import Callable, Iterable

import anyio
import pytest

from maps_data_registry import Clock
from maps_data_registry.polling.due_queue import DueQueue

from .conftest import Run
from .support import virtual_clock


def filled(dues: Iterable[float], clock: Clock | None = None) -> DueQueue[int]:
    queue = DueQueue[int](clock or virtual_clock())
    for number, due in enumerate(dues):
        queue.put(number, due)
    return queue


async def taken(queue: DueQueue[int], into: list[tuple[float, int]]) -> None:
    number = await queue.take()
    into.append((anyio.current_time(), number))


@pytest.mark.parametrize(
    ("dues", "order"),
    [
        ([5, 3, 4], [(3, 1), (4, 2), (5, 0)]),
        ([7, 7, 7], [(7, 0), (7, 1), (7, 2)]),
        ([-1, -3, 0], [(0, 1), (0, 0), (0, 2)]),
        ([2, 1, 2, 1], [(1, 1), (1, 3), (2, 0), (2, 2)]),
    ],
)
def test_in_order_of_due_times_and_then_of_putting(run: Run, dues: list[float], order: list[tuple[float, int]]) -> None:
    async def main() -> None:
        queue, out = filled(dues), list[tuple[float, int]]()
        for _ in dues:
            await taken(queue, out)
        assert out == order

    run(main)


@pytest.mark.parametrize("takers", [1, 3])
def test_takers_are_served_in_the_order_in_which_they_came(run: Run, takers: int) -> None:
    async def main() -> None:
        queue, served = filled(range(1, 11)), list[tuple[int, int]]()

        async def work(taker: int) -> None:
            while True:
                served.append((await queue.take(), taker))

        async with anyio.create_task_group() as tasks:
            for taker in range(takers):
                tasks.start_soon(work, taker)
                await anyio.sleep(0.1)
            await anyio.sleep(20)
            tasks.cancel_scope.cancel()
        assert [number for number, _ in served] == list(range(10))
        turns = [taker for _, taker in served]
        assert turns == [number % takers for number in range(10)]

    run(main)


@pytest.mark.parametrize(
    ("dues", "put", "order"),
    [
        ([], 3, [(3, 9)]),
        ([], 1, [(2, 9)]),
        ([10], 5, [(5, 9), (10, 0)]),
        ([10], 1, [(2, 9), (10, 0)]),
        ([10], 10, [(10, 0), (10, 9)]),
        ([10], 20, [(10, 0), (20, 9)]),
    ],
    ids=["empty", "empty, due", "sooner", "sooner, due", "equal", "later"],
)
def test_what_is_put_while_a_taker_sleeps_comes_in_its_turn(
    run: Run, dues: list[float], put: float, order: list[tuple[float, int]]
) -> None:
    async def main() -> None:
        queue, out = filled(dues), list[tuple[float, int]]()
        async with anyio.create_task_group() as tasks:
            for _ in order:
                tasks.start_soon(taken, queue, out)
            await anyio.sleep(2)
            queue.put(9, put)
        assert out == order

    run(main)


def test_a_taker_wakes_only_for_what_comes_first(run: Run) -> None:
    sleeps: list[float] = []

    async def sleep(pause: float) -> None:
        sleeps.append(pause)
        await anyio.sleep(pause)

    async def main() -> None:
        queue, out = filled([10], Clock(monotonic=anyio.current_time, sleep_async=sleep)), list[tuple[float, int]]()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(taken, queue, out)
            await anyio.sleep(1)
            for number in range(100):
                queue.put(number, 11 + number)
            await anyio.sleep(1)
        assert sleeps == [10]

    run(main)


def test_put_twice_before_the_sleeper_has_woken(run: Run) -> None:
    async def main() -> None:
        queue, out = filled([10]), list[tuple[float, int]]()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(taken, queue, out)
            tasks.start_soon(taken, queue, out)
            tasks.start_soon(taken, queue, out)
            await anyio.sleep(1)
            queue.put(1, 5)
            queue.put(2, 4)
        assert out == [(4, 2), (5, 1), (10, 0)]

    run(main)


def put_nothing(_: DueQueue[int]) -> None:
    pass


def put_sooner(queue: DueQueue[int]) -> None:
    queue.put(1, 6)


@pytest.mark.parametrize("put", [put_nothing, put_sooner])
@pytest.mark.parametrize("cancelled", [0, 1], ids=["the sleeper", "the next in line"])
@pytest.mark.parametrize("first", [True, False], ids=["cancel, then put", "put, then cancel"])
def test_a_taker_that_is_cancelled_takes_nothing_with_it(
    run: Run, put: Callable[[DueQueue[int]], None], cancelled: int, first: bool
) -> None:
    async def main() -> None:
        queue, out = filled([10]), list[tuple[float, int]]()
        scopes = [anyio.CancelScope(), anyio.CancelScope()]

        async def take(scope: anyio.CancelScope) -> None:
            with scope:
                await taken(queue, out)

        async with anyio.create_task_group() as tasks:
            for scope in scopes:
                tasks.start_soon(take, scope)
                await anyio.sleep(1)
            steps: list[Callable[[], object]] = [scopes[cancelled].cancel, lambda: put(queue)]
            for step in steps if first else reversed(steps):
                step()
        if put is put_sooner:
            await taken(queue, out)
        assert out == [(6, 1), (10, 0)] if put is put_sooner else [(10, 0)]

    run(main)


def test_a_cancellation_when_a_wait_is_due_loses_it_not(run: Run) -> None:
    """At the very moment: each wait comes out, or is still there."""

    async def main() -> None:
        queue, out = filled(range(1, 21)), list[tuple[float, int]]()
        while len(out) < 20:
            with anyio.move_on_after(1):
                await taken(queue, out)
            assert anyio.current_time() < 100
        assert [number for _, number in out] == list(range(20))

    run(main)


@pytest.mark.no_cover
@pytest.mark.parametrize("seed", range(8))
def test_each_comes_out_once_and_never_early_whatever_happens(run: Run, seed: int) -> None:
    async def main() -> None:
        chance = random.Random(seed)
        queue, out, dues = DueQueue[int](virtual_clock()), list[tuple[float, int]](), dict[int, float]()

        async def take() -> None:
            while len(out) < 200:
                with anyio.move_on_after(chance.choice([0.1, 1, 3])):
                    await taken(queue, out)
                await anyio.sleep(chance.choice([0, 0.1, 0.5]))

        async def put(numbers: range) -> None:
            for number in numbers:
                dues[number] = anyio.current_time() + chance.choice([0, 0, 0.5, 1, 1, chance.uniform(0, 5)])
                queue.put(number, dues[number])
                await anyio.sleep(chance.choice([0, 0.1, 1]))

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(take)
            for begin in range(0, 200, 50):
                tasks.start_soon(put, range(begin, begin + 50))
        assert sorted(number for _, number in out) == list(range(200))
        assert all(moment >= dues[number] for moment, number in out)
        assert max(moment - dues[number] for moment, number in out) < 20

    run(main)


@pytest.mark.parametrize("jump", [-100.0, -1.0, 100.0])
def test_a_clock_that_jumps_makes_nothing_early(run: Run, jump: float) -> None:
    async def main() -> None:
        jumped = 0.0
        clock = Clock(monotonic=lambda: anyio.current_time() + jumped)
        queue, out = filled([10, 20], clock), list[tuple[float, int]]()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(taken, queue, out)
            tasks.start_soon(taken, queue, out)
            await anyio.sleep(5)
            jumped = jump
        assert [number for _, number in out] == [0, 1]
        assert [moment + jump >= due for (moment, _), due in zip(out, [10, 20], strict=True)] == [True, True]
        assert out[0][0] <= max(10, 10 - jump)

    run(main)


def test_a_sleep_that_fails_leaves_the_queue_in_order(run: Run) -> None:
    fails = True

    async def sleep(pause: float) -> None:
        if fails:
            raise LookupError("no sleep")
        await anyio.sleep(pause)

    async def main() -> None:
        nonlocal fails
        queue, out = filled([3, 5], Clock(monotonic=anyio.current_time, sleep_async=sleep)), list[tuple[float, int]]()
        with pytest.raises(LookupError):
            await queue.take()
        fails = False
        queue.put(2, 1)
        for _ in range(3):
            await taken(queue, out)
        assert out == [(1, 2), (3, 0), (5, 1)]

    run(main)
