"""Text from the wire made fit for a line, and absent members made None."""

from typing import TypeVar

from maps_data_registry_client.models import LongRunningOperationResult
from maps_data_registry_client.types import Unset

T = TypeVar("T")

MAX_TEXT = 300
"""Characters of one text from the wire that are shown."""


def as_on_the_wire(result: LongRunningOperationResult | None) -> str:
    """A repr without the members that are absent."""
    return repr(result and result.to_dict())


def one_line(text: str) -> str:
    """Text from the wire, fit for a message: on one line, printable, of bounded length."""
    line = " ".join(text[: 4 * MAX_TEXT].split())
    line = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in line)
    return line if len(line) <= MAX_TEXT else line[: MAX_TEXT - 1] + "…"


def unset_to_none(value: T | Unset | None) -> T | None:
    """The value of a generated model's member, or None where it is absent."""
    return None if isinstance(value, Unset) else value
