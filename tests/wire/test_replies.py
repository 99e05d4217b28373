"""One reply means one thing: each of these means the same, by class and by message, however it is waited for."""

import gzip
import zlib

import pytest

from maps_data_registry import ServiceUnreachable
from maps_data_registry.wire.incoming import MAX_HEADER_BYTES, MAX_PARTS, MAX_REPLY_BYTES

from .drivers import DRIVERS, ONCE, Driver, client_at
from .server import BODY, GOOD, HEAD, Answer, closes, resets, sends, serve

STATUS = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
REST = LENGTH + b"\r\n" + BODY


def with_header(*lines: bytes) -> bytes:
    return STATUS + b"".join(line + b"\r\n" for line in lines) + REST


def with_status(line: bytes, body: bytes = b"") -> bytes:
    return line + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def with_body(body: bytes, *headers: bytes) -> bytes:
    return STATUS + b"".join(line + b"\r\n" for line in headers) + b"Content-Length: %d\r\n\r\n" % len(body) + body


def encoded(coding: bytes, body: bytes) -> bytes:
    return with_body(body, b"Content-Encoding: " + coding)


CHARSET = b"Content-Type: application/json; charset="
ERROR = b'{"error": {"code": "Busy", "message": "Try later."}}'

# What comes over the wire, whether the connection then stays, and what it means: a status, or the start of the class
# and message of the error, or of its cause where no reply came.
REPLIES: dict[str, tuple[Answer, str]] = {
    # The status line
    "plain": (sends(GOOD), "Completed"),
    "HTTP/1.0": (closes(b"HTTP/1.0 200 OK\r\n" + REST), "Completed"),
    "HTTP/1.0 without a length": (closes(b"HTTP/1.0 200 OK\r\n\r\n" + BODY), "Completed"),
    "HTTP/1.2": (closes(b"HTTP/1.2 200 OK\r\n" + REST), "Completed"),
    "HTTP/2.0": (closes(b"HTTP/2.0 200 OK\r\n" + REST), "Completed"),
    "http in lower case": (closes(b"http/1.1 200 OK\r\n" + REST), "RemoteProtocolError"),
    "no version": (closes(b"HTTP 200 OK\r\n" + REST), "RemoteProtocolError"),
    "ICY": (closes(b"ICY 200 OK\r\n" + REST), "RemoteProtocolError"),
    "no reason": (sends(b"HTTP/1.1 200\r\n" + REST), "Completed"),
    "empty reason": (sends(b"HTTP/1.1 200 \r\n" + REST), "Completed"),
    "long reason": (sends(b"HTTP/1.1 200 " + b"O" * 5000 + b"\r\n" + REST), "Completed"),
    "reason in UTF-8": (sends(with_status("HTTP/1.1 404 Größe".encode())), "OperationNotFound: HTTP 404"),
    "reason in Latin-1": (sends(with_status(b"HTTP/1.1 404 Gr\xf6\xdfe")), "OperationNotFound: HTTP 404"),
    "reason that is no text": (sends(with_status(b"HTTP/1.1 503 \xff\xfe")), "ServiceError: HTTP 503"),
    "reason with a tab": (sends(with_status(b"HTTP/1.1 503 a\tb")), "ServiceError: HTTP 503"),
    "reason with a NUL": (closes(with_status(b"HTTP/1.1 503 a\0b")), "RemoteProtocolError"),
    "status of two digits": (closes(b"HTTP/1.1 20 OK\r\n" + REST), "RemoteProtocolError"),
    "status of four digits": (closes(b"HTTP/1.1 2000 OK\r\n" + REST), "RemoteProtocolError"),
    "status that is no number": (closes(b"HTTP/1.1 2x0 OK\r\n" + REST), "RemoteProtocolError"),
    "status with a sign": (closes(b"HTTP/1.1 +20 OK\r\n" + REST), "RemoteProtocolError"),
    "status 000": (closes(b"HTTP/1.1 000 OK\r\n" + REST), "RemoteProtocolError"),
    "status 099": (closes(b"HTTP/1.1 099 OK\r\n" + REST), "RemoteProtocolError"),
    "status 520": (sends(with_status(b"HTTP/1.1 520 Odd")), "ServiceError: HTTP 520"),
    "status 599": (sends(with_status(b"HTTP/1.1 599 Odd")), "ServiceError: HTTP 599"),
    "status 700": (sends(with_status(b"HTTP/1.1 700 Odd")), "ServiceError: HTTP 700"),
    "status 999": (sends(with_status(b"HTTP/1.1 999 Odd")), "ServiceError: HTTP 999"),
    "two spaces": (closes(b"HTTP/1.1  200 OK\r\n" + REST), "RemoteProtocolError"),
    "a tab for a space": (closes(b"HTTP/1.1\t200 OK\r\n" + REST), "RemoteProtocolError"),
    "a space first": (closes(b" HTTP/1.1 200 OK\r\n" + REST), "RemoteProtocolError"),
    "an empty line first": (closes(b"\r\n" + GOOD), "RemoteProtocolError"),
    "lines that end in LF": (closes(GOOD.replace(b"\r\n", b"\n")), "Completed"),
    "lines that end in CR": (closes(GOOD.replace(b"\r\n", b"\r")), "RemoteProtocolError"),
    "another protocol": (closes(b"SSH-2.0-OpenSSH_9.9\r\n\r\n"), "RemoteProtocolError"),
    "an alert of TLS": (closes(b"\x15\x03\x01\x00\x02\x02\x46"), "RemoteProtocolError"),
    "a page without a head": (closes(b"<html>no</html>\r\n\r\n"), "RemoteProtocolError"),
    "JSON without a head": (closes(BODY), "RemoteProtocolError"),
    # Headers
    "no headers": (closes(STATUS + b"\r\n" + BODY), "Completed"),
    "a long header": (sends(with_header(b"X-Long: " + b"a" * 10_000)), "Completed"),
    "many headers": (sends(with_header(*[b"X-%d: a" % number for number in range(500)])), "Completed"),
    "headers just too long": (closes(with_header(b"X: " + b"a" * MAX_HEADER_BYTES)), "InvalidResponse"),
    "too many headers": (closes(with_header(*[b"X-%d: a" % n for n in range(7000)])), "InvalidResponse"),
    "a header without end": (closes(STATUS + b"X: " + b"a" * 200_000), "RemoteProtocolError"),
    "headers without end": (closes(STATUS + b"X: a\r\n" * 40_000), "RemoteProtocolError"),
    "a folded header": (sends(with_header(b"X: a", b" b")), "Completed"),
    "folded from the start": (closes(with_header(b" X: a")), "RemoteProtocolError"),
    "a space before the colon": (closes(with_header(b"X : a")), "RemoteProtocolError"),
    "no colon": (closes(with_header(b"X")), "RemoteProtocolError"),
    "no name": (closes(with_header(b": a")), "RemoteProtocolError"),
    "a name with a space": (closes(with_header(b"X Y: a")), "RemoteProtocolError"),
    "a name outside ASCII": (closes(with_header("Größe: a".encode())), "RemoteProtocolError"),
    "a value in UTF-8": (sends(with_header("X: Größe".encode())), "Completed"),
    "a value that is no text": (sends(with_header(b"X: \xff\xfe")), "Completed"),
    "a value with a NUL": (closes(with_header(b"X: a\0b")), "RemoteProtocolError"),
    "a value with a CR": (closes(with_header(b"X: a\rb")), "RemoteProtocolError"),
    "an empty value": (sends(with_header(b"X:")), "Completed"),
    "no space after the colon": (sends(with_header(b"X:a")), "Completed"),
    "a cookie that is no text": (sends(with_header(b"Set-Cookie: a=\xb2")), "Completed"),
    "Location that is no URL": (sends(with_header(b"Location: http://[::1")), "Completed"),
    "a redirect to no URL": (sends(with_status(b"HTTP/1.1 302 Go\r\nLocation: foo://xn--/")), "ServiceError: HTTP 302"),
    "a redirect to no host": (sends(with_status(b"HTTP/1.1 302 Go\r\nLocation: https:x")), "ServiceError: HTTP 302"),
    "a redirect to no name": (sends(with_status(b"HTTP/1.1 302 Go\r\nLocation: //xn--a/")), "ServiceError: HTTP 302"),
    "a redirect to a port": (sends(with_status(b"HTTP/1.1 302 Go\r\nLocation: https::1")), "ServiceError: HTTP 302"),
    "a redirect without //": (sends(with_status(b"HTTP/1.1 302 Go\r\nLocation: http:a/b")), "ServiceError: HTTP 302"),
    "a redirect": (sends(with_status(b"HTTP/1.1 307 Go\r\nLocation: /x")), "ServiceError: HTTP 307"),
    "a redirect elsewhere": (sends(with_status(b"HTTP/1.1 301 Go\r\nLocation: //x.test")), "ServiceError: HTTP 301"),
    # Content-Length
    "length that is no number": (closes(STATUS + b"Content-Length: x\r\n\r\n" + BODY), "RemoteProtocolError"),
    "empty length": (closes(STATUS + b"Content-Length:\r\n\r\n" + BODY), "RemoteProtocolError"),
    "negative length": (closes(STATUS + b"Content-Length: -1\r\n\r\n" + BODY), "RemoteProtocolError"),
    "length with a sign": (closes(STATUS + b"Content-Length: +69\r\n\r\n" + BODY), "RemoteProtocolError"),
    "hexadecimal length": (closes(STATUS + b"Content-Length: 0x45\r\n\r\n" + BODY), "RemoteProtocolError"),
    "length with a zero first": (sends(STATUS + b"Content-Length: 0%d\r\n\r\n" % len(BODY) + BODY), "Completed"),
    "length twice": (sends(STATUS + LENGTH + REST), "Completed"),
    "length in a list": (sends(STATUS + b"Content-Length: %d, %d\r\n\r\n" % ((len(BODY),) * 2) + BODY), "Completed"),
    "two lengths": (closes(STATUS + b"Content-Length: 5\r\n" + REST), "RemoteProtocolError"),
    "length of 0": (sends(STATUS + b"Content-Length: 0\r\n\r\n"), "InvalidResponse"),
    "too short": (sends(STATUS + b"Content-Length: 30\r\n\r\n" + BODY), "InvalidResponse"),
    "cut off": (closes(HEAD + b"Content-Length: 100\r\n\r\n" + BODY), "RemoteProtocolError"),
    "cut off in the head": (closes(STATUS + b"Content-"), "RemoteProtocolError"),
    "cut off in the status": (closes(b"HTTP/1."), "RemoteProtocolError"),
    "huge length": (closes(HEAD + b"Content-Length: 100000000000\r\n\r\n{"), "InvalidResponse"),
    "length of 20 digits": (closes(HEAD + b"Content-Length: " + b"9" * 20 + b"\r\n\r\n{"), "InvalidResponse"),
    "length of 400 digits": (closes(HEAD + b"Content-Length: " + b"9" * 400 + b"\r\n\r\n{"), "RemoteProtocolError"),
    "no length, to the end": (closes(HEAD + b"\r\n" + BODY), "Completed"),
    "a part for each byte": (
        sends(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * (MAX_PARTS + 1) + b"0\r\n\r\n"),
        "InvalidResponse",
    ),
    "too long, to the end": (closes(HEAD + b"\r\n" + b" " * MAX_REPLY_BYTES + BODY), "InvalidResponse"),
    "as long as may be": (closes(with_body(b" " * (MAX_REPLY_BYTES - len(BODY)) + BODY)), "Completed"),
    # Chunks
    "chunked": (sends(CHUNKED + CHUNKS), "Completed"),
    "in upper case": (sends(HEAD + b"TRANSFER-ENCODING: CHUNKED\r\n\r\n" + CHUNKS), "Completed"),
    "chunk by chunk": (sends(CHUNKED + b"".join(b"1\r\n%c\r\n" % byte for byte in BODY) + b"0\r\n\r\n"), "Completed"),
    "a chunk's extension": (sends(CHUNKED + CHUNKS.replace(b"\r\n", b';a="b"\r\n', 1)), "Completed"),
    "a trailer": (sends(CHUNKED + CHUNKS[:-2] + b"X: a\r\n\r\n"), "Completed"),
    "a trailer without end": (closes(CHUNKED + CHUNKS[:-2] + b"X: " + b"a" * 200_000), "RemoteProtocolError"),
    "a bad trailer": (closes(CHUNKED + CHUNKS[:-2] + b"X\r\n\r\n"), "RemoteProtocolError"),
    "chunks with length": (sends(HEAD + LENGTH + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKS), "Completed"),
    "chunks in HTTP/1.0": (
        closes(b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS),
        "Completed",
    ),
    "a chunk's size is no number": (closes(CHUNKED + b"x\r\n" + BODY), "RemoteProtocolError"),
    "a chunk's size is negative": (closes(CHUNKED + b"-1\r\n" + BODY), "RemoteProtocolError"),
    "a chunk's size is 0x": (closes(CHUNKED + b"0x45\r\n" + BODY), "RemoteProtocolError"),
    "a chunk's size is huge": (closes(CHUNKED + b"F" * 30 + b"\r\n" + BODY), "RemoteProtocolError"),
    "a chunk without its end": (closes(CHUNKED + b"5\r\n" + BODY), "RemoteProtocolError"),
    "chunks cut off": (closes(CHUNKED + CHUNKS[:-5]), "RemoteProtocolError"),
    "a chunk cut off": (closes(CHUNKED + b"ff\r\n{"), "RemoteProtocolError"),
    "no chunk": (sends(CHUNKED + b"0\r\n\r\n"), "InvalidResponse"),
    "too long in chunks": (closes(CHUNKED + b"%x\r\n" % 2**21 + b" " * 2**21 + b"\r\n0\r\n\r\n"), "InvalidResponse"),
    "gzip as transfer-encoding": (closes(HEAD + b"Transfer-Encoding: gzip\r\n\r\n" + BODY), "RemoteProtocolError"),
    "gzip, chunked": (closes(HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + CHUNKS), "RemoteProtocolError"),
    "identity": (closes(HEAD + b"Transfer-Encoding: identity\r\n\r\n" + BODY), "RemoteProtocolError"),
    # Content-Encoding
    "gzip": (sends(encoded(b"gzip", gzip.compress(BODY))), "Completed"),
    "GZIP": (sends(encoded(b"GZIP", gzip.compress(BODY))), "Completed"),
    "x-gzip": (sends(encoded(b"x-gzip", gzip.compress(BODY))), "Completed"),
    "deflate": (sends(encoded(b"deflate", zlib.compress(BODY))), "Completed"),
    "encoded as identity": (sends(encoded(b"identity", BODY)), "Completed"),
    "encoded as nothing": (sends(encoded(b"", BODY)), "Completed"),
    "gzip that is none": (sends(encoded(b"gzip", BODY)), "InvalidResponse"),
    "gzip cut off": (sends(encoded(b"gzip", gzip.compress(BODY)[:-4])), "InvalidResponse"),
    "gzip twice": (sends(encoded(b"gzip, gzip", gzip.compress(BODY))), "InvalidResponse"),
    "gzip of nothing": (sends(encoded(b"gzip", b"")), "InvalidResponse"),
    "br": (sends(encoded(b"br", b"\x00")), "InvalidResponse"),
    "an encoding that is no text": (sends(encoded(b"\xff", BODY)), "InvalidResponse"),
    "a bomb": (sends(encoded(b"gzip", gzip.compress(b" " * 20_000_000))), "InvalidResponse"),
    "a refusal in br": (sends(b"HTTP/1.1 503 x\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx"), "ServiceError"),
    # Character sets
    "a byte order mark": (sends(with_body(b"\xef\xbb\xbf" + BODY)), "Completed"),
    "UTF-16": (sends(with_body(BODY.decode().encode("utf-16"))), "InvalidResponse"),
    "UTF-16 without a mark": (sends(with_body(BODY.decode().encode("utf-16-le"))), "InvalidResponse"),
    "UTF-32": (sends(with_body(BODY.decode().encode("utf-32"))), "InvalidResponse"),
    "said to be UTF-16": (sends(with_body(BODY, CHARSET + b"utf-16")), "Completed"),
    "said to be UTF-7": (sends(with_body(BODY, CHARSET + b"utf-7")), "Completed"),
    "said to be nonsense": (sends(with_body(BODY, CHARSET + b"nonsense")), "Completed"),
    "Latin-1": (sends(with_body(b'{"status": "Compl\xe9t"}', CHARSET + b"iso-8859-1")), "InvalidResponse"),
    "half a letter": (sends(with_body(BODY[:-2] + b'\xc3"}')), "InvalidResponse"),
    "a surrogate": (sends(with_body(b'{"status": "\xed\xa0\x80"}')), "InvalidResponse"),
    "a NUL": (sends(with_body(b'{"status": "\0"}')), "InvalidResponse"),
    # 1xx, 204, 304
    "100 first": (sends(b"HTTP/1.1 100 Continue\r\n\r\n" + GOOD), "Completed"),
    "ten times 100 first": (sends(b"HTTP/1.1 100 Continue\r\n\r\n" * 10 + GOOD), "Completed"),
    "102 and 103 first": (sends(b"HTTP/1.1 102 \r\n\r\nHTTP/1.1 103 \r\nLink: </x>\r\n\r\n" + GOOD), "Completed"),
    "100 and no more": (closes(b"HTTP/1.1 100 Continue\r\n\r\n"), "RemoteProtocolError"),
    "100 with a length": (closes(b"HTTP/1.1 100 C\r\nContent-Length: 5\r\n\r\n" + GOOD), "Completed"),
    "101": (closes(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"), "RemoteProtocolError"),
    "204": (sends(b"HTTP/1.1 204 No Content\r\n\r\n"), "ServiceError: HTTP 204"),
    "204 with a length": (sends(b"HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n"), "ServiceError: HTTP 204"),
    "204 with a body": (closes(b"HTTP/1.1 204 No\r\n" + REST), "ServiceError: HTTP 204"),
    "205": (sends(with_status(b"HTTP/1.1 205 Reset")), "ServiceError: HTTP 205"),
    "304": (sends(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n"), "ServiceError: HTTP 304"),
    "201 with an answer": (sends(with_status(b"HTTP/1.1 201 Created", BODY)), "ServiceError: HTTP 201"),
    "407 of the service": (sends(with_status(b"HTTP/1.1 407 Proxy")), "ServiceError: HTTP 407"),
    "503 with an error": (sends(with_status(b"HTTP/1.1 503 Busy", ERROR)), "ServiceError: HTTP 503 Busy: Try later."),
    # The end of a connection
    "closed": (closes(), "RemoteProtocolError"),
    "reset": (resets(), "ReadError"),
    "reset in the head": (resets(b"HTTP/1.1 200 OK\r\nContent-"), "ReadError"),
    "reset in the body": (resets(HEAD + b"Content-Length: 100\r\n\r\n{"), "ReadError"),
    "Connection: close": (closes(with_header(b"Connection: close")), "Completed"),
    "Connection: close that stays": (sends(with_header(b"Connection: close")), "Completed"),
    "surplus bytes": (sends(GOOD + b"surplus"), "Completed"),
    "a surplus reply": (sends(GOOD + GOOD), "Completed"),
    "a CRLF for good measure": (sends(GOOD + b"\r\n"), "Completed"),
}


def meaning(driver: Driver, url: str) -> str:
    try:
        return str(driver.wait(client_at(url), policy=ONCE).status)
    except ServiceUnreachable as error:
        cause = error.__cause__
        assert error.args[0] == f"no reply from {cause}"
        return f"{type(cause).__name__}: {cause}"
    except Exception as error:
        assert type(error).__module__ == "maps_data_registry.errors"
        return f"{type(error).__name__}: {error.args[0]}"


def meanings(name: str, drivers: list[Driver]) -> dict[str, str]:
    answer, _ = REPLIES[name]
    with serve(answer) as wire:
        return {driver.name: meaning(driver, wire.url) for driver in drivers}


@pytest.mark.parametrize("name", REPLIES)
def test_what_a_reply_means(name: str) -> None:
    (found,) = meanings(name, DRIVERS[:1]).values()
    assert found.startswith(REPLIES[name][1])
    assert len(found) < 500
    assert found.isprintable()


# httpx leaves its own generators to the garbage collector where a reply is given up half-way; trio remarks on it.
@pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")
@pytest.mark.slow
@pytest.mark.parametrize("name", REPLIES)
def test_it_means_the_same_to_every_driver(name: str) -> None:
    found = meanings(name, DRIVERS)
    assert len(set(found.values())) == 1, found
