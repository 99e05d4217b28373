"""The credentials of a client, taken out of whatever the other side writes back."""

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from itertools import chain

import httpx

_SHORTEST = 8  # bytes; a shorter secret would be found in any text
_REMEMBERED = 8  # secrets: the other side may still return one that was rotated a moment ago
_HEADERS = frozenset({b"authorization", b"subscription-key", b"proxy-authorization"})

# JSON's escapes, also of JSON inside JSON; percent-encoding, also repeated; numeric character references of HTML.
_ESCAPE = re.compile(
    rb"\\+(?:u00([0-9a-f]{2})|(.))|%(?:25)*([0-9a-f]{2})|&#(?:x0*([0-9a-f]{2})|0*([0-9]{2,3}));", re.DOTALL
)


class Mask:
    """Replaces secrets by `***`: as they are, in base64, in any mix of escapes, in upper or lower case."""

    def __init__(self, secrets: Iterable[bytes] = ()) -> None:
        self._forms: dict[bytes, frozenset[bytes]] = {}  # of each secret, the newest last
        self._fixed = [form for secret in secrets for form in _forms_of(secret)]

    def learn(self, request: httpx.Request) -> None:
        """Remember the credentials in a request's headers."""
        for name, value in request.headers.raw:
            if name.lower() in _HEADERS and (secret := value.rpartition(b" ")[2]) not in self._forms:
                self._forms[secret] = _forms_of(secret)
                for old in list(self._forms)[:-_REMEMBERED]:
                    self._forms.pop(old, None)

    def __call__(self, text: bytes) -> bytes:
        """The text without the secrets; the text itself if there are none in it."""
        plain, starts = text.lower(), None
        if b"\\" in plain or b"%" in plain or b"&#" in plain:
            plain, starts = _unescaped(plain)
        forms = chain(self._fixed, *list(self._forms.values()))
        found = sorted(span for form in forms if form in plain for span in _spans(plain, form))
        if not found:
            return text
        masked, end = bytearray(), 0
        for span in found:
            start, stop = span if starts is None else (starts[span[0]], starts[span[1]])
            if start >= end:
                masked += text[end:start] + b"***"
            end = max(end, stop)
        return bytes(masked + text[end:])

    def text(self, text: str) -> str:
        """As for bytes, for text."""
        return self(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")


def _forms_of(secret: bytes) -> frozenset[bytes]:
    return frozenset(form.lower() for form in (secret, *_base64(secret))) if len(secret) >= _SHORTEST else frozenset()


def _base64(secret: bytes) -> Iterator[bytes]:
    """What base64 makes of a secret inside a longer text, without the digits at its ends that depend on that text."""
    for before in range(3):
        digits = b64encode(bytes(before) + secret)
        inner = digits[(8 * before + 5) // 6 : (8 * (before + len(secret))) // 6]
        yield inner
        yield inner.translate(bytes.maketrans(b"+/", b"-_"))


def _unescaped(text: bytes) -> tuple[bytes, list[int]]:
    """The text with its escapes resolved, and where in *text* each byte of that begins."""
    plain, starts, end = bytearray(), list[int](), 0
    for escape in _ESCAPE.finditer(text):
        json, verbatim, percent, hexadecimal, decimal = escape.groups()
        starts += range(end, escape.start() + 1)
        plain += text[end : escape.start()]
        code = int(decimal) if decimal else int(json or percent or hexadecimal or b"0", 16)
        plain += verbatim or bytes([code & 0xFF])
        end = escape.end()
    starts += range(end, len(text) + 1)
    return bytes(plain + text[end:]).lower(), starts


def _spans(text: bytes, part: bytes) -> Iterator[tuple[int, int]]:
    start = text.find(part)
    while start >= 0:
        yield start, start + len(part)
        start = text.find(part, start + len(part))
