"""Users' own transports, mocks and tracing: each with the real library, however an operation is waited for."""

import contextlib
import gc
import json
import re
import ssl
import warnings
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

import aiohttp
import anyio
import httpx
import httpx_aiohttp
import pytest
import respx
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pytest_httpx import HTTPXMock

from maps_data_registry import SubscriptionKey, connect, get_operation_async
from maps_data_registry.wire.transports import OwnTransports
from maps_data_registry_client import AuthenticatedClient
from tests.support import BASE_URL, ID, KEY, LOCATION, reply

from .conftest import Certificates
from .drivers import DRIVERS, ONCE, SWIFT, Driver, client_at
from .search import places_of, shown_by
from .server import BODY, GOOD, HEAD, drips, sends, serve
from .test_deadlines import PATIENCE
from .test_replies import REPLIES

ASYNC = [driver for driver in DRIVERS if not driver.is_sync]
ASYNCIO = [driver for driver in DRIVERS if driver.name not in {"sync", "trio"}]

on_asyncio = pytest.mark.parametrize("driver", ASYNCIO, ids=lambda driver: driver.name)


@pytest.mark.parametrize("using", ["httpcore", "httpx"])
def test_respx(driver: Driver, using: str) -> None:
    with respx.mock(using=using) as mock:
        route = mock.get(url__startswith=LOCATION)
        route.side_effect = [httpx.Response(503, headers={"Retry-After": "0"}), reply("Completed")]
        assert driver.wait(client_at(BASE_URL), policy=SWIFT).status == "Completed"
    assert route.call_count == 2
    assert route.calls.last.request.headers["subscription-key"] == KEY


@pytest.mark.parametrize("using", ["httpcore", "httpx"])
def test_respx_where_there_is_a_proxy(driver: Driver, using: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:3128")
    with respx.mock(using=using) as mock:
        mock.get(url__startswith=LOCATION).return_value = reply("Completed")
        assert driver.wait(client_at(BASE_URL), policy=ONCE).status == "Completed"


@pytest.mark.parametrize("using", ["httpcore", "httpx"])
def test_respx_says_what_is_not_mocked(driver: Driver, using: str) -> None:
    with respx.mock(using=using, assert_all_called=False) as mock:
        mock.get("https://another.test")
        with pytest.raises(AssertionError, match="not mocked"):
            driver.wait(client_at(BASE_URL))


def test_pytest_httpx(driver: Driver, httpx_mock: HTTPXMock) -> None:
    httpx_mock.add_response(status_code=503)
    httpx_mock.add_exception(httpx.ReadTimeout("slow"))
    httpx_mock.add_response(json={"status": "Completed"}, headers={"Set-Cookie": "a=b"})
    assert driver.wait(client_at(BASE_URL), policy=SWIFT).status == "Completed"
    requests = httpx_mock.get_requests()
    assert len(requests) == 3
    assert "cookie" not in requests[-1].headers


def test_mock_transport(driver: Driver) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["subscription-key"] == KEY
        return shared

    shared = reply("Completed")  # the same one again and again, as some tests have it
    client = client_at(BASE_URL, transport=httpx.MockTransport(answer))
    for _ in range(2):
        assert driver.wait(client).status == "Completed"


def test_wsgi() -> None:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        assert environ["HTTP_SUBSCRIPTION_KEY"] == KEY
        start_response("200 OK", [("Content-Type", "application/json"), ("Set-Cookie", "a=b")])
        return [BODY[:10], BODY[10:]]

    client = client_at(BASE_URL, transport=httpx.WSGITransport(app=app))
    assert DRIVERS[0].wait(client).status == "Completed"


Message = MutableMapping[str, Any]


@pytest.mark.parametrize("driver", ASYNC, ids=lambda driver: driver.name)
def test_asgi(driver: Driver) -> None:
    async def app(
        scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        assert (b"subscription-key", KEY.encode()) in scope["headers"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"set-cookie", b"a=b")]})
        await send({"type": "http.response.body", "body": BODY[:10], "more_body": True})
        await send({"type": "http.response.body", "body": BODY[10:]})

    assert driver.wait(client_at(BASE_URL, transport=httpx.ASGITransport(app=app))).status == "Completed"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor = HTTPXClientInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    yield exporter
    instrumentor.uninstrument()


def test_opentelemetry(driver: Driver, spans: InMemorySpanExporter) -> None:
    running = HEAD + b'Retry-After: 0\r\nContent-Length: 21\r\n\r\n{"status": "Running"}'
    with serve(sends(running), sends(GOOD)) as wire:
        assert driver.wait(client_at(wire.url), policy=SWIFT).status == "Completed"
    finished = spans.get_finished_spans()
    assert len(finished) == 2
    traces = re.findall(rb"(?i)\r\ntraceparent: 00-([0-9a-f]{32})-", b"".join(wire.requests))
    assert [int(trace, 16) for trace in traces] == [span.context.trace_id for span in finished if span.context]
    assert KEY not in json.dumps([json.loads(span.to_json()) for span in finished])


class SyncOnly(httpx.BaseTransport):
    is_closed = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return reply("Completed")

    def close(self) -> None:
        self.is_closed = True


class AsyncOnly(httpx.AsyncBaseTransport):
    is_closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return reply("Completed")

    async def aclose(self) -> None:
        self.is_closed = True


def test_a_transport_of_the_wrong_kind_is_called_that(driver: Driver) -> None:
    right, wrong = (SyncOnly(), AsyncOnly()) if driver.is_sync else (AsyncOnly(), SyncOnly())
    assert driver.wait(client_at(BASE_URL, transport=right)).status == "Completed"
    needed = "need a sync transport, as httpx.HTTPTransport" if driver.is_sync else "need an async transport"
    with pytest.raises(TypeError, match=needed) as caught:
        driver.wait(client_at(BASE_URL, transport=wrong))
    assert "\n" not in str(caught.value)


def test_what_is_no_transport_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="transport must be one of httpx's kind, not int"):
        client_at(BASE_URL, transport=3)()


def test_a_callers_own_transport_is_closed_with_the_client(driver: Driver) -> None:
    transport = SyncOnly() if driver.is_sync else AsyncOnly()
    driver.wait(client_at(BASE_URL, transport=transport))
    assert transport.is_closed


def test_closing_a_client_of_the_other_kind() -> None:
    async def main() -> None:
        async with client_at(BASE_URL, transport=SyncOnly())():
            pass

    anyio.run(main)
    with client_at(BASE_URL, transport=AsyncOnly())():
        pass


def test_httpxs_own_transport_as_the_callers(driver: Driver, certificates: Certificates) -> None:
    kind = httpx.HTTPTransport if driver.is_sync else httpx.AsyncHTTPTransport
    with serve(sends(GOOD), tls=certificates.server) as wire:
        client = client_at(wire.url, transport=kind(verify=certificates.client))
        assert driver.wait(client).status == "Completed"


def aiohttp_at(url: str) -> Callable[[], AuthenticatedClient]:
    return lambda: connect(
        base_url=url, credential=SubscriptionKey(KEY), transport=httpx_aiohttp.AiohttpTransport(verify=False)
    )


@on_asyncio
def test_httpx_aiohttp(driver: Driver) -> None:
    running = HEAD + b'Set-Cookie: a=b\r\nRetry-After: 0\r\nContent-Length: 21\r\n\r\n{"status": "Running"}'
    with warnings.catch_warnings(), serve(sends(running), sends(GOOD)) as wire:
        warnings.simplefilter("error")
        assert driver.wait(aiohttp_at(wire.url), policy=SWIFT).status == "Completed"
        gc.collect()
    assert (len(wire.requests), wire.connections) == (2, 1)
    assert b"cookie" not in wire.requests[1].lower()


@on_asyncio
def test_httpx_aiohttp_in_two_event_loops_in_turn(driver: Driver) -> None:
    """A transport that is closed with its client opens anew."""
    transport = httpx_aiohttp.AiohttpTransport()
    with serve(sends(GOOD)) as wire:
        for _ in range(2):
            assert driver.wait(client_at(wire.url, transport=transport)).status == "Completed"


@on_asyncio
def test_httpx_aiohttp_keeps_to_the_deadline(driver: Driver) -> None:
    import time

    begin = time.monotonic()
    with serve(drips(HEAD + b"Content-Length: 100000\r\n\r\n", b" ")) as wire:
        assert "timed out" in str(driver.failure(aiohttp_at(wire.url), policy=ONCE, timeout=0.3))
    assert time.monotonic() - begin < PATIENCE


MALFORMED = [name for name, (_, meaning) in REPLIES.items() if meaning in {"RemoteProtocolError", "ReadError"}]


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) for name in MALFORMED])
def test_nothing_that_aiohttp_raises_shows_the_credential(name: str) -> None:
    """Its errors hold the request, with all headers."""
    with serve(REPLIES[name][0]) as wire, contextlib.suppress(AssertionError):  # it may take what h11 does not
        error = ASYNCIO[0].failure(aiohttp_at(wire.url), policy=ONCE)
        assert not [link for link in (error.__cause__, error.__context__) if isinstance(link, aiohttp.ClientError)]
        assert places_of(KEY, shown_by(error)) == []


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_mocks_serve_a_client_that_is_used_in_two_event_loops(backend: str) -> None:
    client = client_at(BASE_URL, transport=AsyncOnly())()

    async def main() -> None:
        assert (await get_operation_async(client, ID)).status == "Completed"

    for _ in range(2):
        anyio.run(main, backend=backend)


def test_a_transport_that_is_mocked_away_is_still_given_back(httpx_mock: HTTPXMock) -> None:
    httpx_mock.add_response(json={}, is_reusable=True)
    transports = OwnTransports(httpx.URL(BASE_URL), ssl.create_default_context())
    for _ in range(3):
        with transports.lend(1e9) as transport:
            transport.handle_request(httpx.Request("GET", BASE_URL))
    (free,) = transports._of_process.values()
    assert len(free) == 1
