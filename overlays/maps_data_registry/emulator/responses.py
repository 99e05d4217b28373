"""Responses: those made of the contract's models, and those that no HTTP library would send."""

import asyncio
import socket
import struct
import sys

from pydantic import BaseModel
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from maps_data_registry_schemas import MapsErrorDetail, MapsErrorResponse

JSON = "application/json"
TRANSPORT = "maps_data_registry.transport"  # ASGI extension: the connection's asyncio.Transport
# SO_LINGER on, for zero seconds: closing sends RST instead of FIN.
RESET = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


def render(model: BaseModel, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A reply with the model as its body. What was set to None is written as null, what was not set is left out."""
    return Response(model.model_dump_json(by_alias=True, exclude_unset=True), status, headers, JSON)


def refusal(status: int, error: MapsErrorDetail, headers: dict[str, str] | None = None) -> Response:
    """The contract's error reply, with the error's code in `x-ms-error-code` too."""
    return render(MapsErrorResponse(error=error), status, {"x-ms-error-code": error.code or ""} | (headers or {}))


class OnTheWire(Response):
    """Bytes written to the connection itself, past every layer that would make them well-formed.

    The chunks are written as they are, `pace` seconds apart. Then the connection is closed, or, with `reset`, torn
    down with a TCP RST. `of` is the reply that they add up to, if they do, for the journal.
    """

    def __init__(self, *chunks: bytes, of: Response | None = None, pace: float = 0.0, reset: bool = False) -> None:
        super().__init__(status_code=of.status_code if of else 0, headers=of.headers if of else None)
        self.chunks = chunks
        self.pace = pace
        self.reset = reset

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Write to the transport that `Protocol` put into the scope; `send` is not used."""
        transport: asyncio.Transport = scope["extensions"][TRANSPORT]
        for chunk in self.chunks:
            transport.write(chunk)
            if self.pace and await _gone(receive, self.pace):
                return
        if self.reset:
            connection: socket.socket = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            transport.abort()
        else:
            transport.close()
        await _gone(receive)  # uvicorn would answer 500 if this ended before it knew of the closed connection


async def _gone(receive: Receive, within: float | None = None) -> bool:
    """Whether the connection ended within so many seconds. The request has been read, so nothing else can come."""
    try:
        async with asyncio.timeout(within):
            await receive()
    except TimeoutError:
        return False
    return True


def raw(reply: Response) -> tuple[bytes, bytes]:
    """A reply as it goes onto the wire, before a closing connection: its start up to the blank line, and its body."""
    headers = [*reply.raw_headers, (b"connection", b"close")]
    return b"\r\n".join([b"HTTP/1.1 200 OK", *map(b": ".join, headers), b"", b""]), bytes(reply.body)
