"""Faults between a client and the service. Each fault's docstring is its line of help."""

import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache

from starlette.responses import RedirectResponse, Response, StreamingResponse

from maps_data_registry_schemas import LongRunningOperationResult, LongRunningOperationStatus, MapsErrorDetail

from .options import Options
from .responses import JSON, OnTheWire, raw, refusal, render


@dataclass(frozen=True, slots=True)
class Poll:
    """One poll of an operation, as a scenario sees it."""

    operation_id: str
    number: int
    """1 for the first."""
    elapsed: float
    """Seconds since the operation started."""
    date: float
    """The emulator's wall clock, seconds since 1970."""


Fault = Callable[[Options, Poll], Response]

HTML = "<!doctype html><title>Bad gateway</title><h1>The upstream server did not answer.</h1>"
PADDING = b" " * (1 << 20)

HOSTILE_RETRY_AFTER = (
    *("", "-1", "-0", "1.5", "1e9", "nan", "inf", "0x10", "1_0", "+1", "soon", "1; 2", "1, 2", "\xb2", "\xa0 1 \xa0"),
    *("99999999999999999999", "9" * 5000),  # beyond float precision; beyond what int() converts
    *("Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "Sun, 99 Foo 2026 99:99:99 GMT"),
    *("Sun Nov  6 08:49:37 1994", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 -2500"),
)
"""Values that make a careless client crash, sleep for ever or misread them."""


def retry_after(options: Options, poll: Poll) -> dict[str, str]:
    """The header that asks for a pause of `retry_after` seconds, in the wanted `form`."""
    match options.form:
        case "seconds":
            return {"retry-after": str(options.retry_after)}
        case "date":
            return {"retry-after": formatdate(int(poll.date) + options.retry_after, usegmt=True)}
        case "none":
            return {}
        case header:
            return {header: str(options.retry_after * 1000)}


def running(options: Options, poll: Poll) -> Response:
    """Running, with Retry-After."""
    result = LongRunningOperationResult(id=poll.operation_id, status=LongRunningOperationStatus.RUNNING)
    return render(result, headers=retry_after(options, poll))


def refuses(status: int, code: str, message: str, *, again: bool = False) -> Fault:
    """A fault that is the contract's error reply; with `again` it asks for a pause."""

    def fault(options: Options, poll: Poll) -> Response:
        error = MapsErrorDetail(code=code, message=message)
        return refusal(status, error, retry_after(options, poll) if again else {})

    fault.__doc__ = f"{status} {code}" + (", with Retry-After in the wanted form." if again else ".")
    return fault


def hostile_retry_after(options: Options, poll: Poll) -> Response:
    """Running with a junk Retry-After: the given `value`, or one hostile value after another."""
    value = options.value
    if value is None:
        value = HOSTILE_RETRY_AFTER[(poll.number - 1) % len(HOSTILE_RETRY_AFTER)]
    reply = running(options, poll)
    reply.headers["retry-after"] = value
    return reply


def unknown_status(options: Options, poll: Poll) -> Response:
    """An unknown status with Retry-After: still in progress."""
    result = LongRunningOperationResult(id=poll.operation_id, status=options.value or "Validating")
    return render(result, headers=retry_after(options, poll))


def no_status(options: Options, poll: Poll) -> Response:
    """No status at all, with Retry-After: still in progress."""
    return render(LongRunningOperationResult(id=poll.operation_id), headers=retry_after(options, poll))


def html_502(options: Options, poll: Poll) -> Response:
    """A gateway's 502 with a page of HTML."""
    return Response(HTML, 502, media_type="text/html")


def status_520(options: Options, poll: Poll) -> Response:
    """520, a status outside every standard that some proxies send."""
    return Response(HTML, 520, media_type="text/html")


def empty_body(options: Options, poll: Poll) -> Response:
    """200 with an empty body."""
    return Response(status_code=200, media_type=JSON)


def wrong_content_type(options: Options, poll: Poll) -> Response:
    """200 with a page of HTML, as a captive portal sends it."""
    return Response("<!doctype html><title>Sign in</title>", 200, media_type="text/html")


def not_an_object(options: Options, poll: Poll) -> Response:
    """200 with JSON that is not an object."""
    return Response('["Completed"]', 200, media_type=JSON)


def deep_error(options: Options, poll: Poll) -> Response:
    """Failed, with errors nested so deep that a recursive parser runs out of stack."""
    tree = '{"details":[' * 20_000 + "]}" * 20_000
    return Response(f'{{"id":"{poll.operation_id}","status":"Failed","error":{tree}}}', 200, media_type=JSON)


def truncated_body(options: Options, poll: Poll) -> Response:
    """A connection that closes before the whole Content-Length has been sent."""
    head, body = raw(running(options, poll))
    return OnTheWire(head, body[:-10])


@lru_cache(maxsize=4)
def _bomb(size: int, body: bytes) -> bytes:
    gzip = zlib.compressobj(9, wbits=31)  # 31: with gzip's framing
    return b"".join(
        [*(gzip.compress(PADDING) for _ in range(0, size, len(PADDING))), gzip.compress(body), gzip.flush()]
    )


def gzip_bomb(options: Options, poll: Poll) -> Response:
    """A small gzip body that unpacks to `size` bytes of white space before a valid reply."""
    body = bytes(running(options, poll).body)
    return Response(_bomb(options.size, body), 200, {"content-encoding": "gzip"}, JSON)


def huge_body(options: Options, poll: Poll) -> Response:
    """A valid reply after `size` bytes of white space, chunked, so that no Content-Length warns."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(0, options.size, len(PADDING)):
            yield PADDING
        yield bytes(running(options, poll).body)

    return StreamingResponse(chunks(), media_type=JSON)


def slow_headers(options: Options, poll: Poll) -> Response:
    """A good reply whose headers arrive byte by byte, `pace` seconds apart."""
    head, body = raw(reply := running(options, poll))
    return OnTheWire(*(bytes([byte]) for byte in head), body, of=reply, pace=options.pace)


def slow_drip(options: Options, poll: Poll) -> Response:
    """A good reply whose body arrives byte by byte, `pace` seconds apart."""
    head, body = raw(reply := running(options, poll))
    return OnTheWire(head, *(bytes([byte]) for byte in body), of=reply, pace=options.pace)


def reset_before_headers(options: Options, poll: Poll) -> Response:
    """A TCP reset instead of a reply."""
    return OnTheWire(reset=True)


def reset_after_headers(options: Options, poll: Poll) -> Response:
    """A TCP reset in the middle of the body."""
    head, body = raw(running(options, poll))
    return OnTheWire(head, body[:5], reset=True)


def redirect(options: Options, poll: Poll) -> Response:
    """307 to another host (`value`, an absolute URL), which must not get the credential."""
    return RedirectResponse(options.value or "https://elsewhere.invalid/", 307)


FAULTS: dict[str, Fault] = {
    "early-404": refuses(404, "NotFound", "The operation does not exist in this geography, or is no longer kept."),
    "throttled": refuses(429, "TooManyRequests", "The request rate of this account is exhausted.", again=True),
    "unavailable": refuses(503, "ServiceUnavailable", "The service is busy; try again.", again=True),
    "server-error": refuses(500, "InternalServerError", "The service failed unexpectedly."),
    "unauthorized": refuses(401, "Unauthorized", "The request carries no credential that this account accepts."),
    "forbidden": refuses(
        403, "Forbidden", "The caller has no role on this account that allows reading data registries."
    ),
} | {
    fault.__name__.replace("_", "-"): fault
    for fault in (
        hostile_retry_after,
        unknown_status,
        no_status,
        html_502,
        status_520,
        empty_body,
        wrong_content_type,
        not_an_object,
        deep_error,
        truncated_body,
        gzip_bomb,
        huge_body,
        slow_headers,
        slow_drip,
        reset_before_headers,
        reset_after_headers,
        redirect,
    )
}
