"""What an OpenAPI 3.1 document is made of, as far as the generators turn it into code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from contract.document import METHODS, Place

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
    "parameter": "name in description required deprecated schema=schema content={mediaType} example examples={example}",
    "header": "description required deprecated schema=schema content={mediaType} example examples={example}",
    "requestBody": "description content={mediaType} required",
    "response": "description headers={header} content={mediaType}",
    "mediaType": "schema=schema example examples={example}",
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


def words(kind: str) -> str:
    """`pathItem` as OpenAPI writes it: `Path Item Object`."""
    return re.sub("(?<!^)(?=[A-Z])", " ", kind[:1].upper() + kind[1:]) + " Object"


def see(kind: str) -> str:
    """Where to look up what an object may hold."""
    return f"see {words(kind)} in the OpenAPI Specification 3.1"
