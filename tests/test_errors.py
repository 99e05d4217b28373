"""The exceptions as values: their tree, their messages, pickled and copied."""

import copy
import json
import pickle
from typing import Any

import httpx
import pytest

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
from maps_data_registry.polling.replies import MAX_DEPTH

from .support import ID, failed, reply, result_of, running

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
    result = result_of(failed(**DEEP))
    errors: list[DataRegistryError] = [
        OperationFailed(result),
        OperationTimeout("timed out"),
        UnrecognizedStatus("no status"),
        ServiceError(httpx.Response(500), result.error or None, retry_after=3.0),
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
    error.operation_id, error.polls, error.elapsed, error.last = ID, 3, 1.5, result_of(running())
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
    error = OperationFailed(result_of(failed(**DEEP)))
    assert (error.code, error.message, error.target) == ("InvalidRequest", "The request\nis not valid.", "body")
    assert error.tree == TREE
    assert str(error) == "Failed: InvalidRequest: The request is not valid; fix the data and register it again"


def test_a_failure_without_a_reason() -> None:
    error = OperationFailed(result_of(reply("Failed")))
    assert (error.code, error.message, error.target, error.error, error.tree) == (None, None, None, None, "")
    assert "gave no reason" in str(error)


def test_an_error_tree_is_kept_to_a_bounded_depth_and_shown_to_a_bounded_length() -> None:
    deep: dict[str, Any] = {"code": "bottom"}
    for level in range(200):
        deep = {"code": str(level), "details": [deep], "innererror": {"code": "inner", "innererror": {}}}
    error = OperationFailed(result_of(failed(**deep)))
    assert error.tree.count("\n") < 100
    assert str(200 - MAX_DEPTH) in error.tree
    assert str(199 - MAX_DEPTH) not in error.tree.replace("inner", "").split()
    wide = OperationFailed(result_of(failed(details=[{"code": "x"}] * 5000)))
    assert len(wide.tree.splitlines()) == 100
    assert pickle.loads(pickle.dumps(error)).tree == error.tree


def test_unknown_members_are_kept_to_a_bounded_depth_too() -> None:
    deep: Any = "bottom"
    for _ in range(200):
        deep = {"a": [deep]}
    error = OperationFailed(result_of(failed(code="X", new=deep)))
    assert pickle.loads(pickle.dumps(error)).result == error.result
    assert "bottom" not in json.dumps(error.result.to_dict())
    assert result_of(reply(body={"new": {"a": [{"b": 1}]}})).to_dict() == {"new": {"a": [{"b": 1}]}}


def test_a_refusal_without_an_operation_advises_no_wait() -> None:
    assert str(ServiceError(httpx.Response(503))) == "HTTP 503"


def test_hostile_text_stays_in_its_place() -> None:
    error = OperationFailed(result_of(failed(code="A\x1b[2J\r\n\u202eB", message="m" * 5000)))
    assert str(error).isprintable()
    assert error.tree.isprintable()
    assert len(str(error)) < 1000
