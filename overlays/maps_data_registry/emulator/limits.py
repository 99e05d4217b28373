"""What the server refuses because it is a server: foreign hosts, foreign pages, bodies too long or too slow."""

import asyncio
import re
from ipaddress import ip_address

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from maps_data_registry_schemas import MapsErrorDetail

from .responses import refusal

HOST = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([0-9a-zA-Z.-]+))(?::[0-9]*)?")  # an IPv6 address, or a name
MAX_BODY = 1 << 20
BODY_SECONDS = 30.0
"""Seconds that a body may take to arrive."""


class Refusal(Exception):
    """A request that is answered with the contract's error."""

    def __init__(self, status: int, error: MapsErrorDetail, headers: dict[str, str] | None = None) -> None:
        super().__init__(error.message)
        self.status = status
        self.error = error
        self.headers = headers


async def read_body(request: Request) -> bytes | Refusal:
    """The whole body, or why it is refused: too long, or too slow."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY:
                    error = MapsErrorDetail(code="PayloadTooLarge", message=f"The body exceeds {MAX_BODY} bytes.")
                    return Refusal(413, error, {"connection": "close"})
    except TimeoutError:
        error = MapsErrorDetail(code="RequestTimeout", message=f"The body took longer than {BODY_SECONDS:g} seconds.")
        return Refusal(408, error, {"connection": "close"})
    return bytes(body)


class LocalHosts:
    """Refuses requests whose Host is not this machine: a web page must not reach the emulator by DNS rebinding."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or reply 421."""
        if _is_local(Request(scope).headers.get("host", "")):
            await self.app(scope, receive, send)
        else:
            message = "Host is not this machine. To serve other hosts, listen on another address than loopback."
            error = MapsErrorDetail(code="MisdirectedRequest", message=message, target="Host")
            await refusal(421, error, {"connection": "close"})(scope, receive, send)


def _is_local(host: str) -> bool:
    match = HOST.fullmatch(host)
    if match is None:
        return False
    name = (match[1] or match[2]).lower()
    try:
        return name == "localhost" or name.endswith(".localhost") or ip_address(name).is_loopback
    except ValueError:
        return False


def from_other_site(request: Request) -> bool:
    """Whether a browser sends this for a page of another origin. Browsers name the origin, programs do not."""
    origin = request.headers.get("origin")
    return origin is not None and origin != f"{request.url.scheme}://{request.headers.get('host')}"
