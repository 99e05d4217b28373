"""The network backend of httpcore for async code: httpcore's own for every event loop, with what it leaves out.

That is names looked up in threads that nothing waits for, TLS that shows what it has received, and a time limit for
each step.
"""

import contextlib
from typing import Any

import anyio
import httpcore
from anyio.lowlevel import current_token

from .name_lookup import look_up
from .tls import AsyncTLS, map_errors

_HEAD_START = 0.25  # seconds for one address, before the next one is tried as well


class AsyncSockets(httpcore.AnyIOBackend):
    """Sockets under asyncio and trio. Who uses them cancels what is late."""

    stream: Any = None
    """The connection that was opened last: httpcore leaves it open where TLS or SOCKS fails on it."""

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *_: Any, **__: Any
    ) -> httpcore.AsyncNetworkStream:
        """Open a connection to the first of the host's addresses that answers, tried 0.25 s apart (RFC 8305)."""
        self.stream = None
        connect_tcp = super().connect_tcp
        failures: list[Exception] = []

        async def connect(address: str, has_failed: anyio.Event) -> None:
            try:
                stream = await connect_tcp(address, port)
            except httpcore.ConnectError as error:
                failures.append(error)
                has_failed.set()
                return
            if self.stream is None:
                self.stream = stream
                attempts.cancel_scope.cancel()
            else:
                await stream.aclose()

        # No local address and no socket options are looked at: httpx is given none.
        with map_errors(httpcore.ConnectTimeout, httpcore.ConnectError), anyio.fail_after(timeout):
            addresses = await _look_up(host, port)
            async with anyio.create_task_group() as attempts:
                for address in addresses:
                    attempts.start_soon(connect, address, has_failed := anyio.Event())
                    with anyio.move_on_after(_HEAD_START):
                        await has_failed.wait()
        if self.stream is None:
            raise failures[0]
        return _Stream(self.stream, timeout)


class _Stream(httpcore.AsyncNetworkStream):
    def __init__(self, stream: httpcore.AsyncNetworkStream, step: float | None) -> None:
        self._stream = stream
        self._step = step  # the time for a step that has none of its own, as those of SOCKS

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await self._stream.read(max_bytes, self._step if timeout is None else timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._stream.write(buffer, self._step if timeout is None else timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    start_tls = AsyncTLS.start_tls

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


async def _look_up(host: str, port: int) -> list[str]:
    found, ready = look_up(host, port), anyio.Event()
    loop: Any = current_token().native_token
    call_soon = getattr(loop, "call_soon_threadsafe", None) or loop.run_sync_soon  # asyncio's name, and trio's

    def wake(_: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it who waited
            call_soon(ready.set)

    found.add_done_callback(wake)
    await ready.wait()
    return found.result()
