"""Masks a client's credentials in whatever the other side sends back."""

import logging
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import cast
from weakref import ref

import httpx

from maps_data_registry_contract import SAS_TOKEN_HEADER, SUBSCRIPTION_KEY_HEADER

_SHORTEST = 8  # bytes; a shorter secret would be found in any text
_REMEMBERED = 8  # secrets: the other side may still return one that was rotated a moment ago
_ROUNDS = 4  # of escapes inside escapes
_HEADERS = frozenset(
    name.lower().encode()
    for name in (SUBSCRIPTION_KEY_HEADER, SAS_TOKEN_HEADER, "Authorization", "Proxy-Authorization")
)

# Escapes of JSON, also of JSON inside JSON, percent-encoding, and HTML's character references; in lower case.
_ESCAPE = re.compile(
    rb"(?:\\+(?:u00|x)|%)([0-9a-f]{2})|&#x0*([0-9a-f]{2});?|&#0*([0-9]{2,3});?|(&[a-z]{2,8};)|\\+(.)", re.DOTALL
)

_masks: list[ref["Mask"]] = []  # without a lock: a finalizer may log, and a process be forked, while one is held


class Mask:
    """Replaces secrets by `***`: as they are, in base64, in any mix of escapes, in upper or lower case.

    *fixed* are always masked, *passing* as long as this mask is used. A mask never changes.
    """

    def __init__(self, fixed: Iterable[bytes] = (), passing: Mapping[bytes, tuple[bytes, ...]] | None = None) -> None:
        self._fixed = tuple(fixed)
        self._passing = passing or {}  # the forms of each secret, the newest last
        fixed_forms = (form for secret in self._fixed for form in _forms_of(secret))
        self._forms = sum(self._passing.values(), tuple(fixed_forms))
        _masks.append(ref(self, _masks.remove))

    def with_secrets(self, secrets: Iterable[bytes]) -> "Mask":
        """A mask that knows these too: this one, if it does."""
        new = [secret for secret in secrets if secret not in self._passing]
        if not new:
            return self
        known = [*self._passing.items(), *((secret, _forms_of(secret)) for secret in new)]
        return Mask(self._fixed, dict(known[-_REMEMBERED:]))

    def __call__(self, text: bytes) -> bytes:
        """The text without the secrets; the text itself if there are none in it."""
        plain, starts = text.lower(), cast("Sequence[int]", range(len(text) + 1))
        found: list[tuple[int, int]] = []
        rounds_left = _ROUNDS
        while True:
            forms = [re.escape(form) for form in self._forms if form in plain]
            spans = (match.span() for form in forms for match in re.finditer(form, plain))
            found += [(starts[start], starts[stop]) for start, stop in spans]
            if not (rounds_left and (b"\\" in plain or b"%" in plain or b"&" in plain)):
                break
            before = plain
            plain, origins = _unescaped(before)
            if plain == before:
                break
            rounds_left -= 1
            starts = [starts[origin] for origin in origins]
        masked, end = bytearray(), 0
        for start, stop in sorted(found):
            if start >= end:
                masked += text[end:start] + b"***"
            end = max(end, stop)
        return bytes(masked + text[end:]) if found else text

    def text(self, text: str) -> str:
        """As for bytes, for text."""
        data = text.encode("utf-8", "surrogatepass")
        masked = self(data)
        return text if masked is data else masked.decode("utf-8", "surrogatepass")


def secrets_of(request: httpx.Request) -> list[bytes]:
    """The secrets in a request's headers, without the scheme before them."""
    return [value.rpartition(b" ")[2] for name, value in request.headers.raw if name.lower() in _HEADERS]


def mask_record(record: logging.LogRecord) -> bool:
    """A filter for the loggers of httpcore, which describe all that comes in at level DEBUG."""
    text = shown = record.getMessage()
    masks = filter(None, [mask() for mask in list(_masks)])
    for mask in {mask._forms: mask for mask in masks}.values():  # many clients may have one credential
        text = mask.text(text)
    if text is not shown:
        record.msg, record.args = text, ()
    return True


def _forms_of(secret: bytes) -> tuple[bytes, ...]:
    forms = {form.lower() for form in (secret, *_base64(secret))} if len(secret) >= _SHORTEST else set()
    return tuple(forms | {_ESCAPE.sub(_resolved, form) for form in forms})


def _base64(secret: bytes) -> Iterator[bytes]:
    """What base64 makes of a secret inside a longer text, without the digits at its ends that depend on that text."""
    for before in range(3):
        digits = b64encode(bytes(before) + secret)
        inner = digits[(8 * before + 5) // 6 : (8 * (before + len(secret))) // 6]
        yield inner
        yield inner.translate(bytes.maketrans(b"+/", b"-_"))


def _resolved(escape: re.Match[bytes]) -> bytes:
    coded, hexadecimal, decimal, name, verbatim = escape.groups()
    if verbatim is not None:
        return verbatim
    if name is not None:
        return _named(name)
    return bytes([(int(decimal) if decimal else int(coded or hexadecimal, 16)) & 0xFF]).lower()


def _named(reference: bytes) -> bytes:
    from html.entities import html5  # hardly a reply has one

    return html5.get(reference[1:].decode(), reference.decode()).encode().lower()


def _unescaped(text: bytes) -> tuple[bytes, list[int]]:
    """The text with its escapes resolved, and where in *text* each byte of that begins."""
    plain, origins, end = bytearray(), list[int](), 0
    for escape in _ESCAPE.finditer(text):
        resolved = _resolved(escape)
        origins += [*range(end, escape.start()), *[escape.start()] * len(resolved)]
        plain += text[end : escape.start()] + resolved
        end = escape.end()
    return bytes(plain + text[end:]), [*origins, *range(end, len(text) + 1)]
