"""Every way to wait for an operation, behind one face."""

import ssl
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from attrs import frozen

from maps_data_registry import (
    Outcome,
    PollingPolicy,
    SubscriptionKey,
    connect,
    wait_for_operation,
    wait_for_operation_async,
    wait_for_operations,
    wait_for_operations_async,
)
from maps_data_registry_client import AuthenticatedClient
from maps_data_registry_client.models import LongRunningOperationResult
from tests.loops import LIBRARIES, LOOPS, run
from tests.support import ID, KEY

ONCE = PollingPolicy(retries=0)
SWIFT = PollingPolicy(backoff=0, min_interval=0)

Connect = Callable[[], AuthenticatedClient]


@frozen
class Driver:
    """One of the ways: sync or async, one operation or many."""

    name: str

    @property
    def is_sync(self) -> bool:
        """Whether requests go out on the sync client."""
        return self.name == "sync"

    def wait(self, client: Connect, operation: Any = ID, **options: Any) -> LongRunningOperationResult:
        """Wait on a client of its own. Raises what the wait raises, or the outcome's error."""
        if self.name == "sync":
            with client() as http:
                return wait_for_operation(http, operation, **options)
        if self.name == "many":
            with client() as http, wait_for_operations(http, [operation], **options) as outcomes:
                return result_of(next(outcomes))
        wait = _many if self.name.startswith("many-") else _one
        return run(self.name.removeprefix("many-"), wait, client, operation, options)

    def failure(self, client: Connect, operation: Any = ID, **options: Any) -> BaseException:
        """What a wait ends with that fails."""
        try:
            result = self.wait(client, operation, **options)
        except Exception as error:
            return error
        raise AssertionError(f"the wait did not fail: {result}")


DRIVERS = [Driver(name) for name in ("sync", "asyncio", "trio", "many", "many-asyncio")]
OTHER_LOOPS = [Driver(loop) for loop in LOOPS if loop not in LIBRARIES]
"""asyncio again, on another event loop or in another mode."""


async def _one(client: Connect, operation: Any, options: dict[str, Any]) -> LongRunningOperationResult:
    async with client() as http:
        return await wait_for_operation_async(http, operation, **options)


async def _many(client: Connect, operation: Any, options: dict[str, Any]) -> LongRunningOperationResult:
    async with client() as http, wait_for_operations_async(http, [operation], **options) as outcomes:
        return result_of(await anext(outcomes))


def result_of(outcome: Outcome) -> LongRunningOperationResult:
    """The result of an outcome. Raises its error."""
    if outcome.error is not None:
        raise outcome.error
    assert outcome.result is not None
    return outcome.result


def client_at(url: str, ssl_context: ssl.SSLContext | None = None, **options: Any) -> Connect:
    """Connects to a URL with the key of the tests."""
    return lambda: connect(base_url=url, credential=SubscriptionKey(KEY), ssl_context=ssl_context, **options)


def failures(client: Connect, drivers: Iterable[Driver] = DRIVERS, **options: Any) -> dict[str, BaseException]:
    """What a wait ends with that fails, of each driver; they wait at the same time."""
    drivers = list(drivers)
    with ThreadPoolExecutor(len(drivers)) as pool:
        ends = [pool.submit(driver.failure, client, **options) for driver in drivers]
        return {driver.name: end.result() for driver, end in zip(drivers, ends, strict=True)}
