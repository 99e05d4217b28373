"""The timeout is each operation's own, counted from when it is read."""

import anyio

from maps_data_registry import OperationTimeout, OperationUpdate

from .support import STEADY, Many, Service, after, errors_of, name_of, names, never


def test_the_timeout_is_each_operations_own(many: Many) -> None:
    outcomes = many.outcomes(Service(never, latency=4), names(4), concurrency=1, timeout=10, policy=STEADY)
    assert errors_of(outcomes) == dict.fromkeys(range(4), OperationTimeout)
    assert many.now > 10


def test_a_timeout_while_waiting_for_a_worker(many: Many) -> None:
    service = Service(after(0))

    async def dawdle(_: OperationUpdate) -> None:
        await anyio.sleep(40)

    outcomes = many.outcomes(service, names(3), concurrency=1, timeout=30, on_update=dawdle)
    # The second one is read at 0, and has no worker before 40.
    assert errors_of(outcomes) == {0: None, 1: OperationTimeout, 2: None}
    assert service.polled == [(0, 0), (40, 2)]


def test_an_operation_whose_next_poll_would_come_too_late_ends_now(many: Many) -> None:
    service = Service(after(1, retry_after="100"))
    outcomes = many.outcomes(service, names(2), timeout=60)
    assert errors_of(outcomes) == dict.fromkeys(range(2), OperationTimeout)
    assert many.now == 0


def test_a_limit_on_the_whole_goes_around_it(many: Many) -> None:
    """An outcome of one operation says nothing about the others' time."""
    service = Service(lambda number, poll: after(number, retry_after="20")(number, poll))
    outcomes = many.outcomes(service, names(4), timeout=50, policy=STEADY)
    assert errors_of(outcomes) == {0: None, 1: None, 2: None, 3: OperationTimeout}
    assert {outcome.error.operation_id for outcome in outcomes if outcome.error} == {name_of(3)}
