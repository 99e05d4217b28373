"""Whatever the other side sends back, and wherever: the credential shows nowhere."""

import base64
import gzip
import html
import json
import logging
import sys
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maps_data_registry import (
    DataRegistryError,
    InvalidResponse,
    SasToken,
    SubscriptionKey,
    connect,
    get_operation,
    wait_for_operation,
)
from maps_data_registry.wire.secrecy import Mask
from tests.support import BASE_URL, ID, LOCATION, reply, scripted

from .drivers import DRIVERS, ONCE, Driver
from .search import is_in, places_of, shown_by
from .server import Answer, closes, sends, serve


class Token:
    """A credential that always gives the same token."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *_: str, **__: Any) -> Any:
        from azure.core.credentials import AccessToken

        return AccessToken(self._token, 4_000_000_000)


# Each with letters that some encoding writes in another way; the SAS token could be the name of a header.
CREDENTIALS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "key": ("Mark+er/Secret=0123456789", SubscriptionKey),
    "sas": ("Marker-Secret.0123456789_Signature", SasToken),
    "entra": ("Mark~er.Secret-0123/456+789", Token),
}


def with_body(body: bytes, status: int = 400, *headers: bytes) -> bytes:
    lines = b"".join(line + b"\r\n" for line in headers)
    return b"HTTP/1.1 %d No\r\n%bContent-Length: %d\r\n\r\n" % (status, lines, len(body)) + body


def refusal(message: str) -> bytes:
    """A refusal whose message is written in JSON as it is given."""
    text = '{"error": {"code": "No", "message": "Not %s, no.", "target": "%s"}}' % (message, message)
    return text.encode()


def every(pattern: str) -> Callable[[str], str]:
    return lambda text: "".join(pattern.format(ord(letter)) for letter in text)


def in_part(pattern: str) -> Callable[[str], str]:
    return lambda text: "".join(
        pattern.format(ord(letter)) if index % 5 == 2 else letter for index, letter in enumerate(text)
    )


WRITTEN: dict[str, Callable[[str], str]] = {
    "plain": lambda text: text,
    "in upper case": str.upper,
    "in lower case": str.lower,
    "with escaped slashes": lambda text: text.replace("/", "\\/"),
    "in JSON, in part": in_part("\\u{:04x}"),
    "in JSON, whole": every("\\u{:04X}"),
    "in JSON in JSON": lambda text: json.dumps(every("\\u{:04x}")(text))[1:-1],
    "in hexadecimal escapes": every("\\\\x{:02x}"),
    "percent-encoded, in part": lambda text: quote(text, safe=""),
    "percent-encoded, whole": every("%{:02x}"),
    "percent-encoded twice": lambda text: quote(every("%{:02X}")(text)),
    "percent-encoded JSON": lambda text: quote(every("\\u{:04x}")(text)),
    "in HTML": lambda text: html.escape(text),
    "in HTML, decimal": every("&#{};"),
    "in HTML, hexadecimal": every("&#x{:04X};"),
    "in HTML, named": lambda text: text.replace("+", "&plus;").replace("/", "&sol;").replace("=", "&equals;"),
    "in HTML twice": lambda text: html.escape(every("&#{};")(text)),
    "in base64": lambda text: base64.b64encode(text.encode()).decode(),
    "in base64 of a header": lambda text: base64.b64encode(f"subscription-key: {text}\r\n".encode()).decode(),
    "in base64 for URLs": lambda text: base64.urlsafe_b64encode(f"a{text}bc".encode()).decode(),
    "in base64 in JSON": lambda text: in_part("\\u{:04x}")(base64.b64encode(text.encode()).decode()),
}

Echo = Callable[[str], Answer]

ECHOES: dict[str, Echo] = {
    **{
        f"in a message, {how}": lambda secret, write=write: sends(with_body(refusal(write(secret))))  # type: ignore[misc]
        for how, write in WRITTEN.items()
    },
    **{
        f"in a header, {how}": lambda secret, write=write: sends(  # type: ignore[misc]
            with_body(b"", 400, f"x-ms-error-code: {write(secret)}".encode(), f"X-Echo: {write(secret)}".encode())
        )
        for how, write in WRITTEN.items()
    },
    "in a page": lambda secret: sends(with_body(f"<pre>Authorization: jwt-sas {secret}</pre>".encode(), 200)),
    "in a page of a gateway": lambda secret: sends(with_body(f"<pre>Bearer {secret}</pre>".encode(), 502)),
    "in UTF-16": lambda secret: sends(with_body(refusal(secret).decode().encode("utf-16"))),
    "in UTF-16 without a mark": lambda secret: sends(with_body(refusal(secret).decode().encode("utf-16-le"), 200)),
    "in UTF-16, big end first": lambda secret: sends(with_body(refusal(secret).decode().encode("utf-16-be"), 200)),
    "in UTF-32": lambda secret: sends(with_body(refusal(secret).decode().encode("utf-32"), 200)),
    "in UTF-16 in gzip": lambda secret: sends(
        with_body(gzip.compress(secret.encode("utf-16"), 0), 200, b"Content-Encoding: gzip")
    ),
    "behind a byte order mark": lambda secret: sends(with_body(b"\xef\xbb\xbf" + refusal(secret))),
    "in Latin-1": lambda secret: sends(with_body(f"Schl\xfcssel {secret}".encode("latin-1"), 200)),
    "in gzip": lambda secret: sends(with_body(gzip.compress(refusal(secret)), 400, b"Content-Encoding: gzip")),
    "in gzip cut off": lambda secret: sends(
        with_body(gzip.compress(refusal(secret), 0)[:-9], 200, b"Content-Encoding: gzip")
    ),
    "in deflate": lambda secret: sends(with_body(zlib.compress(refusal(secret)), 400, b"Content-Encoding: deflate")),
    "as the encoding": lambda secret: sends(with_body(b"{}", 200, f"Content-Encoding: {secret}".encode())),
    "as the character set": lambda secret: sends(
        with_body(refusal(secret), 400, f"Content-Type: text/plain; charset={secret}".encode())
    ),
    "under a false character set": lambda secret: sends(
        with_body(refusal(every("\\u{:04x}")(secret)), 400, b"Content-Type: text/plain; charset=unicode_escape")
    ),
    "as the reason": lambda secret: sends(f"HTTP/1.1 403 {secret}\r\nContent-Length: 0\r\n\r\n".encode()),
    "as a header": lambda secret: closes(with_body(b"", 400, f"{secret}: x".encode())),
    "as a header without a value": lambda secret: closes(with_body(b"", 400, secret.encode())),
    "as a Location": lambda secret: sends(with_body(b"", 302, f"Location: https://x.test/?key={secret}".encode())),
    "as a Location that is no URL": lambda secret: sends(with_body(b"", 302, f"Location: http://[{secret}".encode())),
    "as a challenge": lambda secret: sends(with_body(b"", 401, f'WWW-Authenticate: Bearer x="{secret}"'.encode())),
    "as a cookie": lambda secret: sends(with_body(b"", 403, f"Set-Cookie: key={secret}".encode())),
    "as Retry-After": lambda secret: sends(with_body(b"", 503, f"Retry-After: {secret}".encode())),
    "as the request's id": lambda secret: sends(with_body(b"", 404, f"x-ms-request-id: {secret}".encode())),
    "as the operation's id": lambda secret: sends(with_body(json.dumps({"id": secret}).encode(), 200)),
    "as the status": lambda secret: sends(with_body(json.dumps({"status": secret}).encode(), 200)),
    "as a member's name": lambda secret: sends(with_body(json.dumps({secret: {secret: [secret]}}).encode(), 200)),
    "in a failed operation": lambda secret: sends(
        with_body(
            json.dumps({"status": "Failed", "error": {"code": secret, "details": [{"target": secret}]}}).encode(), 200
        )
    ),
    "in JSON that is none": lambda secret: sends(with_body(f'{{"status": {secret}'.encode(), 200)),
    "as the status line": lambda secret: closes(f"{secret}\r\n\r\n".encode()),
    "as the version": lambda secret: closes(f"HTTP/{secret} 200 OK\r\n\r\n".encode()),
    "as the status code": lambda secret: closes(f"HTTP/1.1 {secret}\r\n\r\n".encode()),
    "as the length": lambda secret: closes(f"HTTP/1.1 200 OK\r\nContent-Length: {secret}\r\n\r\n".encode()),
    "as two lengths": lambda secret: closes(
        f"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: {secret}\r\n\r\n".encode()
    ),
    "as the transfer-encoding": lambda secret: closes(
        f"HTTP/1.1 200 OK\r\nTransfer-Encoding: {secret}\r\n\r\n".encode()
    ),
    "as a chunk's size": lambda secret: closes(
        f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{secret}\r\n".encode()
    ),
    "as a trailer": lambda secret: closes(
        f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{secret}\r\n\r\n".encode()
    ),
    "in a body cut off": lambda secret: closes(f"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{secret}".encode()),
    "in a body too long": lambda secret: closes(b"HTTP/1.1 200 OK\r\n\r\n" + secret.encode() * 50_000),
    "in a body said to be too long": lambda secret: closes(
        f"HTTP/1.1 200 OK\r\nX: {secret}\r\nContent-Length: 99999999\r\n\r\n{secret}".encode()
    ),
    "in headers too long": lambda secret: closes(with_body(b"", 200, b"X: " + secret.encode() * 2_800)),
    "in a header without end": lambda secret: closes(b"HTTP/1.1 200 OK\r\nX: " + secret.encode() * 5_000),
}


def ends(driver: Driver, url: str, credential: Any) -> list[tuple[str, str]]:
    """What a wait comes to, as texts and where they are."""

    def client() -> Any:
        return connect(base_url=url, credential=credential, account_client_id=ID)

    try:
        result = driver.wait(client, policy=ONCE, timeout=60)
    except Exception as error:
        assert isinstance(error, DataRegistryError), error
        return list(shown_by(error))
    return [("result", json.dumps(result.to_dict())), ("repr of the result", repr(result))]


# httpx leaves its own generators to the garbage collector where a reply is given up half-way; trio remarks on it.
@pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")
@pytest.mark.parametrize("credential", CREDENTIALS)
@pytest.mark.parametrize("name", ECHOES)
def test_an_echo_of_the_credential_is_found_nowhere(
    name: str, credential: str, caplog: pytest.LogCaptureFixture
) -> None:
    secret, make = CREDENTIALS[credential]
    with caplog.at_level(logging.DEBUG), serve(ECHOES[name](secret)) as wire, ThreadPoolExecutor(5) as pool:
        found = list(pool.map(lambda driver: ends(driver, wire.url, make(secret)), DRIVERS))
    assert any(secret.encode() in request for request in wire.requests)  # it did go where it belongs
    shown = [item for texts in found for item in texts]
    shown += [(f"log of {record.name}", record.getMessage()) for record in caplog.records]
    assert places_of(secret, shown) == []
