"""Waiting inside Airflow: a deferrable operator, its trigger, and the hook of its connection."""

try:
    from .hook import DataRegistryHook
    from .operator import WaitForDataRegistryOperation
    from .trigger import DataRegistryOperationTrigger
except ModuleNotFoundError as missing:
    if not (missing.name or "").startswith("airflow"):
        raise
    raise ImportError("the Airflow operator is an extra: pip install 'maps-data-registry[airflow]'") from None

__all__ = ["DataRegistryHook", "DataRegistryOperationTrigger", "WaitForDataRegistryOperation"]
