"""Whether the generated packages hold what the document describes, judged by their syntax trees.

A generator may leave out what it does not understand and still exit with 0. So every operation must be there with
its method and its path, every schema with its properties, and every value of an enum.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from contract.document import METHODS, Fault, plain
from contract.generators import CLIENT, SCHEMAS

REMEDY = "the generator left it out, describe it in another way"


def faults(document: dict[str, Any], generated: Path) -> Iterator[Fault]:
    """What of the document is not in the packages of the folder *generated*."""
    requests = {request for tree in trees(generated / CLIENT / "api") for request in requests_of(tree)}
    for path, item in document.get("paths", {}).items():
        for method in METHODS:
            if method in item and (method, re.sub(r"{.*?}", "{}", path)) not in requests:
                yield ("paths", path, method), f"not in {CLIENT}: {REMEDY}"
    for package in (CLIENT, SCHEMAS):
        modules = list(trees(generated / package))
        values = {node.value for tree in modules for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        classes = {name: words for tree in modules for name, words in classes_of(tree)}
        for name, schema in document.get("components", {}).get("schemas", {}).items():
            properties = set(properties_of(schema))
            # datamodel-code-generator gives a class whose name is taken in Python another one: IntEnum, IntEnumModel.
            held = classes.get(plain(name)) or classes.get(plain(name) + "model") or set()
            if missing := sorted(properties - held) or [
                word for word in enum_of(schema) if word is not None and word not in values
            ]:
                yield ("components", "schemas", name), f"{', '.join(map(str, missing))} not in {package}: {REMEDY}"


def trees(folder: Path) -> Iterator[ast.Module]:
    """The modules below *folder*, parsed."""
    for path in sorted(folder.rglob("*.py")):
        yield ast.parse(path.read_text(encoding="utf-8"))


def requests_of(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The method and the path of each request that a module of the client makes, parameters as `{}`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            said = {
                key.value: value
                for key, value in zip(node.keys, node.values, strict=True)
                if isinstance(key, ast.Constant)
            }
            if {"method", "url"} <= said.keys():
                method, *url = (constants(said[key])[0] for key in ("method", "url"))
                yield method, re.sub(r"{.*?}", "{}", url[0])


def classes_of(tree: ast.Module) -> Iterator[tuple[str, set[str]]]:
    """Each class by its plain name, with its fields and every string in it, as the wire's name may be an alias."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            fields = {
                field.target.id
                for field in ast.walk(node)
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
            }
            yield plain(node.name), fields | set(constants(node))


def constants(node: ast.AST) -> list[str]:
    return [child.value for child in ast.walk(node) if isinstance(child, ast.Constant) and isinstance(child.value, str)]


def properties_of(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        for part in schema.get("allOf", []):
            yield from properties_of(part)


def enum_of(schema: Any) -> list[Any]:
    found: list[Any] = schema.get("enum", []) if isinstance(schema, dict) else []
    return found
