"""A stand-in for the service: a real server on a real socket, with scenarios, faults and a journal."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .journal import Entry
    from .namespace import Namespace
    from .operation import EmulatedOperation
    from .options import OPTIONS
    from .scenarios import NAMES, Scenario
    from .server import Emulator, serve
else:

    def __getattr__(name: str) -> object:
        """Import a name's module on first use: pytest imports the plugin where the extra may be missing."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            return getattr(import_module(f".{_MODULES[name]}", __name__), name)
        except ModuleNotFoundError as missing:
            if (missing.name or "").partition(".")[0] not in {"pydantic", "pydantic_core", "starlette", "uvicorn"}:
                raise
            raise ImportError("the emulator is an extra: pip install 'maps-data-registry[emulator]'") from None


def __dir__() -> list[str]:
    return __all__


_MODULES = {
    "NAMES": "scenarios",
    "OPTIONS": "options",
    "Emulator": "server",
    "Entry": "journal",
    "Namespace": "namespace",
    "EmulatedOperation": "operation",
    "Scenario": "scenarios",
    "serve": "server",
}

__all__ = ["NAMES", "OPTIONS", "EmulatedOperation", "Emulator", "Entry", "Namespace", "Scenario", "serve"]
