"""The command `maps-data-registry`. Nothing heavy is imported before it is used."""

import atexit
import signal
import sys

from .exit_codes import Exit


def main() -> int:
    """Run the command that the process was started for, and return its exit code."""
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None  # what a finalizer raises is no news
    try:
        from .app import run

        return run()
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in {"rich", "typer"}:
            raise
        return _end(Exit.USAGE, "the command is an extra: pip install 'maps-data-registry[cli]'")
    except RuntimeError as error:
        if not isinstance(error.__cause__, KeyboardInterrupt):  # up to Python 3.11, one inside a class statement
            raise
        return _end(Exit.INTERRUPTED, "interrupted")
    except KeyboardInterrupt:  # while modules are imported, too
        return _end(Exit.INTERRUPTED, "interrupted")
    finally:
        atexit.register(_end_on_interrupt)
        sys.unraisablehook = hook


def _end_on_interrupt() -> None:
    """From now on let Ctrl+C end the process, with no traceback."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _end(code: Exit, reason: str) -> int:
    _end_on_interrupt()
    if sys.stderr is not None:
        sys.stderr.write(f"maps-data-registry: {reason}\n")
    return code
