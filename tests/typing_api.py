"""Never run, only type-checked: the public face as its users write it."""

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from typing import Unpack
from uuid import UUID

import httpx
from azure.core.credentials import AzureKeyCredential, AzureSasCredential
from azure.identity import DefaultAzureCredential
from azure.identity.aio import DefaultAzureCredential as AsyncDefaultAzureCredential

from maps_data_registry import (
    DEFAULT,
    AsyncOutcomes,
    EntraToken,
    Operation,
    OperationFailed,
    OperationUpdate,
    Outcome,
    Outcomes,
    PollingPolicy,
    SasToken,
    SubscriptionKey,
    Timeout,
    WaitOptions,
    connect,
    credential_from_env,
    get_operation,
    wait_for_operation,
    wait_for_operation_async,
    wait_for_operations,
    wait_for_operations_async,
    watch_operation,
    watch_operation_async,
)
from maps_data_registry.emulator import Emulator
from maps_data_registry_client import AuthenticatedClient
from maps_data_registry_client.models import LongRunningOperationResult
from maps_data_registry_client.types import Response


def sync(key: str, operation: str, response: httpx.Response) -> None:
    with connect("us", SubscriptionKey(key)) as client:
        try:
            result: LongRunningOperationResult = wait_for_operation(client, operation, timeout=600)
        except OperationFailed as failed:
            print(failed.code, failed.message)
        else:
            print(result.status)
        update: OperationUpdate = get_operation(client, response)
        updates: Iterator[OperationUpdate] = watch_operation(client, httpx.URL(operation), timeout=None)
        print(update.retry_after, *updates)
        with wait_for_operations(client, [operation, response, UUID(operation)], concurrency=2) as outcomes:
            found: list[Outcome] = list(outcomes)
            print(found)
        registered = register(client)
        wait_for_operation(client, registered, timeout=timedelta(minutes=10), after=update)


def register(client: AuthenticatedClient) -> Response[object]:
    """Stands for a generated call of a register or replace operation."""
    raise NotImplementedError


async def asynchronous(account: str, operation: str, operations: AsyncIterator[str]) -> None:
    async with connect("eu", EntraToken(AsyncDefaultAzureCredential(), account_client_id=account)) as client:
        async for update in watch_operation_async(client, operation):
            print(update.status, update.retry_after, update.polls, update.elapsed)
        async with wait_for_operations_async(client, operations, concurrency=64) as outcomes:
            async for outcome in outcomes:
                print(outcome.result or outcome.error)

        async def note(update: OperationUpdate) -> None:
            print(update.wait)

        await wait_for_operation_async(client, operation, policy=PollingPolicy(interval=1), on_update=note)


def clients(key: str, account: str) -> list[AuthenticatedClient]:
    return [
        connect("us"),
        connect("us", credential_from_env()),
        connect("us", SubscriptionKey(lambda: key)),
        connect("us", SubscriptionKey(AzureKeyCredential(key))),
        connect("us", SasToken(AzureSasCredential(key))),
        connect("eu", AzureKeyCredential(key)),
        connect("eu", DefaultAzureCredential(), account_client_id=account),
        connect(base_url="https://maps.example", credential=SasToken(key), transport=httpx.HTTPTransport()),
    ]


class Service:
    """A program that annotates everything, and passes options on."""

    def __init__(self, client: AuthenticatedClient, timeout: Timeout = DEFAULT) -> None:
        self.client = client
        self.timeout: Timeout = timeout
        self.on_update: Callable[[OperationUpdate], None] = print

    def submit(self, operation: Operation, **options: Unpack[WaitOptions]) -> LongRunningOperationResult:
        options.setdefault("timeout", self.timeout)
        return wait_for_operation(self.client, operation, on_update=self.on_update, **options)

    def several(self, operations: list[Operation]) -> list[str]:
        outcomes: Outcomes = wait_for_operations(self.client, operations, timeout=self.timeout)
        with outcomes:
            return [outcome.operation_id or str(outcome.error) for outcome in outcomes]

    async def several_async(self, operations: AsyncIterator[Operation]) -> None:
        outcomes: AsyncOutcomes = wait_for_operations_async(self.client, operations)
        async with outcomes:
            async for outcome in outcomes:
                refused: Operation = outcome.operation
                print(refused, outcome.error)


def emulated(emulator: Emulator, client: AuthenticatedClient) -> LongRunningOperationResult:
    return wait_for_operation(client, emulator.start_operation("fails"))
