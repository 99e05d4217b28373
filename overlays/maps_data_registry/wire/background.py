"""A task that belongs to no task group, under asyncio and trio."""

import contextlib
import contextvars
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    import asyncio


def running_loop() -> "asyncio.AbstractEventLoop | None":
    """The present asyncio event loop, if there is one."""
    import asyncio  # a sync wait need not spend the time on it

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class Background:
    """Runs *main* on the present event loop until it ends or is told to. *main* must not raise."""

    def __init__(self, main: Callable[[], Awaitable[None]]) -> None:
        self._main = main
        self._scope = anyio.CancelScope()
        self._ended = anyio.Event()
        self._call_soon: Callable[[Callable[[], None]], object]
        loop = running_loop()
        if loop is None:
            import trio

            trio.lowlevel.spawn_system_task(self._run, context=contextvars.copy_context())
            self._call_soon = trio.lowlevel.current_trio_token().run_sync_soon
        else:
            self._task = loop.create_task(self._run())  # kept, as the loop keeps no task alive
            self._task.add_done_callback(lambda _: self._ended.set())
            self._call_soon = loop.call_soon_threadsafe

    async def _run(self) -> None:
        try:
            with self._scope:
                await self._main()
        finally:
            self._ended.set()

    async def aclose(self) -> None:
        """Cancel it and wait until it has ended, even if the caller is being cancelled."""
        self._scope.cancel()
        with anyio.CancelScope(shield=True):
            await self._ended.wait()

    def abandon(self) -> None:
        """Cancel it soon. May be called from anywhere, also when the loop is gone."""
        with contextlib.suppress(RuntimeError):
            self._call_soon(self._scope.cancel)
