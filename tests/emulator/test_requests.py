"""What the emulator accepts, what it refuses and what it remembers, seen by plain httpx."""

import json
import re
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from maps_data_registry.emulator import NAMES, OPTIONS, Emulator, Namespace, Scenario, app, limits
from maps_data_registry.emulator.journal import Entry
from maps_data_registry.emulator.namespace import PART
from maps_data_registry_contract import API_VERSION, GET_OPERATION
from maps_data_registry_contract import Operation as ContractOperation

from .conftest import KEY, TLS, get, put, request

SPEC = Path(__file__).parents[2] / "spec"
ID = "0522b4fe-0539-4c6c-ba70-e35ec865d8e2"
UNKNOWN = GET_OPERATION.path.format(operationId=ID)
BLOB = {"dataFormat": "geojson", "linkedResource": "storage", "blobUrl": "https://storage.test/a.json"}
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


def test_register_reply_shows_what_was_given(http: httpx.Client) -> None:
    body = {"kind": "AzureBlob", "description": "Fences", "azureBlob": BLOB, "scenario": "fails polls=1"}
    registered = http.put(f"/dataRegistries/{ID}", json=body)
    shown = {"udid": ID, "kind": "AzureBlob", "description": "Fences", "azureBlob": BLOB}
    assert registered.json() == shown | {"status": "Running"}
    _, failed = (http.get(registered.headers["operation-location"]).json() for _ in range(2))
    assert http.get(f"/dataRegistries/{ID}").json() == shown | {"status": "Failed", "error": failed["error"]}


def test_registrations_are_kept_replaced_and_forgotten(http: httpx.Client, emulator: Namespace) -> None:
    other = "29a92cab-74af-49e7-a326-66898220aa9d"
    *made, registered = (
        http.put(f"/dataRegistries/{udid}", headers={"x-emulator-scenario": "completes polls=0"})
        for udid in (ID, other, ID.upper())
    )
    assert [reply.status_code for reply in (*made, registered)] == [201, 201, 200]
    http.get(registered.headers["operation-location"])
    assert http.get("/dataRegistries").json() == {
        "value": [
            {"udid": ID.upper(), "kind": "AzureBlob", "status": "Completed"},
            {"udid": other, "kind": "AzureBlob", "status": "Running"},
        ]
    }
    assert [http.delete(f"/dataRegistries/{ID}").status_code for _ in range(2)] == [204, 404]
    assert http.get(f"/dataRegistries/{ID}").status_code == 404
    assert [one["udid"] for one in http.get("/dataRegistries").json()["value"]] == [other]
    assert http.get(registered.headers["operation-location"]).status_code == 200
    outcomes = [entry.outcome for entry in emulator.journal() if entry.poll is None]
    assert outcomes == [*["Registered"] * 3, "Listed", "Unregistered", "NotFound", "NotFound", "Listed"]


def test_the_client_may_choose_the_operation_id(http: httpx.Client) -> None:
    registered = http.put(f"/dataRegistries/{ID}", headers={"operation-id": ID})
    assert registered.headers["operation-location"].endswith(UNKNOWN)


def test_error_tree_is_sent_as_given(http: httpx.Client) -> None:
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
    ("unknown udid", {"url": f"/dataRegistries/{ID}"}, 404, "NotFound"),
    ("unregister without GUID", {"method": "DELETE", "url": "/dataRegistries/x"}, 400, "InvalidRequest"),
    ("body over a MiB", {"method": "PUT", "content": b" " * (limits.MAX_BODY + 1)}, 413, "PayloadTooLarge"),
    ("another format", {"method": "PUT", "json": {"azureBlob": BLOB | {"dataFormat": "x"}}}, 400, "InvalidRequest"),
    ("another kind", {"method": "PUT", "json": {"kind": "Disk"}}, 400, "InvalidRequest"),
    ("operation id that is no GUID", {"method": "PUT", "headers": {"operation-id": "1"}}, 400, "InvalidRequest"),
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
    return request(
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
        return get(emulator.start_operation().location, headers=headers, params=VERSION).status_code

    assert ask() == 200
    emulator.credentials = {"another"}
    assert ask() == 401
    emulator.credentials = {"another", KEY}
    assert ask() == 200
    journal = emulator.journal()
    assert [entry.scheme for entry in journal] == [scheme] * 3
    assert len({entry.credential for entry in journal}) == 1
    assert KEY not in repr(journal)
    assert KEY not in get(f"{emulator.url}/journal").text
    assert KEY not in get(f"{emulator.url}/").text


@pytest.mark.data_registry_emulator(virtual_time=True)
def test_journal_records_the_pauses_and_early_polls(http: httpx.Client, emulator: Namespace) -> None:
    operation = emulator.start_operation("completes polls=2 retry_after=10")
    for pause in (10, 9, 10):
        http.get(operation.location)
        emulator.advance(pause)
    http.get("/health")  # of a namespace: unknown
    journal = emulator.journal(operation)
    assert [entry.early for entry in journal] == [False, False, True]
    assert [entry.pause for entry in journal] == [10, 10, 0]
    assert [entry.outcome for entry in journal] == ["Running", "Running", "Completed"]
    told = get(f"{emulator.url}/journal").json()
    assert [entry["poll"] for entry in told["entries"]] == [1, 2, 3, None]
    assert [operation["outcome"] for operation in told["operations"]] == ["Completed"]


def test_namespaces_share_nothing(emulator: Namespace, data_registry_emulator_server: Emulator) -> None:
    other = data_registry_emulator_server.namespace("another one [x]")
    assert other.url == f"{data_registry_emulator_server.url}/namespaces/another-one--x-"
    operation = emulator.start_operation()
    elsewhere = operation.location.replace(emulator.url, other.url)
    for url, status in ((elsewhere, 404), (operation.location, 200)):
        assert get(url, headers={"subscription-key": KEY}, params=VERSION).status_code == status
    assert [entry.status for entry in other.journal()] == [404]
    assert [entry.status for entry in emulator.journal()] == [200]


def test_a_namespace_comes_to_be_with_its_first_operation(data_registry_emulator_server: Emulator) -> None:
    url = f"{data_registry_emulator_server.url}/namespaces/out-of-nothing"
    key = {"subscription-key": KEY}
    assert get(f"{url}/journal").json()["entries"] == []
    assert get(url + UNKNOWN, headers=key, params=VERSION).status_code == 404
    assert put(f"{url}/dataRegistries/x", headers=key, params=VERSION).status_code == 400
    assert get(f"{url}/").status_code == 200
    assert "out-of-nothing" not in data_registry_emulator_server.namespaces
    assert put(f"{url}/dataRegistries/{ID}", headers=key, params=VERSION).status_code == 201
    assert data_registry_emulator_server.namespaces["out-of-nothing"].url == url
    assert len(get(f"{url}/journal").json()["entries"]) == 1


def test_journal_is_cleared_with_what_has_ended(http: httpx.Client, emulator: Namespace) -> None:
    ended, going = emulator.start_operation("completes polls=0"), emulator.start_operation()
    for operation in (ended, going):
        http.get(operation.location)
    assert http.get("/journal").json()["operations"][0]["result"] == {"id": ended.id, "status": "Completed"}
    assert http.delete("/journal").status_code == 204
    snapshot = http.get("/journal").json()
    assert snapshot["entries"] == []
    assert [operation["id"] for operation in snapshot["operations"]] == [going.id]
    assert [http.get(operation.location).status_code for operation in (ended, going)] == [404, 200]


def test_the_journal_is_no_page_whatever_is_in_it(http: httpx.Client) -> None:
    http.get("/<script>alert(1)</script>")
    reply = http.get("/journal")
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-content-type-options"] == "nosniff"


def test_a_long_journal_is_written_in_parts(http: httpx.Client, emulator: Namespace) -> None:
    ids = [emulator.start_operation().id for _ in range(2 * PART + 1)]
    emulator.entries.extend(Entry(float(at), "GET", "/<é>", "") for at in range(3 * PART))
    snapshot = http.get("/journal").json()
    assert [operation["id"] for operation in snapshot["operations"]] == ids
    assert [entry["at"] for entry in snapshot["entries"]] == [*range(3 * PART)]
    assert [*snapshot] == ["now", "operations", "entries"]


def test_a_part_of_the_journal_is_made_when_it_is_written(emulator: Namespace) -> None:
    emulator.entries.extend(Entry(0.0, "GET", "/", "") for _ in range(10 * PART))

    async def first() -> int:
        async for part in emulator.snapshot():
            if entries := part.count('"at"'):
                return entries
        return 0

    assert anyio.run(first) == PART


@pytest.mark.parametrize(
    "headers",
    [{"subscription-key": KEY}, {"authorization": f"jwt-sas {KEY}"}, {"authorization": f"Basic {KEY}"}],
    ids=["key", "sas", "unknown scheme"],
)
def test_no_credential_is_in_the_journal(emulator: Namespace, headers: dict[str, str]) -> None:
    for path in (f"/{KEY}", f"/x{KEY}y%2Fz", f"/dataRegistries/{KEY}?key={KEY}"):
        get(emulator.url + path, headers=headers, params={"api-version": KEY})
    assert KEY not in get(f"{emulator.url}/journal").text
    assert KEY not in "".join(map(str, emulator.journal()))
    assert all("***" in entry.path for entry in emulator.journal())


def test_elsewhere_than_on_loopback_it_answers_to_every_name() -> None:
    transport = httpx.ASGITransport(app.build_app(Namespace(""), str, local=False))

    async def register() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, headers={"subscription-key": KEY}) as client:
            return await client.put(f"http://emulator.test:81/dataRegistries/{ID}", params=VERSION)

    location = anyio.run(register).headers["operation-location"]
    assert location.startswith("http://emulator.test:81/dataRegistries/operations/")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:81", 200),
        ("127.1.2.3", 200),
        ("localhost:81", 200),
        ("LOCALHOST", 200),
        ("a.localhost", 200),
        ("[::1]:81", 200),
        ("elsewhere.test", 421),
        ("127.0.0.1.elsewhere.test", 421),
        ("127.0.0.1@elsewhere.test", 421),
        ("localhost.", 421),
        ("10.0.0.1", 421),
        ("[::1", 421),
        ("[::1].elsewhere.test", 421),
        ("[::1]elsewhere.test:80", 421),
        ("[localhost]", 421),
        ("localhost:elsewhere.test", 421),
        ('localhost:80"><script>', 421),
        ("localhost/elsewhere.test", 421),
        ("", 421),
    ],
)
def test_on_loopback_another_host_is_refused(emulator: Namespace, host: str, status: int) -> None:
    for path in ("/", "/journal", UNKNOWN):
        reply = get(emulator.url + path, headers={"host": host, "subscription-key": KEY}, params=VERSION)
        expected = 404 if path == UNKNOWN and status == 200 else status
        assert reply.status_code == expected
    assert len(emulator.journal()) == (status == 200)


@pytest.mark.parametrize(
    ("contract", "path"),
    [
        (ContractOperation("listOperations", "GET", "/dataRegistries/operations"), "/dataRegistries/operations"),
        (ContractOperation("patch", "PATCH", "/dataRegistries/{user-data-id}"), f"/dataRegistries/{ID}"),
        (ContractOperation("cancel", "POST", GET_OPERATION.path + "/cancel"), f"{UNKNOWN}/cancel"),
        (ContractOperation("deep", "PUT", "/a/{b}/c/{d}"), "/a/1/c/2"),
    ],
    ids=lambda value: getattr(value, "id", ""),
)
def test_an_operation_of_the_contract_without_a_behaviour(
    monkeypatch: pytest.MonkeyPatch, contract: ContractOperation, path: str
) -> None:
    monkeypatch.setattr(app, "OPERATIONS", [contract, GET_OPERATION])
    with Emulator() as emulator:
        url = emulator.url + path
        reply = request(contract.method, url, headers={"subscription-key": KEY}, params=VERSION)
        assert (reply.status_code, reply.headers["x-ms-error-code"]) == (501, "NotImplemented")
        assert contract.id in reply.json()["error"]["message"]
        assert request(contract.method, url, params=VERSION).status_code == 401
        assert [entry.outcome for entry in emulator.journal()] == ["NotImplemented", "Unauthorized"]
        known = get(emulator.start_operation().location, headers={"subscription-key": KEY}, params=VERSION)
        assert known.status_code == 200


def test_health(data_registry_emulator_server: Emulator) -> None:
    assert get(f"{data_registry_emulator_server.url}/health").json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "scenario: unknown scenario ''"),
        ("x" * 10_001, "a scenario has 10000 characters at most, unless it is a JSON object"),
        ("nix", "unknown scenario 'nix', choose from completes, fails"),
        ("fails polls", "polls: "),
        ("fails poll=1", "poll: unknown option, choose from polls, seconds, retry_after"),
        ("fails polls=-1 retry_after=x", "; retry_after: "),
        ("fails error=x", "error: "),
        ("{", "scenario: "),
        ('"', "scenario: "),
    ],
)
def test_a_bad_scenario_is_explained_in_one_line(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z") as caught:
        Scenario.parse(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "completes",
        "fails polls=3 retry_after=0",
        "unknown-status 'value=on hold'",
        """fails polls=0 'error={"code":"A b"}'""",
        "slow-drip pace=0.5",
    ],
)
def test_a_scenario_is_written_as_it_is_read(text: str) -> None:
    assert str(Scenario.parse(text)) == text


def test_every_option_is_described() -> None:
    assert set(OPTIONS) == set(Scenario.model_fields) - {"name"}
    assert all(re.fullmatch(r"[A-Z0-9].+\.", line) for line in (*OPTIONS.values(), *NAMES.values()))
    assert OPTIONS["polls"].endswith("Default 2.")
    assert "Seconds" in OPTIONS["retry_after"]


def test_bad_operation_id(emulator: Namespace) -> None:
    with pytest.raises(ValueError, match="not a GUID"):
        emulator.start_operation(operation_id="1")
