"""The contract: valid, true to the service's documentation, and tolerant where the wire is."""

import json
from pathlib import Path
from typing import Any

import pytest
from contract.document import METHODS, follow, nodes
from contract.rules import load
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

import maps_data_registry_schemas as schemas
from maps_data_registry_client import models
from maps_data_registry_client.models import LongRunningOperationResult, LongRunningOperationStatus, MapsErrorResponse

SPEC = Path(__file__).parents[2] / "spec" / "data-registry.yaml"
DOCUMENT = load(SPEC)
GET_OPERATION = DOCUMENT["paths"]["/dataRegistries/operations/{operationId}"]["get"]
OPERATIONS = [item[method] for item in DOCUMENT["paths"].values() for method in METHODS if method in item]


def resolved(node: Any) -> Any:
    return follow(node["$ref"], DOCUMENT, SPEC) if "$ref" in node else node


# Each example of each reply of each operation: its file, the reply's key, the reply.
EXAMPLES = [
    pytest.param(example["$ref"], status, reply, id=f"{operation['operationId']}-{name}")
    for operation in OPERATIONS
    for status, reply in operation["responses"].items()
    for name, example in reply.get("content", {}).get("application/json", {}).get("examples", {}).items()
]


def test_the_document_is_valid_openapi() -> None:
    OpenAPIV31SpecValidator(DOCUMENT, base_uri=SPEC.as_uri()).validate()


# What the documentation page says; of a list at least this, as everywhere here: an addition needs no edit.
@pytest.mark.parametrize(
    ("place", "fact"),
    [
        ("/servers/0/url", "https://{geography}.atlas.microsoft.com"),
        ("/servers/0/variables/geography/enum", ["us", "eu"]),
        ("/components/parameters/OperationId/name", "operationId"),
        ("/components/parameters/OperationId/in", "path"),
        ("/components/parameters/OperationId/required", True),
        (
            "/components/parameters/OperationId/schema/pattern",
            "^[a-fA-F0-9]{8}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{12}$",
        ),
        ("/components/parameters/ApiVersion/name", "api-version"),
        ("/components/parameters/ApiVersion/in", "query"),
        ("/components/parameters/ApiVersion/required", True),
        ("/components/parameters/ApiVersion/schema/default", DOCUMENT["info"]["version"]),
        ("/components/headers/RetryAfter/schema/type", "integer"),
        ("/components/headers/ErrorCode/schema/type", "string"),
        (
            "/components/securitySchemes/AADToken/flows/implicit/authorizationUrl",
            "https://login.microsoftonline.com/common/oauth2/authorize",
        ),
        ("/components/securitySchemes/AADToken/flows/implicit/scopes", ["https://atlas.microsoft.com/.default"]),
        ("/components/securitySchemes/ClientId/name", "x-ms-client-id"),
        ("/components/securitySchemes/SubscriptionKey/name", "subscription-key"),
        ("/components/securitySchemes/SasToken/name", "Authorization"),
        ("/components/schemas/LongRunningOperationStatus/enum", ["Completed", "Failed", "Running"]),
    ],
)
def test_facts_of_the_reference(place: str, fact: object) -> None:
    found = follow(f"#{place}", DOCUMENT, SPEC)
    assert set(fact) <= set(found) if isinstance(fact, list) else found == fact


def test_the_operation_as_the_reference_has_it() -> None:
    assert {resolved(parameter)["name"] for parameter in GET_OPERATION["parameters"]} >= {"operationId", "api-version"}
    assert GET_OPERATION["responses"].keys() >= {"200", "default"}
    assert GET_OPERATION["responses"]["200"]["headers"].keys() >= {"Retry-After"}
    assert GET_OPERATION["responses"]["default"]["headers"].keys() >= {"x-ms-error-code"}


@pytest.mark.parametrize(
    "way",
    [
        {"AADToken": ["https://atlas.microsoft.com/.default"], "ClientId": []},
        {"SubscriptionKey": []},
        {"SasToken": []},
    ],
)
def test_three_ways_in_entra_always_with_the_account_id(way: dict[str, list[str]]) -> None:
    assert way in GET_OPERATION["security"]


@pytest.mark.parametrize(
    ("name", "properties"),
    [
        ("LongRunningOperationResult", {"error", "id", "status"}),
        ("MapsErrorDetail", {"code", "details", "innererror", "message", "target"}),
        ("MapsErrorResponse", {"error"}),
        ("MapsInnerError", {"code", "innererror"}),
    ],
)
def test_schemas_have_every_documented_property_and_require_none(name: str, properties: set[str]) -> None:
    schema = DOCUMENT["components"]["schemas"][name]
    assert schema["properties"].keys() >= properties
    assert "required" not in schema


def test_everything_that_reaches_a_docstring_is_described() -> None:
    described = ("schemas", "properties", "parameters", "headers", "securitySchemes", "responses")
    bare = [
        place
        for place, node in nodes(DOCUMENT)
        if place[-2:-1] and place[-2] in described and isinstance(node, dict) and not resolved(node).get("description")
    ]
    assert not bare


def test_every_example_file_is_referenced() -> None:
    referenced = {node["$ref"] for _, node in nodes(DOCUMENT) if isinstance(node, dict) and "$ref" in node}
    files = {f"examples/{path.name}" for path in (SPEC.parent / "examples").iterdir()}
    assert files == {reference for reference in referenced if not reference.startswith("#")}


@pytest.mark.parametrize(("file", "status", "reply"), EXAMPLES)
def test_examples_fit_the_reply_that_they_stand_for(file: str, status: str, reply: dict[str, Any]) -> None:
    example = follow(file, DOCUMENT, SPEC)
    assert str(example["x-status"]) == status or (status == "default" and 400 <= example["x-status"] <= 599)
    schema = {**reply["content"]["application/json"]["schema"], "components": DOCUMENT["components"]}
    OAS31Validator(schema).validate(example["value"])
    assert example["x-source"].startswith(("The documentation page", "Invented"))
    for name, text in example["x-headers"].items():
        header = resolved(reply["headers"][name])["schema"]
        OAS31Validator(header).validate(int(text) if header["type"] == "integer" else text)


@pytest.mark.parametrize(("file", "status", "reply"), EXAMPLES)
def test_examples_survive_both_model_sets(file: str, status: str, reply: dict[str, Any]) -> None:
    name = reply["content"]["application/json"]["schema"].get("$ref", "").rpartition("/")[2]
    if not name:
        pytest.skip("a schema without a name has no class of its own name")
    value = follow(file, DOCUMENT, SPEC)["value"]
    assert client_round_trip(name, value) == value
    assert schemas_round_trip(name, value) == value


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("LongRunningOperationResult", "{}"),
        ("LongRunningOperationResult", '{"status": "Paused"}'),
        ("LongRunningOperationResult", '{"status": ""}'),
        ("LongRunningOperationResult", '{"status": "Completed", "error": null}'),
        ("LongRunningOperationResult", '{"status": "Running", "progress": 0.5, "links": [{"rel": "self"}]}'),
        ("LongRunningOperationResult", '{"status": "Failed", "error": {"code": "X", "inner": {"deep": [null]}}}'),
        ("LongRunningOperationResult", '{"error": {"details": [{"details": [{"details": [{"code": "Leaf"}]}]}]}}'),
        ("LongRunningOperationResult", '{"error": {"details": null, "innererror": null}}'),
        ("LongRunningOperationResult", '{"error": {"details": []}}'),
        ("LongRunningOperationResult", '{"error": {"message": "Gr\\u00fc\\u00dfe \\ud83c\\udf0d"}}'),
        ("MapsErrorResponse", "{}"),
        ("MapsErrorResponse", '{"error": null}'),
        ("MapsErrorResponse", '{"error": {"innererror": {"innererror": {"innererror": {"code": "Leaf"}}}}}'),
        ("MapsErrorResponse", '{"error": {"innererror": {"code": "A", "stack": "b"}}, "trace": "c"}'),
    ],
)
def test_what_the_wire_may_bring_survives_both_model_sets(name: str, payload: str) -> None:
    value = json.loads(payload)
    assert client_round_trip(name, value) == value
    assert schemas_round_trip(name, value) == value


@pytest.mark.parametrize("status", list(LongRunningOperationStatus))
def test_known_statuses_compare_equal_to_enum_members(status: LongRunningOperationStatus) -> None:
    payload = {"status": status.value}
    assert LongRunningOperationResult.from_dict(payload).status is status
    # pydantic keeps the string, which fits the open set just as well.
    found = schemas.LongRunningOperationResult.model_validate(payload).status
    assert found == schemas.LongRunningOperationStatus(status)


def test_an_absent_error_is_not_a_null_one() -> None:
    assert not MapsErrorResponse.from_dict({}).error
    assert MapsErrorResponse.from_dict({"error": None}).error is None


def client_round_trip(name: str, value: dict[str, Any]) -> object:
    return getattr(models, name).from_dict(value).to_dict()


def schemas_round_trip(name: str, value: dict[str, Any]) -> object:
    return getattr(schemas, name).model_validate(value).model_dump(mode="json", by_alias=True, exclude_unset=True)
