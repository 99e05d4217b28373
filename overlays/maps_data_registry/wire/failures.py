"""What went wrong on the wire, as a new error of httpx that says so in a line and holds nothing else."""

import errno
import re
import socket
import ssl
from collections.abc import Iterator

import httpx

from maps_data_registry.text import one_line

from .secrecy import Mask

_ERRNO = re.compile(r"\[Errno (\d+)\]")
_RESETS = frozenset({errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE})
_LONGEST_CHAIN = 100


class CertificateNotTrusted(httpx.ConnectError):
    """The other side's certificate was not trusted, and will not be the next time."""


def failure_of(error: Exception, where: str, mask: Mask) -> Exception:
    """A new error to raise in place of what a transport raised: no cause, context, request or frames, its text masked.

    An error of httpx keeps its class. What sockets and decoders raise, and the errors of other HTTP libraries, are
    failures of the wire. Any other exception of Python's own is a mistake in a transport, or a test's assertion: it
    comes back as it is, with a note instead of its frames.
    """
    chain = list(_chain(error))
    kind = _kind(error, chain)
    if kind is None:
        error.add_note(f"raised at {_place(error)}")
        error.__cause__ = error.__context__ = None
        return error.with_traceback(None)
    return kind(f"{where}: {one_line(mask.text(_reason(error, kind, chain)))}")


def _kind(error: Exception, chain: list[BaseException]) -> type[httpx.RequestError] | None:
    if any(isinstance(link, ssl.SSLCertVerificationError) for link in chain):
        return CertificateNotTrusted
    for kind in type(error).__mro__:
        if issubclass(kind, httpx.RequestError) and kind.__module__.startswith("httpx"):
            return kind
    if isinstance(error, TimeoutError):
        return httpx.ReadTimeout
    if isinstance(error, OSError):
        return httpx.ReadError
    is_pythons = type(error).__module__ == "builtins" or isinstance(error, AssertionError)
    return None if is_pythons and not isinstance(error, UnicodeError) else httpx.RemoteProtocolError


def _reason(error: Exception, kind: type[Exception], chain: list[BaseException]) -> str:
    numbers = {number for link in chain for number in _errnos(link)}
    text = next((str(link) for link in chain if str(link)), "no reason given")
    for link in chain:
        if isinstance(link, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {getattr(link, 'verify_message', '') or link}"
    if any(isinstance(link, socket.gaierror) for link in chain):
        return f"its name was not found: {text}"
    if errno.ECONNREFUSED in numbers:
        return "connection refused"
    if numbers & _RESETS:
        return "connection reset"
    if issubclass(kind, httpx.TimeoutException):
        return f"too slow: {text}" if str(error) else f"too slow ({kind.__name__})"
    return f"{kind.__name__}: {text}"


def _place(error: Exception) -> str:
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame else "an unknown place"


def _errnos(error: BaseException) -> Iterator[int]:
    if isinstance(error, OSError):
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
            todo.append(link.__cause__ or link.__context__)
            todo += link.exceptions if isinstance(link, BaseExceptionGroup) else ()
