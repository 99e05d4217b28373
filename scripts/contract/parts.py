"""An OpenAPI document as flat facts, for comparison: what each part of it says, and what carries it.

References must be resolved but for those to schemas (`document.resolved`): these are names that the generated code
has too, and are taken down once, by name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from contract.document import METHODS

Node = dict[str, Any]
Name = tuple[str, ...]
Marks = frozenset[str]

REQUEST: Marks = frozenset({"request"})
RESPONSE: Marks = frozenset({"response"})
CLOSED: Marks = frozenset({"closed"})  # the values of an enum are all there are: no plain string is allowed beside them

DOCUMENT: Name = ("document",)
VALUE = "value"  # the aspect that says what kinds of value a schema allows
NUMBERS = {"integer", "number"}
LISTED = "listed "  # begins the kind of value that an enum without a name allows
PART_OF = "part of "  # begins what a status is that only `default` or a range describes
PATH = "path "  # begins the aspects that an operation has from its path


class Contract:
    """A document as flat facts: by the name of a part and an aspect of it; the aspect "" says what the part is."""

    def __init__(self, document: Node, statuses: Mapping[Name, Iterable[str]] = MappingProxyType({})) -> None:
        """*statuses* of each operation are taken down even where `default` or a range describes them."""
        self.marks: dict[Name, Marks] = {}
        self.statuses: dict[Name, list[str]] = {}
        self._wanted = statuses
        self._said: dict[tuple[Name, str], list[Any]] = defaultdict(list)
        components = document.get("components", {})
        if document:
            self.add(DOCUMENT, "document", document, REQUEST, "servers", "paths", "components", "security")
        for number, server in enumerate(document.get("servers", [])):
            self.add((server["url"],), "server" if number else "first server", server, REQUEST, "url", "variables")
            for name, variable in server.get("variables", {}).items():
                self.add((server["url"], name), "server variable", variable, REQUEST)
        for path, item in document.get("paths", {}).items():
            shared = {PATH + key: value for key, value in item.items() if key not in {*METHODS, "parameters"}}
            for method in (key for key in item if key in METHODS):
                inherited = {"security": document.get("security", []), **shared, **item[method]}
                self.operation(f"{method.upper()} {path}", inherited, item.get("parameters", []))
        for name, scheme in components.get("securitySchemes", {}).items():
            self.add((name,), "security scheme", scheme, REQUEST)
        used = uses(document)
        for name, schema in components.get("schemas", {}).items():
            self.add((name,), "schema", {}, frozenset())
            self.schema((name,), schema, used[name] or REQUEST | RESPONSE | CLOSED)
        # What is said of one part at several places, by a part and its schema or by alternatives, is kept in a row.
        self.facts: dict[tuple[Name, str], Any] = {
            (name, aspect): [item for value in said for item in value]
            if aspect in {VALUE, "enum", "security"}
            else said[0]
            if len(said) == 1
            else any(said)
            if aspect == "required"
            else said
            for (name, aspect), said in self._said.items()
        }

    def add(self, name: Name, kind: str | None, node: Node, marks: Marks, *handled: str) -> None:
        """Take down what *node* says of itself, but for the keys *handled* elsewhere."""
        self.marks[name] = marks
        if kind and (name, "") not in self._said:
            self.say(name, "", kind)
        for key, value in node.items():
            if key not in handled:
                self.say(name, key, value)

    def say(self, name: Name, aspect: str, value: Any) -> None:
        """Take down one aspect of one part."""
        self._said[name, aspect].append(value)

    def operation(self, title: str, node: Node, inherited: list[Node]) -> None:
        """Take down an operation with its parameters, its body and its replies."""
        name = (node.get("operationId", title),)
        handled = ("operationId", "parameters", "requestBody", "responses", "security")
        self.add(name, f"operation `{title}`", node, REQUEST, *handled)
        ways = (" + ".join(" ".join([key, *scopes]) for key, scopes in way.items()) for way in node["security"] or [{}])
        self.say(name, "security", [way or "nothing" for way in ways])
        for parameter in [*inherited, *node.get("parameters", [])]:
            self.carrier((*name, parameter["name"]), f"{parameter['in']} parameter", parameter, REQUEST, "name", "in")
        if "requestBody" in node:
            self.carrier((*name, "body"), "request body", node["requestBody"], REQUEST)
        replies = node.get("responses", {})
        self.statuses[name] = list(replies)
        for status in dict.fromkeys([*replies, *self._wanted.get(name, ())]):
            for wider in (status, f"{status[0]}XX", "default"):
                if wider in replies:
                    kind = "reply" if wider == status else f"{PART_OF}`{wider}`"
                    self.reply((*name, status), kind, replies[wider])
                    break

    def reply(self, name: Name, kind: str, node: Node) -> None:
        """Take down a reply with its headers."""
        self.carrier(name, kind, node, RESPONSE, "headers")
        for header, value in node.get("headers", {}).items():
            self.carrier((*name, header), "header", value, RESPONSE)

    def carrier(self, name: Name, kind: str, node: Node, marks: Marks, *handled: str) -> None:
        """Take down what has a schema (a parameter, a header) or one for each media type (a body, a reply)."""
        self.add(name, kind, {"required": False, **node}, marks, "schema", "content", *handled)
        if "schema" in node:
            self.schema(name, node["schema"], marks | CLOSED)
        for media, value in node.get("content", {}).items():
            self.add((*name, media), "media type", value, marks, "schema")
            self.schema((*name, media), value.get("schema", {}), marks | CLOSED)

    def schema(self, name: Name, node: Any, marks: Marks) -> None:
        """Take down a schema with its properties; *marks* say what carries it."""
        kinds = alternatives(node)
        self.say(name, VALUE, [kind for kind, _ in kinds])
        marks -= CLOSED if "string" in dict(kinds) else frozenset()
        handled = ("type", "format", "$ref", "anyOf", "oneOf", "allOf", "properties", "required", "items")
        for part in parts(node):
            self.add(name, None, part, marks, *handled)
            if "format" in part and NUMBERS & dict(alternatives(part)).keys():
                self.say(name, "format", part["format"])
            for member, value in part.get("properties", {}).items():
                required = member in part.get("required", [])
                self.add((*name, member), "property", {"required": required}, marks)
                self.schema((*name, member), value, marks | CLOSED)
            if "items" in part:
                self.schema((*name, "items"), part["items"], marks | CLOSED)


def alternatives(node: Any) -> list[tuple[str, Node]]:
    """The kinds of value that a schema allows, each by the name that a reader would give it."""
    if not isinstance(node, dict) or not node:
        return [("nothing" if node is False else "anything", {})]
    if "$ref" in node:
        return [(node["$ref"].rpartition("/")[2], {})]
    if nested := [*node.get("anyOf", []), *node.get("oneOf", [])]:
        return [found for item in nested for found in alternatives(item)]
    if nested := node.get("allOf", []):
        return [(" and ".join(dict.fromkeys(kind for item in nested for kind, _ in alternatives(item))), node)]
    if "enum" in node:
        return [(f"{LISTED}{node.get('type', 'value')}", node)]
    kinds = node.get("type", "anything")
    named = [kinds] if isinstance(kinds, str) else kinds
    # The format of a string makes it something else in Python; that of a number only bounds it.
    return [
        (f"{kind} ({node['format']})" if "format" in node and kind not in {"null", *NUMBERS} else kind, node)
        for kind in named
    ]


def parts(node: Any) -> Iterator[Node]:
    """A schema and the schemas that it is put together from, but for those that have a name."""
    if isinstance(node, dict):
        for key in ("anyOf", "oneOf", "allOf"):
            for item in node.get(key, []):
                yield from parts(item)
        yield node


def uses(document: Node) -> dict[str, Marks]:
    """For each schema whether requests or replies carry it, and whether its enum is closed anywhere."""
    schemas = document.get("components", {}).get("schemas", {})
    found: dict[str, Marks] = defaultdict(frozenset)

    def visit(node: Any, marks: Marks) -> None:
        if isinstance(node, list):
            for child in node:
                visit(child, marks)
        elif isinstance(node, dict) and isinstance(node.get("$ref"), str):
            name = node["$ref"].rpartition("/")[2]
            if not marks <= found[name]:
                found[name] |= marks
                visit(schemas.get(name), marks)
        elif isinstance(node, dict):
            for key, child in node.items():
                is_open = key in {"anyOf", "oneOf"} and "string" in dict(alternatives(node))
                visit(child, marks - CLOSED if is_open else marks | CLOSED)

    for item in document.get("paths", {}).values():
        visit(item.get("parameters", []), REQUEST)
        for operation in (item[method] for method in METHODS if method in item):
            visit([operation.get("parameters"), operation.get("requestBody")], REQUEST)
            visit(operation.get("responses"), RESPONSE)
    return found
