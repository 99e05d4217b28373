"""A connection under asyncio, step by step: what sockets do rarely, or too soon to be caught."""

import asyncio
from unittest.mock import Mock

import pytest

from maps_data_registry.wire.async_sockets import _AsyncioStream
from maps_data_registry.wire.lease import Lease


@pytest.mark.parametrize("end", ["resume_writing", "connection_lost"])
def test_a_writer_waits_while_the_socket_is_full(end: str) -> None:
    async def main() -> None:
        stream = _AsyncioStream(Lease())
        stream.connection_made(transport := Mock(asyncio.Transport))
        stream.pause_writing()
        writing = asyncio.create_task(stream.write(b"body"))
        await asyncio.sleep(0)
        transport.write.assert_called_once_with(b"body")
        assert not writing.done()
        if end == "resume_writing":
            stream.resume_writing()
        else:
            stream.connection_lost(None)
        await writing

    asyncio.run(main())


def test_no_more_is_taken_from_the_socket_than_fits_until_it_is_read() -> None:
    async def main() -> None:
        stream = _AsyncioStream(Lease())
        stream.connection_made(transport := Mock(asyncio.Transport))
        body = bytes(256 * 1024)
        stream.data_received(body)
        transport.pause_reading.assert_not_called()
        stream.data_received(b"!")
        transport.pause_reading.assert_called_once_with()
        transport.resume_reading.assert_not_called()
        assert await stream.read(300 * 1024) == body + b"!"
        transport.resume_reading.assert_called_once_with()

    asyncio.run(main())
