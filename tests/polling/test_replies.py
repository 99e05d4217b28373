"""A reply is a result, or one of the package's errors, whatever comes."""

import json
import pickle
import time
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maps_data_registry import (
    AuthenticationFailed,
    DataRegistryError,
    InvalidResponse,
    OperationFailed,
    OperationNotFound,
    ServiceError,
)
from maps_data_registry.polling.replies import MAX_DETAILS, Answer, read_reply
from maps_data_registry_client.api.data_registry import get_operation
from maps_data_registry_client.models import MapsErrorResponse
from tests.support import EPOCH, ID, client_of, error_of, failed, reply, result_of, scripted
from tests.test_errors import DEEP


def test_a_service_error() -> None:
    body = {"error": {"code": "TooManyRequests", "message": "Slow down."}}
    response = reply(code=429, body=body, retry_after="5", x_ms_request_id="abc", x_ms_error_code="Throttled")
    error = error_of(response)
    assert isinstance(error, ServiceError)
    assert (error.status_code, error.code, error.message) == (429, "Throttled", "Slow down.")
    assert (error.retry_after, error.request_id) == (5, "abc")
    assert error.tree == "TooManyRequests: Slow down."
    assert str(error) == "HTTP 429 Throttled: Slow down."
    error.operation_id = ID
    assert str(error) == f'operation {ID}: HTTP 429 Throttled: Slow down; to resume: wait_for_operation(client, "{ID}")'


@pytest.mark.parametrize(
    ("code", "kind", "hint"),
    [
        (401, AuthenticationFailed, "not switched off on the account"),
        (403, AuthenticationFailed, "not the app's"),
        (404, OperationNotFound, "geography"),
        (400, ServiceError, "HTTP 400"),
        (302, ServiceError, "HTTP 302"),
    ],
)
def test_refusals_help(code: int, kind: type[ServiceError], hint: str) -> None:
    error = error_of(httpx.Response(code, html="<h1>no</h1>"))
    assert type(error) is kind
    assert hint in str(error)
    assert error.error is None


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "it is empty"),
        (b"<html>\n<h1>Log in</h1>", "Expecting value"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'{"status": "Run', "Unterminated"),
        (b"\xff\xfe", "codec"),
        ('{"status": "Completed"}'.encode("utf-16"), "codec"),
        ('{"status": "Completed"}'.encode("utf-32-le"), "property name"),
        (b'"\xff"', "codec"),
        (b"[" * 500_000, "nested too deeply"),
        (b'{"a":' * 500_000, "nested too deeply"),
        (b"1" * 10_000, "digits"),
    ],
)
def test_a_body_that_cannot_be_read(content: bytes, fault: str) -> None:
    error = error_of(httpx.Response(200, content=content, headers={"server": "gateway"}))
    assert isinstance(error, InvalidResponse)
    assert fault in str(error)
    assert (error.status_code, error.headers["server"]) == (200, "gateway")
    assert len(error.excerpt) <= 300
    assert error.excerpt.isprintable()
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("body", "tidy"),
    [
        ({"status": "Completed", "error": None}, {"status": "Completed", "error": None}),
        ({"id": 7, "status": ["Running"], "extra": 1}, {"extra": 1}),
        ({"error": "no"}, {"error": None}),
        ({"error": {"code": 5, "message": None, "target": []}}, {"error": {}}),
        ({"error": {"details": "x", "innererror": 3}}, {"error": {"details": None, "innererror": None}}),
        ({"error": {"details": [1, None, {"code": "A"}, {"code": 2}]}}, {"error": {"details": [{"code": "A"}, {}]}}),
        ({"error": {"code": "A", "new": {"deep": [1]}}}, {"error": {"code": "A", "new": {"deep": [1]}}}),
        ({"new": float("nan"), "error": {"new": [float("inf"), 1]}}, {"new": None, "error": {"new": [None, 1]}}),
    ],
)
def test_members_of_a_wrong_type_are_dropped_and_unknown_ones_kept(body: Any, tidy: Any) -> None:
    assert result_of(reply(body=body)).to_dict() == tidy


def test_a_status_tells_more_than_a_body_that_cannot_be_read() -> None:
    refused = InvalidResponse("too large", status_code=401, headers=httpx.Headers({"content-encoding": "br", "a": "b"}))
    error = error_of(refused)
    assert isinstance(error, AuthenticationFailed)
    assert error.headers == httpx.Headers({"a": "b"})
    unreadable = InvalidResponse("too large", status_code=200, headers=httpx.Headers())
    assert error_of(unreadable) is unreadable


def test_an_error_keeps_so_many_details() -> None:
    details = [{"code": "A", "details": [{}] * 100}] * 100
    found = read_reply(failed(code="X", details=details), ID, time.time)
    assert isinstance(found, Answer)
    error = found.result.to_dict()["error"]
    assert 1 + sum(1 + len(detail.get("details") or ()) for detail in error["details"]) == MAX_DETAILS
    assert error["details"][0]["code"] == "A"


def test_a_refusal_that_was_not_read_is_a_refusal() -> None:
    assert str(error_of(httpx.Response(503, stream=httpx.SyncByteStream()))) == "HTTP 503"


MEMBERS = st.sampled_from(["id", "status", "error", "code", "message", "target", "details", "innererror"])
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(MEMBERS | st.text(max_size=5), inner, max_size=5),
    max_leaves=20,
)
BODIES = st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode())
HEADERS = st.dictionaries(
    st.sampled_from(["retry-after", "x-ms-error-code", "x-ms-request-id", "content-type"]),
    st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=10),
)
RESPONSES = st.builds(
    lambda status, headers, content: httpx.Response(status, headers=httpx.Headers(headers, "latin-1"), content=content),
    st.integers(100, 999), HEADERS, BODIES,
)  # fmt: skip


@given(RESPONSES)
def test_whatever_comes_is_a_result_or_one_of_ours(response: httpx.Response) -> None:
    answer = read_reply(response, ID, lambda: EPOCH)
    if isinstance(answer, DataRegistryError):
        assert "\n" not in str(answer)
        assert pickle.loads(pickle.dumps(answer)).args == answer.args
    else:
        json.dumps(answer.result.to_dict(), allow_nan=False)
        assert OperationFailed(answer.result).tree is not None


def corpus() -> list[httpx.Response]:
    bodies: list[Any] = [
        {}, {"id": ID}, {"status": "Running"}, {"id": ID, "status": "Completed", "error": None},
        {"status": "New", "x": 1},
        {"id": ID, "status": "Failed", "error": DEEP}, {"error": DEEP}, {"error": {}}, {"error": None},
    ]  # fmt: skip
    good = [reply(body=body, code=code) for body in bodies for code in (200, 400, 401, 404, 429, 503)]
    odd = [
        (200, b""),
        (429, b""),
        (502, b"<html>"),
        (520, b"{}"),
        # Not 200 and b"[]": the generated code takes an empty array for an empty object, an accident of dict().
        (200, b"[1]"),
        (404, b"null"),
        (200, b'{"a": 1, "a": 2}'),
    ]
    return [*good, *(httpx.Response(code, content=content) for code, content in odd)]


@pytest.mark.parametrize("response", corpus(), ids=lambda r: f"{r.status_code} {r.text[:40]}")
def test_the_generated_client_judges_the_same_where_it_can(response: httpx.Response) -> None:
    answer = read_reply(response, ID, lambda: EPOCH)
    ours = answer.result if isinstance(answer, Answer) else None if isinstance(answer, InvalidResponse) else answer
    try:
        theirs = get_operation.sync_detailed(ID, client=client_of(scripted([response])))
    except (ValueError, TypeError, AttributeError, KeyError):
        assert ours is None or response.status_code != 200
        return
    if isinstance(theirs.parsed, MapsErrorResponse):
        assert isinstance(ours, ServiceError)
        assert theirs.status_code == ours.status_code
        assert (theirs.parsed.error or None) == ours.error
    else:
        assert ours == theirs.parsed


def test_a_number_too_large_for_json_is_null() -> None:
    assert result_of(httpx.Response(200, content=b'{"new": 1e999}')).to_dict() == {"new": None}


def test_a_byte_order_mark_is_passed_over() -> None:
    assert result_of(httpx.Response(200, content=b'\xef\xbb\xbf{"status": "Running"}')).status == "Running"
