"""Waiting inside Airflow: a deferrable operator, its trigger, and the hook of its connection."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .hook import DataRegistryHook
    from .operator import WaitForDataRegistryOperation
    from .trigger import DataRegistryOperationTrigger
else:

    def __getattr__(name: str) -> object:
        """Import a name's module on first use: Airflow reads `provider` from here without the rest."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            return getattr(import_module(f".{_MODULES[name]}", __name__), name)
        except ModuleNotFoundError as missing:
            if not (missing.name or "").startswith("airflow"):
                raise
            raise ImportError("the Airflow operator is an extra: pip install 'maps-data-registry[airflow]'") from None


_MODULES = {
    "DataRegistryHook": "hook",
    "DataRegistryOperationTrigger": "trigger",
    "WaitForDataRegistryOperation": "operator",
}

__all__ = ["DataRegistryHook", "DataRegistryOperationTrigger", "WaitForDataRegistryOperation"]
