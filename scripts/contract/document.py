"""Read an OpenAPI document: its text, its references, and the line of every part of it."""

from __future__ import annotations

import difflib
import functools
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, ParamSpec
from urllib.parse import unquote

MAX_DEPTH = 200
"""Levels of a document; real ones have some twenty."""

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")

P = ParamSpec("P")
Place = tuple[str | int, ...]
Fault = tuple[Place, str]


class Broken(Exception):
    """The document, the tool set or a generator is not fit to produce anything."""


def ends_in_a_line(main: Callable[P, int]) -> Callable[P, int]:
    """Let a script's main function end with a line and an exit code where it would end with a traceback."""

    @functools.wraps(main)
    def run(*args: P.args, **kwargs: P.kwargs) -> int:
        try:
            return main(*args, **kwargs)
        except Broken as broken:
            reason, code = str(broken), 2
        except RecursionError:
            reason, code = "spec/data-registry.yaml:1: it is nested too deeply: make it flatter", 2
        except KeyboardInterrupt:
            reason, code = "interrupted", 130
        print(reason, file=sys.stderr)
        return code

    return run


def read(path: Path) -> dict[str, Any]:
    """The document at *path*, YAML or JSON.

    Raises:
        Broken: if it cannot be read, with the line.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    where = name_of(path)
    try:
        text = path.read_text(encoding="utf-8")
        # JSON is YAML too, but a YAML parser takes a minute for what takes a JSON parser a blink.
        document = json.loads(text) if path.suffix == ".json" else YAML(typ="safe", pure=True).load(text)
        json.dumps(document, default=str, skipkeys=True)  # a ValueError for a circle
        if any(len(place) > MAX_DEPTH for place, _ in nodes(document)):
            raise RecursionError
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Broken(f"{where}:{mark.line + 1 if mark else 1}: {error.problem}: correct the YAML") from error
    except (UnicodeError, YAMLError, ValueError) as error:
        if str(error) == "Circular reference detected":
            raise Broken(f"{where}:1: an alias stands for what contains it: write it out") from None
        remedy = "save it as UTF-8" if isinstance(error, UnicodeError) else f"correct the {path.suffix[1:].upper()}"
        raise Broken(f"{where}:1: {' '.join(str(error).split())}: {remedy}") from error
    except RecursionError:
        raise Broken(f"{where}:1: it is nested too deeply: make it flatter") from None
    except OSError as error:
        raise Broken(f"{where}:1: {error.strerror}: it must be there") from error
    if not isinstance(document, dict):
        raise Broken(f"{where}:1: not an OpenAPI document: it must begin with `openapi: 3.1.0`")
    return document


def report(path: Path, faults: Iterable[Fault]) -> Broken:
    """The faults of the document at *path* as one exception: `file:line: place: what is wrong: what to do` for each."""
    from ruamel.yaml import YAML

    tree = YAML(typ="rt", pure=True).load(path.read_text(encoding="utf-8"))  # knows the line of every key
    rows = sorted((line_of(tree, place), ".".join(map(str, place)), what) for place, what in faults)
    return Broken("\n".join(f"{name_of(path)}:{line}: {place or 'document'}: {what}" for line, place, what in rows))


def name_of(path: Path) -> str:
    """A file of the project as messages show it, such as `spec/data-registry.yaml`."""
    return f"{path.parent.name}/{path.name}"


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


def nodes(node: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every node of the document with its place, parents first."""
    yield place, node
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield from nodes(child, (*place, key))


def follow(reference: str, document: dict[str, Any], path: Path) -> Any:
    """What *reference* in the document at *path* stands for: a part of it, or of a JSON file beside it."""
    name, _, pointer = reference.partition("#")
    node: Any = document
    if name:
        try:
            node = json.loads((path.parent / name).read_text(encoding="utf-8"))
        except OSError:
            known = [file.relative_to(path.parent).as_posix() for file in path.parent.rglob("*.json")]
            raise Broken(f"no file {path.parent.name}/{name}: {hint(name, known, 'add it')}") from None
        except (ValueError, RecursionError) as error:
            raise Broken(f"{path.parent.name}/{name} is not JSON: {error}: correct it") from error
    parts = [part.replace("~1", "/").replace("~0", "~") for part in unquote(pointer).split("/")[1:]]
    for end, key in enumerate(parts):
        try:
            node = node[int(key) if isinstance(node, list) else key]
        except (LookupError, TypeError, ValueError):
            known, missing = list(node) if isinstance(node, dict) else [], ".".join(parts[: end + 1])
            raise Broken(f"{reference} leads nowhere: {hint(key, known, f'add {missing}')}") from None
    return node


def resolved(node: Any, document: dict[str, Any], path: Path, inside: tuple[str, ...] = ()) -> Any:
    """*node* with every reference replaced by what it stands for, but for those to schemas and those to themselves."""
    if isinstance(node, list):
        return [resolved(child, document, path, inside) for child in node]
    if not isinstance(node, dict):
        return node
    reference = node.get("$ref")
    if isinstance(reference, str) and not reference.startswith("#/components/schemas/") and reference not in inside:
        return resolved(follow(reference, document, path), document, path, (*inside, reference))
    return {key: resolved(child, document, path, inside) for key, child in node.items()}


def hint(name: str, known: Iterable[Any], otherwise: str) -> str:
    """What was probably meant by *name*, or what to do when nothing *known* is like it."""
    close = difflib.get_close_matches(name, map(str, known), 1)
    return f"did you mean {close[0]}?" if close else otherwise


def plain(name: str) -> str:
    """A name without case and punctuation: `getOperation`, `get_operation` and `GET_OPERATION` are one."""
    return re.sub(r"[\W_]", "", name).lower()
