"""What changed in the Python that users see, between two trees of this project, and what griffe calls a breakage.

Of the generated packages every name without a leading underscore is public; of the overlay only what
its `__all__`, or what it imports under the same name, and the `__all__` of its emulator and its Airflow operator name.
"""

from __future__ import annotations

import pydoc
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import griffe

from contract.diff import Change

GENERATED = ("maps_data_registry_client", "maps_data_registry_schemas", "maps_data_registry_contract")
OVERLAYS = ("maps_data_registry", "maps_data_registry.emulator", "maps_data_registry.airflow")

_REST = "additional_properties"  # no argument

Objects = dict[str, griffe.Object]


def changes(before: Path, after: Path) -> list[Change]:
    """All changes, in the order of the packages."""
    return [
        Change((*path.split("."), *filter(None, [part])), what, breaking)
        for old, new in zip(surfaces(before), surfaces(after), strict=True)
        for path, part, what, breaking in compare(by_path(old), by_path(new), breakages(old, new))
    ]


def surfaces(tree: Path) -> list[griffe.Module]:
    """What may be imported from each package, nothing where there is none; read from the source, without running it."""
    loader = griffe.GriffeLoader(search_paths=[tree / "generated", tree / "overlays"], allow_inspection=False)
    for name in (*GENERATED, OVERLAYS[0]):
        with suppress(ModuleNotFoundError):
            loader.load(name, try_relative_path=False)
    loader.resolve_aliases(implicit=False, external=False)
    known = loader.modules_collection
    found = {name: griffe.Module(name, modules_collection=known) for name in (*GENERATED, *OVERLAYS)}
    found |= {name: module for name, module in known.members.items() if name in GENERATED}
    for name in OVERLAYS:
        with suppress(KeyError):
            for public in map(str, known[name].exports or reexported(known[name])):
                member = known[name].members[public]
                # Taking it over changes its path to the one that users know.
                found[name].set_member(public, member.final_target if member.is_alias else member)
    return list(found.values())


def reexported(module: griffe.Object) -> list[str]:
    """The names that a module imports from beside it, as type checkers take them for public: `import name as name`."""
    own = f"{module.path}."
    aliases = {name: member for name, member in module.members.items() if isinstance(member, griffe.Alias)}
    return [name for name, alias in aliases.items() if alias.target_path.startswith(own)]


def members(module: griffe.Object) -> Iterator[griffe.Object]:
    """Every public object below *module*, parents first: in the order of the source, modules in that of their names."""
    public = [
        member for member in module.members.values() if isinstance(member, griffe.Object) and not member.is_private
    ]
    for member in sorted(public, key=lambda one: one.name if one.is_module else ""):
        if member.name != "__all__":
            yield member
            yield from members(member)


def by_path(module: griffe.Module) -> Objects:
    return {member.path: member for member in members(module)}


def breakages(old: griffe.Module, new: griffe.Module) -> dict[str, dict[str, str]]:
    """What griffe finds: for each object, by the parameter that it is about, or "" when it is about none."""
    found: dict[str, dict[str, str]] = {}
    for breakage in griffe.find_breaking_changes(old, new):
        values = (breakage.old_value, breakage.new_value)
        parameter = next((value.name for value in values if isinstance(value, griffe.Parameter)), "")
        if breakage.kind is not griffe.BreakageKind.CLASS_REMOVED_BASE:  # `ancestors` sees more
            found.setdefault(breakage.obj.path, {})[parameter] = breakage.kind.value.lower()
    return found


def compare(old: Objects, new: Objects, broken: dict[str, dict[str, str]]) -> Iterator[tuple[str, str, str, bool]]:
    """Each difference: the object's path, the part of its signature or "", what happened, and whether that breaks."""
    for path in {**old, **new}:
        place = path.rpartition(".")[0]
        if path not in old:
            if place in old or place not in new:  # else it is part of something new
                yield path, "", f"new {new[path].kind.value}", False
        elif path not in new:
            if place in new or place not in old:
                yield path, "", f"{old[path].kind.value} is gone", True
        else:
            was, now = signature(old[path]), signature(new[path])
            reasons = broken.get(path, {}) | unseen_by_griffe(old[path], new[path])
            for part in was | now:
                if was.get(part) != now.get(part):
                    before, after = (f"`{side[part]}`" if part in side else "absent" for side in (was, now))
                    yield path, part, f"was {before}, is {after}", reasons.pop(part, None) is not None
            yield from ((path, part, reason, True) for part, reason in reasons.items())


def signature(node: griffe.Object) -> dict[str, str]:
    """What a caller or a type checker goes by."""
    if isinstance(node, griffe.Function):
        parameters = {
            parameter.name: f"{parameter.annotation}" + (f" = {parameter.default}" if parameter.default else "")
            for parameter in node.parameters
        }
        return {**parameters, "return": str(node.returns)}
    if isinstance(node, griffe.Class) and node.bases:
        return {"bases": ", ".join(map(str, node.bases))}
    return {"type": str(node.annotation)} if isinstance(node, griffe.Attribute) else {}


def unseen_by_griffe(old: griffe.Object, new: griffe.Object) -> dict[str, str]:
    """Breakages by the part of the object's signature."""
    found = {}
    if ancestors(old) - ancestors(new):
        found["bases"] = "lost a base"
    if has_default(old) and not has_default(new):
        found["type"] = "must be given now"
    if moved := moved_of(arguments(old), arguments(new)):
        found["arguments"] = f"{' and '.join(moved)} {'have' if len(moved) > 1 else 'has'} another position"
    return found


def has_default(node: griffe.Object) -> bool:
    return isinstance(node, griffe.Attribute) and node.value is not None


def arguments(node: griffe.Object) -> list[str]:
    """What an attrs class takes by position."""
    if not isinstance(node, griffe.Class) or not any("define" in str(one.value) for one in node.decorators):
        return []
    fields = [
        one for one in node.members.values() if isinstance(one, griffe.Attribute) and "property" not in one.labels
    ]
    return [field.name for field in fields if field.annotation and field.name != _REST]


def moved_of(before: list[str], after: list[str]) -> list[str]:
    """The arguments that have another position; none where one is gone, which is said by itself."""
    if not set(before) <= set(after):
        return []
    return [name for name, now in zip(before, after, strict=False) if name != now]


def ancestors(node: griffe.Object) -> set[str]:
    """The names of all classes that an instance of the class *node* is one of, itself left out."""
    found: set[str] = set()
    for base in node.bases if isinstance(node, griffe.Class) else ():
        path = path_of(base)
        found.add(path.rpartition(".")[2])
        if path.partition(".")[0] in sys.stdlib_module_names | {path}:  # of the standard library, or a builtin
            found |= {above.__name__ for above in getattr(pydoc.locate(path), "__mro__", ())}
        with suppress(KeyError):
            above = node.modules_collection[path]
            found |= ancestors(above.final_target if isinstance(above, griffe.Alias) else above)
    return found - {"object"}


def path_of(base: griffe.Expr | str) -> str:
    """Where a base class is defined."""
    if isinstance(base, griffe.ExprSubscript):  # Generic[T]
        return path_of(base.left)
    if isinstance(base, griffe.ExprName) and isinstance(base.parent, griffe.Object):
        with suppress(griffe.NameResolutionError):
            return base.parent.resolve(base.name)
    return base if isinstance(base, str) else base.canonical_path
