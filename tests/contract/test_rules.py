"""A broken document is refused with file, line, place, what is wrong and what to do; nothing is written then."""

import json
from pathlib import Path
from typing import Any

import pytest
import regenerate
from contract import document, generators, rules

from .conftest import FIXTURE, edit, spec_of

GET = "paths./kites/{kiteId}.get"
EXAMPLE = f"{GET}.responses.200.content.application/json.examples.red.$ref"
KITE = "components.schemas.Kite"
OPENAPI = " in the OpenAPI Specification 3.1"
CANNOT = "openapi-python-client cannot generate this, describe it in another way"

# A name; what is replaced by what; the line, counted from that of the replacement; the place; what is said there, in
# full where it is ours, its end where a library says the rest.
BROKEN = [
    ("no version of OpenAPI", "openapi: 3.1.0\n", "", -1, "document", f"see Document Object{OPENAPI}"),
    *(
        (f"OpenAPI {version}", "openapi: 3.1.0", f"openapi: {version}", 0, "openapi",
         f"OpenAPI {version} is not read here: write openapi: 3.1.0")
        for version in ("3.0.3", "3.2.0", "3.1", "2.0", "3")
    ),
    ("no title", "  title: Kites\n", "", -1, "info", f"see Document Object{OPENAPI}"),
    ("a number for a string", '&api-version "2020-01-01"', "&api-version 5", 0, "info.version",
     f"see Document Object{OPENAPI}"),
    ("a date", '&api-version "2020-01-01"', "&api-version 2020-01-01", 0, "info.version",
     "2020-01-01 is a YAML date: put it in quotes"),
    ("a number for a key", '"200":', "200:", 0, f"{GET}.responses.200",
     "the key 200 is no string: put it in quotes"),
    ("a tab", "openapi: 3.1.0", "openapi: 3.1.0\n\tx: 1", 1, "", ": correct the YAML"),
    ("a key given twice", "tags:\n  - name", "servers:\n  - name", 0, "", ": correct the YAML"),
    ("an alias of what is around it", "tags:\n  - name: Kites", "x-a: &a\n  b: *a", -99, "",
     "an alias stands for what contains it: write it out"),
    ("a member misspelt", "      properties:\n        id", "      propertys:\n        id", 0, f"{KITE}.propertys",
     "no member of the Schema Object: did you mean properties?"),
    ("a member invented", "      summary: Get", "      priority: 1\n      summary: Get", 0, f"{GET}.priority",
     "no member of the Operation Object: remove it"),
    ("a member of OpenAPI 3.0", "          description: Its id.", "          nullable: true", 0,
     f"{KITE}.properties.id.nullable", "no member of the Schema Object: remove it"),
    ("a name that the client's models have", "      properties:\n        id", "      properties:\n        toDict", 1,
     f"{KITE}.properties.toDict",
     "the client's models have a toDict of their own: leave it out, and read it as model['toDict']"),
    ("a local name of the client's models", "      properties:\n        id", "      properties:\n        d", 1,
     f"{KITE}.properties.d", "the client's models have a d of their own: leave it out, and read it as model['d']"),
    ("lists in lists", "components:", f"x-a: {'[' * 5000}{']' * 5000}\ncomponents:", -99, "",
     "it is nested too deeply: make it flatter"),
    ("conditions", "      description: A kite.", "      if: {required: [id]}", 0, f"{KITE}.if",
     "the generators leave if out: remove it, or say it in a description"),
    ("properties by pattern", "      description: A kite.", "      patternProperties: {x: {}}", 0,
     f"{KITE}.patternProperties", "the generators leave patternProperties out: remove it, or say it in a description"),
    ("webhooks", "components:", "webhooks: {}\ncomponents:", 0, "webhooks",
     "the generators leave webhooks out: remove it, or say it in a description"),
    ("security for all", "components:", "security: [{Key: []}]\ncomponents:", 0, "security",
     "the generators leave security out: put it on each operation"),
    ("the style of a parameter", "      in: query", "      style: form\n      in: query", 0,
     "components.parameters.ApiVersion.style",
     "the generators leave style out: remove it, the client repeats a parameter for each item of a list"),
    ("servers of one path", "    get:\n", "    servers: []\n    get:\n", 0, "paths./kites/{kiteId}.servers",
     "the generators leave servers out: put it at the root of the document"),
    ("no operationId", "      operationId: getKite\n", "", -1, GET,
     "an operation has no operationId: give it one, such as getOperation"),
    ("the same operationId twice", "replaceKite", "getKite", 0, "paths./kites/{kiteId}.put.operationId",
     f"getKite and getKite ({GET}.operationId) are one name in Python: rename one"),
    ("operationIds that are one name in Python", "replaceKite", "get_kite", 0, "paths./kites/{kiteId}.put.operationId",
     f"get_kite and getKite ({GET}.operationId) are one name in Python: rename one"),
    ("schemas that are one name in Python", "    InnerProblem:", "    problem: {}\n    InnerProblem:", 0,
     "components.schemas.problem",
     "problem and Problem (components.schemas.Problem) are one name in Python: rename one"),
    ("a reference misspelt", "parameters/ApiVersion", "parameters/ApiVersio", 0, f"{GET}.parameters.1.$ref",
     "#/components/parameters/ApiVersio leads nowhere: did you mean ApiVersion?"),
    ("a reference to what is not there", "schemas/InnerProblem", "schemas/Zz", 0,
     "components.schemas.Problem.properties.inner.$ref",
     "#/components/schemas/Zz leads nowhere: add components.schemas.Zz"),
    ("a schema for a parameter", "parameters/ApiVersion", "schemas/Kite", 0, f"{GET}.parameters.1.$ref",
     "#/components/schemas/Kite is no Parameter Object: refer to one in #/components/parameters/"),
    ("a header for a schema", "schemas/Kite", "headers/RetryAfter", 0,
     f"{GET}.responses.200.content.application/json.schema.$ref",
     "#/components/headers/RetryAfter is no Schema Object: refer to one in #/components/schemas/"),
    ("a part of a schema", "schemas/KiteKind", "schemas/Problem/properties/code", 0, f"{KITE}.properties.kind.$ref",
     "#/components/schemas/Problem/properties/code is no Schema Object: refer to one in #/components/schemas/"),
    ("a reference to itself", "    ApiVersion:",
     '    ApiVersion: {$ref: "#/components/parameters/ApiVersion"}\n    Old:', 0,
     "components.parameters.ApiVersion.$ref",
     "#/components/parameters/ApiVersion is itself a reference: refer to #/components/parameters/ApiVersion"),
    ("a schema that stands for itself", "    KiteKind:", """\
    Loop: {allOf: [{$ref: "#/components/schemas/Back"}]}
    Back: {$ref: "#/components/schemas/Loop"}
    KiteKind:""", 0, "components.schemas.Loop", "stands for itself: say what it is"),
    ("a list for an object", "      properties:\n        id", "      properties: []\n      x-was:\n        id", 0,
     f"{KITE}.properties", f"not an object: see Schema Object{OPENAPI}"),
    ("a reference where none may be", "  - name: Kites", '  - $ref: "#/tags/0"', 0, "tags.0.$ref",
     "no reference may stand for this Tag Object: write it out"),
    ("no such example", "examples/red.json", "examples/rad.json", 0, EXAMPLE,
     "no file spec/examples/rad.json: did you mean examples/red.json?"),
    ("no such part of an example", "examples/red.json", "examples/red.json#/valu", 0, EXAMPLE,
     "examples/red.json#/valu leads nowhere: did you mean value?"),
    ("an example elsewhere", "examples/red.json", "https://kites.test/", 0, EXAMPLE,
     "no file spec/https://kites.test/: add it"),
    ("an example that is no JSON", "examples/red.json", "client-generator.yaml", 0, EXAMPLE, ": correct it"),
    ("no such scheme", "        - Key: []", "        - Keys: []", 0, f"{GET}.security.1.Keys",
     "no such security scheme: did you mean Key?"),
    ("no such type", "type: string\n          description: Its id", "type: strng\n          description: Its id", 0,
     f"{KITE}.properties.id.type", f"see Schema Object{OPENAPI}"),
    ("no such type in a list", "type: [array, ", "type: [list, ", 0,
     "components.schemas.Problem.properties.details.type", f"see Schema Object{OPENAPI}"),
    ("no such place of a parameter", "in: query", "in: qery", 0, "components.parameters.ApiVersion.in",
     f"see Parameter Object{OPENAPI}"),
    ("no description of a reply", "          description: Replaced.", "          x-none: 1", -1,
     "paths./kites/{kiteId}.put.responses.204", f"see Response Object{OPENAPI}"),
    ("a path parameter that nothing declares", "  /kites/{kiteId}:", "  /kites/{kite}:", 0, "paths./kites/{kite}: get",
     "declares no path parameter kite: did you mean kiteId?"),
]  # fmt: skip

# The same where a generator has the say: the line is the first one that holds a text.
NOT_TO_BE_GENERATED = [
    ("a body of XML", "true\n        content:\n          application/json", "true\n        content:\n          a/xml",
     "    put:", "paths./kites/{kiteId}.put", CANNOT),
    ("a reply of XML", "            application/json:\n", "            application/xml:\n", "    get:", GET, CANNOT),
    ("an array of nothing", '          items:\n            $ref: "#/components/schemas/Problem"\n', "",
     "    Problem:", "components.schemas.Problem", CANNOT),
    ("two values of an enum with one name", "[Red, Green, Grey]", "[a-b, a_b]", "    Colour:",
     "components.schemas.Colour", CANNOT),
]  # fmt: skip


def refusal(project: Path, old: str, new: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    """The line of the edit, and what regeneration then says; it must write nothing."""
    path = spec_of(project)
    line = path.read_text(encoding="utf-8").partition(old)[0].count("\n") + 1
    edit(path, (old, new))
    before = regenerate.read_tree(project / "generated")
    assert regenerate.main([], project) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert regenerate.read_tree(project / "generated") == before
    return line, err.splitlines()


@pytest.mark.parametrize(
    ("old", "new", "below", "place", "what"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN]
)
def test_a_broken_document(
    old: str, new: str, below: int, place: str, what: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line, said = refusal(project, old, new, capsys)
    [row] = [row for row in said if row.startswith(f"spec/data-registry.yaml:{max(line + below, 1)}: {place}")]
    assert row.endswith(what)
    assert all(row.startswith("spec/data-registry.yaml:") for row in said)


def test_every_fault_is_reported_at_once(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(spec_of(project), ("examples/red.json", "examples/rad.json"))
    _, said = refusal(project, "      summary: Get", "      sumary: Get", capsys)
    assert len(said) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "at", "place", "what"),
    [row[1:] for row in NOT_TO_BE_GENERATED],
    ids=[row[0] for row in NOT_TO_BE_GENERATED],
)
def test_what_a_generator_cannot_do(
    old: str, new: str, at: str, place: str, what: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, said = refusal(project, old, new, capsys)
    line = spec_of(project).read_text(encoding="utf-8").partition(f"{at}\n")[0].count("\n") + 1
    [row, *_] = [row for row in said if row.startswith(f"spec/data-registry.yaml:{line}: {place}: ")]
    assert row.endswith(what)
    assert all(row.startswith("spec/data-registry.yaml:") for row in said)


@pytest.mark.slow
def test_a_generator_that_fails_for_another_reason_has_its_say(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "spec" / "client-generator.yaml").write_text("no_such_setting: [")
    assert regenerate.main([], project) == 2
    assert capsys.readouterr().err.startswith("openapi-python-client failed:\n")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"- no\n", "not an OpenAPI document: it must begin with `openapi: 3.1.0`"),
        (b"", "not an OpenAPI document: it must begin with `openapi: 3.1.0`"),
        (b"openapi: '\xff'", "save it as UTF-8"),
        (b"openapi: '\x01'", "correct the YAML"),
        (None, "it must be there"),
    ],
)
def test_what_is_no_document_at_all(
    content: bytes | None, what: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = spec_of(project)
    document.unlink() if content is None else document.write_bytes(content)
    assert regenerate.main([], project) == 2
    [row] = capsys.readouterr().err.splitlines()
    assert row.startswith("spec/data-registry.yaml:1: ")
    assert row.endswith(what)


def test_a_json_document_is_read_by_a_json_parser(tmp_path: Path) -> None:
    path = tmp_path / "big.json"
    path.write_text('{"openapi": "3.1.0", "x-tab":\t"no YAML"}')
    assert document.read(path)["openapi"] == "3.1.0"


# One of everything that no generator reads, as the rules list it: were one of them read, the rule would be wrong.
def everything_dropped() -> dict[str, Any]:
    whole: dict[str, Any] = document.read(spec_of(FIXTURE))
    kite, get = whole["components"]["schemas"]["Kite"], whole["paths"]["/kites/{kiteId}"]["get"]
    string, server = {"type": "string"}, {"url": "https://other.test"}
    callback = {
        "{$request.body#/url}": {"post": {"operationId": "callBack", "responses": {"200": {"description": "x"}}}}
    }
    dropped: dict[str, tuple[Any, dict[str, Any]]] = {
        "document": (whole, {"security": [{"Key": []}], "webhooks": {"w": callback["{$request.body#/url}"]}}),
        "pathItem": (whole["paths"]["/kites/{kiteId}"], {"servers": [server]}),
        "operation": (get, {"callbacks": {"c": callback}, "servers": [server]}),
        "parameter": (
            whole["components"]["parameters"]["Tags"],
            {"allowEmptyValue": True, "allowReserved": True, "explode": False, "style": "form"},
        ),
        "header": (whole["components"]["headers"]["RetryAfter"], {"explode": True, "style": "simple"}),
        "mediaType": (
            whole["paths"]["/kites/{kiteId}"]["put"]["requestBody"]["content"]["application/json"],
            {"encoding": {"kind": {"contentType": "text/plain"}}},
        ),
        "response": (get["responses"]["200"], {"links": {"l": {"operationId": "replaceKite"}}}),
        "components": (
            whole["components"],
            {
                "callbacks": {"c": callback},
                "links": {"l": {"operationId": "replaceKite"}},
                "pathItems": {"p": {"get": {"operationId": "getOther", "responses": {"200": {"description": "x"}}}}},
            },
        ),
        "schema": (
            kite,
            {
                "if": {"required": ["id"]},
                "then": {"required": ["kind"]},
                "else": {"required": ["colour"]},
                "not": {"required": ["wings"]},
                "patternProperties": {"^x": string},
                "propertyNames": {"pattern": "^[a-z]+$"},
                "minProperties": 1,
                "maxProperties": 9,
                "dependentRequired": {"id": ["kind"]},
                "dependentSchemas": {"id": {"properties": {"size": string}}},
                "unevaluatedProperties": False,
                "$defs": {"Size": {"type": "object", "properties": {"width": string}}},
                "$id": "https://kites.test/kite",
                "$anchor": "kite",
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "$dynamicAnchor": "kites",
                "$dynamicRef": "#kites",
                "contains": string,
                "minContains": 1,
                "maxContains": 2,
                "unevaluatedItems": False,
            },
        ),
    }
    assert {kind: set(members) for kind, (_, members) in dropped.items()} == {
        kind: set(members.split()) for kind, members in rules.DROPPED.items()
    }
    for node, members in dropped.values():
        node.update(members)
    return whole


@pytest.mark.slow
def test_what_the_rules_call_left_out_leaves_no_trace(project: Path, tmp_path: Path) -> None:
    (project / "spec" / "data-registry.yaml").write_text(json.dumps(everything_dropped()))
    rendered = tmp_path / "rendered"
    generators.render(project / "spec", rendered)
    before = regenerate.read_tree(project / "generated")
    assert regenerate.read_tree(rendered) == {
        name: content for name, content in before.items() if not name.startswith(regenerate.CONTRACT)
    }
