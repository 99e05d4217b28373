"""Python's side of a review: what is said of each difference in what users can import, and whether it breaks."""

from pathlib import Path

import pytest
from contract import python_diff

import maps_data_registry.emulator

ROOT = Path(__file__).parents[2]


# The public module of the overlay before and after, and what is said of it.
@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ("def f(a): ...", "def f(a, b=1): ...", ["`maps_data_registry.f.b`: was absent, is `None = 1`"]),
        ("def f(a): ...", "def f(a, b): ...", ["! `maps_data_registry.f.b`: was absent, is `None`"]),
        ("def f(a, b=1): ...", "def f(a, *, b=1): ...", ["! `maps_data_registry.f.b`: parameter kind was changed"]),
        ("def f(a, b): ...", "def f(b, a): ...", ["! `maps_data_registry.f.a`: positional parameter was moved",
                                                  "! `maps_data_registry.f.b`: positional parameter was moved"]),
        ("def f(a) -> int: ...", "def f(a) -> str: ...", ["`maps_data_registry.f.return`: was `int`, is `str`"]),
        ("def f(): ...", "class f: ...",
         ["`maps_data_registry.f.return`: was `None`, is absent",
          "! `maps_data_registry.f`: public object points to a different kind of object"]),
        ("class f:\n  x: int", "class f:\n  x: int\n  y: str", ["`maps_data_registry.f.y`: new attribute"]),
        ("class f:\n  x: int\n  _y: int", "class f:\n  _z: int", ["! `maps_data_registry.f.x`: attribute is gone"]),
        ("class f:\n  x: int", "class f:\n  x: str", ["`maps_data_registry.f.x.type`: was `int`, is `str`"]),
        ("class f(OSError): ...", "class f: ...", ["! `maps_data_registry.f.bases`: was `OSError`, is absent"]),
        ("class f: ...", "class f(OSError): ...", ["`maps_data_registry.f.bases`: was absent, is `OSError`"]),
        ("from enum import Enum, StrEnum\nclass f(StrEnum): ...",
         "from enum import Enum, StrEnum\nclass f(str, Enum): ...",
         ["! `maps_data_registry.f.bases`: was `StrEnum`, is `str, Enum`"]),
        ("from enum import Enum, StrEnum\nclass f(str, Enum): ...",
         "from enum import Enum, StrEnum\nclass f(StrEnum): ...",
         ["`maps_data_registry.f.bases`: was `str, Enum`, is `StrEnum`"]),
        ("class A(OSError): ...\nclass f(A): ...", "class A(OSError): ...\nclass f(OSError): ...",
         ["! `maps_data_registry.f.bases`: was `A`, is `OSError`"]),
        ("class A(OSError): ...\nclass f(OSError): ...", "class A(OSError): ...\nclass f(A): ...",
         ["`maps_data_registry.f.bases`: was `OSError`, is `A`"]),
        ("class A(OSError): ...\nclass f(A): ...", "class A(ValueError): ...\nclass f(A): ...",
         ["! `maps_data_registry.f.bases`: lost a base"]),
        ("class f:\n  def __init__(self, a): ...", "class f:\n  def __init__(self): ...",
         ["! `maps_data_registry.f.__init__.a`: was `None`, is absent"]),
        ("import enum\nfrom typing import Generic, TypeVar\nT = TypeVar('T')\nclass f(enum.Enum, Generic[T]): ...",
         "import enum\nclass f(enum.Enum): ...",
         ["! `maps_data_registry.f.bases`: was `enum.Enum, Generic[T]`, is `enum.Enum`"]),
        ("def f(): ...", "def f(): ...\ndef internal(): ...", []),
        ("class f:\n  x: int = 1", "class f:\n  x: int", ["! `maps_data_registry.f.x.type`: must be given now"]),
        ("class f:\n  x: int", "class f:\n  x: int = 1", []),
        ("@define\nclass f:\n  x: int\n  y: int", "@define\nclass f:\n  y: int\n  x: int",
         ["! `maps_data_registry.f.arguments`: x and y have another position"]),
        ("@define\nclass f:\n  x: int\n  additional_properties: int",
         "@define\nclass f:\n  y: int\n  x: int\n  additional_properties: int",
         ["! `maps_data_registry.f.arguments`: x has another position", "`maps_data_registry.f.y`: new attribute"]),
        ("@define\nclass f:\n  x: int\n  additional_properties: int",
         "@define\nclass f:\n  x: int\n  y: int\n  additional_properties: int",
         ["`maps_data_registry.f.y`: new attribute"]),
        ("class f:\n  x: int\n  y: int", "class f:\n  y: int\n  x: int", []),
    ],
)  # fmt: skip
def test_the_python_side(before: str, after: str, changes: list[str], tmp_path: Path) -> None:
    for side, source in (("before", before), ("after", after)):
        package = tmp_path / side / "overlays" / "maps_data_registry"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text('from .parts import f\n__all__ = ["f"]\n')
        (package / "parts.py").write_text(source + "\n")
    found = python_diff.changes(tmp_path / "before", tmp_path / "after")
    assert [f"{'! ' if change.breaking else ''}{change}" for change in found] == changes


def test_the_surface_is_what_can_be_imported() -> None:
    found = {module.path: [*module.members] for module in python_diff.surfaces(ROOT)}
    assert sorted(found["maps_data_registry"]) == sorted(maps_data_registry.__all__)
    assert found["maps_data_registry.emulator"] == maps_data_registry.emulator.__all__
    assert {"client", "models"} <= set(found["maps_data_registry_client"])
    assert "LongRunningOperationResult" in found["maps_data_registry_schemas"]
