import copy
import json
import pickle
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import maps_data_registry as package
from maps_data_registry import (
    AuthenticationFailed,
    DataRegistryError,
    InvalidResponse,
    OperationFailed,
    OperationNotFound,
    OperationTimeout,
    ServiceError,
    ServiceUnreachable,
    TokenUnavailable,
    UnrecognizedStatus,
    UntrustedOrigin,
)
from maps_data_registry.polling.replies import MAX_DEPTH, read_result
from maps_data_registry_client.api.data_registry import get_operation
from maps_data_registry_client.models import LongRunningOperationResult, MapsErrorResponse

from .support import ID, client_of, failed, reply, running, scripted

DEEP = {
    "code": "InvalidRequest",
    "message": "The request\nis not valid.",
    "target": "body",
    "details": [
        {"code": "InvalidFormat", "message": "Not GeoJSON.", "target": "features[3]", "details": None},
        {"message": "No code here.", "innererror": {"code": "A", "innererror": {"code": "B", "innererror": None}}},
        {},
    ],
    "innererror": {"code": "Parser"},
}
TREE = """\
InvalidRequest: The request is not valid. [body]
├─ InvalidFormat: Not GeoJSON. [features[3]]
├─ No code here.
│  └─ A
│     └─ B
├─ (no code)
└─ Parser"""


def every_error() -> dict[str, DataRegistryError]:
    result = read_result(failed(**DEEP))
    errors: list[DataRegistryError] = [
        OperationFailed(result),
        OperationTimeout("timed out"),
        UnrecognizedStatus("no status"),
        ServiceError(httpx.Response(500, headers={"retry-after": "3"}), result.error or None),
        AuthenticationFailed(httpx.Response(401)),
        OperationNotFound(httpx.Response(404)),
        ServiceUnreachable(httpx.ReadTimeout("slow")),
        InvalidResponse("it is empty", status_code=200, headers=httpx.Headers({"a": "b"}), body=b"x"),
        TokenUnavailable("no token"),
        package.InvalidOperation("no GUID"),
        package.InvalidCredential("empty"),
        UntrustedOrigin("not sent"),
    ]
    return {type(error).__name__: error for error in errors}


def test_the_tree_is_as_drawn() -> None:
    public = {name for name in package.__all__ if isinstance(getattr(package, name), type)}
    exceptions = {name for name in public if issubclass(getattr(package, name), Exception)}
    assert exceptions == {*every_error(), "DataRegistryError"}
    assert {name for name in package.errors.__doc__.split() if name in exceptions} == exceptions
    assert all(issubclass(getattr(package, name), DataRegistryError) for name in exceptions)
    assert issubclass(OperationTimeout, TimeoutError)
    assert issubclass(ServiceUnreachable, httpx.TransportError)


@pytest.mark.parametrize("name", every_error())
@pytest.mark.parametrize("twin", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy])
def test_every_error_pickles_and_copies(name: str, twin: Any) -> None:
    error = every_error()[name]
    error.operation_id, error.polls, error.elapsed, error.last = ID, 3, 1.5, read_result(running())
    again = twin(error)
    assert type(again) is type(error)
    assert (str(again), again.args) == (str(error), error.args)
    assert {k: v for k, v in vars(again).items() if k != "__cause__"} == vars(error)
    assert again.last == error.last
    assert again.last.to_dict() == {"id": ID, "status": "Running"}
    assert getattr(again, "tree", None) == getattr(error, "tree", None)


@pytest.mark.parametrize("name", every_error())
def test_a_message_is_one_line_with_a_next_step(name: str) -> None:
    error = every_error()[name]
    error.operation_id = ID
    assert "\n" not in str(error)
    assert str(error).startswith(f"operation {ID}: ")
    assert str(error).endswith(error.next_step)


def test_the_error_tree() -> None:
    error = OperationFailed(read_result(failed(**DEEP)))
    assert (error.code, error.message, error.target) == ("InvalidRequest", "The request\nis not valid.", "body")
    assert error.tree == TREE
    assert str(error) == "Failed: InvalidRequest: The request is not valid.; mend the data and register it again"


def test_a_failure_without_a_reason() -> None:
    error = OperationFailed(read_result(reply("Failed")))
    assert (error.code, error.message, error.target, error.error, error.tree) == (None, None, None, None, "")
    assert "gave no reason" in str(error)


def test_a_service_error() -> None:
    body = {"error": {"code": "TooManyRequests", "message": "Slow down."}}
    response = reply(code=429, body=body, retry_after="5", x_ms_request_id="abc", x_ms_error_code="Throttled")
    with pytest.raises(ServiceError) as caught:
        read_result(response)
    error = caught.value
    assert (error.status_code, error.code, error.message) == (429, "Throttled", "Slow down.")
    assert (error.retry_after, error.request_id) == (5, "abc")
    assert error.tree == "TooManyRequests: Slow down."
    assert str(error) == "HTTP 429 Throttled: Slow down."
    error.operation_id = ID
    assert str(error) == f'operation {ID}: HTTP 429 Throttled: Slow down.; to go on: wait_for_operation(client, "{ID}")'


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
    with pytest.raises(ServiceError, match=hint) as caught:
        read_result(httpx.Response(code, html="<h1>no</h1>"))
    assert type(caught.value) is kind
    assert caught.value.error is None


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "it is empty"),
        (b"<html>\n<h1>Log in</h1>", "Expecting value"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'{"status": "Run', "Unterminated"),
        (b"\xff\xfe", "Expecting value"),
        (b'"\xff"', "codec"),
        (b"[" * 500_000, "recursion"),
        (b'{"a":' * 500_000, "recursion"),
        (b"1" * 10_000, "digits"),
    ],
)
def test_a_body_that_cannot_be_read(content: bytes, fault: str) -> None:
    with pytest.raises(InvalidResponse, match=fault) as caught:
        read_result(httpx.Response(200, content=content, headers={"server": "gateway"}))
    error = caught.value
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
    ],
)
def test_members_of_a_wrong_type_are_dropped_and_unknown_ones_kept(body: Any, tidy: Any) -> None:
    assert read_result(reply(body=body)).to_dict() == tidy


def test_an_error_tree_is_kept_to_a_bounded_depth_and_shown_to_a_bounded_length() -> None:
    deep: dict[str, Any] = {"code": "bottom"}
    for level in range(200):
        deep = {"code": str(level), "details": [deep], "innererror": {"code": "inner", "innererror": {}}}
    error = OperationFailed(read_result(failed(**deep)))
    assert error.tree.count("\n") < 100
    assert str(200 - MAX_DEPTH) in error.tree
    assert str(199 - MAX_DEPTH) not in error.tree.replace("inner", "").split()
    wide = OperationFailed(read_result(failed(details=[{"code": "x"}] * 5000)))
    assert len(wide.tree.splitlines()) == 100
    assert pickle.loads(pickle.dumps(error)).tree == error.tree


def test_unknown_members_are_kept_to_a_bounded_depth_too() -> None:
    deep: Any = "bottom"
    for _ in range(200):
        deep = {"a": [deep]}
    error = OperationFailed(read_result(failed(code="X", new=deep)))
    assert pickle.loads(pickle.dumps(error)).result == error.result
    assert "bottom" not in json.dumps(error.result.to_dict())
    assert read_result(reply(body={"new": {"a": [{"b": 1}]}})).to_dict() == {"new": {"a": [{"b": 1}]}}


def test_a_status_tells_more_than_a_body_that_cannot_be_read() -> None:
    refused = InvalidResponse("too large", status_code=401, headers=httpx.Headers({"content-encoding": "br", "a": "b"}))
    with pytest.raises(AuthenticationFailed) as caught:
        read_result(refused)
    assert caught.value.headers == httpx.Headers({"a": "b"})
    with pytest.raises(InvalidResponse):
        read_result(InvalidResponse("too large", status_code=200, headers=httpx.Headers()))


def test_a_refusal_that_was_not_read_is_a_refusal() -> None:
    with pytest.raises(ServiceError, match="HTTP 400"):
        read_result(httpx.Response(400, stream=httpx.SyncByteStream()))


def test_a_refusal_without_an_operation_advises_no_wait() -> None:
    assert str(ServiceError(httpx.Response(400))) == "HTTP 400"


def test_hostile_text_stays_in_its_place() -> None:
    error = OperationFailed(read_result(failed(code="A\x1b[2J\r\n\u202eB", message="m" * 5000)))
    assert str(error).isprintable()
    assert error.tree.isprintable()
    assert len(str(error)) < 1000


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
    try:
        result = read_result(response)
    except DataRegistryError as error:
        assert "\n" not in str(error)
        assert pickle.loads(pickle.dumps(error)).args == error.args
    else:
        assert isinstance(result, LongRunningOperationResult)
        result.to_dict()
        assert OperationFailed(result).tree is not None


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
    ours: Any
    try:
        ours = read_result(response)
    except ServiceError as error:
        ours = error
    except InvalidResponse:
        ours = None
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
