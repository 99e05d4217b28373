"""The emulator as a running server: in a thread for `with`, until a signal for the command line."""

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Collection
from functools import partial
from typing import Any, Self

from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from .app import build_app
from .namespace import Namespace
from .responses import TRANSPORT
from .scenarios import Scenario


class Protocol(H11Protocol):
    """uvicorn's, but that the application is handed the transport, so that a fault can be a fault of the connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        """Wrap the application for this one connection."""
        super().connection_made(transport)
        # asyncio does this for sockets that it made itself. Without it every reply takes 40 ms.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        app = self.app

        async def with_transport(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "extensions": {TRANSPORT: transport}}, receive, send)

        self.app = with_transport


class Emulator(Namespace):
    """A stand-in for the service on a real socket, for the length of a `with` statement.

    `host` is loopback unless told otherwise, and `port` 0 takes a free one: `url` tells which. Raises OSError when the
    port is taken. Starts one thread, which ends with the `with`.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        scenario: Scenario | str = "completes",
        credentials: Collection[str] | None = None,
        virtual_time: bool = False,
    ) -> None:
        super().__init__("", scenario=scenario, credentials=credentials, virtual_time=virtual_time)
        self.host = host
        self.port = port

    def __enter__(self) -> Self:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        # It listens from here on: whoever connects before the thread is up waits, and is served.
        listener = socket.create_server((self.host, self.port), family=family, backlog=1024)
        self.port = listener.getsockname()[1]
        self.url = f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"
        config = Config(build_app(self), http=Protocol, ws="none", lifespan="off", log_config=None)
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
        # uvicorn.Server looks only every 0.1 s whether it shall stop, and lets open connections hold it up.
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

    `options` are `Emulator`'s. A stdout that is closed when `on_ready` prints is no reason to end.
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
