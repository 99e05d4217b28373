"""The emulator as a running server: in a thread for `with`, until a signal for the command line."""

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Collection
from functools import partial
from ipaddress import ip_address
from typing import Any, Self

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from .app import build_app
from .journal import Entry
from .namespace import Namespace
from .responses import TRANSPORT
from .scenarios import Scenario


class Protocol(H11Protocol):
    """uvicorn's protocol with two additions.

    The application gets the transport, so that a fault can be a fault of the connection. And a client has
    `head_seconds` for the head of its next request; uvicorn stops its clock with the first byte, and has none for the
    first request.
    """

    head_seconds = 20
    head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        """Wrap the application for this one connection."""
        super().connection_made(transport)
        self.timeout_keep_alive = self.head_seconds
        self._expect_head()
        # asyncio does this for sockets that it made itself. Without it every reply takes 40 ms.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        app = self.app

        async def with_transport(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "extensions": {TRANSPORT: transport}}, receive, send)

        self.app = with_transport

    def data_received(self, data: bytes) -> None:
        """Read on, and see whether this completed a head or began one."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_timer()
        elif self.head_timer is None:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer as well."""
        self._stop_timer()
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        self.head_timer = self.loop.call_later(self.head_seconds, self.timeout_keep_alive_handler)

    def _stop_timer(self) -> None:
        if self.head_timer is not None:
            self.head_timer.cancel()
            self.head_timer = None


class Emulator(Namespace):
    """A stand-in for the service on a real socket, for the length of a `with` statement.

    `host` is the address to listen on; on loopback, requests that name another host are refused. `port` 0 takes a free
    one: see `url`. `scenario`, `credentials` and `virtual_time` are `Namespace`'s. `on_request` is called with the
    journal's entry of each request, in the server's thread. Raises OSError if the port is taken. Starts one thread,
    which ends with the `with`.

    How it differs from the service:

    - It accepts every well-formed credential unless it is given a list of them, and never throttles by itself.
    - It keeps no data and reads no blob: `PUT /dataRegistries/{udid}` needs no body, `sizeInBytes` and `contentMD5` do
      not appear, and the header `x-emulator-scenario` or the body's `scenario` decides how the operation goes. A
      registration's status is that of the last poll.
    - It asks for pauses of 1 s where the documented example says 10, and keeps operations until they are cleared.
    - It speaks plain HTTP. On loopback it refuses requests for other hosts (421). It refuses bodies over 1 MiB (413) or
      slower than 30 s (408), and closes a connection that sends no request for 20 s.
    - It answers 501 for operations of the contract that it does not have. The list of registrations is always one page.
    - The messages and inner codes of its errors are its own. Where the service's answer is not documented, it answers
      400 to two credentials at once and 404 to an unknown `udid`.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        scenario: Scenario | str = "completes",
        credentials: Collection[str] | None = None,
        virtual_time: bool = False,
        on_request: Callable[[Entry], object] | None = None,
    ) -> None:
        super().__init__("", scenario=scenario, credentials=credentials, virtual_time=virtual_time)
        self.host = host
        self.port = port
        self.on_request = on_request

    def __enter__(self) -> Self:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        # It listens from here on: a client that connects before the thread is up waits, and is served.
        listener = socket.create_server((self.host, self.port), family=family, backlog=1024)
        address, self.port = listener.getsockname()[:2]
        self.url = f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"
        app = build_app(self, self.on_request, local=ip_address(address).is_loopback)
        config = Config(app, http=Protocol, ws="none", lifespan="off", log_config=None)
        up = threading.Event()
        main = self._serve(config, listener, up)
        self._thread = threading.Thread(target=asyncio.run, args=(main,), name="emulator", daemon=True)
        self._thread.start()
        up.wait()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop()
        self._thread.join()

    async def _serve(self, config: Config, listener: socket.socket, up: threading.Event) -> None:
        loop = asyncio.get_running_loop()
        stopped = asyncio.Event()
        self._stop = partial(loop.call_soon_threadsafe, stopped.set)
        # uvicorn.Server checks only every 0.1 s whether to stop, and waits for open connections.
        state = ServerState()
        server = await loop.create_server(lambda: Protocol(config, state, {}), sock=listener)
        up.set()
        await stopped.wait()
        server.close()
        for connection in list(state.connections):
            connection.transport.abort()
        if state.tasks:
            await asyncio.wait(state.tasks, timeout=1)


def serve(on_ready: Callable[[str], object], **options: Any) -> None:
    """Run an emulator until SIGINT or SIGTERM. `on_ready` gets its URL once it accepts connections.

    `options` are `Emulator`'s. A closed stdout does not end it when `on_ready` prints.
    """
    stopped = threading.Event()
    before = {number: signal.signal(number, lambda *_: stopped.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with Emulator(**options) as emulator:
            with contextlib.suppress(BrokenPipeError):
                on_ready(emulator.url)
            while not stopped.wait(0.5):  # Windows sees Ctrl+C only between waits
                pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
