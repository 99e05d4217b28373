"""What changed between two OpenAPI documents, and whether it breaks those who use the generated client.

Pure: two documents in, changes out. Each document is first taken down as flat facts (`contract.parts`), then the
facts are compared by a few rules.

What breaks depends on the direction: a caller is hurt when a request must carry more or may carry
less, a reader when a reply may carry less, or something of a new kind. Any difference is reported,
and one in a keyword without a rule here counts as breaking: somebody must look at it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from contract.facts import constant
from contract.parts import CLOSED, DOCUMENT, LISTED, PART_OF, PATH, REQUEST, RESPONSE, VALUE, Contract, Name, Node

WORDING = {"description", "summary", "title", "info", "example", "examples", "externalDocs", "deprecated", "$comment"}
LOWER_IS_LOOSER = {"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"}
HIGHER_IS_LOOSER = {"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"}
CONSTRAINTS = LOWER_IS_LOOSER | HIGHER_IS_LOOSER | {"pattern", "multipleOf", "uniqueItems", "format"}
JSON_TYPES = {"null", "boolean", "integer", "number", "string", "array"}  # told apart whatever their order


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
    new = Contract(after)
    old = Contract(before, new.statuses)
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
    if was == now and ((name, aspect) in old.facts) == ((name, aspect) in new.facts):
        return
    if not aspect and was is None:
        yield Change(name, f"new {'required ' * needed}{now}", needed)
    elif not aspect:
        is_its_own = now is not None and was.startswith(PART_OF)
        yield Change(name, f"{was} is gone" if now is None else f"was {was}, is {now}", not is_its_own)
    elif aspect == VALUE:
        enums = {kind for kind in [*(was or []), *(now or [])] if is_enum(kind, old) or is_enum(kind, new)}
        yield from compare_kinds(name, was or ["anything"], now or ["anything"], asked, told, enums)
    elif aspect in {"enum", "security"}:
        closed = aspect == "enum" and told and marks >= CLOSED
        yield from compare_items(name, "value" if aspect == "enum" else "way in", was or [], now or [], closed)
    elif aspect == "required":
        yield Change(name, f"is now {'required' if now else 'optional'}", needed if now else told)
    elif aspect == "default":
        was, now = (
            "`null`" if value is None and (name, aspect) in side.facts else shown(value)
            for side, value in ((old, was), (new, now))
        )
        yield Change(name, f"default was {was}, is {now}", asked)
    elif is_wording(aspect) or meaning(was) == meaning(now):
        yield Change(name, f"{aspect} {'added' if was is None else 'dropped' if now is None else 'reworded'}")
    else:
        harmless = name == DOCUMENT or is_harmless(aspect, was, now, asked, told)
        yield Change(name, f"{aspect} was {shown(was)}, is {shown(now)}", not harmless)


def compare_kinds(
    name: Name, was: list[str], now: list[str], asked: bool, told: bool, enums: set[str]
) -> Iterator[Change]:
    """What happened to the kinds of value that a schema allows.

    A reader of *enums* with a string beside them loses with either: a value that no enum has is refused, or one that
    an enum had is a plain string. Of several models a reader takes the first that fits.
    """
    gone, come = set(was) - set(now), set(now) - set(was)
    left = ("string" in gone and enums & set(now)) or ("string" in now and enums & gone)
    breaking = bool(gone and come) or bool(gone and asked) or bool((come or left) and told)
    is_reordered = not gone and not come and models(was) != models(now)
    if gone or come or is_reordered:
        yield Change(name, f"was {' or '.join(was)}, is {' or '.join(now)}", breaking or (is_reordered and told))


def models(kinds: list[str]) -> list[str]:
    return [kind for kind in dict.fromkeys(kinds) if kind not in JSON_TYPES]


def is_enum(kind: str, contract: Contract) -> bool:
    return kind.startswith(LISTED) or ((kind,), "enum") in contract.facts


def compare_items(name: Name, kind: str, was: list[Any], now: list[Any], closed: bool) -> Iterator[Change]:
    """What happened to the values of an enum, or to the ways in."""
    yield from (Change((*name, str(item)), f"{kind} is gone", breaking=True) for item in was if item not in now)
    yield from (Change((*name, str(item)), f"new {kind}", closed) for item in now if item not in was)


def is_harmless(aspect: str, was: Any, now: Any, asked: bool, told: bool) -> bool:
    """Whether another value of a keyword hurts neither callers nor readers."""
    if aspect == "tags":
        return module_of(was) == module_of(now)
    if aspect in {"readOnly", "writeOnly"}:
        return not now or not (asked if aspect == "readOnly" else told)
    if aspect == "additionalProperties":
        was, now = (value is None or value for value in (was, now))
        return now is True and (isinstance(was, bool) or not told)  # a model of a closed reply has no such members
    return aspect in CONSTRAINTS and (not asked or is_looser(aspect, was, now))


def module_of(tags: list[str] | None) -> str:
    """The module of the client that an operation is in: only its first tag decides."""
    return constant((tags or ["default"])[0])


def is_looser(key: str, before: Any, after: Any) -> bool:
    if before is None or after is None:
        return after is None
    if key == "format":
        return (before, after) in {("int32", "int64"), ("float", "double")}
    if not isinstance(before, int | float) or not isinstance(after, int | float):
        return False
    return after < before if key in LOWER_IS_LOOSER else key in HIGHER_IS_LOOSER and after > before


def is_wording(key: str) -> bool:
    key = key.removeprefix(PATH)
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


def shown(value: Any) -> str:
    """A value as a report shows it: in backticks, and no longer than a line."""
    if value is None:
        return "absent"
    text = " ".join(str(value).split())
    return f"`{text[:79]}…`" if len(text) > 80 else f"`{text}`"
