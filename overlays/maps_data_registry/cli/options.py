"""The options that `status` and `wait` share, and how values are read. Imports nothing but typer."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import typer

_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_DURATION = re.compile(rf"(?:({_NUMBER})h)?(?:({_NUMBER})m)?(?:({_NUMBER})s)?|({_NUMBER})")


def parsed_option(parse: Callable[[str], Any], metavar: str, **settings: Any) -> Any:
    """An option whose value *parse* reads; its ValueError is the message."""

    def parser(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error

    return typer.Option(parser=parser, metavar=metavar, **settings)


def is_given(ctx: typer.Context, name: str) -> bool:
    """Whether a parameter's value comes from the command line."""
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def one_of(*choices: str, **settings: Any) -> Any:
    """An option with one of those values."""

    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"{text!r} is not one of {', '.join(choices)}")
        return text

    return parsed_option(parse, "|".join(choices), autocompletion=lambda: list(choices), **settings)


class Options(NamedTuple):
    """What `status` and `wait` have in common."""

    operations: Annotated[
        list[str] | None,
        typer.Argument(metavar="OPERATION", hidden=True),  # a list of arguments would show its Python type
    ] = None
    from_file: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="FILE", help="Read operations from FILE as well, one per line; # starts a comment."
        ),
    ] = None
    geography: Annotated[
        Literal["us", "eu"] | None,
        one_of("us", "eu", help="Where the Maps account is. Not needed where each Operation-Location says so."),
    ] = None
    base_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Use another endpoint, such as a private one or the emulator.")
    ] = None
    key_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File that holds the subscription key; one final newline is ignored."),
    ] = None
    sas_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File that holds the SAS token; one final newline is ignored.")
    ] = None
    output: Annotated[
        Literal["text", "json"],
        one_of("text", "json", help="What goes to standard output: a line or a JSON object per operation."),
    ] = "text"
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show results and errors only.")] = False
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log each request and decision, in plain lines, without secrets.")
    ] = False


def parse_duration(text: str) -> float:
    """The seconds of `90`, `90s`, `10m`, `2h` or `1h30m`.

    Raises:
        ValueError: for anything else.
    """
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        raise ValueError(f"{text!r} is not a duration: write 90s, 10m, 2h, 1h30m or a number of seconds")
    hours, minutes, seconds, plain = (float(number or 0) for number in match.groups())
    return hours * 3600 + minutes * 60 + seconds + plain


def parse_timeout(text: str) -> float:
    """The seconds of a duration, which must be more than 0; infinite for `none`.

    Raises:
        ValueError: for anything else.
    """
    try:
        timeout = math.inf if text == "none" else parse_duration(text)
    except ValueError as error:
        raise ValueError(f"{error}, or none for no limit") from error
    if not timeout:
        raise ValueError(f"{text!r} must be more than 0; none means no limit")
    return timeout


def parse_positive(text: str) -> int:
    """A whole number that is at least 1.

    Raises:
        ValueError: for anything else.
    """
    if not re.fullmatch("0*[1-9][0-9]{,8}", str(text)):
        raise ValueError(f"{text!r} is not a whole number from 1 up")
    return int(text)


def parse_port(text: str) -> int:
    """The number of a TCP port, or 0.

    Raises:
        ValueError: for anything else.
    """
    if not re.fullmatch("[0-9]{1,5}", str(text)) or int(text) > 65535:
        raise ValueError(f"{text!r} is not a port, which is a number from 0 to 65535")
    return int(text)
