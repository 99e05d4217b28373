"""The contract: valid, true to the service's documentation, and tolerant where the wire is."""

import json
from pathlib import Path
from typing import Any

import pytest
from document import follow, nodes
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from rules import load

import maps_data_registry_schemas as schemas
from maps_data_registry_client import models
from maps_data_registry_client.models import LongRunningOperationResult, LongRunningOperationStatus, MapsErrorResponse

SPEC = Path(__file__).parents[2] / "spec" / "data-registry.yaml"
DOCUMENT = load(SPEC)
GET_OPERATION = DOCUMENT["paths"]["/dataRegistries/operations/{operationId}"]["get"]


def resolved(node: Any) -> Any:
    return follow(node["$ref"], DOCUMENT, SPEC) if "$ref" in node else node


# Each example of each reply of each operation: its file, the reply's key, the reply.
EXAMPLES = [
    pytest.param(example["$ref"], status, reply, id=f"{operation['operationId']}-{name}")
    for item in DOCUMENT["paths"].values()
    for operation in item.values()
    for status, reply in operation["responses"].items()
    for name, example in reply.get("content", {}).get("application/json", {}).get("examples", {}).items()
]


def test_the_document_is_valid_openapi() -> None:
    OpenAPIV31SpecValidator(DOCUMENT, base_uri=SPEC.as_uri()).validate()


@pytest.mark.parametrize(
    ("place", "fact"),
    [
        ("/openapi", "3.1.0"),
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
        ("/components/parameters/ApiVersion/schema", {"type": "string", "default": "2023-06-01"}),
        ("/components/headers/RetryAfter/schema/type", "integer"),
        ("/components/headers/ErrorCode/schema/type", "string"),
        (
            "/components/securitySchemes/AADToken/flows",
            {
                "implicit": {
                    "authorizationUrl": "https://login.microsoftonline.com/common/oauth2/authorize",
                    "scopes": {
                        "https://atlas.microsoft.com/.default": "Everything the caller's roles allow on Azure Maps."
                    },
                }
            },
        ),
        ("/components/securitySchemes/ClientId/name", "x-ms-client-id"),
        ("/components/securitySchemes/SubscriptionKey/name", "subscription-key"),
        ("/components/securitySchemes/SasToken/name", "Authorization"),
    ],
)
def test_facts_of_the_reference(place: str, fact: object) -> None:
    assert follow(f"#{place}", DOCUMENT, SPEC) == fact


# At least what is documented, here and below: an addition to the contract needs no edit here.
def test_the_operation_as_the_reference_has_it() -> None:
    assert {resolved(parameter)["name"] for parameter in GET_OPERATION["parameters"]} >= {"operationId", "api-version"}
    assert GET_OPERATION["responses"].keys() >= {"200", "default"}
    assert GET_OPERATION["responses"]["200"]["headers"].keys() >= {"Retry-After"}
    assert GET_OPERATION["responses"]["default"]["headers"].keys() >= {"x-ms-error-code"}
    assert set(DOCUMENT["components"]["schemas"]["LongRunningOperationStatus"]["enum"]) >= {
        "Completed",
        "Failed",
        "Running",
    }


def test_three_ways_in_entra_always_with_the_account_id() -> None:
    assert GET_OPERATION["security"] == [
        {"AADToken": ["https://atlas.microsoft.com/.default"], "ClientId": []},
        {"SubscriptionKey": []},
        {"SasToken": []},
    ]


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
    declared = {**GET_OPERATION["responses"]["200"]["headers"], **reply.get("headers", {})}
    for name, text in example["x-headers"].items():
        header = resolved(declared[name])["schema"]
        OAS31Validator(header).validate(int(text) if header["type"] == "integer" else text)


@pytest.mark.parametrize(("file", "status", "reply"), EXAMPLES)
def test_examples_survive_both_model_sets(file: str, status: str, reply: dict[str, Any]) -> None:
    name = reply["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
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


@pytest.mark.parametrize("word", list(LongRunningOperationStatus))
def test_known_words_compare_equal_to_enum_members(word: LongRunningOperationStatus) -> None:
    payload = {"status": word.value}
    assert LongRunningOperationResult.from_dict(payload).status is word
    # pydantic keeps the string, which fits the open set just as well.
    status = schemas.LongRunningOperationResult.model_validate(payload).status
    assert status == schemas.LongRunningOperationStatus(word)


def test_an_absent_error_is_not_a_null_one() -> None:
    assert not MapsErrorResponse.from_dict({}).error
    assert MapsErrorResponse.from_dict({"error": None}).error is None


def client_round_trip(name: str, value: dict[str, Any]) -> object:
    return getattr(models, name).from_dict(value).to_dict()


def schemas_round_trip(name: str, value: dict[str, Any]) -> object:
    return getattr(schemas, name).model_validate(value).model_dump(mode="json", by_alias=True, exclude_unset=True)
