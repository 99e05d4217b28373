"""Wait again for what a wait gave up on. What the service has failed is to be registered again, not waited for."""

from collections.abc import Iterable

from maps_data_registry import (
    Operation,
    OperationTimeout,
    Outcome,
    PollingPolicy,
    ServiceUnreachable,
    TokenUnavailable,
    connect,
    wait_for_operations,
)


def wait_stubbornly(
    operations: Iterable[Operation], rounds: int = 3, policy: PollingPolicy = PollingPolicy()
) -> list[Outcome]:
    ended: dict[str | None, Outcome] = {}
    with connect("us") as client:
        for _ in range(rounds):
            with wait_for_operations(client, operations, policy=policy) as outcomes:
                ended |= {outcome.operation_id: outcome for outcome in outcomes}
            passing = OperationTimeout | ServiceUnreachable | TokenUnavailable
            operations = [each.operation for each in ended.values() if isinstance(each.error, passing)]
    return list(ended.values())
