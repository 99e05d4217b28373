"""The commands and their options. Until one runs, nothing but typer is imported."""

import errno
import inspect
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from . import emulator_command
from .exit_codes import Exit
from .options import Options, is_given, parse_duration, parse_positive, parse_timeout, parsed_option
from .shell import quoted
from .streams import STANDARD_OUTPUT, OutputClosed, discard_output, prepare, write_note

ABOUT = "Know when an Azure Maps data register or replace operation is done, or why it failed."

OPERATION = "OPERATION is an operation id or an Operation-Location URL; - stands for those in standard input."

DETAILS = """The credential comes from the environment (AZURE_MAPS_SUBSCRIPTION_KEY, AZURE_MAPS_SAS_TOKEN, or
AZURE_MAPS_CLIENT_ID with the default chain of azure-identity) or from a file. No option takes it, since ps shows
options to everybody.

\b
Exit codes; where several apply, the highest:
    0  all operations completed
    1  some failed, or ended with an unknown status
    2  bad usage or input, and nothing was started; or a file or disk error
    3  some could not be polled: authentication, not found, unreachable, ...
    4  some are still running
  130  interrupted
  141  standard output was closed
"""


app = typer.Typer(
    help=ABOUT,
    epilog=DETAILS,
    rich_markup_mode=None,  # plain help costs a third of the time
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib import metadata

        typer.echo(metadata.version("maps-data-registry"))
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _no_command(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    if ctx.invoked_subcommand is None:
        write_note(ctx.get_help())
        raise SystemExit(Exit.USAGE)


def _command(function: Callable[..., int]) -> None:
    """Register a command that takes Options, with those options before its own."""
    shared = inspect.signature(Options).parameters
    own = list(inspect.signature(function).parameters.values())[1:]

    def run(**values: Any) -> None:
        options = Options(**{name: values.pop(name) for name in shared})
        raise SystemExit(function(options, **values))

    summary = f"{function.__doc__}"
    run.__doc__ = f"{summary}\n\n{OPERATION}"
    run.__signature__ = inspect.Signature([*shared.values(), *own])  # type: ignore[attr-defined]
    app.command(function.__name__, epilog=DETAILS, short_help=summary)(run)


@_command
def status(options: Options) -> int:
    """Poll operations once and show their status."""
    from . import commands

    return commands.status(options)


@_command
def wait(
    options: Options,
    *,
    ctx: typer.Context,
    timeout: Annotated[
        float | None,
        parsed_option(
            parse_timeout,
            "DURATION|none",
            help="Time limit per operation, counted from when it is read: 90s, 10m, 2h, 1h30m or seconds.  "
            "[default: 1h]",
        ),
    ] = None,
    interval: Annotated[
        float | None,
        parsed_option(
            parse_duration,
            "DURATION",
            help="Time between two polls of an operation, where the service sends no Retry-After.  [default: 5s]",
        ),
    ] = None,
    concurrency: Annotated[
        int, parsed_option(parse_positive, "N", help="Maximum number of requests in flight, per geography.")
    ] = 64,
    results: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Append a JSON line for each operation as it ends, synced to disk. "
            "Operations already in the file are not polled again.",
        ),
    ] = None,
    no_progress: Annotated[
        bool, typer.Option("--no-progress", help="Plain lines on a terminal too, instead of the live table.")
    ] = False,
) -> int:
    """Wait until all operations have ended."""
    from .commands import MAX_NAMED, Wait

    def how_to_resume(unfinished: Sequence[str]) -> str:
        by_name = results is None and len(unfinished) <= MAX_NAMED
        left_out = {"operations", "from_file"} if by_name else {"operations"}
        named = unfinished if by_name else options.operations or ()
        same_input = ", with the same standard input" if "-" in named else ""
        return f"to resume{same_input}: {_command_line(ctx, left_out, named)}"

    return Wait(
        options=options,
        timeout=timeout,
        interval=interval,
        concurrency=concurrency,
        results=results,
        progress=not no_progress,
    ).run(how_to_resume)


app.add_typer(emulator_command.app, name="emulator", short_help=emulator_command.ABOUT)


def _command_line(ctx: typer.Context, left_out: set[str], operations: Sequence[str]) -> str:
    """The current command line with those operations, quoted for this system's shell."""
    words = ctx.command_path.split()
    for parameter in ctx.command.params:
        name = str(parameter.name)
        if name not in left_out and is_given(ctx, name):
            value = ctx.params[name]
            words += [parameter.opts[0]] if value is True else [parameter.opts[0], _text(value)]
    return quoted([*words, *operations])


def _text(value: object) -> str:
    return "none" if value == math.inf else f"{value:.15g}" if isinstance(value, float) else str(value)


def run() -> int:
    """Run the command line and return its exit code."""
    prepare()
    try:
        code: int = app(standalone_mode=False)
    except SystemExit as ended:
        if not isinstance(ended.__context__, BrokenPipeError):  # of which typer makes a 1
            return int(ended.code or 0)
    except OutputClosed:
        pass
    except (typer.TyperException, OSError, MemoryError, KeyError, ValueError) as error:
        lines = _explained(error)
        if not lines:
            raise
        for line in lines:
            write_note(f"maps-data-registry: {line}")
        if lines[0].startswith(STANDARD_OUTPUT):
            discard_output()
        return Exit.USAGE
    else:
        if code == Exit.INTERRUPTED:  # typer has swallowed a KeyboardInterrupt
            raise KeyboardInterrupt
        return code
    discard_output()
    return Exit.OUTPUT_CLOSED


def _explained(error: Exception) -> list[str]:
    """What a person should read about an error; nothing for a fault of the program."""
    if isinstance(error, typer.TyperException):
        return error.format_message().splitlines()
    if isinstance(error, OSError):
        unnamed = STANDARD_OUTPUT if error.errno == errno.ENOSPC else "input/output"
        return [f"{error.filename or unnamed}: {error.strerror or error}"]
    if isinstance(error, MemoryError):
        return ["out of memory"]
    if isinstance(error, UnicodeError) and not "".join(sys.argv).isprintable():
        return ["an argument is not text in UTF-8"]
    # of typer, when the environment does not hold the command line that it is to complete
    return ["nothing to complete"] if "_MAPS_DATA_REGISTRY_COMPLETE" in os.environ else []
