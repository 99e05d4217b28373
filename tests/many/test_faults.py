"""Against the emulator, over real sockets: each operation has its outcome, whatever befalls its requests."""

import anyio
import pytest

from maps_data_registry import (
    AuthenticationFailed,
    InvalidResponse,
    OperationFailed,
    OperationNotFound,
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
from tests.support import KEY

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


@pytest.mark.slow
@pytest.mark.parametrize("library", ["sync", "asyncio", "trio"])
def test_with_the_emulators_faults(data_registry_emulator: Namespace, library: str) -> None:
    emulator = data_registry_emulator
    fates = {emulator.start_operation(scenario).location: fate for scenario, fate in FATES.items() for _ in range(4)}
    policy = PollingPolicy(interval=0.01, backoff=0.01, min_interval=0)

    async def main() -> list[Outcome]:
        async with (
            connect(base_url=emulator.url, credential=SubscriptionKey(KEY)) as client,
            wait_for_operations_async(client, fates, concurrency=8, policy=policy) as outcomes,
        ):
            return [outcome async for outcome in outcomes]

    if library == "sync":
        with (
            connect(base_url=emulator.url, credential=SubscriptionKey(KEY)) as client,
            wait_for_operations(client, fates, concurrency=8, policy=policy) as found,
        ):
            ended = list(found)
    else:
        ended = anyio.run(main, backend=library)
    assert {outcome.operation: outcome.error and type(outcome.error) for outcome in ended} == fates
    assert len(ended) == len(fates)
    assert not any(entry.early for entry in emulator.journal())
