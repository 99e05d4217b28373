"""What comes in from the wire: bounded in size, decoded, and without the credential if the other side sent it back."""

import zlib

import httpx

from maps_data_registry.errors import InvalidResponse

MAX_REPLY_BYTES = 1024 * 1024
"""The longest body that is read, compressed or not. The contract's replies are a few hundred bytes."""

_TOO_LARGE = f"it is larger than {MAX_REPLY_BYTES} bytes"
_SHORTEST_SECRET = 8  # characters; a shorter one would be found in any text
_SECRET = frozenset({b"authorization", b"subscription-key"})
_OF_THE_CODING = frozenset({b"content-encoding", b"content-length", b"transfer-encoding"})


class Incoming:
    """A reply while it is read.

    Raises:
        InvalidResponse: here and from its methods, for a body over `MAX_REPLY_BYTES` or that cannot be decoded.
    """

    def __init__(self, request: httpx.Request, response: httpx.Response) -> None:
        self._secrets = secrets_of(request)
        self._response = response
        self._fields = {name.lower(): value for name, value in response.headers.raw}
        self._body = bytearray()
        length = self._fields.get(b"content-length", b"0")
        if length.isdigit() and int(length[:20]) > MAX_REPLY_BYTES:
            raise self._invalid(_TOO_LARGE)

    def append(self, chunk: bytes) -> None:
        """Take in a part of the body."""
        self._body += chunk
        if len(self._body) > MAX_REPLY_BYTES:
            raise self._invalid(_TOO_LARGE)

    def reply(self) -> httpx.Response:
        """The whole reply."""
        response, headers, content = self._response, self._headers(), bytes(self._body)
        if b"content-encoding" in self._fields:
            content = self._decoded(content)
            headers = [item for item in headers if item[0].lower() not in _OF_THE_CODING]
        if b"location" in self._fields and not _is_url(response.headers["location"]):  # httpx reads it in any case
            headers = [item for item in headers if item[0].lower() != b"location"]
        content = masked(content, self._secrets)
        # Not the reason phrase, which is the other side's free text, nor the connection.
        about = {name: value for name, value in response.extensions.items() if name == "http_version"}
        if content == self._body and headers == response.headers.raw:
            response.stream, response.extensions = httpx.ByteStream(content), about
            return response
        return httpx.Response(response.status_code, headers=headers, content=content, extensions=about)

    def _headers(self) -> list[tuple[bytes, bytes]]:
        return [(name, masked(value, self._secrets)) for name, value in self._response.headers.raw]

    def _decoded(self, content: bytes) -> bytes:
        encoding = masked(self._response.headers["content-encoding"].encode(), self._secrets).decode().strip().lower()
        if encoding in {"", "identity"}:
            return content
        fault = f"its content-encoding is {encoding}"
        if encoding in {"gzip", "x-gzip", "deflate"}:
            try:
                decoded = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(content, MAX_REPLY_BYTES + 1)
            except zlib.error as error:
                fault = f"{fault}, but {error}"
            else:
                if len(decoded) <= MAX_REPLY_BYTES:
                    return decoded
                fault = _TOO_LARGE
        raise self._invalid(fault)

    def _invalid(self, fault: str) -> InvalidResponse:
        body = masked(bytes(self._body), self._secrets)
        headers = httpx.Headers(self._headers())
        return InvalidResponse(fault, status_code=self._response.status_code, headers=headers, body=body)


def secrets_of(request: httpx.Request) -> list[bytes]:
    """The credentials in a request's headers, as far as they are long enough to be told from other text."""
    found = (value.rpartition(b" ")[2] for name, value in request.headers.raw if name.lower() in _SECRET)
    return [secret for secret in found if len(secret) >= _SHORTEST_SECRET]


def masked(text: bytes, secrets: list[bytes]) -> bytes:
    """The text without the secrets, as they are and as JSON may write them."""
    for secret in secrets:
        text = text.replace(secret, b"***").replace(secret.replace(b"/", b"\\/"), b"***")
    return text


def mask_error(error: Exception, request: httpx.Request) -> None:
    """Take the request's credential out of an error's text, which may quote what the other side sent."""
    text = str(error).encode("utf-8", "surrogatepass")
    if (clean := masked(text, secrets_of(request))) != text:
        error.args = (clean.decode("utf-8", "surrogatepass"),)
        error.__cause__ = error.__context__ = None  # they say it too


def _is_url(text: str) -> bool:
    try:
        _ = httpx.URL(text).host  # decoded when it is read
    except (httpx.InvalidURL, UnicodeError):
        return False
    return True
