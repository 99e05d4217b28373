"""What went wrong on the wire, as a new error of httpx that says so in a line and holds nothing else."""

import errno
import os
import re
import socket
import ssl
from collections.abc import Iterator

import httpx

from maps_data_registry.errors import DataRegistryError
from maps_data_registry.text import one_line

from .secrecy import Mask

_ERRNO = re.compile(r"\[Errno (\d+)\]")
_RESETS = frozenset({errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE})
_LONGEST_CHAIN = 100


# What OpenSSL calls the failures of a handshake that would be the same the next time, the other side's alerts included.
_NO_TLS = re.compile(
    "PROTOCOL|CERTIFICATE|HANDSHAKE_FAILURE|UNKNOWN_CA|ACCESS_DENIED|INSUFFICIENT_SECURITY|UNRECOGNIZED_NAME|WRONG_VERSION"
)
# How httpcore words what a proxy refuses for good: a status of HTTP, and how to log in with SOCKS.
_NO_PROXY = re.compile("4(?!08|29)[0-9]{2} |Invalid username|Requested ")


class PermanentFailure(httpx.TransportError):
    """A failure that would be the same the next time. `advice` says what to do about it."""

    advice: str


class CertificateNotTrusted(PermanentFailure, httpx.ConnectError):
    """The other side's certificate was not trusted."""

    advice = "set SSL_CERT_FILE to the authority's certificate (in Python also connect(ssl_context=…))"


class TLSRefused(PermanentFailure, httpx.ConnectError):
    """The two sides have no TLS version, cipher or protocol in common, or the other one wants a client certificate."""

    advice = "check the port, and the TLS versions and certificates that the other side accepts: connect(ssl_context=…)"


class ProxyRefused(PermanentFailure, httpx.ProxyError):
    """The proxy does not let this client pass."""

    advice = "check the proxy's address, user and password"


def failure_of(error: BaseException, where: str, mask: Mask, *, is_late: bool) -> BaseException:
    """What to raise in place of what a transport raised: without cause, context, request and frames, its text masked.

    An error of httpx becomes a new one of its class. What sockets and decoders raise, and the errors of other HTTP
    libraries, are failures of the wire. A cancellation, Ctrl+C, and any other exception of Python's own, which is a
    mistake in a transport or a test's assertion, stays what it is.
    """
    chain = [link for link in _chain(error) if not isinstance(link, BaseExceptionGroup)] or [error]
    leaf = chain[0]
    kind = _kind(leaf, chain)
    if kind is not None:
        reason = "too slow: the time for the whole request is up" if is_late else _reason(leaf, kind, chain)
        return kind(f"{where}: {one_line(mask.text(reason))}")
    place = _place(leaf)
    if isinstance(leaf, Exception) and mask.text(shown := repr((leaf.args, vars(leaf)))) is not shown:
        leaf = (type(leaf) if _is_builtin(leaf) else AssertionError)(mask.text(str(leaf)))
    if isinstance(leaf, Exception) and not isinstance(leaf, DataRegistryError):
        leaf.add_note(f"raised at {place}")
    leaf.__cause__ = leaf.__context__ = None
    return leaf.with_traceback(None)


def _kind(error: BaseException, chain: list[BaseException]) -> type[httpx.RequestError] | None:
    for link in chain:
        if isinstance(link, ssl.SSLCertVerificationError):
            return CertificateNotTrusted
        if isinstance(link, ssl.SSLError) and _NO_TLS.search(getattr(link, "reason", None) or ""):
            return TLSRefused
    for name in (kind.__name__ for kind in type(error).__mro__):  # httpcore's have the same names
        found = getattr(httpx, name, None)
        if found is httpx.ProxyError and _NO_PROXY.match(str(error)):
            return ProxyRefused
        if isinstance(found, type) and issubclass(found, httpx.RequestError):
            return found
    if isinstance(error, TimeoutError):
        return httpx.ReadTimeout
    if isinstance(error, OSError):
        return httpx.ReadError
    if isinstance(error, UnicodeError):
        return httpx.RemoteProtocolError
    is_wire_failure = isinstance(error, Exception) and not isinstance(error, DataRegistryError | AssertionError)
    return httpx.RemoteProtocolError if is_wire_failure and not _is_builtin(error) else None


def _is_builtin(error: BaseException) -> bool:
    return type(error).__module__ == "builtins"


def _reason(error: BaseException, kind: type[Exception], chain: list[BaseException]) -> str:
    number = next((number for link in chain for number in _errnos(link)), None)
    text = next((str(link) for link in chain if str(link)), "no reason given")
    for link in chain:
        if isinstance(link, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {getattr(link, 'verify_message', '') or link}"
    if any(isinstance(link, socket.gaierror) for link in chain):
        return f"host name not found: {text}"
    if number in _RESETS:
        return "connection reset"
    if number is not None:
        return os.strerror(number).lower()
    if issubclass(kind, httpx.TimeoutException):
        return f"too slow: {text}" if str(error) else f"too slow ({kind.__name__})"
    name = kind.__name__ if isinstance(error, kind) else type(error).__name__
    return f"{name}: {text}"


def _place(error: BaseException) -> str:
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame else "an unknown place"


def _errnos(error: BaseException) -> Iterator[int]:
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError):  # whose numbers are OpenSSL's
        if error.errno is not None:
            yield error.errno
        yield from map(int, _ERRNO.findall(str(error)[:1000]))  # asyncio sums up several addresses in a text


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what it came from, groups opened."""
    seen: dict[int, BaseException] = {}
    todo: list[BaseException | None] = [error]
    while todo and len(seen) < _LONGEST_CHAIN:
        link = todo.pop(0)
        if link is not None and id(link) not in seen:
            seen[id(link)] = link
            yield link
            todo += link.exceptions if isinstance(link, BaseExceptionGroup) else ()
            todo.append(link.__cause__ or link.__context__)
