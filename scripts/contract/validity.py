"""What openapi-spec-validator objects to, brought back to its place in the document."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contract.grammar import objects, see

if TYPE_CHECKING:
    from contract.document import Fault, Place


def invalid(document: dict[str, Any], path: Path) -> Iterator[Fault]:
    """What openapi-spec-validator objects to: the form of the objects and of the schemas, then how they fit."""
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # the dialect of OpenAPI 3.1
    from openapi_spec_validator import OpenAPIV31SpecValidator

    kinds = {place: (kind, node) for place, node, kind in objects(document)}
    roots: list[tuple[Place, Any, dict[str, Any]]] = [((), OpenAPIV31SpecValidator.schema_validator, document)]
    metaschema = Draft202012Validator(Draft202012Validator.META_SCHEMA)
    for place, (kind, node) in kinds.items():
        if kind == "schema" and not any(kinds.get(place[:end], ("", {}))[0] == "schema" for end in range(len(place))):
            roots.append((place, metaschema, node))

    def fault(place: Place, error: Any) -> Fault:
        while error.context:  # the alternatives that do not fit: the deepest one is the one that was meant
            error = max(error.context, key=lambda one: len(one.absolute_path))
        what = textwrap.shorten(error.message.splitlines()[0], 200, placeholder=" …")
        kind = next(kinds[place[:end]][0] for end in range(len(place), -1, -1) if place[:end] in kinds)
        return place, f"{what}: {see(kind)}"

    found = [
        fault((*place, *spelled(error.absolute_path, node)), error)
        for place, validator, node in roots
        for error in validator.iter_errors(node)
    ]
    yield from found
    for error in () if found else OpenAPIV31SpecValidator(document, base_uri=path.as_uri()).iter_errors():
        quoted = (("paths", name) for name in document.get("paths", {}) if repr(name) in error.message)
        yield fault(next(quoted, spelled(error.absolute_path, document)), error)


def spelled(path: Iterable[Any], node: Any) -> Place:
    """The path of an error with its keys as the document has them: a validator makes a number of the key "200"."""
    place: Place = ()
    for key in path:
        place = (*place, str(key) if isinstance(node, dict) else key)
        with suppress(LookupError, TypeError):
            node = node[place[-1]]
    return place
