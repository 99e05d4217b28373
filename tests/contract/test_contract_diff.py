"""The contract's side of a review: what is said of each difference between two documents, and whether it breaks."""

import copy
import itertools
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import review
from contract import diff, document, rules
from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import FIXTURE, loaded, spec_of

DOCUMENT = loaded()
SPEC = spec_of(FIXTURE)
GET = ("paths", "/kites/{kiteId}", "get")
OK_REPLY = (*GET, "responses", "200")
SCHEMAS = ("components", "schemas")
KITE = (*SCHEMAS, "Kite", "properties")
COLOUR = (*SCHEMAS, "Colour")
STRING = {"type": "string"}
GONE = object()
ODD: list[Any] = [
    None, True, False, 0, 1.5, "", "object", [], {}, ["string", "null"], [None, 1, {}], [{"x": []}], [{}],
    {"$ref": "#/components/schemas/Kite"}, {"x": {"type": "string"}}, {"enum": [None, 1, {"a": []}, "x"]},
    {"anyOf": [{"type": "object", "description": "a"}, {"description": "b"}, True], "description": "c"},
    {"allOf": [{"$ref": "#/components/schemas/Kite"}, {"oneOf": [{}, False]}]},
    {"type": ["array", "null"], "items": {"items": True}},
]  # fmt: skip


def edited(place: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    """The document with another value at one place; GONE takes the place away."""
    whole = copy.deepcopy(DOCUMENT)
    node: Any = whole
    for key in place[:-1]:
        node = node[key]
    if value is GONE:
        del node[place[-1]]
    elif isinstance(node, list) and place[-1] == len(node):
        node.append(value)
    else:
        node[place[-1]] = value
    return whole


def told(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [f"{'! ' if found.breaking else ''}{found}" for found in review.grouped(diff.changes(before, after))]


def every_place() -> Iterator[tuple[str | int, ...]]:
    yield from (place for place, _ in document.nodes(DOCUMENT) if place)


# One edit of the contract, what is said of it, and what is said of taking it back; "!" marks what breaks.
@pytest.mark.parametrize(
    ("place", "value", "forth", "back"),
    [
        (("paths", "/x"), {"post": {"operationId": "addX", "responses": {}}},
         "`addX`: new operation `POST /x`", "! `addX`: operation `POST /x` is gone"),
        ((*GET, "tags"), ["Other"], "! `getKite`: tags was `['Kites']`, is `['Other']`",
         "! `getKite`: tags was `['Other']`, is `['Kites']`"),
        ((*GET, "tags"), ["Kites", "More"], "`getKite`: tags was `['Kites']`, is `['Kites', 'More']`",
         "`getKite`: tags was `['Kites', 'More']`, is `['Kites']`"),
        ((*GET, "tags"), ["kites"], "`getKite`: tags was `['Kites']`, is `['kites']`",
         "`getKite`: tags was `['kites']`, is `['Kites']`"),
        ((*GET, "tags"), GONE, "! `getKite`: tags was `['Kites']`, is absent",
         "! `getKite`: tags was absent, is `['Kites']`"),
        ((*GET, "deprecated"), True, "`getKite`: deprecated added", "`getKite`: deprecated dropped"),
        ((*GET, "summary"), "Hm.", "`getKite`: summary reworded", "`getKite`: summary reworded"),
        ((*GET, "parameters", 3), {"name": "top", "in": "query", "schema": {"type": "integer"}},
         "`getKite.top`: new query parameter", "! `getKite.top`: query parameter is gone"),
        ((*GET, "parameters", 3), {"name": "top", "in": "query", "required": True, "schema": {"type": "integer"}},
         "! `getKite.top`: new required query parameter", "! `getKite.top`: query parameter is gone"),
        ((*GET, "parameters", 3), {"name": "top", "in": "query", "required": True, "schema": {"default": 1}},
         "`getKite.top`: new query parameter", "! `getKite.top`: query parameter is gone"),
        ((*GET, "parameters", 0, "required"), False,
         "`getKite.kiteId`: is now optional", "! `getKite.kiteId`: is now required"),
        ((*GET, "parameters", 0, "in"), "query",
         "! `getKite.kiteId`: was path parameter, is query parameter",
         "! `getKite.kiteId`: was query parameter, is path parameter"),
        ((*GET, "parameters", 0, "schema", "type"), ["string", "integer"],
         "`getKite.kiteId`: was string, is string or integer",
         "! `getKite.kiteId`: was string or integer, is string"),
        ((*GET, "parameters", 0, "schema", "format"), "uuid",
         "! `getKite.kiteId`: was string, is string (uuid)",
         "! `getKite.kiteId`: was string (uuid), is string"),
        ((*GET, "parameters", 0, "schema", "maxLength"), 36,
         "! `getKite.kiteId`: maxLength was absent, is `36`",
         "`getKite.kiteId`: maxLength was `36`, is absent"),
        ((*GET, "parameters", 1, "schema", "default"), "2025-01-01",
         "! `getKite.api-version`: default was `2020-01-01`, is `2025-01-01`",
         "! `getKite.api-version`: default was `2025-01-01`, is `2020-01-01`"),
        ((*GET, "parameters", 0, "schema", "default"), None,
         "! `getKite.kiteId`: default was absent, is `null`",
         "! `getKite.kiteId`: default was `null`, is absent"),
        ((*GET, "requestBody"), {"content": {}}, "`getKite.body`: new request body",
         "! `getKite.body`: request body is gone"),
        ((*GET, "requestBody"), {"required": True, "content": {}}, "! `getKite.body`: new required request body",
         "! `getKite.body`: request body is gone"),
        ((*GET, "security", 2), {"Certificate": []}, "`getKite.Certificate`: new way in",
         "! `getKite.Certificate`: way in is gone"),
        ((*GET, "security", 1), {"Account": [], "Key": []},
         ["! `getKite.Key`: way in is gone", "`getKite.Account + Key`: new way in"],
         ["! `getKite.Account + Key`: way in is gone", "`getKite.Key`: new way in"]),
        (("components", "securitySchemes", "Key", "name"), "x-other",
         "! `Key`: name was `x-key`, is `x-other`", "! `Key`: name was `x-other`, is `x-key`"),
        (("components", "securitySchemes", "Token", "flows", "implicit", "scopes"),
         {"kites.read": "All."}, "`Token`: flows reworded", "`Token`: flows reworded"),
        (("servers", 1), {"url": "https://example.com"}, "`https://example.com`: new server",
         "! `https://example.com`: server is gone"),
        (("servers", 0, "variables", "geography", "enum", 2), "in",
         "`https://{geography}.kites.test.geography.in`: new value",
         "! `https://{geography}.kites.test.geography.in`: value is gone"),
        (("paths", "/kites/{kiteId}", "put", "responses", "202"), {"description": "Later."},
         "`replaceKite.202`: new reply", "! `replaceKite.202`: reply is gone"),
        ((*OK_REPLY, "headers", "x-ms-request-id"), {"schema": STRING},
         "`getKite.200.x-ms-request-id`: new header", "! `getKite.200.x-ms-request-id`: header is gone"),
        ((*OK_REPLY, "headers", "Retry-After", "schema", "type"), ["integer", "string"],
         "! `getKite.200.Retry-After`: was integer, is integer or string",
         "`getKite.200.Retry-After`: was integer or string, is integer"),
        ((*OK_REPLY, "headers", "Retry-After", "schema", "format"), "int32",
         "`getKite.200.Retry-After`: format was absent, is `int32`",
         "`getKite.200.Retry-After`: format was `int32`, is absent"),
        ((*SCHEMAS, "NewKite", "properties", "size", "format"), "int64",
         "`NewKite.size`: format was `int32`, is `int64`", "! `NewKite.size`: format was `int64`, is `int32`"),
        ((*OK_REPLY, "headers", "Retry-After", "schema", "minimum"), 1,
         "`getKite.200.Retry-After`: minimum was `0`, is `1`",
         "`getKite.200.Retry-After`: minimum was `1`, is `0`"),
        ((*OK_REPLY, "content", "application/json", "schema"), {"$ref": "#/components/schemas/InnerProblem"},
         "! `getKite.200.application/json`: was Kite, is InnerProblem",
         "! `getKite.200.application/json`: was InnerProblem, is Kite"),
        ((*OK_REPLY, "content", "text/plain"), {"schema": STRING},
         "`getKite.200.text/plain`: new media type", "! `getKite.200.text/plain`: media type is gone"),
        ((*SCHEMAS, "Extra"), {"type": "object"}, "`Extra`: new schema", "! `Extra`: schema is gone"),
        ((*KITE, "created"), STRING, "`Kite.created`: new property",
         "! `Kite.created`: property is gone"),
        ((*SCHEMAS, "Kite", "required"), ["id"],
         "`Kite.id`: is now required", "! `Kite.id`: is now optional"),
        ((*KITE, "id", "type"), ["string", "null"],
         "! `Kite.id`: was string, is string or null",
         "`Kite.id`: was string or null, is string"),
        ((*KITE, "problem"), {"$ref": "#/components/schemas/Problem"},
         ["`Kite.problem`: was Problem or null, is Problem",
          "`Kite.problem`: description dropped"],
         ["! `Kite.problem`: was Problem, is Problem or null",
          "`Kite.problem`: description added"]),
        ((*SCHEMAS, "Problem", "properties", "details", "items"), STRING,
         "! `Problem.details.items`: was Problem, is string",
         "! `Problem.details.items`: was string, is Problem"),
        # The values stand beside a plain string, so one more is no surprise to a reader.
        ((*COLOUR, "enum", 3), "Blue", "`Colour.Blue`: new value",
         "! `Colour.Blue`: value is gone"),
        ((*COLOUR, "not"), {"const": ""}, "! `Colour`: not was absent, is `{'const': ''}`",
         "! `Colour`: not was `{'const': ''}`, is absent"),
        (("paths", "/kites/{kiteId}", "summary"), "Kites.", "`getKite / replaceKite`: path summary added",
         "`getKite / replaceKite`: path summary dropped"),
        (("paths", "/kites/{kiteId}", "servers"), [{"url": "/x"}],
         "! `getKite / replaceKite`: path servers was absent, is `[{'url': '/x'}]`",
         "! `getKite / replaceKite`: path servers was `[{'url': '/x'}]`, is absent"),
        (("paths", "/kites/{kiteId}", "parameters"), [{"name": "x-trace", "in": "header", "schema": STRING}],
         "`getKite / replaceKite.x-trace`: new header parameter",
         "! `getKite / replaceKite.x-trace`: header parameter is gone"),
        ((*SCHEMAS, "NewKite", "required"), ["kind", "size"],
         "! `NewKite.size`: is now required", "`NewKite.size`: is now optional"),
        ((*SCHEMAS, "NewKite", "properties", "size", "minimum"), 1,
         "! `NewKite.size`: minimum was absent, is `1`", "`NewKite.size`: minimum was `1`, is absent"),
        ((*SCHEMAS, "KiteKind", "enum"), ["Delta", "Box"], "! `KiteKind.Box`: new value",
         "! `KiteKind.Box`: value is gone"),
        ((*SCHEMAS, "Kite", "allOf"), [{"$ref": "#/components/schemas/Extra"}, {"properties": {"x": STRING}}],
         ["! `Kite`: was object, is Extra and anything", "`Kite.x`: new property"],
         ["! `Kite`: was Extra and anything, is object", "! `Kite.x`: property is gone"]),
        (("openapi",), "3.1.1", "`document`: openapi was `3.1.0`, is `3.1.1`",
         "`document`: openapi was `3.1.1`, is `3.1.0`"),
    ],
)  # fmt: skip
def test_one_edit_there_and_back(
    place: tuple[str | int, ...], value: Any, forth: str | list[str], back: str | list[str]
) -> None:
    other = edited(place, value)
    assert told(DOCUMENT, other) == ([forth] if isinstance(forth, str) else forth)
    assert sorted(told(other, DOCUMENT)) == sorted([back] if isinstance(back, str) else back)


def test_a_new_value_breaks_readers_of_a_closed_set() -> None:
    place = (*KITE, "state")
    closed, wider = (edited(place, {"enum": values}) for values in (["Red"], ["Red", "Blue"]))
    assert told(closed, wider) == ["! `Kite.state.Blue`: new value"]


@pytest.mark.parametrize("listed", [{"$ref": "#/components/schemas/Colour"}, {"type": "string", "enum": ["Red"]}])
def test_closing_an_open_set_breaks_its_reader(listed: dict[str, Any]) -> None:
    """The generated reader raises an error for a value that its enum does not have."""
    opened, closed = (edited((*KITE, "state"), {"anyOf": [listed, *rest]}) for rest in ([STRING], []))
    kind = "Colour" if "$ref" in listed else "listed string"
    assert told(opened, closed) == [f"! `Kite.state`: was {kind} or string, is {kind}"]
    assert told(closed, opened) == [f"! `Kite.state`: was {kind}, is {kind} or string"]


@pytest.mark.parametrize("wider", ["default", "4XX"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}, []),
        ({"application/json": {"schema": {"$ref": "#/components/schemas/InnerProblem"}}},
         ["! `getKite.404.application/json`: was Problem, is InnerProblem"]),
        ({"text/plain": {"schema": STRING}},
         ["! `getKite.404.application/json`: media type is gone", "`getKite.404.text/plain`: new media type"]),
        ({}, ["! `getKite.404.application/json`: media type is gone"]),
    ],
)  # fmt: skip
def test_a_status_with_a_reply_of_its_own_is_compared_with_what_described_it(
    wider: str, content: Any, said: list[str]
) -> None:
    before, after = copy.deepcopy(DOCUMENT), edited((*GET, "responses", "404"), {"content": content})
    for whole in (before, after):
        replies = whole["paths"]["/kites/{kiteId}"]["get"]["responses"]
        replies[wider] = replies.pop("default")
        del replies[wider]["description"]
    assert told(before, after) == [f"`getKite.404`: was part of `{wider}`, is reply", *said]
    assert told(after, before) == ["! `getKite.404`: reply is gone"]


def test_a_new_required_property_breaks_callers_only() -> None:
    schema = {"type": "object", "properties": {"a": STRING}}
    wider = {"type": "object", "properties": {"a": STRING, "b": STRING}, "required": ["b"]}
    body, reply = (*GET, "requestBody"), (*GET, "responses", "202")
    for place, mark in ((body, "! "), (reply, "")):
        before, after = (
            edited(place, {"description": "x", "content": {"text/json": {"schema": part}}}) for part in (schema, wider)
        )
        name = "body" if place is body else "202"
        required = "required " if place is body else ""
        assert told(before, after) == [f"{mark}`getKite.{name}.text/json.b`: new {required}property"]


def test_everything_is_new_where_nothing_was() -> None:
    assert told({}, DOCUMENT)[:3] == [
        "`document`: new document",
        "`https://{geography}.kites.test`: new first server",
        "`getKite`: new operation `GET /kites/{kiteId}`",
    ]
    assert not any(change.breaking for change in diff.changes({}, DOCUMENT))


def every_value() -> Iterator[tuple[str | int, ...]]:
    for place, node in document.nodes(DOCUMENT):
        inlined = place[:1] == ("components",) and place[1:2] not in {("schemas",), ("securitySchemes",)}
        if not isinstance(node, dict | list) and not inlined:
            yield place


def test_a_keyword_may_be_said_three_times_at_one_place() -> None:
    three = [{"type": "object", "description": "One."}, {"type": "string", "description": "Two."}]
    before = edited((*KITE, "size"), {"anyOf": three, "description": "Three."})
    after = edited((*KITE, "size"), {"anyOf": three, "description": "Another."})
    assert told(before, after) == ["`Kite.size`: description reworded"]


def test_two_alternatives_of_one_type_are_both_looked_at() -> None:
    first, second, third = ({"type": "object", "properties": {name: STRING}} for name in "abc")
    before, after = (edited((*KITE, "size"), {"anyOf": pair}) for pair in ([first, second], [third, second]))
    assert told(before, after) == ["! `Kite.size.a`: property is gone", "`Kite.size.c`: new property"]


def test_the_order_is_that_of_the_document() -> None:
    order = ("trace", "get", "patch", "put")
    methods: dict[str, Any] = {method: {"operationId": method, "responses": {}} for method in order}
    assert [change.name for change in diff.changes({}, {"paths": {"/": methods}})][1:] == [
        (method,) for method in order
    ]


@pytest.mark.slow
@settings(max_examples=100)
@given(place=st.sampled_from(sorted(map(json.dumps, every_place()))), value=st.sampled_from(ODD))
def test_no_valid_document_stops_the_comparison(place: str, value: Any) -> None:
    """Whatever stands anywhere in the document, the rules refuse it or the comparison takes it."""
    other = edited(tuple(json.loads(place)), copy.deepcopy(value))
    if not rules.faults(other, SPEC):
        diff.changes(DOCUMENT, other)
        diff.changes(other, DOCUMENT)


def test_no_difference_goes_unnoticed() -> None:
    assert diff.changes(DOCUMENT, copy.deepcopy(DOCUMENT)) == []
    unnoticed = [place for place in every_value() if not diff.changes(DOCUMENT, edited(place, "other"))]
    assert unnoticed == []


def many(times: int) -> dict[str, Any]:
    """A document with everything of the small one so many times."""
    whole: dict[str, Any] = {"paths": {}, "components": {"schemas": {}}}
    for number in range(times):
        one = json.loads(json.dumps(DOCUMENT).replace("#/components/schemas/", f"#/components/schemas/N{number}"))
        for path, item in one["paths"].items():
            operations = {key: value | {"operationId": f"{key}{number}"} for key, value in item.items()}
            whole["paths"][f"/{number}{path}"] = operations
        whole["components"]["schemas"] |= {
            f"N{number}{name}": schema for name, schema in one["components"]["schemas"].items()
        }
    return whole


def calls_of(function: Callable[[], object]) -> int:
    """How many Python functions run: a measure of work that no other load of the machine changes."""
    count = itertools.count()
    previous = sys.getprofile()
    sys.setprofile(lambda *_: next(count) and None)
    try:
        function()
    finally:
        sys.setprofile(previous)
    return next(count)


@pytest.mark.slow
def test_the_work_grows_with_the_document_and_no_faster() -> None:
    small, large = (
        calls_of(lambda n=n: diff.changes(many(n), edit_all(many(n))))  # type: ignore[misc]
        for n in (20, 200)
    )
    assert large < 11 * small


def edit_all(document: dict[str, Any]) -> dict[str, Any]:
    """The same with every type changed."""
    changed: dict[str, Any] = json.loads(json.dumps(document).replace('"type": "string"', '"type": "integer"'))
    return changed
