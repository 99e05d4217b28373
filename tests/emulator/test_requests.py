"""What the emulator accepts, what it refuses and what it remembers, seen by plain httpx."""

import inspect
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from maps_data_registry.emulator import Emulator, Namespace, Scenario
from maps_data_registry.emulator.checks import API_VERSION
from maps_data_registry_client.api.data_registry.get_operation import sync_detailed

from .conftest import KEY, TLS

SPEC = Path(__file__).parents[2] / "spec"
ID = "0522b4fe-0539-4c6c-ba70-e35ec865d8e2"
UNKNOWN = f"/dataRegistries/operations/{ID}"
VERSION = {"api-version": API_VERSION}
ACCOUNT = {"x-ms-client-id": "7b8b6a1e-1d0f-4f0c-8f8e-2f6f5b0d6c11"}


def test_register_then_poll_to_the_end(http: httpx.Client, emulator: Namespace) -> None:
    registered = http.put(f"/dataRegistries/{ID}", json={"kind": "AzureBlob"})
    assert registered.status_code == 201
    operation_id = registered.headers["operation-id"]
    location = registered.headers["operation-location"]
    assert location == f"{emulator.url}/dataRegistries/operations/{operation_id}"
    replies = [http.get(location) for _ in range(4)]
    assert [reply.json()["status"] for reply in replies] == ["Running", "Running", "Completed", "Completed"]
    assert [reply.headers.get("retry-after") for reply in replies] == ["1", "1", None, None]
    assert {reply.json()["id"] for reply in replies} == {operation_id}


@pytest.mark.parametrize(
    ("name", "scenario"),
    [("running", "never-ends retry_after=10"), ("completed", "completes polls=0"), ("failed", "fails polls=0")],
)
def test_documented_examples(http: httpx.Client, emulator: Namespace, name: str, scenario: str) -> None:
    example = json.loads((SPEC / f"examples/{name}.json").read_bytes())
    reply = http.get(emulator.start_operation(scenario, operation_id=example["value"]["id"]).location)
    assert (reply.status_code, reply.json()) == (example["x-status"], example["value"])
    assert reply.headers.get("retry-after") == example["x-headers"].get("Retry-After")


@pytest.mark.parametrize(
    "how",
    [
        {"headers": {"x-emulator-scenario": "fails polls=0 retry_after=3"}},
        {"headers": {"x-emulator-scenario": '{"name": "fails", "polls": 0}'}},
        {"json": {"scenario": "fails polls=0"}},
        {"json": {"scenario": {"name": "fails", "polls": 0}, "kind": "AzureBlob"}},
    ],
)
def test_register_request_chooses_the_scenario(http: httpx.Client, how: dict[str, Any]) -> None:
    registered = http.put(f"/dataRegistries/{ID}", **how)
    assert http.get(registered.headers["operation-location"]).json()["status"] == "Failed"


def test_error_tree_is_told_as_given(http: httpx.Client) -> None:
    error = {"code": "A", "details": [{"code": "B", "innererror": {"code": "C"}}], "target": "blob", "extra": 1}
    registered = http.put(f"/dataRegistries/{ID}", json={"scenario": {"name": "fails", "polls": 0, "error": error}})
    assert http.get(registered.headers["operation-location"]).json()["error"] == error


@pytest.mark.data_registry_emulator(scenario="fails polls=0")
def test_default_scenario(http: httpx.Client) -> None:
    registered = http.put(f"/dataRegistries/{ID}")
    assert http.get(registered.headers["operation-location"]).json()["status"] == "Failed"


@pytest.mark.data_registry_emulator(virtual_time=True)
def test_seconds_pass_when_told_to(http: httpx.Client, emulator: Namespace) -> None:
    operation = emulator.start_operation("completes seconds=10")
    statuses = []
    for _ in range(3):
        statuses.append(http.get(operation.location).json()["status"])
        emulator.advance(5)
    assert statuses == ["Running", "Running", "Completed"]
    assert [entry.at for entry in emulator.journal(operation)] == [0, 5, 10]


REFUSED = [
    ("no credential", {"headers": {"subscription-key": None}}, 401, "Unauthorized"),
    ("two credentials", {"headers": {"authorization": "jwt-sas token"}}, 400, "InvalidRequest"),
    ("the same twice", {"headers": [("subscription-key", "a"), ("subscription-key", "b")]}, 400, "InvalidRequest"),
    ("empty key", {"headers": {"subscription-key": ""}}, 401, "Unauthorized"),
    ("key with a space", {"headers": {"subscription-key": "a b"}}, 401, "Unauthorized"),
    ("SAS without prefix", {"headers": {"subscription-key": None, "authorization": "token"}}, 401, "Unauthorized"),
    ("SAS without token", {"headers": {"subscription-key": None, "authorization": "jwt-sas"}}, 401, "Unauthorized"),
    ("basic", {"headers": {"subscription-key": None, "authorization": "Basic YTpi"}}, 401, "Unauthorized"),
    (
        "bearer without account",
        {"headers": {"subscription-key": None, "authorization": "Bearer token"}},
        401,
        "Unauthorized",
    ),
    ("no api-version", {"params": {"api-version": None}}, 400, "InvalidRequest"),
    ("another api-version", {"params": {"api-version": "2022-01-01"}}, 400, "InvalidRequest"),
    ("two api-versions", {"params": [("api-version", API_VERSION)] * 2}, 400, "InvalidRequest"),
    ("no GUID", {"url": "/dataRegistries/operations/0522b4fe"}, 400, "InvalidRequest"),
    ("GUID with a line feed", {"url": f"/dataRegistries/operations/{ID}%0A"}, 400, "InvalidRequest"),
    ("unknown operation", {}, 404, "NotFound"),
    ("unknown path", {"url": "/dataRegistry"}, 404, "NotFound"),
    ("wrong method", {"method": "DELETE"}, 405, "MethodNotAllowed"),
    ("PUT without GUID", {"method": "PUT", "url": "/dataRegistries/x"}, 400, "InvalidRequest"),
    ("unknown scenario", {"method": "PUT", "json": {"scenario": "nix"}}, 400, "InvalidRequest"),
    ("body that is no JSON", {"method": "PUT", "content": b"{"}, 400, "InvalidRequest"),
    ("body that is no object", {"method": "PUT", "content": b"[" * 100_000}, 400, "InvalidRequest"),
    (
        "redirect that splits the reply",
        {"method": "PUT", "json": {"scenario": {"name": "redirect", "value": "a\r\nb"}}},
        400,
        "InvalidRequest",
    ),
    ("endless pace", {"method": "PUT", "json": {"scenario": "slow-drip pace=inf"}}, 400, "InvalidRequest"),
    ("scenario that is a number", {"method": "PUT", "json": {"scenario": 1}}, 400, "InvalidRequest"),
    ("unknown option", {"method": "PUT", "headers": {"x-emulator-scenario": "fails poll=1"}}, 400, "InvalidRequest"),
]


@pytest.mark.parametrize(("change", "status", "code"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_refusals(emulator: Namespace, change: dict[str, Any], status: int, code: str) -> None:
    reply = refused(emulator, change)
    assert (reply.status_code, reply.headers["x-ms-error-code"]) == (status, code)
    assert reply.json()["error"]["code"] == code
    [entry] = emulator.journal()
    assert (entry.status, entry.outcome, entry.request_id) == (status, code, reply.headers["x-ms-request-id"])


def refused(emulator: Namespace, change: dict[str, Any]) -> httpx.Response:
    """The reply to a good request with one thing changed."""
    method = change.get("method", "GET")
    url = change.get("url") or (f"/dataRegistries/{ID}" if method == "PUT" else UNKNOWN)
    return httpx.request(
        method,
        emulator.url + url,
        headers=_changed({"subscription-key": KEY}, change.get("headers")),
        params=_changed({"api-version": API_VERSION}, change.get("params")),
        verify=TLS,
        **{name: change[name] for name in ("json", "content") if name in change},
    )


def _changed(usual: dict[str, str], change: Any) -> Any:
    if isinstance(change, list):
        return change
    return [(name, value) for name, value in (usual | (change or {})).items() if value is not None]


@pytest.mark.parametrize(
    ("headers", "scheme"),
    [
        ({"subscription-key": KEY}, "subscription-key"),
        ({"authorization": f"jwt-sas {KEY}"}, "jwt-sas"),
        ({"authorization": f"Bearer {KEY}", **ACCOUNT}, "Bearer"),
    ],
)
def test_schemes(emulator: Namespace, headers: dict[str, str], scheme: str) -> None:
    def ask() -> int:
        return httpx.get(emulator.start_operation().location, headers=headers, params=VERSION).status_code

    assert ask() == 200
    emulator.credentials = {"another"}
    assert ask() == 401
    emulator.credentials = {"another", KEY}
    assert ask() == 200
    journal = emulator.journal()
    assert [entry.scheme for entry in journal] == [scheme] * 3
    assert len({entry.credential for entry in journal}) == 1
    assert KEY not in repr(journal)
    assert KEY not in httpx.get(f"{emulator.url}/journal").text
    assert KEY not in httpx.get(f"{emulator.url}/").text


@pytest.mark.data_registry_emulator(virtual_time=True)
def test_journal_tells_the_pauses_and_who_came_early(http: httpx.Client, emulator: Namespace) -> None:
    operation = emulator.start_operation("completes polls=2 retry_after=10")
    for pause in (10, 9, 10):
        http.get(operation.location)
        emulator.advance(pause)
    http.get("/health")  # of a namespace: unknown
    journal = emulator.journal(operation)
    assert [entry.early for entry in journal] == [False, False, True]
    assert [entry.pause for entry in journal] == [10, 10, 0]
    assert [entry.outcome for entry in journal] == ["Running", "Running", "Completed"]
    told = httpx.get(f"{emulator.url}/journal").json()
    assert [entry["poll"] for entry in told["entries"]] == [1, 2, 3, None]
    assert [operation["outcome"] for operation in told["operations"]] == ["Completed"]


def test_namespaces_share_nothing(emulator: Namespace, data_registry_emulator_server: Emulator) -> None:
    other = data_registry_emulator_server.namespace("another one [x]")
    assert other.url == f"{data_registry_emulator_server.url}/namespaces/another-one--x-"
    operation = emulator.start_operation()
    elsewhere = operation.location.replace(emulator.url, other.url)
    for url, status in ((elsewhere, 404), (operation.location, 200)):
        assert httpx.get(url, headers={"subscription-key": KEY}, params=VERSION).status_code == status
    assert [entry.status for entry in other.journal()] == [404]
    assert [entry.status for entry in emulator.journal()] == [200]


def test_namespace_comes_to_be_when_it_is_asked_for(data_registry_emulator_server: Emulator) -> None:
    url = f"{data_registry_emulator_server.url}/namespaces/out-of-nothing"
    assert httpx.get(f"{url}/journal").json()["entries"] == []
    assert data_registry_emulator_server.namespaces["out-of-nothing"].url == url


def test_location_is_where_the_request_came_in(http: httpx.Client, emulator: Namespace) -> None:
    registered = http.put(f"/dataRegistries/{ID}", headers={"host": "emulator.test:81"})
    path = emulator.url.partition("/namespaces")[2]
    assert registered.headers["operation-location"].startswith(f"http://emulator.test:81/namespaces{path}/data")


def test_health(data_registry_emulator_server: Emulator) -> None:
    assert httpx.get(f"{data_registry_emulator_server.url}/health").json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "name: unknown scenario ''"),
        ("nix", "unknown scenario 'nix', choose from completes, fails"),
        ("fails polls", "polls: Input should be a valid integer"),
        ("fails poll=1", "poll: Extra inputs are not permitted"),
        ("fails polls=-1 retry_after=x", "polls: Input should be greater than or equal to 0; retry_after: "),
        ("{", "scenario: EOF"),
        ('"', "scenario: No closing quotation"),
    ],
)
def test_bad_scenario_is_told_in_one_line(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z") as caught:
        Scenario.parse(text)
    assert message in str(caught.value)


def test_bad_operation_id(emulator: Namespace) -> None:
    with pytest.raises(ValueError, match="not a GUID"):
        emulator.start_operation(operation_id="1")


def test_api_version_is_the_documents() -> None:
    assert inspect.signature(sync_detailed).parameters["api_version"].default == API_VERSION
