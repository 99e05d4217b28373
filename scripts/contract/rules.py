"""What the document must keep to: OpenAPI 3.1, and of that what the generators turn into code.

openapi-spec-validator judges the document, but it accepts any member of a schema, and fails on a reference to the
wrong kind of object. So these are checked first. What no generator reads is refused by name: the document would
promise it, and the code would not have it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from contract.document import Broken, Fault, Place, follow, hint, nodes, plain, read, report, resolved
from contract.grammar import MEMBERS, SECTIONS, objects, see, words
from contract.parts import parts
from contract.validity import invalid

# OpenAPI and JSON Schema know these too, but they leave no trace in what the generators write: a test holds that.
DROPPED = {
    "document": "security webhooks",
    "pathItem": "servers",
    "operation": "callbacks servers",
    "parameter": "allowEmptyValue allowReserved explode style",
    "header": "explode style",
    "mediaType": "encoding",
    "response": "links",
    "components": "callbacks links pathItems",
    "schema": "if then else not contains minContains maxContains patternProperties propertyNames minProperties"
    " maxProperties dependentRequired dependentSchemas unevaluatedItems unevaluatedProperties $defs $id $anchor"
    " $schema $dynamicAnchor $dynamicRef",
}
# Names in a model of the client, as `plain` has them: with such a property it could not read a reply.
TAKEN = frozenset({"additionalkeys", "additionalproperties", "cls", "d", "fielddict", "fromdict", "srcdict", "todict"})
REMEDIES = {
    "security": "put it on each operation",
    "servers": "put it at the root of the document",
    "explode": "remove it, the client repeats a parameter for each item of a list",
    "style": "remove it, the client repeats a parameter for each item of a list",
}


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
    steps = (
        of_another_version(document),
        not_json(document),
        misplaced(document, path),
        endless(document),
        invalid(document, path),
    )
    return next(filter(None, map(list, steps)), [])


def of_another_version(document: dict[str, Any]) -> Iterator[Fault]:
    version = document.get("openapi")
    if version is not None and not re.match(r"3\.1\.\d", str(version)):
        yield ("openapi",), f"OpenAPI {version} is not read here: write openapi: 3.1.0"


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
        if kind == "schema":
            yield from taken(place, node)
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
            yield (*place, member), f"not {'a list' if wanted is list else 'an object'}: {see(kind)}"


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


def taken(place: Place, schema: dict[str, Any]) -> Iterator[Fault]:
    properties = schema.get("properties")
    for name in properties if isinstance(properties, dict) else ():
        if plain(name) in TAKEN:
            yield (
                (*place, "properties", name),
                f"the client's models have a {name} of their own: leave it out, and read it as model[{name!r}]",
            )


def collisions(named: list[tuple[Place, str]]) -> Iterator[Fault]:
    """Names that differ in case and punctuation alone: the generators write one module for them, the last one wins."""
    for place, name in named:
        for there, other in named:
            if place != there and name and plain(name) == plain(other):
                yield place, f"{name} and {other} ({'.'.join(map(str, there))}) are one name in Python: rename one"
