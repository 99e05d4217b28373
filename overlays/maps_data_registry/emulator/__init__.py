"""A stand-in for the service: a real server on a real socket, with scenarios, faults and a journal."""

try:
    from .journal import Entry
    from .namespace import Namespace, Operation
    from .scenarios import NAMES, Scenario
    from .server import Emulator, serve
except ModuleNotFoundError as missing:
    if (missing.name or "").partition(".")[0] not in {"pydantic", "pydantic_core", "starlette", "uvicorn"}:
        raise
    raise ImportError("the emulator is an extra: pip install 'maps-data-registry[emulator]'") from None

__all__ = ["NAMES", "Emulator", "Entry", "Namespace", "Operation", "Scenario", "serve"]
