"""Each scenario twice: what is on the wire, read from a bare socket, and what the client makes of it."""

import re
import socket
from typing import Any
from urllib.parse import urlsplit

import anyio
import attrs
import httpx
import pytest

from maps_data_registry import (
    AuthenticationFailed,
    Clock,
    DataRegistryError,
    InvalidResponse,
    OperationFailed,
    OperationNotFound,
    OperationTimeout,
    PollingPolicy,
    ServiceError,
    SubscriptionKey,
    UnrecognizedStatus,
    connect,
    wait_for_operation,
    wait_for_operation_async,
)
from maps_data_registry.emulator import NAMES, EmulatedOperation, Emulator, Namespace
from maps_data_registry.emulator.faults import HOSTILE_RETRY_AFTER
from maps_data_registry_client.models import LongRunningOperationResult
from maps_data_registry_contract import API_VERSION

from .conftest import KEY, get

pytestmark = pytest.mark.data_registry_emulator(virtual_time=True)

COMPLETED = "Completed"
RUNNING = rb'HTTP/1.1 200 OK\r\nretry-after: 10\r\n.*"status":"Running"}'

# The scenario; the first reply as a regular expression, and how the connection ends; what comes of a wait.
Row = tuple[str, bytes, str, str | type[DataRegistryError] | tuple[type[DataRegistryError], ...]]
TABLE: list[Row] = [
    ("completes retry_after=10", RUNNING, "closed", COMPLETED),
    ("completes retry_after=0", rb"200 OK\r\nretry-after: 0\r\n", "closed", COMPLETED),
    ("completes seconds=25 retry_after=10", RUNNING, "closed", COMPLETED),
    ("completes form=date retry_after=10", rb"retry-after: \w{3}, .* GMT\r\n", "closed", COMPLETED),
    ("completes form=none", rb'200 OK\r\ncontent-length: .*"Running"}', "closed", COMPLETED),
    ("fails polls=0", rb'"status":"Failed","error":{"code":"InvalidData"', "closed", OperationFailed),
    ("never-ends retry_after=600", rb"retry-after: 600\r\n", "closed", OperationTimeout),
    ("null-error polls=0", rb'"status":"Completed","error":null}', "closed", COMPLETED),
    ("unknown-ending polls=0", rb'200 OK\r\ncontent-.*"status":"Cancelled"}', "closed", UnrecognizedStatus),
    ("unknown-ending polls=0 value=Lost", rb'"status":"Lost"}', "closed", UnrecognizedStatus),
    ("no-status-ending polls=0", rb'200 OK\r\ncontent-.*\r\n\r\n{"id":"[^"]+"}', "closed", UnrecognizedStatus),
    ("unknown-status", rb'retry-after: 1\r\n.*"status":"Validating"}', "closed", COMPLETED),
    ("no-status times=3", rb'retry-after: 1\r\n.*\r\n\r\n{"id":"[^"]+"}', "closed", COMPLETED),
    ("early-404", rb"404 Not Found\r\nx-ms-error-code: NotFound\r\n", "closed", OperationNotFound),
    ("throttled times=3 retry_after=7", rb"429 .*retry-after: 7\r\n", "closed", COMPLETED),
    ("throttled form=date retry_after=7", rb"429 .*retry-after: \w{3}, .* GMT\r\n", "closed", COMPLETED),
    ("throttled form=retry-after-ms retry_after=7", rb"429 .*\r\nretry-after-ms: 7000\r\n", "closed", COMPLETED),
    ("throttled form=x-ms-retry-after-ms retry_after=7", rb"x-ms-retry-after-ms: 7000\r\n", "closed", COMPLETED),
    ("throttled form=none", rb"429 Too Many Requests\r\nx-ms-error-code: TooMany", "closed", COMPLETED),
    ("throttled times=100", rb"429 ", "closed", ServiceError),
    ("unavailable times=2 retry_after=0", rb"503 .*retry-after: 0\r\n", "closed", COMPLETED),
    ("unavailable form=date", rb"503 .*retry-after: \w{3}, .* GMT\r\n", "closed", COMPLETED),
    ("server-error", rb"500 Internal Server Error\r\nx-ms-error-code: Internal", "closed", COMPLETED),
    ("unauthorized", rb"401 Unauthorized\r\nx-ms-error-code: Unauthorized\r\n", "closed", AuthenticationFailed),
    ("forbidden", rb"403 Forbidden\r\nx-ms-error-code: Forbidden\r\n", "closed", AuthenticationFailed),
    ("hostile-retry-after", rb"200 OK\r\nretry-after: \r\n", "closed", OperationTimeout),
    ("html-502", rb"502 Bad Gateway\r\n.*text/html.*<!doctype html>", "closed", COMPLETED),
    ("status-520", rb"HTTP/1.1 520 \r\n.*<!doctype html>", "closed", ServiceError),
    ("empty-body", rb"200 OK\r\ncontent-length: 0\r\n", "closed", InvalidResponse),
    ("wrong-content-type", rb"200 OK\r\n.*text/html.*<!doctype html>", "closed", InvalidResponse),
    ("not-an-object", rb'200 OK\r\n.*\["Completed"\]$', "closed", InvalidResponse),
    ("deep-error", rb'"error":({"details":\[){20000}(\]}){20000}}$', "closed", (InvalidResponse, OperationFailed)),
    ("truncated-body", rb'content-length: 64\r\n.*"status":$', "closed", COMPLETED),
    ("gzip-bomb size=2000000", rb"content-encoding: gzip\r\n.*\x1f\x8b", "closed", InvalidResponse),
    ("huge-body size=2000000", rb"(?i)transfer-encoding: chunked\r\n.* {1000}", "closed", InvalidResponse),
    ("slow-headers pace=0.0001 retry_after=10", RUNNING, "closed", COMPLETED),
    ("slow-drip pace=0.0001 retry_after=10", RUNNING, "closed", COMPLETED),
    ("reset-before-headers", rb"^$", "reset", COMPLETED),
    ("reset-before-headers times=100", rb"^$", "reset", DataRegistryError),
    ("reset-after-headers", rb'HTTP/1.1 200 OK\r\n.*\r\n\r\n{"id"$', "reset", COMPLETED),
    ("redirect", rb"307 Temporary Redirect\r\n.*location: https://elsewhere.invalid/\r\n", "closed", ServiceError),
]


def test_every_scenario_is_in_the_table() -> None:
    assert {row[0].split()[0] for row in TABLE} == set(NAMES)


def read_wire(operation: EmulatedOperation) -> tuple[bytes, str]:
    """Poll without an HTTP library: all bytes until the connection ends, and how it does."""
    url = urlsplit(operation.location)
    request = f"GET {url.path}?api-version={API_VERSION} HTTP/1.1\r\nHost: {url.netloc}\r\nsubscription-key: {KEY}\r\n"
    received = bytearray()
    with socket.create_connection((url.hostname, url.port), timeout=10) as connection:
        connection.sendall(f"{request}Connection: close\r\n\r\n".encode())
        try:
            while chunk := connection.recv(1 << 16):
                received += chunk
        except ConnectionResetError:
            return bytes(received), "reset"
    return bytes(received), "closed"


@pytest.mark.parametrize(("scenario", "reply", "end"), [row[:3] for row in TABLE], ids=[row[0] for row in TABLE])
def test_wire(emulator: Namespace, scenario: str, reply: bytes, end: str) -> None:
    received, ended = read_wire(emulator.start_operation(scenario))
    assert re.search(reply, received, re.DOTALL), received[:1000]
    assert ended == end


def wait(
    backend: str | None, emulator: Namespace, operation: EmulatedOperation, **options: Any
) -> LongRunningOperationResult:
    """A wait of the client, in the emulator's time and without chance."""
    client = connect(base_url=emulator.url, credential=SubscriptionKey(KEY))
    options = {"clock": attrs.evolve(emulator.clock, random=float), **options}
    if backend is None:
        with client:
            return wait_for_operation(client, operation, **options)

    async def main() -> LongRunningOperationResult:
        async with client:
            return await wait_for_operation_async(client, operation, **options)

    return anyio.run(main, backend=backend)


backends = pytest.mark.parametrize("backend", [None, "asyncio", "trio"], ids=["sync", "asyncio", "trio"])


# Under trio httpx leaves the generators of a reply that is not read to its end to the garbage collector.
@pytest.mark.no_cover
@pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")
@backends
@pytest.mark.parametrize(("scenario", "outcome"), [(row[0], row[3]) for row in TABLE], ids=[row[0] for row in TABLE])
def test_client(emulator: Namespace, backend: str | None, scenario: str, outcome: Any) -> None:
    operation = emulator.start_operation(scenario)
    if outcome == COMPLETED:
        assert wait(backend, emulator, operation).status == COMPLETED
    else:
        with pytest.raises(outcome) as caught:
            wait(backend, emulator, operation, policy=PollingPolicy(retries=3))
        assert caught.value.polls == operation.polls
    assert not any(entry.early for entry in emulator.journal())


@pytest.mark.no_cover
@backends
@pytest.mark.parametrize("value", HOSTILE_RETRY_AFTER, ids=lambda value: value[:30])
def test_client_survives_hostile_retry_after(emulator: Namespace, backend: str | None, value: str) -> None:
    scenario = emulator.scenario.model_copy(update={"name": "hostile-retry-after", "value": value})
    operation = emulator.start_operation(scenario)
    if "9999" in value:  # so far away that there is no point in sleeping towards it
        with pytest.raises(OperationTimeout):
            wait(backend, emulator, operation)
    else:
        assert wait(backend, emulator, operation).status == COMPLETED


@pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")
@backends
@pytest.mark.parametrize("scenario", ["slow-headers", "slow-drip"])
def test_a_slow_reply_ends_with_the_wait(emulator: Namespace, backend: str | None, scenario: str) -> None:
    operation = emulator.start_operation(f"{scenario} pace=10 polls=0")
    with pytest.raises(OperationTimeout):
        wait(backend, emulator, operation, timeout=0.1, clock=Clock())
    assert operation.polls == 1


@backends
def test_redirect_takes_no_credential_elsewhere(emulator: Namespace, backend: str | None) -> None:
    with Emulator() as elsewhere:
        target = elsewhere.start_operation("completes polls=0")
        operation = emulator.start_operation(f"redirect value={target.location}")
        with pytest.raises(ServiceError, match="HTTP 307"):
            wait(backend, emulator, operation)
        assert elsewhere.journal() == []


def test_client_that_leaves_ends_a_slow_reply(data_registry_emulator_server: Emulator) -> None:
    operation = data_registry_emulator_server.start_operation("slow-drip pace=30")
    with pytest.raises(httpx.ReadTimeout):
        get(
            operation.location,
            headers={"subscription-key": KEY},
            params={"api-version": API_VERSION},
            timeout=httpx.Timeout(5, read=0.05),
        )
