"""What changed between two OpenAPI documents, and whether it breaks those who use the generated client.

Pure: two documents in, changes out. Each document is first told as flat facts, then the facts are
compared by a few rules. References must be resolved but for those to schemas (`document.resolved`):
these are names that the generated code has too, and are compared once, by name.

What breaks depends on the direction: a caller is hurt when a request must carry more or may carry
less, a reader when a reply may carry less, or something of a new kind. Any difference is reported,
and one in a keyword without a rule here counts as breaking: somebody must look at it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Node = dict[str, Any]
Name = tuple[str, ...]
Marks = frozenset[str]

REQUEST: Marks = frozenset({"request"})
RESPONSE: Marks = frozenset({"response"})
CLOSED: Marks = frozenset({"closed"})  # the words of an enum are all there are: no plain string is allowed beside them

DOCUMENT: Name = ("document",)
VALUE = "value"  # the aspect that tells what kinds of value a schema allows
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
WORDING = {"description", "summary", "title", "info", "example", "examples", "externalDocs", "deprecated", "$comment"}
LOWER_IS_LOOSER = {"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"}
HIGHER_IS_LOOSER = {"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"}
CONSTRAINTS = LOWER_IS_LOOSER | HIGHER_IS_LOOSER | {"pattern", "multipleOf", "uniqueItems", "additionalProperties"}


@dataclass(frozen=True)
class Change:
    """One difference: the name of the part that changed, and what happened to it."""

    name: Name
    what: str
    breaking: bool = False

    def __str__(self) -> str:
        return f"`{'.'.join(self.name)}`: {self.what}"


def changes(before: Node, after: Node) -> list[Change]:
    """All changes, in the order of the documents; an empty document stands for none."""
    old, new = Contract(before), Contract(after)
    found: list[Change] = []
    for name, aspect in {**old.facts, **new.facts}:
        wholes = [(name[:end], "") for end in range(1, len(name) + bool(aspect))]
        if not any((whole in old.facts) != (whole in new.facts) for whole in wholes):  # else it came or went with it
            found += compare(name, aspect, old, new)
    return found


def compare(name: Name, aspect: str, old: Contract, new: Contract) -> Iterator[Change]:
    """What happened to one aspect of one part."""
    was: Any = old.facts.get((name, aspect))
    now: Any = new.facts.get((name, aspect))
    marks = old.marks.get(name, frozenset()) | new.marks.get(name, frozenset())
    asked, told = marks >= REQUEST, marks >= RESPONSE
    needed = asked and new.facts.get((name, "required"), False) and (name, "default") not in new.facts
    if was == now:
        return
    if not aspect and was is None:
        yield Change(name, f"new {'required ' * needed}{now}", needed)
    elif not aspect:
        yield Change(name, f"{was} is gone" if now is None else f"was {was}, is {now}", breaking=True)
    elif aspect == VALUE:
        was, now = was or ["anything"], now or ["anything"]
        gone, come = set(was) - set(now), set(now) - set(was)
        breaking = bool(gone and come) or bool(gone and asked) or bool(come and told)
        yield Change(name, f"was {' or '.join(was)}, is {' or '.join(now)}", breaking)
    elif aspect in {"enum", "security"}:
        kind = "word" if aspect == "enum" else "way in"
        closed = aspect == "enum" and told and marks >= CLOSED
        yield from (
            Change((*name, word), f"{kind} is gone", breaking=True) for word in was or () if word not in (now or ())
        )
        yield from (Change((*name, word), f"new {kind}", closed) for word in now or () if word not in (was or ()))
    elif aspect == "required":
        yield Change(name, f"is now {'required' if now else 'optional'}", needed if now else told)
    elif aspect == "default":
        yield Change(name, f"default was `{was}`, is `{now}`", asked)
    elif is_wording(aspect) or meaning(was) == meaning(now):
        yield Change(name, f"{aspect} {'added' if was is None else 'dropped' if now is None else 'reworded'}")
    else:
        harmless = name == DOCUMENT or (aspect in CONSTRAINTS and (not asked or is_looser(aspect, was, now)))
        yield Change(name, f"{aspect} was `{was}`, is `{now}`", not harmless)


class Contract:
    """A document as flat facts: by the name of a part and an aspect of it; the aspect "" tells what the part is."""

    def __init__(self, document: Node) -> None:
        self.facts: dict[tuple[Name, str], Any] = {}
        self.marks: dict[Name, Marks] = {}
        components = document.get("components", {})
        if document:
            self.add(DOCUMENT, "document", document, REQUEST, "servers", "paths", "components", "security")
        for server in document.get("servers", []):
            self.add((server["url"],), "server", server, REQUEST, "url", "variables")
            for name, variable in server.get("variables", {}).items():
                self.add((server["url"], name), "server variable", variable, REQUEST)
        for path, item in document.get("paths", {}).items():
            for method in METHODS & item.keys():
                inherited = {"security": document.get("security", []), **item[method]}
                self.operation(f"{method.upper()} {path}", inherited, item.get("parameters", []))
        for name, scheme in components.get("securitySchemes", {}).items():
            self.add((name,), "security scheme", scheme, REQUEST)
        used = uses(document)
        for name, schema in components.get("schemas", {}).items():
            self.add((name,), "schema", {}, frozenset())
            self.schema((name,), schema, used[name] or REQUEST | RESPONSE | CLOSED)

    def add(self, name: Name, kind: str | None, node: Node, marks: Marks, *handled: str) -> None:
        """Take down what *node* says of itself, but for the keys *handled* elsewhere."""
        self.marks[name] = marks
        if kind:
            self.facts[name, ""] = kind
        for key, value in node.items():
            if key not in handled:  # what is said twice, by a part and its schema, is kept twice
                said = self.facts.get((name, key))
                self.facts[name, key] = (
                    value if said is None else said + value if isinstance(said, list) else [said, value]
                )

    def operation(self, title: str, node: Node, inherited: list[Node]) -> None:
        """Take down a call with its parameters, its body and its replies."""
        name = (node.get("operationId", title),)
        self.add(name, f"operation `{title}`", node, REQUEST, "operationId", "parameters", "requestBody", "responses")
        self.facts[name, "security"] = [
            " + ".join(" ".join([scheme, *scopes]) for scheme, scopes in way.items()) or "nothing"
            for way in node["security"] or [{}]
        ]
        for parameter in [*inherited, *node.get("parameters", [])]:
            self.carrier((*name, parameter["name"]), f"{parameter['in']} parameter", parameter, REQUEST, "name", "in")
        if "requestBody" in node:
            self.carrier((*name, "body"), "request body", node["requestBody"], REQUEST)
        for status, reply in node.get("responses", {}).items():
            self.carrier((*name, status), "reply", reply, RESPONSE, "headers")
            for header, value in reply.get("headers", {}).items():
                self.carrier((*name, status, header), "header", value, RESPONSE)

    def carrier(self, name: Name, kind: str, node: Node, marks: Marks, *handled: str) -> None:
        """Take down what has a schema (a parameter, a header) or one for each media type (a body, a reply)."""
        self.add(name, kind, {"required": False, **node}, marks, "schema", "content", *handled)
        if "schema" in node:
            self.schema(name, node["schema"], marks | CLOSED)
        for media, value in node.get("content", {}).items():
            self.add((*name, media), "media type", value, marks, "schema")
            self.schema((*name, media), value.get("schema", {}), marks | CLOSED)

    def schema(self, name: Name, node: Any, marks: Marks) -> None:
        """Take down a schema with its properties; *marks* tell what carries it."""
        kinds = alternatives(node)
        self.facts[name, VALUE] = list(kinds)
        marks -= CLOSED if "string" in kinds else frozenset()
        for part in [*(part for part in kinds.values() if part is not node), node if isinstance(node, dict) else {}]:
            self.add(
                name, None, part, marks, "type", "format", "$ref", "anyOf", "oneOf", "properties", "required", "items"
            )
            for member, value in part.get("properties", {}).items():
                required = member in part.get("required", [])
                self.add((*name, member), "property", {"required": required}, marks)
                self.schema((*name, member), value, marks | CLOSED)
            if "items" in part:
                self.schema((*name, "items"), part["items"], marks | CLOSED)


def alternatives(node: Any) -> dict[str, Node]:
    """The kinds of value that a schema allows, each by the name that a reader would give it."""
    if not isinstance(node, dict) or not node:
        return {"nothing" if node is False else "anything": {}}
    if "$ref" in node:
        return {node["$ref"].rpartition("/")[2]: {}}
    if nested := [*node.get("anyOf", []), *node.get("oneOf", [])]:
        return {kind: part for item in nested for kind, part in alternatives(item).items()}
    if "enum" in node:
        return {f"listed {node.get('type', 'value')}": node}
    kinds = node.get("type", "anything")
    suffix = f" ({node['format']})" if "format" in node else ""
    return {kind if kind == "null" else kind + suffix: node for kind in ([kinds] if isinstance(kinds, str) else kinds)}


def uses(document: Node) -> dict[str, Marks]:
    """For each schema whether requests or replies carry it, and whether its words are closed anywhere."""
    schemas = document.get("components", {}).get("schemas", {})
    found: dict[str, Marks] = defaultdict(frozenset)

    def visit(node: Any, marks: Marks) -> None:
        if isinstance(node, list):
            for child in node:
                visit(child, marks)
        elif isinstance(node, dict) and "$ref" in node:
            name = node["$ref"].rpartition("/")[2]
            if not marks <= found[name]:
                found[name] |= marks
                visit(schemas.get(name), marks)
        elif isinstance(node, dict):
            for key, child in node.items():
                open_words = key in {"anyOf", "oneOf"} and "string" in alternatives(node)
                visit(child, marks - CLOSED if open_words else marks | CLOSED)

    for item in document.get("paths", {}).values():
        visit(item.get("parameters", []), REQUEST)
        for operation in (item[method] for method in METHODS & item.keys()):
            visit([operation.get("parameters"), operation.get("requestBody")], REQUEST)
            visit(operation.get("responses"), RESPONSE)
    return found


def is_looser(key: str, before: Any, after: Any) -> bool:
    if before is None or after is None:
        return after is None
    if key == "additionalProperties":
        return after is True
    if not isinstance(before, int | float) or not isinstance(after, int | float):
        return False
    return after < before if key in LOWER_IS_LOOSER else key in HIGHER_IS_LOOSER and after > before


def is_wording(key: str) -> bool:
    return key in WORDING or key.startswith("x-")


def meaning(node: Any) -> Any:
    """A part of a document without what is only said to people."""
    if isinstance(node, list):
        return [meaning(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: sorted(child) if key == "scopes" else meaning(child) for key, child in node.items() if not is_wording(key)
    }
