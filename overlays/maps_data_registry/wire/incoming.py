"""What comes in from the wire: bounded in size, decoded, and without the credential if the other side sent it back."""

import re
import zlib

import httpx

from maps_data_registry.errors import InvalidResponse

from .secrecy import Mask

MAX_REPLY_BYTES = 1024 * 1024
"""The longest body that is read by default. The contract's replies are a few hundred bytes."""

MAX_PARTS = 20_000
"""The most parts that a body is read in. Each costs time, and one of a single byte as much as a longer one."""

MAX_HEADER_BYTES = 64 * 1024
"""The longest head of a reply, all names and values together."""

_CODING = frozenset({b"content-encoding", b"content-length", b"transfer-encoding"})
_COOKIES = frozenset({b"set-cookie", b"set-cookie2"})
_OTHER_CHARSET = re.compile(rb"(?i)charset\s*=(?!\s*[\"']?(?:utf-8|us-ascii)\b)")


class Incoming:
    """A reply while it is read.

    Raises:
        InvalidResponse: here and from its methods, for a head or body that is too long, a body that cannot be decoded,
            or one that is not UTF-8 (RFC 8259, section 8.1).
    """

    def __init__(self, response: httpx.Response, mask: Mask, max_bytes: int) -> None:
        self._response = response
        self._mask = mask
        self._max_bytes = max_bytes
        self._body = bytearray()
        self._parts = 0
        self._headers = response.headers.raw
        self._fields = {name.lower(): value for name, value in self._headers}
        head = b"\n".join(b"%b: %b" % item for item in self._headers)
        if len(head) > MAX_HEADER_BYTES:
            self._headers = []
            raise self._invalid(f"its headers are longer than {MAX_HEADER_BYTES} bytes")
        if mask(head) is not head:
            self._headers = [(mask(name), mask(value)) for name, value in self._headers]
        self._drop(_COOKIES)
        length = self._fields.get(b"content-length", b"0")
        if length.isdigit() and int(length[:20]) > max_bytes:
            raise self._too_long()

    def append(self, chunk: bytes) -> None:
        """Take in a part of the body."""
        self._body += chunk
        self._parts += bool(chunk)
        if len(self._body) > self._max_bytes:
            raise self._too_long()
        if self._parts > MAX_PARTS:
            raise self._invalid(f"it comes in more than {MAX_PARTS} parts")

    def reply(self) -> httpx.Response:
        """The whole reply."""
        response, content = self._response, bytes(self._body)
        if b"content-encoding" in self._fields:
            content = self._decoded(content)
            self._drop(_CODING)
        if b"location" in self._fields and not _is_url(response.headers["location"]):  # httpx reads it in any case
            self._drop({b"location"})
        if not _is_text(content):
            raise self._invalid("it is not UTF-8")
        content = self._mask(content)
        # Neither the reason phrase, which is the other side's free text, nor the connection.
        about = {name: value for name, value in response.extensions.items() if name == "http_version"}
        other_charset = _OTHER_CHARSET.search(self._fields.get(b"content-type", b""))
        if content == self._body and self._headers == response.headers.raw and not other_charset:
            response.stream, response.extensions = httpx.ByteStream(content), about
            return response
        reply = httpx.Response(response.status_code, headers=self._headers, content=content, extensions=about)
        reply.encoding = "utf-8"  # whatever the header says
        return reply

    def _drop(self, names: frozenset[bytes] | set[bytes]) -> None:
        if not names.isdisjoint(self._fields):
            self._headers = [item for item in self._headers if item[0].lower() not in names]

    def _decoded(self, content: bytes) -> bytes:
        encoding = self._mask(self._fields[b"content-encoding"]).decode("ascii", "replace").strip().lower()
        if encoding in {"", "identity"}:
            return content
        fault = f"its content-encoding is {encoding}"
        if encoding in {"gzip", "x-gzip", "deflate"}:
            decoder = zlib.decompressobj(zlib.MAX_WBITS | 32)
            try:
                decoded = decoder.decompress(content, self._max_bytes + 1)
            except zlib.error as error:
                fault = f"{fault}, but {error}"
            else:
                if len(decoded) > self._max_bytes:
                    raise self._too_long()
                if decoder.eof:
                    return decoded
                fault = f"{fault}, but it is truncated"
        raise self._invalid(fault)

    def _too_long(self) -> InvalidResponse:
        if len(self._body) < MAX_HEADER_BYTES:  # its end may be the beginning of a secret
            self._body.clear()
        error = self._invalid(f"it is longer than {self._max_bytes} bytes")
        error.advice = "connect(max_reply_bytes=…) allows more"
        return error

    def _invalid(self, fault: str) -> InvalidResponse:
        body = b"" if b"\0" in self._body else self._mask(bytes(self._body))  # UTF-16 would show what it repeats
        headers, status = httpx.Headers(self._headers), self._response.status_code
        return InvalidResponse(fault, status_code=status, headers=headers, body=body)


def _is_text(content: bytes) -> bool:
    try:
        return "\0" not in content.decode()
    except UnicodeDecodeError:
        return False


def _is_url(text: str) -> bool:
    """Whether httpx can work out where a redirect leads, which it does though none is followed."""
    try:
        url = httpx.URL(text)
        host = url.host  # decoded when it is read
        if url.scheme and not host:
            url.copy_with(host="maps.test")
    except (httpx.InvalidURL, UnicodeError):
        return False
    return True
