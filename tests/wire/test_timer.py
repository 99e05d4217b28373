"""The timer of one step of a connection under asyncio."""

import asyncio

import pytest

from maps_data_registry.wire.sockets import _time_out


def test_a_timer_that_comes_too_late_changes_nothing() -> None:
    async def main() -> None:
        done, pending = (asyncio.get_running_loop().create_future() for _ in range(2))
        done.set_result(None)
        _time_out(done)
        _time_out(pending)
        assert done.result() is None
        with pytest.raises(TimeoutError):
            await pending

    asyncio.run(main())
