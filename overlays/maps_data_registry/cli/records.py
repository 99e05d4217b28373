"""What became of an operation: an exit code, a record for programs, a line for people."""

import json
from collections import Counter
from collections.abc import Iterable
from enum import IntEnum
from typing import Any, Self

from attrs import asdict, field, fields_dict, frozen
from attrs.validators import in_, instance_of, matches_re, optional

from maps_data_registry.errors import (
    DataRegistryError,
    OperationFailed,
    OperationTimeout,
    UnrecognizedStatus,
)
from maps_data_registry.polling.location import OPERATION_ID
from maps_data_registry.polling.policy import OperationUpdate
from maps_data_registry.text import one_line, unset_to_none


class Exit(IntEnum):
    """The exit codes. Where several apply, the highest is it."""

    COMPLETED = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    RUNNING = 4
    INTERRUPTED = 130
    NO_READER = 141


OUTCOMES = {
    "completed": Exit.COMPLETED,
    "failed": Exit.FAILED,
    "unrecognized": Exit.FAILED,
    "refused": Exit.REFUSED,
    "running": Exit.RUNNING,
}
"""Every outcome of a record, with its exit code."""

_OUTCOMES_OF_ERRORS = (
    (OperationFailed, "failed"),
    (UnrecognizedStatus, "unrecognized"),
    (OperationTimeout, "running"),
    (DataRegistryError, "refused"),
)


@frozen(kw_only=True)
class Record:
    """What is known of one operation; the same as a JSON object on one line."""

    operation_id: str = field(validator=matches_re(OPERATION_ID))
    outcome: str = field(validator=in_(OUTCOMES))
    """`completed`, `failed`, `unrecognized` (over, in an unknown word), `refused` (no answer) or `running`."""
    status: str | None = field(default=None, validator=optional(instance_of(str)))
    """The service's last word."""
    polls: int = field(validator=instance_of(int))
    elapsed: float = field(validator=instance_of((int, float)))
    """Seconds."""
    message: str | None = field(default=None, validator=optional(instance_of(str)))
    """Why the outcome is no other, on one line."""
    error: dict[str, Any] | None = field(default=None, validator=optional(instance_of(dict)))
    """The service's account of it, as it came."""

    @property
    def ended(self) -> bool:
        """Whether asking again is of no use."""
        return OUTCOMES[self.outcome] <= Exit.FAILED

    @property
    def line(self) -> str:
        """The record for people."""
        told = one_line(self.message or self.status or self.outcome)
        return f"{self.operation_id} {told} ({count(self.polls, 'poll')}, {self.elapsed:.0f} s)"

    def to_json(self) -> str:
        """One line of ASCII, control characters escaped."""
        return json.dumps({name: value for name, value in asdict(self).items() if value is not None})

    @classmethod
    def from_json(cls, line: str | bytes) -> Self:
        """The record of a line; members that it does not know are left out.

        Raises:
            ValueError: if it is none.
        """
        try:
            return cls(**{name: value for name, value in json.loads(line).items() if name in fields_dict(cls)})
        except (AttributeError, TypeError) as error:
            raise ValueError("not a record") from error


def record_of(operation_id: str, seen: OperationUpdate | DataRegistryError) -> Record:
    """The record of an operation after its last poll, or after what ended the wait."""
    if isinstance(seen, OperationUpdate):
        outcome, message, last, error = "completed" if seen.wait is None else "running", None, seen.result, None
    else:
        outcome = next(word for kind, word in _OUTCOMES_OF_ERRORS if isinstance(seen, kind))
        message, last, error = str(seen.args[0]), seen.last, getattr(seen, "error", None)
    status = unset_to_none(last.status) if last else None
    return Record(
        operation_id=operation_id,
        outcome=outcome,
        status=None if status is None else str(status),
        polls=seen.polls,
        elapsed=round(seen.elapsed, 3),
        message=message,
        error=error.to_dict() if error else None,
    )


def count(number: int, noun: str) -> str:
    """`1 poll`, `2 polls`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def totals(records: Iterable[Record], of: int) -> str:
    """How many operations came to what: `3 operations: 1 completed, 1 failed, 1 running`."""
    tally = Counter(record.outcome for record in records)
    tally["running"] += of - tally.total()
    parts = ", ".join(f"{tally[word]} {word}" for word in OUTCOMES if tally[word])
    return f"{count(of, 'operation')}: {parts}"
