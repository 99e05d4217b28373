"""The command `maps-data-registry`. Nothing heavy is imported before it is used."""

import sys


def main() -> int:
    """Run the command that the process was started for, and return its exit code."""
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None  # what a finalizer raises is no news
    try:
        from .app import run

        return run()
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in {"rich", "typer"}:
            raise
        sys.stderr.write("maps-data-registry: the command is an extra: pip install 'maps-data-registry[cli]'\n")
        return 2
    except (KeyboardInterrupt, RuntimeError) as error:  # while modules are imported; the latter from __set_name__
        if not isinstance(error if isinstance(error, KeyboardInterrupt) else error.__cause__, KeyboardInterrupt):
            raise
        sys.stderr.write("maps-data-registry: interrupted\n")
        return 130
    finally:
        sys.unraisablehook = hook
