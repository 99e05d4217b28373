"""Write what the document says that is neither a call nor a model: versions, hosts, paths, patterns, header names."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from contract.document import METHODS, Broken

PREAMBLE = '''\
"""What the contract says that is neither a call nor a model: version, hosts, paths, patterns, header names."""

from typing import Final, Literal, NamedTuple, TypeAlias


class Operation(NamedTuple):
    """An operation of the API: its operationId, its HTTP method and the template of its path."""

    id: str
    method: str
    path: str

'''


def module(document: dict[str, Any]) -> str:
    """The source of the module. One line for each fact, so that an addition to the document changes no other line."""
    lines = [*versions_and_servers(document), *components(document), *operations(document)]
    names = Counter(line.partition(":")[0] for line in lines if not line.startswith((" ", ")")))
    for name, times in names.items():
        if times > 1 or not name.isidentifier():
            what = "is given twice" if times > 1 else "is no name"
            raise Broken(f"{name} {what} in maps_data_registry_contract: rename what it comes from in the document")
    return "\n".join([PREAMBLE, *lines, ""])


def versions_and_servers(document: dict[str, Any]) -> Iterator[str]:
    yield f"API_VERSION: Final = {literal(document['info']['version'])}"
    for server in document.get("servers", [])[:1]:
        yield f"SERVER_URL: Final = {literal(server['url'])}"
        for name, variable in server.get("variables", {}).items():
            if values := variable.get("enum"):
                kind, plural = name[:1].upper() + name[1:], re.sub("Y$", "IE", constant(name)) + "S"
                yield f"{kind}: TypeAlias = Literal[{', '.join(map(literal, values))}]"
                yield f"{plural}: Final[tuple[{kind}, ...]] = {literals(values)}"


def components(document: dict[str, Any]) -> Iterator[str]:
    """The names under which credentials travel, and the patterns of the shared parameters."""
    for name, scheme in document.get("components", {}).get("securitySchemes", {}).items():
        if scheme["type"] == "apiKey":
            yield f"{constant(name)}_{scheme['in'].upper()}: Final = {literal(scheme['name'])}"
        for flow in scheme.get("flows", {}).values():
            yield f"{constant(name)}_SCOPES: Final = {literals(flow['scopes'])}"
    for name, parameter in document.get("components", {}).get("parameters", {}).items():
        if pattern := parameter.get("schema", {}).get("pattern"):
            yield f"{constant(name)}_PATTERN: Final = {literal(pattern)}"


def operations(document: dict[str, Any]) -> Iterator[str]:
    found = [
        (item[method]["operationId"], method.upper(), path)
        for path, item in document.get("paths", {}).items()
        for method in METHODS
        if method in item
    ]
    for facts in found:
        yield f"{constant(facts[0])}: Final = Operation({', '.join(map(literal, facts))})"
    yield "OPERATIONS: Final[tuple[Operation, ...]] = ("
    yield from (f"    {constant(name)}," for name, _, _ in found)
    yield ")"


def constant(name: str) -> str:
    """`getOperation` as `GET_OPERATION`, `AADToken` as `AAD_TOKEN`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|\W+", "_", name).upper()


def literals(texts: Iterable[str]) -> str:
    """A tuple of strings, written as ruff would write it."""
    written = [literal(text) for text in texts]
    return f"({', '.join(written)}{',' * (len(written) == 1)})"


def literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
