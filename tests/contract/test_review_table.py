"""Rehearsed changes of a document: what a review says of each, and whether it breaks callers, readers or Python."""

import copy
from typing import Any

import pytest

from .test_contract_diff import DOCUMENT, GET, GONE, KITE, OK_REPLY, SCHEMAS, STRING, told

PATH = ("paths", "/kites/{kiteId}")
PUT = (*PATH, "put")
BODY = (*PUT, "requestBody")
NEW_KITE = (*SCHEMAS, "NewKite")
DETAILS = (*SCHEMAS, "Problem", "properties", "details")
REPLIES = (*GET, "responses")
JSON = (*OK_REPLY, "content", "application/json")
SECURITY = ("components", "securitySchemes")
ID, VERSION, TAGS = ((*GET, "parameters", number) for number in range(3))
KITE_REF, PROBLEM, INNER, COLOUR, KIND = (
    {"$ref": f"#/components/schemas/{name}"} for name in ("Kite", "Problem", "InnerProblem", "Colour", "KiteKind")
)
OPERATION = DOCUMENT["paths"]["/kites/{kiteId}"]["get"]
DEFAULT = OPERATION["responses"]["default"]

Edits = dict[tuple[str | int, ...], Any]


class To(str):
    """The new name of the key at a place."""


def json(schema: Any) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}


def edited(edits: Edits) -> dict[str, Any]:
    """The document with all *edits* made, in their order."""
    whole = copy.deepcopy(DOCUMENT)
    last: Any
    for (*above, last), value in edits.items():
        node: Any = whole
        for key in above:
            node = node[key]
        if value is GONE:
            del node[last]
        elif isinstance(value, To):
            items = [(value if key == last else key, child) for key, child in node.items()]
            node.clear()
            node.update(items)
        elif isinstance(node, list):
            node[last : last + 1] = [value]
        else:
            node[last] = copy.deepcopy(value)
    return whole


# A change, the edits that make it, and what is said of it; "!" marks what breaks.
@pytest.mark.parametrize(
    ("change", "edits", "said"),
    [
        # Operations: a caller has their name, method and path; where the module is follows from the first tag.
        ("an operation gets another name", {(*GET, "operationId"): "fetchKite"},
         ["! `getKite`: operation `GET /kites/{kiteId}` is gone", "`fetchKite`: new operation `GET /kites/{kiteId}`"]),
        ("a path gets another name", {PATH: To("/v2/kites/{kiteId}")},
         ["! `getKite`: was operation `GET /kites/{kiteId}`, is operation `GET /v2/kites/{kiteId}`",
          "! `replaceKite`: was operation `PUT /kites/{kiteId}`, is operation `PUT /v2/kites/{kiteId}`"]),
        ("PUT becomes POST", {PUT: To("post")},
         ["! `replaceKite`: was operation `PUT /kites/{kiteId}`, is operation `POST /kites/{kiteId}`"]),
        ("a second operation on a path", {(*PATH, "delete"): {"operationId": "deleteKite", "responses": {}}},
         ["`deleteKite`: new operation `DELETE /kites/{kiteId}`"]),
        ("a note for tools", {(*GET, "x-note"): 1}, ["`getKite`: x-note added"]),
        ("a link to more", {(*GET, "externalDocs"): {"url": "https://kites.test"}}, ["`getKite`: externalDocs added"]),
        ("a longer description", {(*PUT, "description"): "Once more."}, ["`replaceKite`: description added"]),
        ("a second tag", {(*GET, "tags", 1): "More"}, ["`getKite`: tags was `['Kites']`, is `['Kites', 'More']`"]),
        ("another first tag", {(*GET, "tags", 0): "More"}, ["! `getKite`: tags was `['Kites']`, is `['More']`"]),
        ("a tag in another spelling", {(*GET, "tags", 0): "kites"},
         ["`getKite`: tags was `['Kites']`, is `['kites']`"]),
        ("an operation is deprecated", {(*GET, "deprecated"): True}, ["`getKite`: deprecated added"]),
        # Parameters and bodies: a caller is hurt by what must be sent and by what may not be sent any more.
        ("a path parameter gets another name", {(*ID, "name"): "id"},
         ["! `getKite.kiteId`: path parameter is gone", "! `getKite.id`: new required path parameter"]),
        ("parameters in another order", {(*GET, "parameters"): OPERATION["parameters"][::-1]}, []),
        ("a parameter moves to the path",
         {(*GET, "parameters", 0): GONE, (*PUT, "parameters", 0): GONE,
          (*PATH, "parameters"): OPERATION["parameters"][:1]},
         []),
        ("a narrower pattern", {(*ID, "schema", "pattern"): "^[0-9]{8}$"},
         ["! `getKite.kiteId`: pattern was `^[0-9]+$`, is `^[0-9]{8}$`"]),
        ("no pattern", {(*ID, "schema", "pattern"): GONE}, ["`getKite.kiteId`: pattern was `^[0-9]+$`, is absent"]),
        ("a default that is not there any more", {(*VERSION, "schema", "default"): GONE},
         ["! `getKite.api-version`: default was `2020-01-01`, is absent"]),
        ("a string becomes a number", {(*ID, "schema", "type"): "integer"},
         ["! `getKite.kiteId`: was string, is integer"]),
        ("a list becomes a string", {(*TAGS, "schema"): STRING},
         ["! `getKite.tags`: was array, is string", "! `getKite.tags.items`: was string, is anything"]),
        ("other items", {(*TAGS, "schema", "items", "type"): "integer"},
         ["! `getKite.tags.items`: was string, is integer"]),
        ("at most ten items", {(*TAGS, "schema", "maxItems"): 10}, ["! `getKite.tags`: maxItems was absent, is `10`"]),
        ("a string becomes a choice", {(*TAGS, "schema", "items", "enum"): ["a", "b"]},
         ["! `getKite.tags.items`: was string, is listed string", "`getKite.tags.items.a / b`: new value"]),
        ("an optional parameter becomes required", {(*TAGS, "required"): True}, ["! `getKite.tags`: is now required"]),
        ("an optional parameter may be null", {(*TAGS, "schema", "type"): ["array", "null"]},
         ["`getKite.tags`: was array, is array or null"]),
        ("a query parameter becomes a header", {(*TAGS, "in"): "header"},
         ["! `getKite.tags`: was query parameter, is header parameter"]),
        ("an example", {(*ID, "example"): "7"}, ["`getKite.kiteId`: example added"]),
        ("the body may be left out", {(*BODY, "required"): False}, ["`replaceKite.body`: is now optional"]),
        ("the body in another format too", {(*BODY, "content", "text/json"): {"schema": STRING}},
         ["`replaceKite.body.text/json`: new media type"]),
        ("the body in another format", {(*BODY, "content", "application/json"): To("text/json")},
         ["! `replaceKite.body.application/json`: media type is gone", "`replaceKite.body.text/json`: new media type"]),
        ("another body", {(*BODY, "content"): json(PROBLEM)["content"]},
         ["! `replaceKite.body.application/json`: was NewKite, is Problem"]),
        ("a member less to send", {(*NEW_KITE, "properties", "size"): GONE}, ["! `NewKite.size`: property is gone"]),
        ("a member more to send", {(*NEW_KITE, "properties", "tail"): STRING}, ["`NewKite.tail`: new property"]),
        ("a member that must be sent",
         {(*NEW_KITE, "properties", "tail"): STRING, (*NEW_KITE, "required"): ["kind", "tail"]},
         ["! `NewKite.tail`: new required property"]),
        ("nothing else may be sent", {(*NEW_KITE, "additionalProperties"): False},
         ["! `NewKite`: additionalProperties was absent, is `False`"]),
        ("anything else may be sent, as ever", {(*NEW_KITE, "additionalProperties"): True},
         ["`NewKite`: additionalProperties was absent, is `True`"]),
        ("a member to send may be null", {(*NEW_KITE, "properties", "size", "type"): ["integer", "null"]},
         ["`NewKite.size`: was integer, is integer or null"]),
        ("a member to send becomes read-only", {(*NEW_KITE, "properties", "size", "readOnly"): True},
         ["! `NewKite.size`: readOnly was absent, is `True`"]),
        ("a member to send becomes write-only", {(*NEW_KITE, "properties", "size", "writeOnly"): True},
         ["`NewKite.size`: writeOnly was absent, is `True`"]),
        ("whole numbers become numbers", {(*NEW_KITE, "properties", "size", "type"): "number"},
         ["! `NewKite.size`: was integer, is number"]),
        ("numbers in steps", {(*NEW_KITE, "properties", "size", "multipleOf"): 5},
         ["! `NewKite.size`: multipleOf was absent, is `5`"]),
        # Replies: a reader is hurt by what may be missing, and by another type under the same status.
        ("another status for success", {OK_REPLY: To("201")},
         ["! `getKite.200`: reply is gone",
          "`getKite.201`: was part of `default`, is reply",
          "`getKite.201`: description reworded",
          "! `getKite.201.application/json`: was Problem, is Kite",
          "`getKite.201.application/json`: examples added",
          "`getKite.201.Retry-After`: new header"]),
        ("no reply for the rest", {(*REPLIES, "default"): GONE}, ["! `getKite.default`: reply is gone"]),
        ("a range of its own", {(*REPLIES, "4XX"): {**DEFAULT, **json(INNER)}},
         ["`getKite.4XX`: was part of `default`, is reply",
          "! `getKite.4XX.application/json`: was Problem, is InnerProblem"]),
        ("a body where none was", {(*PUT, "responses", "204"): {"description": "Replaced.", **json(INNER)}},
         ["`replaceKite.204.application/json`: new media type"]),
        ("no body where one was", {(*OK_REPLY, "content"): GONE},
         ["! `getKite.200.application/json`: media type is gone"]),
        ("a header that is always there", {(*OK_REPLY, "headers", "Retry-After", "required"): True},
         ["`getKite.200.Retry-After`: is now required"]),
        ("a header without type", {(*OK_REPLY, "headers", "Retry-After", "schema"): {}},
         ["! `getKite.200.Retry-After`: was integer, is anything",
          "`getKite.200.Retry-After`: minimum was `0`, is absent"]),
        ("a list of what was one", {(*JSON, "schema"): {"type": "array", "items": KITE_REF}},
         ["! `getKite.200.application/json`: was Kite, is array",
          "! `getKite.200.application/json.items`: was anything, is Kite"]),
        ("other examples", {(*JSON, "examples"): GONE}, ["`getKite.200.application/json`: examples dropped"]),
        ("a status of its own, as it was by default", {(*REPLIES, "404"): DEFAULT},
         ["`getKite.404`: was part of `default`, is reply"]),
        ("a status with another body", {(*REPLIES, "404"): {**DEFAULT, **json(INNER)}},
         ["`getKite.404`: was part of `default`, is reply",
          "! `getKite.404.application/json`: was Problem, is InnerProblem"]),
        ("a status without a body", {(*REPLIES, "404"): {"description": "No kite."}},
         ["`getKite.404`: was part of `default`, is reply", "! `getKite.404.application/json`: media type is gone"]),
        # Models: that of a reply may carry less by its type, never more; an enum reads its own values alone.
        ("a member gets another name", {(*KITE, "id"): To("key")},
         ["! `Kite.id`: property is gone", "`Kite.key`: new property"]),
        ("a member becomes read-only", {(*KITE, "id", "readOnly"): True},
         ["`Kite.id`: readOnly was absent, is `True`"]),
        ("a member becomes write-only", {(*KITE, "id", "writeOnly"): True},
         ["! `Kite.id`: writeOnly was absent, is `True`"]),
        ("a longest string", {(*KITE, "id", "maxLength"): 9}, ["`Kite.id`: maxLength was absent, is `9`"]),
        ("a pattern", {(*KITE, "id", "pattern"): "^.$"}, ["`Kite.id`: pattern was absent, is `^.$`"]),
        ("a time of a string", {(*KITE, "id", "format"): "date-time"},
         ["! `Kite.id`: was string, is string (date-time)"]),
        ("nothing else in a reply", {(*SCHEMAS, "Kite", "additionalProperties"): False},
         ["! `Kite`: additionalProperties was absent, is `False`"]),
        ("anything else in a reply, as ever", {(*SCHEMAS, "Kite", "additionalProperties"): True},
         ["`Kite`: additionalProperties was absent, is `True`"]),
        ("strings beside the members", {(*SCHEMAS, "Kite", "additionalProperties"): STRING},
         ["! `Kite`: additionalProperties was absent, is `{'type': 'string'}`"]),
        ("one value alone", {(*KITE, "id", "const"): "x"}, ["! `Kite.id`: const was absent, is `x`"]),
        ("a default in a reply", {(*KITE, "id", "default"): "x"}, ["`Kite.id`: default was absent, is `x`"]),
        ("no null any more", {(*DETAILS, "type"): "array"}, ["`Problem.details`: was array or null, is array"]),
        ("an enum without its name", {(*KITE, "kind"): {"type": "string", "enum": ["Delta"]}},
         ["! `Kite.kind`: was KiteKind, is listed string", "! `Kite.kind.Delta`: new value"]),
        ("an enum in another order", {(*SCHEMAS, "Colour", "enum"): ["Grey", "Green", "Red"]}, []),
        ("a value less", {(*SCHEMAS, "Colour", "enum"): ["Red", "Green"]}, ["! `Colour.Grey`: value is gone"]),
        ("a closed set is opened", {(*KITE, "kind"): {"anyOf": [KIND, STRING]}},
         ["! `Kite.kind`: was KiteKind, is KiteKind or string"]),
        ("an open set is closed", {(*KITE, "colour", "anyOf"): [COLOUR]},
         ["! `Kite.colour`: was Colour or string, is Colour"]),
        ("an open set becomes the enum", {(*KITE, "colour"): COLOUR},
         ["! `Kite.colour`: was Colour or string, is Colour", "`Kite.colour`: description dropped"]),
        ("an open set loses its values", {(*KITE, "colour", "anyOf"): [STRING]},
         ["! `Kite.colour`: was Colour or string, is string"]),
        ("alternatives in another order", {(*KITE, "problem", "anyOf"): [{"type": "null"}, PROBLEM]}, []),
        ("one more model", {(*KITE, "problem", "anyOf"): [PROBLEM, {"type": "null"}, INNER]},
         ["! `Kite.problem`: was Problem or null, is Problem or null or InnerProblem"]),
        ("anyOf becomes oneOf", {(*KITE, "problem", "anyOf"): To("oneOf")}, []),
        ("a type as a list of one", {(*KITE, "id", "type"): ["string"]}, []),
        ("null in another way", {DETAILS: {"anyOf": [{"type": "array", "items": PROBLEM}, {"type": "null"}]}},
         ["`Problem.details`: description dropped"]),
        ("a schema that nobody uses", {(*SCHEMAS, "Extra"): {"type": "object"}}, ["`Extra`: new schema"]),
        ("one in allOf", {(*SCHEMAS, "InnerProblem"): {"allOf": [DOCUMENT["components"]["schemas"]["InnerProblem"]]}},
         []),
        ("how it looks as XML", {(*KITE, "id", "xml"): {"name": "x"}},
         ["! `Kite.id`: xml was absent, is `{'name': 'x'}`"]),
        ("a comment", {(*KITE, "id", "$comment"): "x"}, ["`Kite.id`: $comment added"]),
        # Servers and credentials: what is there to choose from, and what is taken without choosing.
        ("another host", {("servers", 0, "url"): "https://{geography}.kites.example"},
         ["! `https://{geography}.kites.test`: first server is gone",
          "`https://{geography}.kites.example`: new first server"]),
        ("no server", {("servers",): GONE}, ["! `https://{geography}.kites.test`: first server is gone"]),
        ("another server first", {("servers",): [{"url": "https://a.test"}, *DOCUMENT["servers"]]},
         ["! `https://{geography}.kites.test`: was first server, is server", "`https://a.test`: new first server"]),
        ("another geography by default", {("servers", 0, "variables", "geography", "default"): "eu"},
         ["! `https://{geography}.kites.test.geography`: default was `us`, is `eu`"]),
        ("a geography less", {("servers", 0, "variables", "geography", "enum"): ["us"]},
         ["! `https://{geography}.kites.test.geography.eu`: value is gone"]),
        ("a server described", {("servers", 0, "description"): "Here."},
         ["`https://{geography}.kites.test`: description added"]),
        ("one more scope", {(*GET, "security", 0, "Token"): ["kites.read", "kites.list"]},
         ["! `getKite.Token kites.read + Account`: way in is gone",
          "`getKite.Token kites.read kites.list + Account`: new way in"]),
        ("no credential needed", {(*GET, "security", 2): {}}, ["`getKite.nothing`: new way in"]),
        ("ways in another order", {(*GET, "security"): OPERATION["security"][::-1]}, []),
        ("the key in the query", {(*SECURITY, "Key", "in"): "query"}, ["! `Key`: in was `header`, is `query`"]),
        ("a scheme that nobody uses", {(*SECURITY, "Extra"): {"type": "http", "scheme": "basic"}},
         ["`Extra`: new security scheme"]),
        ("a scheme described", {(*SECURITY, "Key", "description"): "A key."}, ["`Key`: description added"]),
        ("a title", {("info", "title"): "More kites"}, ["`document`: info reworded"]),
        ("a tag described", {("tags", 0, "description"): "Kites."}, ["`document`: tags reworded"]),
    ],
)  # fmt: skip
def test_a_rehearsed_change(change: str, edits: Edits, said: list[str]) -> None:
    assert told(DOCUMENT, edited(edits)) == said, change


# A change of a place that the document does not have: what stands there before, and after.
@pytest.mark.parametrize(
    ("change", "before", "after", "said"),
    [
        ("one model before another", {(*KITE, "problem"): {"anyOf": [PROBLEM, INNER]}},
         {(*KITE, "problem"): {"anyOf": [INNER, PROBLEM]}},
         ["! `Kite.problem`: was Problem or InnerProblem, is InnerProblem or Problem"]),
        ("a reply may have more members again", {(*SCHEMAS, "Kite", "additionalProperties"): False}, {},
         ["`Kite`: additionalProperties was `False`, is absent"]),
        ("members of a reply lose their type", {(*SCHEMAS, "Kite", "additionalProperties"): STRING}, {},
         ["! `Kite`: additionalProperties was `{'type': 'string'}`, is absent"]),
        ("members to send lose their type", {(*NEW_KITE, "additionalProperties"): STRING}, {},
         ["`NewKite`: additionalProperties was `{'type': 'string'}`, is absent"]),
        ("a member may be sent again", {(*NEW_KITE, "properties", "size", "readOnly"): True}, {},
         ["`NewKite.size`: readOnly was `True`, is absent"]),
        ("one more server, then the other first", {("servers", 1): {"url": "/a"}},
         {("servers",): [{"url": "/a"}, *DOCUMENT["servers"]]},
         ["! `https://{geography}.kites.test`: was first server, is server", "! `/a`: was server, is first server"]),
    ],
)  # fmt: skip
def test_a_rehearsed_change_of_something_else(change: str, before: Edits, after: Edits, said: list[str]) -> None:
    assert told(edited(before), edited(after)) == said, change
