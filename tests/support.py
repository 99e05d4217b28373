"""What the tests of the core share: time without waiting, replies out of a list, and every driver behind one face."""

import json
import math
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial
from typing import Any, TypeVar

import anyio
import httpx
from attrs import define, field

from maps_data_registry import (
    Clock,
    DataRegistryError,
    OperationFailed,
    OperationUpdate,
    Outcome,
    SubscriptionKey,
    connect,
    get_operation,
    get_operation_async,
    wait_for_operation,
    wait_for_operation_async,
    wait_for_operations,
    wait_for_operations_async,
    watch_operation,
    watch_operation_async,
)
from maps_data_registry.polling.replies import Answer, read_reply
from maps_data_registry_client import AuthenticatedClient
from maps_data_registry_client.models import LongRunningOperationResult

ID = "0522b4fe-0539-4c6c-ba70-e35ec865d8e2"
BASE_URL = "https://maps.test"
LOCATION = f"{BASE_URL}/dataRegistries/operations/{ID}"
KEY = "Marker-Secret-0123456789"
EPOCH = 1_700_000_000.0

T = TypeVar("T")
Script = Iterable[httpx.Response | Exception]


@define
class VirtualClock:
    """A clock that only sleeping moves; chance is a constant."""

    now: float = 0.0
    chance: float = 0.0
    sleeps: list[float] = field(factory=list)
    """Those that took time."""

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        assert math.isfinite(seconds)
        if seconds:
            self.sleeps.append(seconds)
        self.now += seconds

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)
        await anyio.lowlevel.checkpoint()

    @property
    def clock(self) -> Clock:
        return Clock(
            monotonic=lambda: self.now,
            wall=lambda: EPOCH + self.now,
            sleep=self.sleep,
            sleep_async=self.sleep_async,
            random=lambda: self.chance,
        )


def reply(status: str | None = None, *, code: int = 200, body: Any = None, **headers: str) -> httpx.Response:
    """A reply of the service; a header's name is written with underscores."""
    content = json.dumps({"id": ID, "status": status} if body is None else body).encode()
    return httpx.Response(
        code, content=content, headers={name.replace("_", "-"): text for name, text in headers.items()}
    )


running = partial(reply, "Running")


def failed(**error: Any) -> httpx.Response:
    return reply(body={"id": ID, "status": "Failed", "error": error})


def result_of(response: httpx.Response) -> LongRunningOperationResult:
    """The result in a reply of 200 that can be read."""
    answer = read_reply(response, ID, lambda: EPOCH)
    assert isinstance(answer, Answer)
    return answer.result


def error_of(answer: Any) -> DataRegistryError:
    """The error in place of a result."""
    found = read_reply(answer, ID, lambda: EPOCH)
    assert isinstance(found, DataRegistryError)
    return found


def scripted(script: Script, seen: list[httpx.Request] | None = None) -> httpx.MockTransport:
    """A transport that answers from a list; what is left over or missing is an error."""
    answers: Iterator[httpx.Response | Exception] = iter(script)

    def answer(request: httpx.Request) -> httpx.Response:
        if seen is not None:
            seen.append(request)
        found = next(answers, AssertionError("more requests than the script has replies"))
        if isinstance(found, Exception):
            raise found
        return httpx.Response(
            found.status_code, headers=found.headers, stream=found.stream
        )  # a client makes it its own

    return httpx.MockTransport(answer)


def client_of(transport: httpx.BaseTransport | httpx.AsyncBaseTransport) -> AuthenticatedClient:
    return connect(base_url=BASE_URL, credential=SubscriptionKey(KEY), transport=transport)


@define
class Driver:
    """The functions under test, in one of their forms, on a client that answers from a script."""

    library: str
    """`sync`, `asyncio` or `trio`."""
    is_many: bool = False
    """Whether `wait_for_operations` does it, with one operation."""

    def get(self, script: Script, operation: Any = ID, **options: Any) -> OperationUpdate:
        return self._run(script, get_operation, get_operation_async, operation, options)

    def wait(self, script: Script, operation: Any = ID, **options: Any) -> LongRunningOperationResult:
        if not self.is_many:
            return self._run(script, wait_for_operation, wait_for_operation_async, operation, options)
        outcome = self._outcome(script, operation, options)
        if outcome.error is not None:
            raise outcome.error
        assert outcome.result is not None
        return outcome.result

    def watch(self, script: Script, operation: Any = ID, **options: Any) -> list[OperationUpdate]:
        if not self.is_many:
            return self._run(script, _watch, _watch_async, operation, options)
        updates: list[OperationUpdate] = []
        outcome = self._outcome(script, operation, {**options, "on_update": updates.append})
        if not (outcome.error is None or isinstance(outcome.error, OperationFailed)):
            raise outcome.error
        return updates

    def _outcome(self, script: Script, operation: Any, options: Any) -> Outcome:
        [outcome] = self._run(script, _wait_for_many, _wait_for_many_async, [operation], options)
        return outcome

    def _run(
        self, script: Script, sync: Callable[..., T], twin: Callable[..., Awaitable[T]], operation: Any, options: Any
    ) -> T:
        client = client_of(scripted(script, options.pop("seen", None)))
        if self.library == "sync":
            with client:
                return sync(client, operation, **options)

        async def main() -> T:
            async with client:
                return await twin(client, operation, **options)

        return anyio.run(main, backend=self.library)


def _watch(client: AuthenticatedClient, operation: Any, **options: Any) -> list[OperationUpdate]:
    return list(watch_operation(client, operation, **options))


async def _watch_async(client: AuthenticatedClient, operation: Any, **options: Any) -> list[OperationUpdate]:
    return [update async for update in watch_operation_async(client, operation, **options)]


def _wait_for_many(client: AuthenticatedClient, operations: Any, **options: Any) -> list[Outcome]:
    with wait_for_operations(client, operations, **options) as outcomes:
        return list(outcomes)


async def _wait_for_many_async(client: AuthenticatedClient, operations: Any, **options: Any) -> list[Outcome]:
    async with wait_for_operations_async(client, operations, **options) as outcomes:
        return [outcome async for outcome in outcomes]
