"""The command `maps-data-registry`. Nothing heavy is imported before it is used."""

import _thread
import sys


def main() -> int:
    """Run the command that the process was started for, and return its exit code."""
    hook, sys.unraisablehook = sys.unraisablehook, _not_shown
    try:
        from .app import run

        return run()
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in {"rich", "typer"}:
            raise
        sys.stderr.write("maps-data-registry: the command is an extra: pip install 'maps-data-registry[cli]'\n")
        return 2
    except KeyboardInterrupt:  # while modules are imported
        sys.stderr.write("maps-data-registry: interrupted\n")
        return 130
    finally:
        sys.unraisablehook = hook


def _not_shown(raised: "sys.UnraisableHookArgs") -> None:
    """What a finalizer raises means nothing to a person, unless it is Ctrl+C, which then counts all the same."""
    if issubclass(raised.exc_type, KeyboardInterrupt):
        _thread.interrupt_main()
