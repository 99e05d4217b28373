"""What the document must keep to: OpenAPI 3.1, and of that what the generators turn into code.

openapi-spec-validator judges the document, but it knows no lines, accepts any member of a schema, and fails
on a reference to the wrong kind of object. So these are checked first, and its own findings are brought back to
their line. What no generator reads is refused by name: the document would promise it and the code would not have it.
"""

from __future__ import annotations

import re
import textwrap
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from contract_parts import parts
from document import METHODS, Broken, Fault, Place, follow, hint, nodes, plain, read, report, resolved

Object = tuple[Place, dict[str, Any], str]

# The members of each kind of object, and what they hold: `a=kind` one, `a=[kind]` a list, `a={kind}` by name.
GRAMMAR = {
    "document": "openapi info jsonSchemaDialect servers=[server] paths={pathItem} components=components tags=[tag]"
    " externalDocs",
    "server": "url description variables={serverVariable}",
    "serverVariable": "enum default description",
    "tag": "name description externalDocs",
    "pathItem": " ".join(["summary description parameters=[parameter]", *(f"{name}=operation" for name in METHODS)]),
    "operation": "tags summary description externalDocs operationId parameters=[parameter] requestBody=requestBody"
    " responses={response} deprecated security",
    "parameter": "name in description required deprecated allowEmptyValue style explode allowReserved schema=schema"
    " content={mediaType} example examples={example}",
    "header": "description required deprecated style explode schema=schema content={mediaType} example"
    " examples={example}",
    "requestBody": "description content={mediaType} required",
    "response": "description headers={header} content={mediaType}",
    "mediaType": "schema=schema example examples={example} encoding",
    "example": "summary description value externalValue",
    "securityScheme": "type description name in scheme bearerFormat flows openIdConnectUrl",
    "components": "schemas={schema} responses={response} parameters={parameter} examples={example}"
    " requestBodies={requestBody} headers={header} securitySchemes={securityScheme}",
    "schema": "type format enum const default title description deprecated readOnly writeOnly example examples"
    " externalDocs xml discriminator $comment multipleOf maximum exclusiveMaximum minimum exclusiveMinimum maxLength"
    " minLength pattern maxItems minItems uniqueItems required contentEncoding contentMediaType contentSchema"
    " properties={schema} additionalProperties=schema items=schema prefixItems=[schema]"
    " allOf=[schema] anyOf=[schema] oneOf=[schema]",
}
MEMBERS = {
    kind: {member: holds for member, _, holds in (word.partition("=") for word in text.split())}
    for kind, text in GRAMMAR.items()
}
SECTIONS = {holds[1:-1]: section for section, holds in MEMBERS["components"].items()}

# OpenAPI and JSON Schema know these too, but they leave no trace in what the generators write: a test holds that.
DROPPED = {
    "document": "security webhooks",
    "pathItem": "servers",
    "operation": "callbacks servers",
    "response": "links",
    "components": "callbacks links pathItems",
    "schema": "if then else not contains minContains maxContains patternProperties propertyNames minProperties"
    " maxProperties dependentRequired dependentSchemas unevaluatedItems unevaluatedProperties $defs $id $anchor"
    " $schema $dynamicAnchor $dynamicRef",
}
SPECIFIED = " in the OpenAPI Specification 3.1"
REMEDIES = {"security": "put it on each operation", "servers": "put it at the root of the document"}


def load(path: Path) -> dict[str, Any]:
    """The document at *path*.

    Raises:
        Broken: if it breaks a rule, with a line `file:line: place: what is wrong: what to do` for each fault.
    """
    document = read(path)
    if found := faults(document, path):
        raise report(path, found)
    return document


def faults(document: dict[str, Any], path: Path) -> list[Fault]:
    """All faults of one kind: as long as there are such, the next kind cannot be judged."""
    steps = (not_json(document), misplaced(document, path), endless(document), invalid(document, path))
    return next(filter(None, map(list, steps)), [])


def objects(node: Any, kind: str = "document", place: Place = ()) -> Iterator[Object]:
    """Every object of the document with its place and its kind, parents first; values in examples are none."""
    if not isinstance(node, dict):
        return
    yield place, node, kind
    for member, holds in MEMBERS[kind].items() if "$ref" not in node or kind == "schema" else ():
        child, inner = node.get(member), holds.strip("[]{}")
        if holds.startswith("["):
            for number, item in enumerate(child if isinstance(child, list) else ()):
                yield from objects(item, inner, (*place, member, number))
        elif holds.startswith("{"):
            for name, item in child.items() if isinstance(child, dict) else ():
                if not (inner in {"pathItem", "response"} and name.startswith("x-")):
                    yield from objects(item, inner, (*place, member, name))
        elif holds:
            yield from objects(child, inner, (*place, member))


def not_json(document: dict[str, Any]) -> Iterator[Fault]:
    """What YAML can say and JSON cannot."""
    for place, node in nodes(document):
        if not isinstance(node, dict | list | str | int | float | None):
            yield place, f"{node} is a YAML {type(node).__name__.lower()}: put it in quotes"
        for key in node if isinstance(node, dict) else ():
            if not isinstance(key, str):
                yield (*place, key), f"the key {key!r} is no string: put it in quotes"


def misplaced(document: dict[str, Any], path: Path) -> Iterator[Fault]:
    """Unknown members, what no generator reads, wrong references, and names that would be one name in Python."""
    found = list(objects(document))
    schemes = [str(place[-1]) for place, _, kind in found if kind == "securityScheme"]
    named: dict[str, list[tuple[Place, str]]] = defaultdict(list)
    for place, node, kind in found:
        if "$ref" in node:
            yield from wrong_reference((*place, "$ref"), node["$ref"], kind, document, path)
        yield from strange_members(place, node, kind)
        yield from misshapen(place, node, kind)
        if kind == "operation":
            named[kind].append(((*place, "operationId"), str(node.get("operationId", ""))))
            yield from unnamed(place, node)
            yield from undeclared(place, node, document, path)
            yield from unknown_schemes((*place, "security"), node.get("security"), schemes)
        if kind == "schema" and place[:-1] == ("components", "schemas"):
            named[kind].append((place, str(place[-1])))
    for names in named.values():
        yield from collisions(names)


def strange_members(place: Place, node: dict[str, Any], kind: str) -> Iterator[Fault]:
    for member in sorted(node.keys() - MEMBERS[kind].keys()):
        if member in DROPPED.get(kind, "").split():
            remedy = REMEDIES.get(member, "remove it, or say it in a description")
            yield (*place, member), f"the generators leave {member} out: {remedy}"
        elif member != "$ref" and not member.startswith("x-"):
            yield (*place, member), f"no member of the {words(kind)}: {hint(member, MEMBERS[kind], 'remove it')}"


def endless(document: dict[str, Any]) -> Iterator[Fault]:
    """Schemas that stand for themselves, or for one that stands for them, with no property or item between."""
    schemas = document.get("components", {}).get("schemas", {})
    for name in schemas:
        reached, new = set[str](), {name}
        while new:
            reached |= new
            references = [str(part["$ref"]) for one in new for part in parts(schemas.get(one)) if "$ref" in part]
            new = {reference.rpartition("/")[2] for reference in references} - (reached - {name})
            if name in new:
                yield ("components", "schemas", name), "stands for itself: say what it is"
                break


def misshapen(place: Place, node: dict[str, Any], kind: str) -> Iterator[Fault]:
    """Members that are no list, no map or no object where the grammar has one."""
    for member, holds in MEMBERS[kind].items():
        wanted = list if holds.startswith("[") else dict | bool if holds == "schema" else dict
        if holds and member in node and not isinstance(node[member], wanted):
            yield (*place, member), f"not {'a list' if wanted is list else 'an object'}: see {words(kind)}{SPECIFIED}"


def wrong_reference(place: Place, target: Any, kind: str, document: dict[str, Any], path: Path) -> Iterator[Fault]:
    """A reference that leads nowhere, to another kind of object, or on to the next reference."""
    begin = f"#/components/{SECTIONS.get(kind, '')}/"
    try:
        found = follow(str(target), document, path)
    except Broken as broken:
        yield place, str(broken)
        return
    if kind not in SECTIONS:
        yield place, f"no reference may stand for this {words(kind)}: write it out"
    elif kind == "example" and not str(target).startswith("#"):
        return
    elif not str(target).startswith(begin) or "/" in str(target).removeprefix(begin):
        yield place, f"{target} is no {words(kind)}: refer to one in {begin}"
    elif kind != "schema" and isinstance(found, dict) and "$ref" in found:
        yield place, f"{target} is itself a reference: refer to {found['$ref']}"


def words(kind: str) -> str:
    """`pathItem` as OpenAPI writes it: `Path Item Object`."""
    return re.sub("(?<!^)(?=[A-Z])", " ", kind[:1].upper() + kind[1:]) + " Object"


def unnamed(place: Place, operation: dict[str, Any]) -> Iterator[Fault]:
    if not operation.get("operationId"):
        yield place, "an operation has no operationId: give it one, such as getOperation"


def undeclared(place: Place, operation: dict[str, Any], document: dict[str, Any], path: Path) -> Iterator[Fault]:
    """The parameters in an operation's path that it does not declare."""
    try:
        shared = document["paths"][place[1]].get("parameters", [])
        found = resolved([*shared, *operation.get("parameters", [])], document, path)
        declared = [parameter["name"] for parameter in found if parameter["in"] == "path"]
    except (Broken, KeyError, TypeError):
        return  # another rule says what is wrong with them
    for name in re.findall("{(.*?)}", str(place[1])):
        if name not in declared:
            yield place[:2], f"{place[2]} declares no path parameter {name}: {hint(name, declared, 'add it')}"


def unknown_schemes(place: Place, security: Any, schemes: list[str]) -> Iterator[Fault]:
    for number, way in enumerate(security if isinstance(security, list) else ()):
        for name in way if isinstance(way, dict) else ():
            if name not in schemes:
                otherwise = "add it to components.securitySchemes"
                yield (*place, number, name), f"no such security scheme: {hint(name, schemes, otherwise)}"


def collisions(named: list[tuple[Place, str]]) -> Iterator[Fault]:
    """Names that differ in case and punctuation alone: the generators write one module for them, the last one wins."""
    for place, name in named:
        for there, other in named:
            if place != there and name and plain(name) == plain(other):
                yield place, f"{name} and {other} ({'.'.join(map(str, there))}) are one name in Python: rename one"


def invalid(document: dict[str, Any], path: Path) -> Iterator[Fault]:
    """What openapi-spec-validator objects to: first to the form of each object, then to how they fit together."""
    from openapi_spec_validator import OpenAPIV31SpecValidator

    validator = OpenAPIV31SpecValidator(document, base_uri=path.as_uri())
    form = list(OpenAPIV31SpecValidator.schema_validator.iter_errors(document))
    kinds = {place: kind for place, _, kind in objects(document)}
    for fault in form or validator.iter_errors():
        tail = tuple(map(str, fault.absolute_path))  # of a schema: from there on, and a status is a number
        found = fault.instance if tail else fault.schema
        ends = (
            (place, tuple(map(str, place[len(place) - len(tail) :])))
            for place, node in nodes(document)
            if node is found
        )
        whole = (place for place, end in ends if end == tail)
        quoted = (("paths", name) for name in document.get("paths", {}) if repr(name) in fault.message)
        place = next(whole, tail or next(quoted, ()))
        while fault.context:  # the alternatives that do not fit: the deepest one is the one that was meant
            fault = max(fault.context, key=lambda error: len(error.absolute_path))
        what = textwrap.shorten(fault.message.splitlines()[0], 200, placeholder=" …")
        kind = next(kinds[place[:end]] for end in range(len(place), -1, -1) if place[:end] in kinds)
        yield place, f"{what}: see {words(kind)}{SPECIFIED}"
