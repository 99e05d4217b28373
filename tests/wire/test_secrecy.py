"""Whatever the other side sends back, and wherever: the credential shows nowhere."""

import base64
import gzip
import html
import itertools
import json
import logging
import signal
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import anyio.lowlevel
import httpcore
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
    wait_for_operations_async,
)
from maps_data_registry.auth.keys import header_fault
from maps_data_registry.wire.secrecy import Mask
from tests.support import BASE_URL, ID, KEY, LOCATION, reply, scripted

from .drivers import DRIVERS, ONCE, Driver
from .search import is_in, places_of, shown_by
from .server import GOOD, Answer, closes, sends, serve

ROOT = Path(__file__).parents[2]


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
    return b'{"error": {"code": "No", "message": "Not %b, no.", "target": "%b"}}' % ((message.encode(),) * 2)


def every(pattern: str) -> Callable[[str], str]:
    return lambda text: "".join(pattern.format(ord(letter)) for letter in text)


def in_part(pattern: str) -> Callable[[str], str]:
    return lambda text: "".join(
        pattern.format(ord(letter)) if index % 5 == 2 or letter == "\\" else letter  # a bare one would be no JSON
        for index, letter in enumerate(text)
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


# Each echo with one of the credentials; the other two take their time.
PAIRS = [
    pytest.param(name, credential, marks=[] if row % 9 == column else pytest.mark.slow)
    for row, name in enumerate(ECHOES)
    for column, credential in enumerate(CREDENTIALS)
]


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
@pytest.mark.no_cover
@pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")
@pytest.mark.parametrize(("name", "credential"), PAIRS)
def test_an_echo_of_the_credential_is_found_nowhere(
    name: str, credential: str, caplog: pytest.LogCaptureFixture
) -> None:
    secret, make = CREDENTIALS[credential]
    with caplog.at_level(logging.DEBUG), serve(ECHOES[name](secret)) as wire:
        found = [ends(driver, wire.url, make(secret)) for driver in DRIVERS]
    assert any(secret.encode() in request for request in wire.requests)  # it did go where it belongs
    shown = [item for texts in found for item in texts]
    shown += [(f"log of {record.name}", record.getMessage()) for record in caplog.records]
    assert places_of(secret, shown) == []


@pytest.mark.parametrize("how", WRITTEN)
def test_the_search_itself_finds_a_secret_however_it_is_written(how: str) -> None:
    for secret, _ in CREDENTIALS.values():
        assert is_in(f"Not {WRITTEN[how](secret)}, no.", secret)
        assert is_in(repr(f"{secret}".encode("utf-16")), secret)


@pytest.mark.no_cover
@pytest.mark.parametrize("how", WRITTEN)
@pytest.mark.parametrize("driver", DRIVERS[:2], ids=lambda driver: driver.name)
def test_what_stands_around_an_echo_stays(driver: Driver, how: str) -> None:
    for secret, make in CREDENTIALS.values():
        with serve(sends(with_body(refusal(WRITTEN[how](secret))))) as wire:
            found = dict(ends(driver, wire.url, make(secret)))
        (text,) = [text for place, text in found.items() if place.startswith("str of")]
        assert "No" in text
        assert ", no;" in text
        assert "***" in text


@pytest.mark.parametrize("name", [*list(ECHOES)[:: len(WRITTEN) // 3], "as the status", "as a cookie"])
def test_the_command_shows_it_nowhere(
    name: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """Neither on its standard streams with `-v`, though the libraries log at level DEBUG, nor in its results file."""
    from maps_data_registry.cli import main

    secret, _ = CREDENTIALS["key"]
    caplog.set_level(logging.DEBUG, logger=httpcore.__name__)
    interrupt = signal.getsignal(signal.SIGINT)
    for variable in ("AZURE_MAPS_SAS_TOKEN", "AZURE_MAPS_CLIENT_ID"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AZURE_MAPS_SUBSCRIPTION_KEY", secret)
    results = tmp_path / "results.jsonl"
    with serve(ECHOES[name](secret)) as wire:
        arguments = ["wait", "-v", "--timeout", "2", "--base-url", wire.url, "--results", str(results), ID]
        monkeypatch.setattr(sys, "argv", ["maps-data-registry", *arguments])
        main()
    signal.signal(signal.SIGINT, interrupt)  # which the command leaves to the system at its end
    out, err = capfd.readouterr()
    assert "receive_response_headers" in err
    written = results.read_text() if results.exists() else ""
    assert places_of(secret, [("standard output", out), ("standard error", err), ("results", written)]) == []


@pytest.mark.parametrize("credential", CREDENTIALS)
def test_no_result_shows_it(credential: str) -> None:
    secret, make = CREDENTIALS[credential]
    seen: list[httpx.Request] = []
    body = {"id": ID, "status": "Completed", "more": [secret, {secret: json.dumps({"a": secret})}]}
    client = connect(
        base_url=BASE_URL, credential=make(secret), account_client_id=ID, transport=scripted([reply(body=body)], seen)
    )
    result = wait_for_operation(client, ID)
    assert not is_in(json.dumps(result.to_dict()), secret)
    assert result.to_dict()["more"][0] == "***"
    assert secret in str(seen[0].headers.multi_items())  # it did go where it belongs
    assert not is_in(str(seen[0].url), secret)


@pytest.mark.parametrize("driver", DRIVERS, ids=lambda driver: driver.name)
@pytest.mark.parametrize("credential", CREDENTIALS)
def test_what_names_no_operation_is_not_shown(driver: Driver, credential: str) -> None:
    """Such as a key in the place of the id."""
    secret, make = CREDENTIALS[credential]
    for operation in (
        secret * 2,
        f"https://evil.test/dataRegistries/operations/{ID}?{secret}",
        LOCATION.replace("https://", f"https://user:{secret}@"),
    ):
        error = driver.failure(
            lambda: connect(base_url=BASE_URL, credential=make(secret), account_client_id=ID), operation
        )
        shown = [(place, text) for place, text in shown_by(error) if not place.startswith("frame")]
        assert places_of(secret, shown) == []


@pytest.mark.parametrize("credential", CREDENTIALS)
def test_a_client_shows_it_in_no_repr(credential: str) -> None:
    secret, make = CREDENTIALS[credential]
    client = connect(base_url=BASE_URL, credential=make(secret), account_client_id=ID, transport=scripted([]))
    http = client.get_httpx_client()
    for shown in (client, http, http.auth, http.headers, http._transport, vars(http._transport)):
        assert not is_in(repr(shown), secret)


def test_the_reason_phrase_is_not_the_other_sides() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(404, extensions={"reason_phrase": request.headers["subscription-key"].encode()})

    secret, make = CREDENTIALS["key"]
    client = connect(base_url=BASE_URL, credential=make(secret), transport=httpx.MockTransport(answer))
    with client:
        response = client.get_httpx_client().get("/")
    assert response.reason_phrase == "Not Found"
    assert secret not in repr(response)


def test_a_character_set_that_the_header_names_is_not_used() -> None:
    """`response.text` would resolve with it what the mask cannot know."""
    secret, make = CREDENTIALS["sas"]
    headers = {"content-type": "text/plain; charset=utf-7"}
    answer = httpx.Response(200, content=secret.encode("utf-7").replace(b"M", b"+AE0-"), headers=headers)
    with connect(base_url=BASE_URL, credential=make(secret), transport=scripted([answer])) as client:
        assert secret not in client.get_httpx_client().get("/").text


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_each_reply_is_masked_with_its_own_requests_secret(backend: str) -> None:
    """However many others are in flight, each with another."""
    minted = (f"minted-token-number-{number:06d}" for number in itertools.count())

    class Echo(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await anyio.lowlevel.checkpoint()
            return httpx.Response(400, json={"error": {"code": "Bad", "message": request.headers["subscription-key"]}})

    async def main() -> list[str]:
        client = connect(base_url=BASE_URL, credential=SubscriptionKey(lambda: next(minted)), transport=Echo())
        async with wait_for_operations_async(client, [ID] * 64) as outcomes:
            return [str(outcome.error) async for outcome in outcomes]

    messages = anyio.run(main, backend=backend)
    assert len(messages) == 64
    assert not [message for message in messages if "minted" in message]


def test_a_finalizer_may_log_while_a_record_is_masked(caplog: pytest.LogCaptureFixture) -> None:
    class Logging:
        def __str__(self) -> str:
            logging.getLogger("httpcore.http11").debug("inner")
            return "outer"

    with caplog.at_level(logging.DEBUG), connect(base_url=BASE_URL, credential=SubscriptionKey("k" * 20)):
        logging.getLogger("httpcore.http11").debug("%s", Logging())
    assert "outer" in caplog.messages


def test_a_secret_at_the_end_of_what_is_read_is_not_shown_in_part() -> None:
    secret, make = CREDENTIALS["key"]
    long = httpx.Response(200, stream=httpx.ByteStream(f"your key is {secret}".encode()[:-1]))
    client = connect(base_url=BASE_URL, credential=make(secret), transport=scripted([long]), max_reply_bytes=20)
    with pytest.raises(InvalidResponse, match="longer than 20 bytes") as caught:
        get_operation(client, ID)
    assert caught.value.excerpt == ""


def test_a_secret_that_was_rotated_a_moment_ago_is_masked_too() -> None:
    secrets = [f"secret-number-{number:04d}" for number in range(20)]
    mask = Mask()
    for secret in secrets:
        mask = mask.with_secrets([secret.encode()])
    assert mask.text(secrets[-1]) == mask.text(secrets[-8]) == "***"
    assert mask.text(secrets[0]) == secrets[0]  # long ago


def test_escapes_deeper_than_anyone_reads_keep_no_secret_in() -> None:
    deep = "%2525252525252541"
    mask = Mask([b"secret-0123456789"])
    assert mask.text(deep) is deep
    assert mask.text(f"secret-0123456789 {deep}") == f"*** {deep}"


def test_a_short_secret_would_be_found_anywhere() -> None:
    assert Mask([b"id"]).text('{"id": "x"}') == '{"id": "x"}'


SECRETS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8, max_size=40).filter(
    lambda secret: header_fault(secret) is None
)


AROUND = st.text("αβγ \n")


@given(SECRETS, AROUND, AROUND, st.sampled_from(sorted(WRITTEN)))
def test_any_secret_is_masked_however_it_is_written(secret: str, before: str, after: str, how: str) -> None:
    masked = Mask([secret.encode()]).text(f"{before}\n{WRITTEN[how](secret)}\n{after}")
    assert "***" in masked
    assert masked.startswith(before)
    assert masked.endswith(after)


@given(st.text())
def test_a_text_without_a_secret_is_handed_on_as_it_is(text: str) -> None:
    mask = Mask([b"not-in-there-0123456789"])
    assert mask.text(text) is text
    data = text.encode("utf-8", "surrogatepass")
    assert mask(data) is data


@pytest.mark.slow
@pytest.mark.parametrize(
    "text", [b"\\", b"%25", b"&amp;", b"&amp;amp;amp;amp;amp;amp;", b"&nosuchname;", b"&#0", b'\\"', b"%"]
)
def test_masking_takes_time_in_proportion(text: bytes) -> None:
    """A reply is at most a megabyte; what is quadratic would take an hour."""
    mask = Mask([b"secret-0123456789"])
    mask(text * (1_000_000 // len(text)))
    assert b"***" in mask(b"secret-0123456789" + text * (300_000 // len(text)))


def test_an_invalid_response_shows_no_bytes_that_could_be_decoded() -> None:
    secret, make = CREDENTIALS["key"]
    answer = httpx.Response(200, stream=httpx.ByteStream(secret.encode("utf-16")))
    with connect(base_url=BASE_URL, credential=make(secret), transport=scripted([answer])) as client:
        with pytest.raises(InvalidResponse) as caught:
            get_operation(client, ID)
        assert caught.value.excerpt == ""


LOGGED = """
import logging, sys, warnings
warnings.simplefilter("error")
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
from tests.support import KEY
from tests.wire.drivers import Driver, client_at

Driver(sys.argv[1]).wait(client_at(sys.argv[2]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", [driver.name for driver in DRIVERS])
def test_the_log_of_a_process_with_one_kind_of_client(name: str) -> None:
    """Where nothing else has been imported."""
    echo = GOOD.replace(b"\r\n", b"\r\nX-Echo: %b\r\n" % KEY.encode(), 1)
    with serve(sends(echo)) as wire:
        command = [sys.executable, "-c", LOGGED, name, wire.url]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stderr, done.returncode) == ("", 0)
    assert "receive_response_headers.complete" in done.stdout
    assert KEY not in done.stdout
