"""Read the OpenAPI document, and say in one line each where it is broken.

openapi-spec-validator judges the document, but it knows no lines, names a place inside a schema
relative to that schema, and answers a reference that leads nowhere with the whole document. So
what would trip it is looked for first, and its own findings are brought back to their line.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

Place = tuple[str | int, ...]
Fault = tuple[Place, str]


class Broken(Exception):
    """The document, the tool set or a generator is not fit to produce anything."""


def load(path: Path) -> dict[str, Any]:
    """The valid document at *path*; or Broken, a line `file:line: place: what is wrong` for each fault."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    where = f"{path.parent.name}/{path.name}"
    try:
        text = path.read_text(encoding="utf-8")
        lines = YAML(typ="rt").load(text)  # knows the line of every key, and refuses duplicate ones
        document = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Broken(f"{where}:{mark.line + 1 if mark else 1}: {error.problem}") from error
    except (OSError, UnicodeError, YAMLError) as error:
        raise Broken(f"{where}: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict):
        raise Broken(f"{where}:1: not an OpenAPI document")
    faults = list(unreadable(document, path)) or list(invalid(document, path))
    if faults:
        lines = sorted((line_of(lines, place), ".".join(map(str, place)), what) for place, what in faults)
        raise Broken("\n".join(f"{where}:{line}: {place or 'document'}: {what}" for line, place, what in lines))
    return document


def unreadable(document: dict[str, Any], path: Path) -> Iterator[Fault]:
    """What is YAML but not JSON, and references to what is not there."""
    schemes = document.get("components", {}).get("securitySchemes", {})
    for place, node in nodes(document):
        if not isinstance(node, dict | list | str | int | float | None):
            yield place, f"{node} is a YAML {type(node).__name__.lower()}: put it in quotes"
        if not isinstance(node, dict):
            continue
        yield from (
            ((*place, key), f"the key {key!r} is no string: put it in quotes")
            for key in node
            if not isinstance(key, str)
        )
        if isinstance(reference := node.get("$ref"), str):
            try:
                follow(reference, document, path)
            except Broken as broken:
                yield (*place, "$ref"), str(broken)
        if place[-2:-1] == ("security",):
            yield from (((*place, name), "no such security scheme") for name in node if name not in schemes)


def follow(reference: str, document: dict[str, Any], path: Path) -> Any:
    """What *reference* in the document at *path* stands for: a part of it, or of a JSON file beside it."""
    name, _, pointer = reference.partition("#")
    node: Any = document
    if name:
        try:
            node = json.loads((path.parent / name).read_text(encoding="utf-8"))
        except OSError:
            raise Broken(f"no file {path.parent.name}/{name}") from None
        except ValueError as error:
            raise Broken(f"{path.parent.name}/{name} is not JSON: {error}") from error
    for part in unquote(pointer).split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        try:
            node = node[int(key) if isinstance(node, list) else key]
        except (LookupError, TypeError, ValueError):
            raise Broken(f"{reference} leads nowhere") from None
    return node


def resolved(node: Any, document: dict[str, Any], path: Path) -> Any:
    """*node* with every reference replaced by what it stands for, but for those to schemas: these may be circular."""
    if isinstance(node, list):
        return [resolved(child, document, path) for child in node]
    if not isinstance(node, dict):
        return node
    reference = node.get("$ref")
    if isinstance(reference, str) and not reference.startswith("#/components/schemas/"):
        return resolved(follow(reference, document, path), document, path)
    return {key: resolved(child, document, path) for key, child in node.items()}


def invalid(document: dict[str, Any], path: Path) -> Iterator[Fault]:
    """What openapi-spec-validator objects to."""
    from openapi_spec_validator import OpenAPIV31SpecValidator

    for fault in OpenAPIV31SpecValidator(document, base_uri=path.as_uri()).iter_errors():
        tail = tuple(fault.absolute_path)
        found = fault.instance if tail else fault.schema
        whole = (place for place, node in nodes(document) if node is found and place[len(place) - len(tail) :] == tail)
        quoted = (("paths", name) for name in document.get("paths", {}) if repr(name) in fault.message)
        yield (
            next(whole, tail or next(quoted, ())),
            textwrap.shorten(fault.message.splitlines()[0], 200, placeholder=" …"),
        )


def nodes(node: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every node of the document with its place, parents first."""
    yield place, node
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield from nodes(child, (*place, key))


def line_of(node: Any, place: Place) -> int:
    """The line of the deepest key of *place* that the document has."""
    line = 1
    for key in place:
        try:
            line = (node.lc.item(key) if isinstance(key, int) else node.lc.key(key))[0] + 1
            node = node[key]
        except (AttributeError, LookupError, TypeError):
            break
    return int(line)
