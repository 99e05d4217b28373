"""The emulator as a process and as a `with` statement: starting, stopping, and what is in the way of it."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import httpx
import pytest

from maps_data_registry import emulator
from maps_data_registry.emulator import Emulator, Namespace, limits, serve, server
from maps_data_registry_contract import API_VERSION

from .conftest import KEY, TLS, get, put

EXTRA = r"\Athe emulator is an extra: pip install 'maps-data-registry\[emulator\]'\Z"
PROGRAM = """
from maps_data_registry.emulator import serve
serve(on_ready=lambda url: print(url, flush=True), scenario="fails polls=0")
"""


def test_with_leaves_nothing_behind() -> None:
    before = threading.active_count()
    with Emulator() as emulator:
        assert emulator.url == f"http://127.0.0.1:{emulator.port}"
        with httpx.Client(verify=TLS) as client:  # whose connection stays open
            assert client.get(f"{emulator.url}/health").status_code == 200
            emulator.__exit__()
            with pytest.raises(httpx.ConnectError):
                get(f"{emulator.url}/health")
        assert threading.active_count() == before
        emulator.__enter__()  # again, on the same port


def test_stops_while_a_reply_drips() -> None:
    with Emulator() as emulator:
        operation = emulator.start_operation("slow-drip pace=1000")
        path = operation.location.removeprefix(emulator.url)
        connection = socket.create_connection(("127.0.0.1", emulator.port))
        connection.sendall(f"GET {path}?api-version={API_VERSION} HTTP/1.1\r\nHost: localhost\r\n".encode())
        connection.sendall(f"subscription-key: {KEY}\r\n\r\n".encode())
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200 OK")
    connection.close()


@pytest.fixture
def bare() -> Iterator[Callable[[bytes], socket.socket]]:
    """Connections to an emulator without an HTTP library; each has sent something already."""
    with Emulator() as emulator, contextlib.ExitStack() as stack:

        def connect(sent: bytes) -> socket.socket:
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", emulator.port), timeout=30))
            connection.sendall(sent)
            return connection

        yield connect


HEAD = (
    f"PUT /dataRegistries/x?api-version={API_VERSION} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n".encode()
)


GET = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize("sent", [b"", GET[:12], GET, GET + GET[:12]])
def test_a_connection_without_a_whole_head_is_closed(
    monkeypatch: pytest.MonkeyPatch, bare: Callable[[bytes], socket.socket], sent: bytes
) -> None:
    monkeypatch.setattr(server.Protocol, "head_seconds", 0.05)
    with contextlib.suppress(ConnectionError):  # on a busy machine it may be closed before anything is sent
        connection = bare(sent)
        while connection.recv(1 << 16):
            pass


def test_a_second_head_has_no_more_time_than_the_first(
    monkeypatch: pytest.MonkeyPatch, bare: Callable[[bytes], socket.socket]
) -> None:
    connection = bare(GET)
    received = b""
    while not received.endswith(b'{"status":"ok"}'):
        received += connection.recv(1 << 16)
    monkeypatch.setattr(server.Protocol, "head_seconds", 0.05)
    connection.sendall(GET[:12])
    assert connection.recv(1 << 16) == b""


def test_the_time_for_a_head_ends_with_the_head(
    monkeypatch: pytest.MonkeyPatch, bare: Callable[[bytes], socket.socket]
) -> None:
    made: list[server.Protocol] = []

    class Watched(server.Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
            super().connection_made(transport)
            made.append(self)

    monkeypatch.setattr(server, "Protocol", Watched)
    assert bare(GET).recv(1 << 16).startswith(b"HTTP/1.1 200 OK")
    assert [protocol.head_timer for protocol in made] == [None]


def test_a_body_that_does_not_arrive(monkeypatch: pytest.MonkeyPatch, bare: Callable[[bytes], socket.socket]) -> None:
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.05)
    received = bare(HEAD).recv(1 << 16)
    assert received.startswith(b"HTTP/1.1 408 Request Timeout")
    assert b"connection: close" in received


def test_a_client_that_leaves_before_its_body_is_whole(
    bare: Callable[[bytes], socket.socket], capfd: pytest.CaptureFixture[str]
) -> None:
    bare(HEAD).close()
    assert bare(HEAD + b"{}       ").recv(1 << 16).startswith(b"HTTP/1.1 401")
    assert capfd.readouterr().err == ""


def test_requests_are_reported() -> None:
    lines: list[str] = []
    with Emulator(on_request=lambda entry: lines.append(str(entry)), virtual_time=True) as emulator:
        operation = emulator.start_operation("throttled retry_after=10")
        for _ in range(2):
            get(operation.location, headers={"subscription-key": KEY}, params={"api-version": API_VERSION})
        put(f"{emulator.namespace('x').url}/%1b[2J")
    path = operation.location.removeprefix(emulator.url)
    assert lines == [
        f"     0.00 s  GET    {path}  429 throttled, Retry-After: 10",
        f"     0.00 s  GET    {path}  200 Running, Retry-After: 10, too early",
        "     0.00 s  PUT    /namespaces/x/?[2J  404 NotFound",
    ]


def test_port_that_is_taken() -> None:
    with Emulator() as emulator, pytest.raises(OSError, match="in use"), Emulator(port=emulator.port):
        pass


def test_ipv6_loopback() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with Emulator(host="::1") as emulator:
        assert emulator.url.startswith("http://[::1]:")
        assert get(f"{emulator.url}/health").status_code == 200


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_ends_with_a_signal(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        process.stdout.close()  # it goes on without a reader
        assert get(f"{url}/health").status_code == 200
        process.send_signal(number)
        assert process.wait(timeout=10) == 0


def test_serve_puts_the_signal_handlers_back(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen: list[str] = []

    def on_ready(url: str) -> None:
        seen.append(url)
        assert get(f"{url}/health").status_code == 200
        os.kill(os.getpid(), signal.SIGTERM)
        raise BrokenPipeError

    serve(on_ready)
    assert len(seen) == 1
    assert signal.getsignal(signal.SIGTERM) is before


def test_serve_looks_up_from_its_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(threading.Event):
        """Its first wait with a timeout is over when the signal comes."""

        def wait(self, timeout: float | None = None) -> bool:
            if timeout is not None and not self.is_set():
                os.kill(os.getpid(), signal.SIGTERM)
                return False
            return super().wait(timeout)

    monkeypatch.setattr(threading, "Event", Interrupted)
    serve(on_ready=str)


def test_serve_takes_the_emulators_options() -> None:
    with pytest.raises(ValueError, match="unknown scenario 'nix'"):
        serve(print, scenario="nix")


@pytest.mark.parametrize("module", ["pydantic", "starlette", "uvicorn"])
def test_a_missing_extra_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    forget(monkeypatch, module)
    import maps_data_registry.emulator as fresh  # pytest's plugin needs no more than that

    with pytest.raises(ImportError, match=EXTRA):
        _ = fresh.Emulator


def test_another_missing_module_is_reported_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    forget(monkeypatch, "html")
    import maps_data_registry.emulator as fresh

    with pytest.raises(ModuleNotFoundError, match="html"):
        _ = fresh.Emulator


def test_only_public_names_are_offered() -> None:
    assert dir(emulator) == sorted(emulator.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Server'"):
        _ = emulator.Server  # type: ignore[attr-defined] # not public: that is the point


def forget(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    """As in a fresh interpreter without that module."""
    for name in list(sys.modules):
        if f"{name}.".startswith((f"{missing}.", "maps_data_registry.emulator.", "maps_data_registry_schemas.")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), 1e12])
def test_the_clock_goes_forward_to_a_year_that_a_date_can_have(seconds: float) -> None:
    namespace = Namespace("http://emulator.test", virtual_time=True)
    with pytest.raises(ValueError, match="the clock cannot be moved by"):
        namespace.advance(seconds)
    assert namespace.now() == 0
